-- +goose Up

-- Who asked for a device code, to bound how many one address has pending.
ALTER TABLE device_codes ADD COLUMN address text COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX device_codes_pending_client ON device_codes (authority, client_id) WHERE status = 'pending';
CREATE INDEX device_codes_pending_address ON device_codes (address) WHERE status = 'pending';

-- The tokens of another issuer that prove an application.
CREATE TABLE application_federated_credentials (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    audiences text[] NOT NULL,
    description text COLLATE "C",
    key_set bytea, -- a JSON Web Key Set; null: what the issuer publishes
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    UNIQUE (tenant_id, client_id, name),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);

-- The client assertions that were used, by the SHA-256 of their jti, for as long as
-- they are good.
CREATE TABLE client_assertions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id uuid NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, hash)
);

ALTER TABLE application_federated_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_assertions ENABLE ROW LEVEL SECURITY;

-- +goose Down
DROP TABLE client_assertions;
DROP TABLE application_federated_credentials;
DROP INDEX device_codes_pending_address;
DROP INDEX device_codes_pending_client;
ALTER TABLE device_codes DROP COLUMN address;
