-- Rules for every migration, so that tables can be distributed by tenant (a test
-- checks them; docs/scaling.md says what else a cluster would need):
-- tenant_id comes first in every key; no triggers, no identity columns, no
-- small serials; foreign keys pair the tenant's keys and cascade or do
-- nothing; one sub-command per ALTER and one statement per line end.

-- +goose Up
CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    display_name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    user_principal_name text COLLATE "C" NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- A user principal name names one user, whatever its letter case.
CREATE UNIQUE INDEX users_user_principal_name ON users (tenant_id, lower(user_principal_name));

CREATE TABLE applications (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id uuid NOT NULL,
    -- The application's service principal in this tenant: the oid of an
    -- app-only token.
    service_principal_id uuid NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
);

-- Keys that sign tokens are the authority's, not a tenant's.
CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    private_key bytea NOT NULL, -- RSA, PKCS #8, DER
    created_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE signing_keys;
DROP TABLE applications;
DROP TABLE users;
DROP TABLE tenants;
