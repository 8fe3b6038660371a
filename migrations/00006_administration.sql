-- +goose Up

-- What is kept of a tenant's data, a snapshot or a seed, is a tenant of its own
-- that nobody can sign in to: so keeping, restoring and comparing are the same
-- few statements, and whatever a tenant has is kept.
CREATE TYPE tenant_kind AS ENUM ('tenant', 'state');

ALTER TABLE tenants ADD COLUMN kind tenant_kind NOT NULL DEFAULT 'tenant';
ALTER TABLE tenants ADD COLUMN expires_at timestamptz; -- from then on it is gone; null: never
ALTER TABLE tenants ADD COLUMN manager text COLLATE "C"; -- the name of the administrators who have it
ALTER TABLE tenants ADD COLUMN origin_id uuid; -- the state that a reset goes back to; null: no partners
ALTER TABLE tenants ADD COLUMN partner_quota integer CHECK (partner_quota >= 0); -- null: none
ALTER TABLE tenants ADD COLUMN user_quota integer CHECK (user_quota >= 0);
ALTER TABLE tenants ADD COLUMN request_rate integer CHECK (request_rate > 0); -- a second
-- Where ids come from in a tenant whose ids are to be the same each time.
ALTER TABLE tenants ADD COLUMN id_seed text COLLATE "C";
ALTER TABLE tenants ADD COLUMN ids_made bigint NOT NULL DEFAULT 0;

-- What the partner itself does, or a test in its place.
ALTER TYPE partner_change ADD VALUE 'confirmOnboarding';
ALTER TYPE partner_change ADD VALUE 'refuseOnboarding';
ALTER TYPE partner_change ADD VALUE 'expireOnboarding';
ALTER TYPE partner_change ADD VALUE 'heartbeat';

CREATE TABLE snapshots (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    state_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- States by name, of no tenant: a reference table, as are those below.
CREATE TABLE seeds (
    name text COLLATE "C" PRIMARY KEY,
    state_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TYPE admin_role AS ENUM ('reader', 'manager', 'owner');

-- Who may administer: bearer keys, by their SHA-256.
CREATE TABLE admin_keys (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    role admin_role NOT NULL,
    hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE TYPE audit_outcome AS ENUM ('done', 'denied');

-- Every change by an administrator, written with it, and every denial.
CREATE TABLE audit_entries (
    id uuid PRIMARY KEY, -- in the order of time
    at timestamptz NOT NULL,
    key_id uuid, -- null: nobody was known
    key_name text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    tenant_id uuid, -- null: of no tenant
    target text COLLATE "C",
    outcome audit_outcome NOT NULL,
    status integer NOT NULL,
    address text COLLATE "C" NOT NULL
);

-- What a create was answered, for a client that asks the same again. The answer
-- is sealed by the key that the client gave, of which only the hash is here.
CREATE TABLE idempotency_keys (
    hash bytea PRIMARY KEY,
    request_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE idempotency_keys;
DROP TABLE audit_entries;
DROP TYPE audit_outcome;
DROP TABLE admin_keys;
DROP TYPE admin_role;
DROP TABLE seeds;
DROP TABLE snapshots;
ALTER TYPE partner_change RENAME TO partner_change_6;
CREATE TYPE partner_change AS ENUM ('update', 'beginOnboarding', 'disconnect', 'delete');
ALTER TABLE remote_assistance_partner_versions ALTER COLUMN replaced_by_change TYPE partner_change
    USING (CASE WHEN replaced_by_change::text IN ('update', 'beginOnboarding', 'disconnect', 'delete') THEN replaced_by_change::text ELSE 'update' END)::partner_change;
DROP TYPE partner_change_6;
ALTER TABLE tenants DROP COLUMN ids_made;
ALTER TABLE tenants DROP COLUMN id_seed;
ALTER TABLE tenants DROP COLUMN request_rate;
ALTER TABLE tenants DROP COLUMN user_quota;
ALTER TABLE tenants DROP COLUMN partner_quota;
ALTER TABLE tenants DROP COLUMN origin_id;
ALTER TABLE tenants DROP COLUMN manager;
ALTER TABLE tenants DROP COLUMN expires_at;
-- A state without its kind would be a tenant.
DELETE FROM tenants WHERE kind = 'state';
ALTER TABLE tenants DROP COLUMN kind;
DROP TYPE tenant_kind;
