-- +goose Up

-- Every replaced version of an entity, with who replaced it, when and how. The change's own
-- statement writes it. row has the columns of the entity's table except its key and version.
CREATE TABLE entity_versions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    entity text COLLATE "C" NOT NULL, -- the name of its type
    id uuid NOT NULL,
    version bigint NOT NULL,
    row jsonb NOT NULL,
    change text COLLATE "C" NOT NULL, -- update, delete, or what an action is called
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL, -- oid of the caller's token
    PRIMARY KEY (tenant_id, entity, id, version)
);
ALTER TABLE entity_versions ENABLE ROW LEVEL SECURITY;

-- +goose Down
DROP TABLE entity_versions;
