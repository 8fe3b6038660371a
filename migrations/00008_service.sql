-- What the replicas of a service share. All tables are of no tenant.

-- +goose Up
-- +goose StatementBegin
-- The keys with which every authority signs tokens.
CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    private_key bytea NOT NULL, -- RSA, PKCS #8, DER
    certificate bytea, -- X.509, DER; for clients that expect one with the key
    created_at timestamptz NOT NULL
);
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;

-- The service's certificate authority: one row, which is kept so that clients needn't trust
-- another one.
CREATE TABLE certificate_authorities (
    name text COLLATE "C" PRIMARY KEY,
    certificate bytea NOT NULL, -- X.509, DER
    private_key bytea NOT NULL, -- PKCS #8, DER
    created_at timestamptz NOT NULL
);
ALTER TABLE certificate_authorities ENABLE ROW LEVEL SECURITY;

-- Secrets that only the replicas know.
CREATE TABLE service_secrets (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE service_secrets ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE service_secrets;
DROP TABLE certificate_authorities;
DROP TABLE signing_keys;
-- +goose StatementEnd
