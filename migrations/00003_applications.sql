-- +goose Up
-- +goose StatementBegin
CREATE TABLE applications (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id uuid NOT NULL,
    -- The application's service principal in this tenant: the oid of an app-only token.
    service_principal_id uuid NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    public_client boolean NOT NULL DEFAULT false, -- has no secret
    public_client_flows boolean NOT NULL DEFAULT false, -- may omit its secret in flows without a browser (device code, password)
    redirect_uris text[] NOT NULL DEFAULT '{}', -- of the type web
    spa_redirect_uris text[] NOT NULL DEFAULT '{}',
    public_client_redirect_uris text[] NOT NULL DEFAULT '{}',
    exposed_scopes text[] NOT NULL DEFAULT '{}', -- of the application's own API
    required_scopes text[] NOT NULL DEFAULT '{}', -- delegated permissions that admin consent grants
    required_roles text[] NOT NULL DEFAULT '{}', -- application permissions that admin consent grants
    tokens_valid_from timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00', -- tokens issued before are revoked
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
);
ALTER TABLE applications ENABLE ROW LEVEL SECURITY;

-- Authorities of many tenants (common, organizations) use this index to find where to send a
-- refusal.
CREATE INDEX applications_client ON applications (client_id);

CREATE TABLE application_secrets (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL, -- SHA-256
    hint text COLLATE "C" NOT NULL, -- the first three characters
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);
ALTER TABLE application_secrets ENABLE ROW LEVEL SECURITY;

CREATE TABLE application_certificates (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    certificate bytea NOT NULL, -- X.509, DER
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);
ALTER TABLE application_certificates ENABLE ROW LEVEL SECURITY;

-- Issuers and subjects of tokens that prove an application's identity.
CREATE TABLE application_federated_credentials (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    audiences text[] NOT NULL,
    description text COLLATE "C",
    key_set bytea, -- a JSON Web Key Set; null means the one that the issuer publishes
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    UNIQUE (tenant_id, client_id, name),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);
ALTER TABLE application_federated_credentials ENABLE ROW LEVEL SECURITY;

-- Used client assertions, by the SHA-256 of their jti, until they expire.
CREATE TABLE client_assertions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id uuid NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, hash)
);
ALTER TABLE client_assertions ENABLE ROW LEVEL SECURITY;

-- Delegated permissions of applications for users, or for every user if principal_id is all
-- zeros.
CREATE TABLE permission_grants (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, principal_id, scope),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);
ALTER TABLE permission_grants ENABLE ROW LEVEL SECURITY;

-- Application permissions.
CREATE TABLE app_role_assignments (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, role),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);
ALTER TABLE app_role_assignments ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE app_role_assignments;
DROP TABLE permission_grants;
DROP TABLE client_assertions;
DROP TABLE application_federated_credentials;
DROP TABLE application_certificates;
DROP TABLE application_secrets;
DROP TABLE applications;
-- +goose StatementEnd
