-- Schema reporting is a promised interface, version 1, described for its readers in
-- docs/reporting.md: columns may be added at the end of a view, and nothing else may change
-- (a test checks this).
--
-- Every view starts from report_tenants, the tenants of the login that reads, and looks up
-- the base tables tenant by tenant. OFFSET 0 fences each step: Postgres doesn't evaluate the
-- reader's own conditions below it, so EXPLAIN ANALYZE reveals nothing about other tenants.
--
-- A view reads with the rights of its owner, who also owns the tables. Row-level security
-- without a policy closes the tables to everybody else, whatever is granted. It doesn't apply
-- to superusers and the tables' owner; the service is one of these.

-- +goose Up
-- +goose StatementBegin
-- Which tenants a Postgres login may read in schema reporting. The service makes the logins'
-- roles; their names are random.
CREATE TABLE report_logins (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    login_name text COLLATE "C" NOT NULL,
    label text COLLATE "C",
    -- The manager who has the login's password, or null for an owner. When a tenant gets
    -- another manager, the former one's logins can no longer read it.
    manager text COLLATE "C",
    created_at timestamptz NOT NULL,
    -- Null means never. The role's own VALID UNTIL ends only its password.
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, login_name)
);
ALTER TABLE report_logins ENABLE ROW LEVEL SECURITY;

-- The tenants of the login that reads, which is the session's user; neither SET ROLE nor a
-- function changes that. A role that may read the tables themselves, such as the service's,
-- reads all tenants, or the one that it names in a setting. An expired tenant disappears
-- before the sweep removes it; a snapshot or a seed isn't a tenant.
--
-- Every view reads this one, which names a table of no tenant, in a condition that Postgres
-- drops. So a cluster copies no view to its other servers, where nobody could read it. It
-- would refuse to replace such a copy by a view that reads a new, local table.
CREATE VIEW report_tenants WITH (security_barrier) AS
SELECT l.tenant_id FROM report_logins AS l
CROSS JOIN LATERAL (
    SELECT 1 FROM tenants
    WHERE tenants.id = l.tenant_id AND (tenants.expires_at IS NULL OR tenants.expires_at > statement_timestamp())
    OFFSET 0
) AS t
WHERE l.login_name = session_user::text
    AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
UNION ALL
SELECT t.id FROM tenants AS t
WHERE t.kind = 'tenant' AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp()) AND t.id = CASE
    WHEN (SELECT pg_has_role(session_user, c.relowner, 'MEMBER') FROM pg_class AS c WHERE c.oid = 'public.tenants'::regclass)
    THEN nullif(current_setting('mocktenant.report_tenant', true), '')::uuid
END
UNION ALL
SELECT t.id FROM tenants AS t
WHERE t.kind = 'tenant' AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp()) AND (
    SELECT nullif(current_setting('mocktenant.report_tenant', true), '') IS NULL AND (
        pg_has_role(session_user, c.relowner, 'MEMBER')
        OR r.rolbypassrls AND has_any_column_privilege(session_user, c.oid, 'SELECT')
    )
    FROM pg_class AS c CROSS JOIN pg_roles AS r
    WHERE c.oid = 'public.tenants'::regclass AND r.rolname = session_user
        AND NOT EXISTS (SELECT FROM admin_keys WHERE false)
)
OFFSET 0;

CREATE SCHEMA reporting;

-- For finding when an administrator last replaced a tenant's entities and their history.
CREATE INDEX audit_entries_replaced ON audit_entries (tenant_id, at)
    WHERE outcome = 'done' AND action IN ('resetTenant', 'restoreSnapshot', 'importTenant');

-- Returns what a tenant's clock shows when the service's shows a time: Clock.Now in
-- internal/tenant, with its latest time. Adds seconds to a time without a zone, because a day
-- in the reader's zone may have 23 hours.
CREATE FUNCTION tenant_time(clock_from timestamptz, clock_at timestamptz, clock_rate double precision, service timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN clock_from IS NULL OR clock_at IS NULL THEN service ELSE (
    clock_at AT TIME ZONE 'UTC' + make_interval(secs => least(
        greatest(extract(epoch FROM service - clock_from), 0) * clock_rate,
        extract(epoch FROM timestamp '9000-01-01' - clock_at AT TIME ZONE 'UTC')
    ))
) AT TIME ZONE 'UTC' END;

-- The service's time: what it says in a setting, or Postgres's. A login that changes the setting
-- changes only what its own views show.
CREATE FUNCTION report_time() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('mocktenant.report_time', true), '')::timestamptz, statement_timestamp());

