-- +goose Up

-- The certificate authority of the service, made once, so that what clients were
-- told to trust stays good: a reference table of one row.
CREATE TABLE certificate_authorities (
    name text COLLATE "C" PRIMARY KEY,
    certificate bytea NOT NULL, -- X.509, DER
    private_key bytea NOT NULL, -- PKCS #8, DER
    created_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE certificate_authorities;
