-- +goose Up

-- How many partners a page holds at most; small ones make clients follow links.
ALTER TABLE tenants ADD COLUMN page_size integer NOT NULL DEFAULT 1000 CHECK (page_size BETWEEN 1 AND 1000);

-- What lists are ordered and filtered by most: pages far in cost what the first
-- does.
CREATE INDEX remote_assistance_partners_display_name ON remote_assistance_partners (tenant_id, display_name NULLS FIRST, id);
CREATE INDEX remote_assistance_partners_status ON remote_assistance_partners (tenant_id, onboarding_status, id);
CREATE INDEX remote_assistance_partners_last_connection ON remote_assistance_partners (tenant_id, last_connection_at, last_connection_100ns, id);

-- What the replicas of a service share and nobody else knows: a reference table.
CREATE TABLE service_secrets (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE service_secrets;
DROP INDEX remote_assistance_partners_last_connection;
DROP INDEX remote_assistance_partners_status;
DROP INDEX remote_assistance_partners_display_name;
ALTER TABLE tenants DROP COLUMN page_size;
