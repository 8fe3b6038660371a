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
-- +goose StatementBegin
-- Which permissions create and change partners: those on the remoteAssistancePartner page of
-- Microsoft Graph (delegated, work accounts only), or those that Microsoft grants today (also
-- to applications).
CREATE TYPE permission_rule AS ENUM ('seed', 'current');
CREATE TYPE status_codes AS ENUM ('documented', 'observed');

-- A snapshot or a seed has its data in a separate tenant that nobody can sign in to, so that a
-- few statements can save, restore and compare a whole tenant. Kind service is for rows that
-- belong to no tenant, in tables of tenants.
CREATE TYPE tenant_kind AS ENUM ('tenant', 'state', 'service');

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    display_name text COLLATE "C" NOT NULL,
    kind tenant_kind NOT NULL DEFAULT 'tenant',
    permission_rule permission_rule NOT NULL DEFAULT 'seed',
    -- Where the statuses that Graph documents and those that clients met differ: which to answer.
    status_codes status_codes NOT NULL DEFAULT 'documented',
    -- Whether the sign-in page lists the users and signs them in without a password.
    user_picker boolean NOT NULL DEFAULT false,
    -- Whether beginning an onboarding fills in a link to the page of the partner's side.
    partner_portal boolean NOT NULL DEFAULT false,
    -- How many entities a page holds at most. Small pages make clients follow links.
    page_size integer NOT NULL DEFAULT 1000 CHECK (page_size BETWEEN 1 AND 1000),
    -- How long a change that is repeated with its client-request-id gets its first answer
    -- again. With 0 it is made again, as Microsoft Graph does.
    repeatability_seconds integer NOT NULL DEFAULT 0 CHECK (repeatability_seconds BETWEEN 0 AND 3600),
    expires_at timestamptz, -- null means never
    manager text COLLATE "C", -- the name of the administrators who manage it
    origin_id uuid, -- the state that a reset returns to; null means an empty one
    entity_quota integer CHECK (entity_quota >= 0), -- null is unlimited, here and below
    user_quota integer CHECK (user_quota >= 0),
    request_rate integer CHECK (request_rate > 0), -- requests per second
    -- Makes ids repeatable: the n-th id follows from the seed and n.
    id_seed text COLLATE "C",
    ids_made bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    -- The tenant's clock shows clock_at when the service's clock shows clock_from, and runs
    -- clock_rate times as fast. Null means the service's clock. A state may have a clock
    -- without clock_from, which starts when a tenant gets the state.
    clock_from timestamptz,
    clock_at timestamptz,
    clock_rate double precision NOT NULL DEFAULT 1 CHECK (clock_rate BETWEEN 0 AND 86400),
    CHECK (clock_at IS NOT NULL OR clock_from IS NULL),
    -- Counts the changes of the tenant's faults, so that requests of a tenant that never had
    -- any don't look for them.
    faults_version bigint NOT NULL DEFAULT 0,
    throttling jsonb, -- the limits of Graph to simulate; null means none
    -- How many requests the journal keeps, and for how long; 0 disables it.
    journal_limit integer NOT NULL DEFAULT 10000 CHECK (journal_limit BETWEEN 0 AND 100000),
    journal_seconds integer NOT NULL DEFAULT 86400 CHECK (journal_seconds BETWEEN 60 AND 31536000)
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;

-- The verified domains of all tenants. Of no tenant, because a domain is looked up to find its
-- tenant.
CREATE TABLE domains (
    name text COLLATE "C" PRIMARY KEY CHECK (name = lower(name)),
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);
ALTER TABLE domains ENABLE ROW LEVEL SECURITY;
CREATE INDEX domains_tenant ON domains (tenant_id);

-- Rules that make requests of a tenant fail on purpose. rule says what it matches and what it
-- does; the next columns say for which matches it does so.
CREATE TABLE faults (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    rule jsonb NOT NULL,
    skip bigint NOT NULL CHECK (skip >= 0), -- the number of first matches without effect
    every bigint NOT NULL CHECK (every >= 1), -- of later matches, every nth one has an effect
    times bigint CHECK (times >= 1), -- at most this often; null is unlimited
    probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
    seed bigint NOT NULL, -- of the random numbers, which also depend on the number of the match
    scenario text COLLATE "C", -- to which the rule belongs
    matched bigint NOT NULL DEFAULT 0,
    fired bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE faults ENABLE ROW LEVEL SECURITY;

-- Windows of the limits of Graph that tenants simulate, and how many requests were granted in
-- each. A process may be granted several requests at a time.
CREATE TABLE throttles (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL, -- the limit and, for some, the application
    begun timestamptz NOT NULL, -- start of the window; here and below by the tenant's clock
    used bigint NOT NULL,
    granted bigint NOT NULL, -- by the last call
    blocked_until timestamptz, -- null unless the window is full
    wait bigint NOT NULL DEFAULT 0, -- time from finding the window full to blocked_until, in microseconds
    PRIMARY KEY (tenant_id, scope)
);
ALTER TABLE throttles ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE throttles;
DROP TABLE faults;
DROP TABLE domains;
DROP TABLE tenants;
DROP TYPE tenant_kind;
DROP TYPE permission_rule;
DROP TYPE status_codes;
-- +goose StatementEnd
