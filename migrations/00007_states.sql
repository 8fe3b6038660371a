-- +goose Up
-- +goose StatementBegin
-- The named states of a tenant.
CREATE TABLE snapshots (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    state_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
ALTER TABLE snapshots ENABLE ROW LEVEL SECURITY;

-- Named states from which tenants are made. Of no tenant.
CREATE TABLE seeds (
    name text COLLATE "C" PRIMARY KEY,
    state_id uuid NOT NULL,
    -- The manager who made the seed; no other manager sees it. Null if an owner or a file made
    -- it; then every manager sees it.
    manager text COLLATE "C",
    digest bytea, -- SHA-256 of the file from which it was read at a start; null if the API made it
    created_at timestamptz NOT NULL
);
ALTER TABLE seeds ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE seeds;
DROP TABLE snapshots;
-- +goose StatementEnd
