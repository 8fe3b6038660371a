-- +goose Up
-- +goose StatementBegin
-- Every replaced version of an entity, with who replaced it, when and how. The statement that
-- changes the entity writes it. row has the columns of the entity's table that this table
-- lacks. It is json because Postgres builds that four times faster than jsonb, and changes wait
-- for it.
CREATE TABLE entity_versions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    entity text COLLATE "C" NOT NULL, -- the name of its type
    id uuid NOT NULL,
    version bigint NOT NULL,
    row json NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    created_with uuid NOT NULL,
    created_request uuid NOT NULL,
    change text COLLATE "C" NOT NULL, -- update, delete, or an action's name in the history
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL, -- oid of the caller's token
    changed_with uuid NOT NULL, -- client id of the caller's application; all zeros: none
    changed_request uuid NOT NULL, -- the caller's id of the request, or ours; all zeros: none
    PRIMARY KEY (tenant_id, entity, id, version)
);
ALTER TABLE entity_versions ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE entity_versions;
-- +goose StatementEnd
