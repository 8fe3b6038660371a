-- +goose Up

-- Which permissions create and change partners: those of the page from which
-- the service was made (users of work accounts alone), or those that Microsoft
-- grants today (applications too).
CREATE TYPE permission_rule AS ENUM ('seed', 'current');

ALTER TABLE tenants ADD COLUMN permission_rule permission_rule NOT NULL DEFAULT 'seed';
-- Whether the sign-in page lists the users, to be picked without a password.
ALTER TABLE tenants ADD COLUMN user_picker boolean NOT NULL DEFAULT false;

-- The verified domains of all tenants: a domain belongs to one tenant, and
-- names it where no tenant is known yet. So it is a reference table, like
-- device_codes below.
CREATE TABLE domains (
    name text COLLATE "C" PRIMARY KEY CHECK (name = lower(name)),
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);

ALTER TABLE users ADD COLUMN given_name text COLLATE "C";
ALTER TABLE users ADD COLUMN surname text COLLATE "C";
ALTER TABLE users ADD COLUMN password_hash text COLLATE "C"; -- bcrypt; without one, nobody signs in
ALTER TABLE users ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN enabled boolean NOT NULL DEFAULT true;
ALTER TABLE users ADD COLUMN directory_roles uuid[] NOT NULL DEFAULT '{}'; -- template ids, the wids of tokens
ALTER TABLE users ADD COLUMN failed_sign_ins integer NOT NULL DEFAULT 0; -- since the last that succeeded
ALTER TABLE users ADD COLUMN locked_until timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00';
-- Tokens issued before are revoked.
ALTER TABLE users ADD COLUMN tokens_valid_from timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00';

ALTER TABLE applications ADD COLUMN public_client boolean NOT NULL DEFAULT false; -- has no secret to prove itself by
ALTER TABLE applications ADD COLUMN public_client_flows boolean NOT NULL DEFAULT false; -- may leave it out where no browser is (device code, password)
ALTER TABLE applications ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}';
ALTER TABLE applications ADD COLUMN exposed_scopes text[] NOT NULL DEFAULT '{}'; -- of the API that it is itself
ALTER TABLE applications ADD COLUMN required_scopes text[] NOT NULL DEFAULT '{}'; -- what admin consent grants: delegated,
ALTER TABLE applications ADD COLUMN required_roles text[] NOT NULL DEFAULT '{}'; -- and to the application itself
ALTER TABLE applications ADD COLUMN tokens_valid_from timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00';

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

CREATE TABLE application_certificates (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    certificate bytea NOT NULL, -- X.509, DER
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);

-- Which delegated permissions an application has for which user; for every user
-- where principal_id is all zeros.
CREATE TABLE permission_grants (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, principal_id, scope),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);

-- Which permissions an application has in its own name.
CREATE TABLE app_role_assignments (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, role),
    FOREIGN KEY (tenant_id, client_id) REFERENCES applications (tenant_id, client_id) ON DELETE CASCADE
);

-- What follows is looked up by the SHA-256 of what the client holds. Such
-- values begin with the tenant, so that any authority finds them.

CREATE TABLE sessions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE authorization_codes (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    family_id uuid NOT NULL, -- of the refresh tokens that come of it
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    nonce text COLLATE "C",
    code_challenge text COLLATE "C", -- S256
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    family_id uuid NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    PRIMARY KEY (tenant_id, hash)
);

CREATE INDEX refresh_tokens_family ON refresh_tokens (tenant_id, family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (tenant_id, user_id, client_id);

CREATE TYPE device_code_status AS ENUM ('pending', 'approved', 'declined', 'redeemed');

-- Whose tenant it is turns out when a user approves.
CREATE TABLE device_codes (
    hash bytea PRIMARY KEY,
    user_code text COLLATE "C" NOT NULL UNIQUE,
    authority text COLLATE "C" NOT NULL, -- where it was asked for: a tenant's id, common, organizations
    client_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    status device_code_status NOT NULL DEFAULT 'pending',
    tenant_id uuid,
    user_id uuid,
    decided_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

ALTER TABLE signing_keys ADD COLUMN certificate bytea; -- X.509, DER; names the key to clients that want one

-- +goose Down
ALTER TABLE signing_keys DROP COLUMN certificate;
DROP TABLE device_codes;
DROP TYPE device_code_status;
DROP TABLE refresh_tokens;
DROP TABLE authorization_codes;
DROP TABLE sessions;
DROP TABLE app_role_assignments;
DROP TABLE permission_grants;
DROP TABLE application_certificates;
DROP TABLE application_secrets;
ALTER TABLE applications DROP COLUMN tokens_valid_from;
ALTER TABLE applications DROP COLUMN required_roles;
ALTER TABLE applications DROP COLUMN required_scopes;
ALTER TABLE applications DROP COLUMN exposed_scopes;
ALTER TABLE applications DROP COLUMN redirect_uris;
ALTER TABLE applications DROP COLUMN public_client_flows;
ALTER TABLE applications DROP COLUMN public_client;
ALTER TABLE users DROP COLUMN tokens_valid_from;
ALTER TABLE users DROP COLUMN locked_until;
ALTER TABLE users DROP COLUMN failed_sign_ins;
ALTER TABLE users DROP COLUMN directory_roles;
ALTER TABLE users DROP COLUMN enabled;
ALTER TABLE users DROP COLUMN must_change_password;
ALTER TABLE users DROP COLUMN password_hash;
ALTER TABLE users DROP COLUMN surname;
ALTER TABLE users DROP COLUMN given_name;
DROP TABLE domains;
ALTER TABLE tenants DROP COLUMN user_picker;
ALTER TABLE tenants DROP COLUMN permission_rule;
DROP TYPE permission_rule;
