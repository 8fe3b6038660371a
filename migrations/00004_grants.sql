-- Codes and tokens of OAuth 2.0 grants, by the SHA-256 of the client's code or token, which
-- begins with the tenant so that every authority finds the row.

-- +goose Up
-- +goose StatementBegin
-- How an application redeems the code that is sent to a redirect URI: with its credentials, by
-- a cross-origin request of a page, or without either.
-- https://learn.microsoft.com/entra/identity-platform/reply-url
CREATE TYPE redirect_uri_type AS ENUM ('web', 'spa', 'public_client');

CREATE TABLE authorization_codes (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    family_id uuid NOT NULL, -- of the refresh tokens that follow from it
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    redirect_type redirect_uri_type NOT NULL DEFAULT 'web',
    scope text COLLATE "C" NOT NULL,
    nonce text COLLATE "C",
    code_challenge text COLLATE "C", -- S256
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE authorization_codes ENABLE ROW LEVEL SECURITY;

CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    family_id uuid NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    redirect_type redirect_uri_type NOT NULL DEFAULT 'web', -- of the sign-in; web if that had no redirect URI
    scope text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;

CREATE INDEX refresh_tokens_family ON refresh_tokens (tenant_id, family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (tenant_id, user_id, client_id);

CREATE TYPE device_code_status AS ENUM ('pending', 'approved', 'declined', 'redeemed');

-- Of no tenant: the user who approves a code decides its tenant.
CREATE TABLE device_codes (
    hash bytea PRIMARY KEY,
    user_code text COLLATE "C" NOT NULL UNIQUE,
    authority text COLLATE "C" NOT NULL, -- that received the request: a tenant's id, common, organizations
    client_id uuid NOT NULL,
    scope text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL DEFAULT '', -- of the caller, to bound its pending codes
    status device_code_status NOT NULL DEFAULT 'pending',
    tenant_id uuid,
    user_id uuid,
    -- By the clock of the authority's tenant, or of the service for an authority of many
    -- tenants.
    decided_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- By the service's clock. Until then the code is kept and counts as pending.
    kept_until timestamptz NOT NULL
);
ALTER TABLE device_codes ENABLE ROW LEVEL SECURITY;

CREATE INDEX device_codes_pending_client ON device_codes (authority, client_id) WHERE status = 'pending';
CREATE INDEX device_codes_pending_address ON device_codes (address) WHERE status = 'pending';
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE device_codes;
DROP TYPE device_code_status;
DROP TABLE refresh_tokens;
DROP TABLE authorization_codes;
DROP TYPE redirect_uri_type;
-- +goose StatementEnd
