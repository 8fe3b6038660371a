-- Rules for every migration, so that a cluster can distribute the tables by tenant
-- (docs/scaling.md; internal/db/distribution_test.go checks them):
--   * tenant_id comes first in every key. A table without one stays on the coordinator:
--     its comment says that it is of no tenant.
--   * Foreign keys pair the two tables' tenants and cascade or do nothing.
--   * Every table enables row-level security (00010_reporting.sql says why).
--   * No triggers, no identity columns, no serials smaller than bigint.
--   * A column and its CHECK are added by two statements: ALTER TABLE t ADD COLUMN c, then
--     ALTER TABLE t ADD CONSTRAINT t_c_check CHECK (...). Citus refuses both in one.
--   * One sub-command per ALTER TABLE.
--   * Down drops views before it changes the row-level security of tables.

-- +goose Up

-- Which permissions create and change partners: those that the remoteAssistancePartner page
-- of Microsoft Graph names (delegated, work accounts only), or those that Microsoft grants
-- today (applications too).
CREATE TYPE permission_rule AS ENUM ('seed', 'current');

-- A snapshot or a seed keeps its data in a separate tenant that nobody can sign in to, so
-- that a few statements can save, restore and compare a whole tenant. What belongs to no
-- tenant, but has a table of tenants, is the service's.
CREATE TYPE tenant_kind AS ENUM ('tenant', 'state', 'service');

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    display_name text COLLATE "C" NOT NULL,
    kind tenant_kind NOT NULL DEFAULT 'tenant',
    permission_rule permission_rule NOT NULL DEFAULT 'seed',
    -- Whether the sign-in page lists the users and signs them in without a password.
    user_picker boolean NOT NULL DEFAULT false,
    -- How many entities a page holds at most. Small pages make clients follow links.
    page_size integer NOT NULL DEFAULT 1000 CHECK (page_size BETWEEN 1 AND 1000),
    -- For how long a change that is sent again with its client-request-id gets its first
    -- answer again; 0: it is made again, as Microsoft Graph does.
    repeatability_seconds integer NOT NULL DEFAULT 0 CHECK (repeatability_seconds BETWEEN 0 AND 3600),
    expires_at timestamptz, -- from then on it is gone; null: never
    manager text COLLATE "C", -- the name of the administrators who manage it
    origin_id uuid, -- the state that a reset returns to; null: an empty one
    entity_quota integer CHECK (entity_quota >= 0), -- null: no limit, here and below
    user_quota integer CHECK (user_quota >= 0),
    request_rate integer CHECK (request_rate > 0), -- requests per second
    -- Makes ids repeatable: the n-th id follows from the seed and n.
    id_seed text COLLATE "C",
    ids_made bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    -- The tenant's clock: it shows clock_at when the service's shows clock_from, and runs
    -- clock_rate times as fast. Null: it is the service's own. A state may have a clock
    -- without clock_from, which begins when a tenant gets it.
    clock_from timestamptz,
    clock_at timestamptz,
    clock_rate double precision NOT NULL DEFAULT 1 CHECK (clock_rate BETWEEN 0 AND 86400),
    CHECK (clock_at IS NOT NULL OR clock_from IS NULL),
    -- How often the tenant's faults were changed, so that a request of a tenant without any
    -- needn't look for them.
    faults_version bigint NOT NULL DEFAULT 0,
    throttling jsonb, -- how requests are limited as Graph limits them; null: they aren't
    -- How many requests its journal keeps, and for how long; 0: it has no journal.
    journal_limit integer NOT NULL DEFAULT 10000 CHECK (journal_limit BETWEEN 0 AND 100000),
    journal_seconds integer NOT NULL DEFAULT 86400 CHECK (journal_seconds BETWEEN 60 AND 31536000)
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;

-- The verified domains of all tenants: a domain names its tenant before the tenant is known.
-- Of no tenant.
CREATE TABLE domains (
    name text COLLATE "C" PRIMARY KEY CHECK (name = lower(name)),
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE domains ENABLE ROW LEVEL SECURITY;
CREATE INDEX domains_tenant ON domains (tenant_id);

-- Rules by which requests of a tenant fail on purpose. The rule says what it matches and what
-- it does; the columns after it say which of the matches do so.
CREATE TABLE faults (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    rule jsonb NOT NULL,
    skip bigint NOT NULL CHECK (skip >= 0), -- so many matches pass first
    every bigint NOT NULL CHECK (every >= 1), -- of those after them, each of these
    times bigint CHECK (times >= 1), -- null: no limit
    probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
    seed bigint NOT NULL, -- decides, with the number of the match, what the probability lets happen
    scenario text COLLATE "C", -- that the rule is part of
    matched bigint NOT NULL DEFAULT 0,
    fired bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE faults ENABLE ROW LEVEL SECURITY;

-- What was let through of the tenants' simulated limits: a window for each limit that was
-- asked for. A process is granted some requests at a time.
CREATE TABLE throttles (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL, -- the limit, and of which application
    begun timestamptz NOT NULL, -- the window; here and below by the tenant's clock
    used bigint NOT NULL,
    granted bigint NOT NULL, -- by the last call
    blocked_until timestamptz, -- null: the window isn't full
    wait bigint NOT NULL DEFAULT 0, -- how long that is from the call that found it full, in microseconds
    PRIMARY KEY (tenant_id, scope)
);
ALTER TABLE throttles ENABLE ROW LEVEL SECURITY;

-- +goose Down
DROP TABLE throttles;
DROP TABLE faults;
DROP TABLE domains;
DROP TABLE tenants;
DROP TYPE tenant_kind;
DROP TYPE permission_rule;