CREATE VIEW reporting.tenants WITH (security_barrier) AS
SELECT t.tenant_id, n.display_name, n.domains, n.manager, n.permission_rule, n.created_at, n.expires_at, n.replaced_at, n.now
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT tenants.display_name, tenants.manager, tenants.permission_rule::text AS permission_rule, tenants.created_at, tenants.expires_at,
        tenant_time(tenants.clock_from, tenants.clock_at, tenants.clock_rate, report_time()) AS now,
        ARRAY(SELECT d.name FROM domains AS d WHERE d.tenant_id = tenants.id ORDER BY d.name) AS domains,
        (
            SELECT max(e.at) FROM audit_entries AS e
            WHERE e.tenant_id = tenants.id AND e.outcome = 'done' AND e.action IN ('resetTenant', 'restoreSnapshot', 'importTenant')
        ) AS replaced_at
    FROM tenants WHERE tenants.id = t.tenant_id
    OFFSET 0
) AS n;

CREATE VIEW reporting.users WITH (security_barrier) AS
SELECT t.tenant_id, u.id, u.user_principal_name, u.display_name, u.given_name, u.surname, u.enabled, u.directory_roles, u.created_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT users.id, users.user_principal_name, users.display_name, users.given_name, users.surname, users.enabled,
        users.directory_roles, users.created_at
    FROM users WHERE users.tenant_id = t.tenant_id
    OFFSET 0
) AS u;

CREATE VIEW reporting.applications WITH (security_barrier) AS
SELECT t.tenant_id, a.client_id, a.service_principal_id, a.display_name, a.public_client, a.redirect_uris, a.created_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT applications.client_id, applications.service_principal_id, applications.display_name, applications.public_client,
        applications.redirect_uris || applications.spa_redirect_uris || applications.public_client_redirect_uris AS redirect_uris,
        applications.created_at
    FROM applications WHERE applications.tenant_id = t.tenant_id
    OFFSET 0
) AS a;

-- Users who are signed in, and since when.
CREATE VIEW reporting.sign_ins WITH (security_barrier) AS
SELECT t.tenant_id, s.user_id, s.signed_in_at, s.expires_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT sessions.user_id, sessions.created_at AS signed_in_at, sessions.expires_at
    FROM sessions JOIN tenants ON tenants.id = sessions.tenant_id
    WHERE sessions.tenant_id = t.tenant_id
        AND sessions.expires_at > tenant_time(tenants.clock_from, tenants.clock_at, tenants.clock_rate, report_time())
    OFFSET 0
) AS s;

