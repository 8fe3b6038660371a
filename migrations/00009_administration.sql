-- All tables are of no tenant.

-- +goose Up
-- +goose StatementBegin
CREATE TYPE admin_role AS ENUM ('reader', 'manager', 'owner');

-- The administrators' bearer keys, by their SHA-256.
CREATE TABLE admin_keys (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    role admin_role NOT NULL,
    hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
ALTER TABLE admin_keys ENABLE ROW LEVEL SECURITY;

CREATE TYPE audit_outcome AS ENUM ('done', 'denied');

-- Every change by an administrator, written in the change's transaction, and every refusal.
CREATE TABLE audit_entries (
    id uuid PRIMARY KEY, -- version 7, in the order of time
    at timestamptz NOT NULL,
    key_id uuid, -- null if the caller had no valid key
    key_name text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    tenant_id uuid, -- null if the action concerns no tenant
    target text COLLATE "C",
    outcome audit_outcome NOT NULL,
    status integer NOT NULL,
    address text COLLATE "C" NOT NULL,
    count integer NOT NULL DEFAULT 1 -- number of calls: similar refusals within a minute share an entry
);
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;

-- For finding the refusals to delete.
CREATE INDEX audit_entries_denied ON audit_entries (id) WHERE outcome = 'denied';

-- Answers to creates, for clients that repeat them. An answer is encrypted with the client's
-- Idempotency-Key and found by the key's hash.
CREATE TABLE idempotency_keys (
    hash bytea PRIMARY KEY,
    request_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE idempotency_keys;
DROP TABLE audit_entries;
DROP TYPE audit_outcome;
DROP TABLE admin_keys;
DROP TYPE admin_role;
-- +goose StatementEnd
