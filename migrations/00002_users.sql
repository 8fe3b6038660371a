-- +goose Up
-- +goose StatementBegin
CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    user_principal_name text COLLATE "C" NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    given_name text COLLATE "C",
    surname text COLLATE "C",
    password_hash text COLLATE "C", -- bcrypt; null disables signing in with a password
    must_change_password boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    directory_roles uuid[] NOT NULL DEFAULT '{}', -- template ids: the wids of tokens
    failed_sign_ins integer NOT NULL DEFAULT 0, -- since the last successful one
    locked_until timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00',
    -- Tokens issued before are revoked.
    tokens_valid_from timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;

-- User principal names are unique regardless of letter case.
CREATE UNIQUE INDEX users_user_principal_name ON users (tenant_id, lower(user_principal_name));

-- Sessions of the sign-in page, by the SHA-256 of the cookie. The cookie begins with the
-- tenant, so that every authority finds the session.
CREATE TABLE sessions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE sessions;
DROP TABLE users;
-- +goose StatementEnd