-- Converts ticks of 100 ns since 1970 to an instant, cut to the microsecond. Returns null for
-- 0001-01-01T00:00:00Z, which Graph writes for an unset time.
CREATE FUNCTION instant_of(ticks bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ticks <> -621355968000000000 THEN (
    timestamp '1970-01-01'
    + make_interval(days => (ticks / 864000000000)::integer)
    + make_interval(secs => (ticks % 864000000000 - (ticks % 10 + 10) % 10)::double precision / 10000000)
) AT TIME ZONE 'UTC' END;

-- The application of a change; null for all zeros, which mean none.
CREATE FUNCTION application_of(id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(id, '00000000-0000-0000-0000-000000000000');

-- Every version of every entity of the reader's tenants, and what ended it: nothing for the
-- current one. Each entity's migration adds its own.
CREATE VIEW report_states WITH (security_barrier) AS
SELECT NULL::uuid AS tenant_id, NULL::text AS entity_set, NULL::uuid AS id, NULL::bigint AS version, NULL::json AS row, NULL::text AS display_name, NULL::text AS status,
    NULL::timestamptz AS created_at, NULL::uuid AS created_by, NULL::uuid AS created_with,
    NULL::text COLLATE "C" AS ended_by_change, NULL::timestamptz AS ended_at, NULL::uuid AS ended_by, NULL::uuid AS ended_with
FROM report_tenants WHERE false;

-- The statuses that the entities of a set can have. Each entity's migration adds its own.
CREATE VIEW report_statuses AS
SELECT NULL::text AS entity_set, NULL::text AS status WHERE false;

-- Administrators who changed something in the reader's tenants, as the partner or by importing
-- documents.
CREATE VIEW reporting.administrators WITH (security_barrier) AS
SELECT p.tenant_id, k.id, k.name, k.role
FROM (
    SELECT s.tenant_id, s.created_by AS id FROM report_states AS s
    UNION
    SELECT s.tenant_id, s.ended_by FROM report_states AS s
) AS p
CROSS JOIN LATERAL (
    SELECT admin_keys.id, admin_keys.name, admin_keys.role::text AS role FROM admin_keys WHERE admin_keys.id = p.id
    OFFSET 0
) AS k;

-- Every change with the rows before and after it. An id can be reused: its versions then
-- continue, with another created_at.
CREATE VIEW report_changes WITH (security_barrier) AS
WITH chained AS (
    SELECT s.*,
        lag(s.ended_by_change) OVER life AS begun_by_change,
        lag(s.ended_at) OVER life AS begun_at,
        lag(s.ended_by) OVER life AS begun_by,
        lag(s.ended_with) OVER life AS begun_with,
        lag(s.status) OVER life AS before_status,
        lag(s.row) OVER life AS before_row
    FROM report_states AS s
    WINDOW life AS (PARTITION BY s.tenant_id, s.entity_set, s.id, s.created_at ORDER BY s.version)
), changes AS (
    SELECT c.tenant_id, c.entity_set, c.id AS entity_id, c.created_at AS entity_created_at, c.version,
        coalesce(c.begun_by_change, 'create') AS change,
        coalesce(c.begun_at, c.created_at) AS changed_at,
        coalesce(c.begun_by, c.created_by) AS changed_by,
        application_of(coalesce(c.begun_with, c.created_with)) AS changed_with,
        c.display_name, c.before_status, c.status AS after_status, c.before_row, c.row AS after_row
    FROM chained AS c
    UNION ALL
    SELECT s.tenant_id, s.entity_set, s.id, s.created_at, s.version + 1, s.ended_by_change, s.ended_at, s.ended_by, application_of(s.ended_with),
        s.display_name, s.status, NULL, s.row, NULL
    FROM report_states AS s
    WHERE s.ended_by_change = 'delete'
)
SELECT c.tenant_id, c.entity_set, c.entity_id, c.entity_created_at, c.version, c.change, c.changed_at, c.changed_by,
    coalesce(u.user_principal_name, a.display_name, k.name, CASE c.changed_by WHEN '70617274-6e65-7200-0000-000000000000' THEN 'partner' END) AS changed_by_name,
    c.display_name, c.before_status, c.after_status, c.before_row, c.after_row, c.changed_with, w.display_name AS changed_with_name
FROM changes AS c
LEFT JOIN reporting.users AS u ON u.tenant_id = c.tenant_id AND u.id = c.changed_by
LEFT JOIN (
    SELECT DISTINCT ON (b.tenant_id, b.service_principal_id) b.tenant_id, b.service_principal_id, b.display_name
    FROM reporting.applications AS b
    ORDER BY b.tenant_id, b.service_principal_id, b.client_id
) AS a ON a.tenant_id = c.tenant_id AND a.service_principal_id = c.changed_by
LEFT JOIN reporting.applications AS w ON w.tenant_id = c.tenant_id AND w.client_id = c.changed_with
LEFT JOIN (SELECT admin_keys.id, admin_keys.name FROM admin_keys OFFSET 0) AS k ON k.id = c.changed_by;

CREATE VIEW reporting.changes WITH (security_barrier) AS
SELECT c.tenant_id, c.entity_set, c.entity_id, c.entity_created_at, c.version, c.change, c.changed_at, c.changed_by, c.changed_by_name,
    c.display_name, c.before_status, c.after_status, c.changed_with, c.changed_with_name
FROM report_changes AS c;

CREATE VIEW reporting.time_in_status WITH (security_barrier) AS
WITH turned AS (
    SELECT s.tenant_id, s.entity_set, s.id, s.created_at, s.version, s.status, s.ended_by_change, s.ended_at,
        lag(s.ended_at) OVER life AS begun_at,
        s.status IS DISTINCT FROM lag(s.status) OVER life AS turns
    FROM report_states AS s
    WHERE s.status IS NOT NULL
    WINDOW life AS (PARTITION BY s.tenant_id, s.entity_set, s.id, s.created_at ORDER BY s.version)
), numbered AS (
    SELECT n.*, count(*) FILTER (WHERE n.turns) OVER (
        PARTITION BY n.tenant_id, n.entity_set, n.id, n.created_at ORDER BY n.version
    ) AS stay
    FROM turned AS n
), stays AS (
    SELECT s.tenant_id, s.entity_set, s.id AS entity_id, s.created_at AS entity_created_at, s.stay, s.status,
        (array_agg(coalesce(s.begun_at, s.created_at) ORDER BY s.version))[1] AS from_at,
        (array_agg(s.ended_at ORDER BY s.version DESC))[1] AS until_at
    FROM numbered AS s
    GROUP BY s.tenant_id, s.entity_set, s.id, s.created_at, s.stay, s.status
)
SELECT s.tenant_id, s.entity_set, s.entity_id, s.entity_created_at, s.stay, s.status, s.from_at, s.until_at,
    coalesce(s.until_at, t.now) - s.from_at AS duration
FROM stays AS s
JOIN reporting.tenants AS t ON t.tenant_id = s.tenant_id;

-- Each stay counts +1 on its first day and -1 on its last, so a stay that ends on the day it
-- began is in no end-of-day count.
CREATE VIEW reporting.status_by_day WITH (security_barrier) AS
WITH ends AS (
    SELECT s.tenant_id, s.entity_set, s.status, (s.from_at AT TIME ZONE 'UTC')::date AS day, 1 AS delta
    FROM reporting.time_in_status AS s
    UNION ALL
    SELECT s.tenant_id, s.entity_set, s.status, (s.until_at AT TIME ZONE 'UTC')::date, -1
    FROM reporting.time_in_status AS s
    WHERE s.until_at IS NOT NULL
), turns AS (
    SELECT e.tenant_id, e.entity_set, e.status, e.day, sum(e.delta) AS delta
    FROM ends AS e
    GROUP BY e.tenant_id, e.entity_set, e.status, e.day
), days AS (
    SELECT r.tenant_id, r.entity_set, g.day::date AS day
    FROM (
        SELECT u.tenant_id, u.entity_set, min(u.day) AS first_day,
            greatest(max(u.day), (t.now AT TIME ZONE 'UTC')::date) AS last_day
        FROM turns AS u JOIN reporting.tenants AS t ON t.tenant_id = u.tenant_id
        GROUP BY u.tenant_id, u.entity_set, t.now
    ) AS r
    CROSS JOIN LATERAL generate_series(r.first_day::timestamp, r.last_day::timestamp, interval '1 day') AS g (day)
)
SELECT d.tenant_id, d.entity_set, d.day, o.status,
    sum(coalesce(t.delta, 0)) OVER (PARTITION BY d.tenant_id, d.entity_set, o.status ORDER BY d.day)::bigint AS entities
FROM days AS d
JOIN report_statuses AS o ON o.entity_set = d.entity_set
LEFT JOIN turns AS t ON t.tenant_id = d.tenant_id AND t.entity_set = d.entity_set AND t.day = d.day AND t.status = o.status;

COMMENT ON SCHEMA reporting IS 'Version 1. What a report login reads: the rows of its tenants, and of no others.';

COMMENT ON VIEW reporting.tenants IS 'The tenants, one row each.';
COMMENT ON COLUMN reporting.tenants.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.tenants.display_name IS 'The name that is shown.';
COMMENT ON COLUMN reporting.tenants.domains IS 'Its domains.';
COMMENT ON COLUMN reporting.tenants.manager IS 'The name of the keys that manage it; null: only owners do.';
COMMENT ON COLUMN reporting.tenants.permission_rule IS 'seed: only users manage remote assistance partners, as documented in 2018; current: applications may too.';
COMMENT ON COLUMN reporting.tenants.created_at IS 'When it was created.';
COMMENT ON COLUMN reporting.tenants.expires_at IS 'When it expires, by the service''s clock; null: never.';
COMMENT ON COLUMN reporting.tenants.replaced_at IS 'When a reset, a restored snapshot or an import last replaced the entities and their history, within a year, by the service''s clock; null if none did.';
COMMENT ON COLUMN reporting.tenants.now IS 'What the tenant''s clock shows now, with which its times compare.';

COMMENT ON VIEW reporting.administrators IS 'The administrators who changed entities of the tenant, by acting for the other side or by an import.';
COMMENT ON COLUMN reporting.administrators.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.administrators.id IS 'The id of the key, as in changed_by and created_by.';
COMMENT ON COLUMN reporting.administrators.name IS 'The name of the key.';
COMMENT ON COLUMN reporting.administrators.role IS 'reader, manager or owner.';

COMMENT ON VIEW reporting.sign_ins IS 'The users who are signed in now, by the tenant''s clock, one row per browser.';
COMMENT ON COLUMN reporting.sign_ins.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.sign_ins.user_id IS 'The user''s object id.';
COMMENT ON COLUMN reporting.sign_ins.signed_in_at IS 'When the user signed in.';
COMMENT ON COLUMN reporting.sign_ins.expires_at IS 'When the sign-in ends by itself.';

COMMENT ON VIEW reporting.changes IS 'Every change of every entity, including deleted ones: one row per version, and one for the deletion. The view of a set, such as remote_assistance_partner_changes, has the values too.';
COMMENT ON COLUMN reporting.changes.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.changes.entity_set IS 'The set in Graph, such as remoteAssistancePartners.';
COMMENT ON COLUMN reporting.changes.entity_id IS 'The entity''s id.';
COMMENT ON COLUMN reporting.changes.entity_created_at IS 'When the entity was created; it distinguishes two entities that had the same id, one after the other.';
COMMENT ON COLUMN reporting.changes.version IS 'The version that the change made, from 1; a delete has the number that the next version would have had.';
COMMENT ON COLUMN reporting.changes.change IS 'How: create, update, delete, or the name of an action. Later versions may add more.';
COMMENT ON COLUMN reporting.changes.changed_at IS 'When.';
COMMENT ON COLUMN reporting.changes.changed_by IS 'Who: the object id of a user or of an application''s service principal, the id of an administrator''s key, or 70617274-6e65-7200-0000-000000000000 if a person decided at the partner''s link.';
COMMENT ON COLUMN reporting.changes.changed_by_name IS 'The user''s principal name, the application''s display name or the name of the administrator''s key, as it is now, or partner; null if the tenant no longer has such a user or application.';
COMMENT ON COLUMN reporting.changes.display_name IS 'The entity''s displayName after the change, or before a delete; null if it has none.';
COMMENT ON COLUMN reporting.changes.before_status IS 'The status before the change; null in a create, and if the set''s entities have no status.';
COMMENT ON COLUMN reporting.changes.after_status IS 'The status after the change; null in a delete, and if the set''s entities have no status.';
COMMENT ON COLUMN reporting.changes.changed_with IS 'From which application: its client id; null if the change didn''t come through Graph.';
COMMENT ON COLUMN reporting.changes.changed_with_name IS 'The application''s display name, as it is now; null if the tenant no longer has it.';

COMMENT ON VIEW reporting.status_by_day IS 'How many entities were in each status at the end of each day (UTC), from the day of a set''s first entity to today by the tenant''s clock, whose count is the current one.';
COMMENT ON COLUMN reporting.status_by_day.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.status_by_day.entity_set IS 'The set in Graph, such as remoteAssistancePartners.';
COMMENT ON COLUMN reporting.status_by_day.day IS 'The day, in UTC.';
COMMENT ON COLUMN reporting.status_by_day.status IS 'The status, such as onboarding.';
COMMENT ON COLUMN reporting.status_by_day.entities IS 'The number of entities, which may be 0.';

COMMENT ON VIEW reporting.time_in_status IS 'How long each entity that has a status stayed in each one, including deleted entities: one row per stay. A change that leaves the status alone ends no stay.';
COMMENT ON COLUMN reporting.time_in_status.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.time_in_status.entity_set IS 'The set in Graph, such as remoteAssistancePartners.';
COMMENT ON COLUMN reporting.time_in_status.entity_id IS 'The entity''s id.';
COMMENT ON COLUMN reporting.time_in_status.entity_created_at IS 'When the entity was created; see changes.';
COMMENT ON COLUMN reporting.time_in_status.stay IS 'Counts the entity''s stays, from 1.';
COMMENT ON COLUMN reporting.time_in_status.status IS 'The status, such as onboarding.';
COMMENT ON COLUMN reporting.time_in_status.from_at IS 'When the stay began.';
COMMENT ON COLUMN reporting.time_in_status.until_at IS 'When it ended, by a change of status or the deletion; null if it hasn''t ended.';
COMMENT ON COLUMN reporting.time_in_status.duration IS 'How long it lasted, until now by the tenant''s clock if it hasn''t ended.';

COMMENT ON VIEW reporting.users IS 'The users, without their secrets.';
COMMENT ON COLUMN reporting.users.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.users.id IS 'The user''s object id.';
COMMENT ON COLUMN reporting.users.user_principal_name IS 'The name that the user signs in with.';
COMMENT ON COLUMN reporting.users.display_name IS 'The name that is shown.';
COMMENT ON COLUMN reporting.users.given_name IS 'The first name; null if it has none.';
COMMENT ON COLUMN reporting.users.surname IS 'The last name; null if it has none.';
COMMENT ON COLUMN reporting.users.enabled IS 'Whether the user may sign in.';
COMMENT ON COLUMN reporting.users.directory_roles IS 'The template ids of its directory roles.';
COMMENT ON COLUMN reporting.users.created_at IS 'When it was created.';

COMMENT ON VIEW reporting.applications IS 'The applications, without their secrets.';
COMMENT ON COLUMN reporting.applications.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.applications.client_id IS 'The application''s (client) id.';
COMMENT ON COLUMN reporting.applications.service_principal_id IS 'The object id of its service principal in the tenant.';
COMMENT ON COLUMN reporting.applications.display_name IS 'The name that is shown.';
COMMENT ON COLUMN reporting.applications.public_client IS 'Whether it is a public client, which has no secret.';
COMMENT ON COLUMN reporting.applications.redirect_uris IS 'Where a sign-in may send its users back to.';
COMMENT ON COLUMN reporting.applications.created_at IS 'When it was created.';

-- Everybody may query the views. They show rows only to a login in report_logins.
GRANT USAGE ON SCHEMA reporting TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO PUBLIC;

-- Also closes goose's own tables, which internal/db/migrate.go names.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'mocktenant\_schema\_versions%'
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;

-- Removes rights that Postgres gives everybody and that a report login must not have. Some can
-- be removed only by a superuser; docs/reporting.md says what remains without one.
DO $$
DECLARE
    taken record;
BEGIN
    -- With its own tables and functions a login could write, and bypass the views' fences. In
    -- a database that isn't ours, Postgres only warns and leaves both rights.
    EXECUTE 'REVOKE CREATE ON SCHEMA public FROM PUBLIC';
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    IF NOT current_setting('is_superuser')::boolean THEN
        RETURN;
    END IF;
    EXECUTE 'REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC';
    FOR taken IN
        SELECT p.oid::regprocedure AS name,
            -- Needed by the owner, for tools that take such locks, and by monitors.
            CASE WHEN p.proname LIKE '%advisory%' THEN 'pg_database_owner' ELSE 'pg_monitor' END AS keeper
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            -- A session that takes ever more advisory locks fills the server's lock table, and
            -- then nobody can do anything.
            p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            -- These count rows and changes per table, for all tenants together.
            OR p.proname LIKE 'pg\_stat\_get\_%' AND p.pronargs = 1 AND p.proargtypes[0] = 'oid'::regtype
        )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', taken.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', taken.name, taken.keeper);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP VIEW reporting.status_by_day;
