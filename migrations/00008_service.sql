-- What the replicas of a service share. All of no tenant.

-- +goose Up

-- The keys that sign tokens, of every authority.
CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    private_key bytea NOT NULL, -- RSA, PKCS #8, DER
    certificate bytea, -- X.509, DER; names the key to clients that want one
    created_at timestamptz NOT NULL
);
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;

-- The service's certificate authority: one row, made once, so that clients trust it for good.
CREATE TABLE certificate_authorities (
    name text COLLATE "C" PRIMARY KEY,
    certificate bytea NOT NULL, -- X.509, DER
    private_key bytea NOT NULL, -- PKCS #8, DER
    created_at timestamptz NOT NULL
);
ALTER TABLE certificate_authorities ENABLE ROW LEVEL SECURITY;

-- Secrets that no client knows.
CREATE TABLE service_secrets (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE service_secrets ENABLE ROW LEVEL SECURITY;

-- +goose Down
DROP TABLE service_secrets;
DROP TABLE certificate_authorities;
DROP TABLE signing_keys;