DROP VIEW reporting.time_in_status;
DROP VIEW reporting.changes;
DROP VIEW report_changes;
DROP VIEW reporting.administrators;
DROP VIEW report_statuses;
DROP VIEW report_states;
DROP FUNCTION application_of(uuid);
DROP FUNCTION instant_of(bigint);
DROP VIEW reporting.applications;
DROP VIEW reporting.users;
DROP VIEW reporting.sign_ins;
DROP VIEW reporting.tenants;
DROP FUNCTION report_time();
DROP FUNCTION tenant_time(timestamptz, timestamptz, double precision, timestamptz);
DROP INDEX audit_entries_replaced;
DROP SCHEMA reporting;
DROP VIEW report_tenants;
DROP TABLE report_logins;
DO $$
DECLARE
    taken record;
BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
    IF NOT current_setting('is_superuser')::boolean THEN
        RETURN;
    END IF;
    EXECUTE 'GRANT EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) TO PUBLIC';
    FOR taken IN
        SELECT p.oid::regprocedure AS name,
            CASE WHEN p.proname LIKE '%advisory%' THEN 'pg_database_owner' ELSE 'pg_monitor' END AS keeper
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            OR p.proname LIKE 'pg\_stat\_get\_%' AND p.pronargs = 1 AND p.proargtypes[0] = 'oid'::regtype
        )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', taken.name, taken.keeper);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', taken.name);
    END LOOP;
END
$$;
-- +goose StatementEnd
