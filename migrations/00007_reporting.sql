-- Schema reporting is a promised interface, version 1, described for its
-- readers in docs/reporting.md: columns may be added at the end of a view, and
-- nothing else may change (a test holds them).
--
-- Every view begins at report_tenants, the tenants of the login that reads, and
-- goes from there, tenant by tenant, to the base tables. OFFSET 0 fences each
-- step: the reader's own conditions are not carried past it, so that EXPLAIN
-- ANALYZE tells nothing about tenants that aren't the reader's.
--
-- A view reads with the rights of its owner, who is the tables' owner too; for
-- all others row-level security shuts the tables, even if they are granted.

-- +goose Up

-- Which tenants a Postgres login may read in schema reporting. Logins are roles
-- that the service makes; their names are random.
CREATE TABLE report_logins (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    login_name text COLLATE "C" NOT NULL,
    label text COLLATE "C",
    created_at timestamptz NOT NULL,
    -- Null never expires. The role's own VALID UNTIL is for passwords only.
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, login_name)
);

-- The tenants of the login that reads: of the session's user, whom neither SET
-- ROLE nor a function changes. The service itself, who owns the tables, says which
-- one it reads by a setting.
CREATE VIEW report_tenants WITH (security_barrier) AS
SELECT l.tenant_id FROM report_logins AS l
WHERE l.login_name = session_user::text
    AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
UNION ALL
SELECT t.id FROM tenants AS t
WHERE t.kind = 'tenant' AND t.id = CASE
    WHEN (SELECT pg_has_role(session_user, c.relowner, 'MEMBER') FROM pg_class AS c WHERE c.oid = 'public.tenants'::regclass)
    THEN nullif(current_setting('mocktenant.report_tenant', true), '')::uuid
END
OFFSET 0;

CREATE SCHEMA reporting;

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
        applications.redirect_uris, applications.created_at
    FROM applications WHERE applications.tenant_id = t.tenant_id
    OFFSET 0
) AS a;

-- 0001-01-01T00:00:00Z is how Graph says that there is no such time.
CREATE VIEW reporting.partners WITH (security_barrier) AS
SELECT t.tenant_id, p.id, p.version, p.display_name, p.onboarding_url, p.onboarding_status::text AS onboarding_status,
    nullif(p.last_connection_at, timestamptz '0001-01-01 00:00:00+00') AS last_connection_at,
    p.last_connection_offset AS last_connection_offset_minutes,
    nullif(p.request_expiry_at, timestamptz '0001-01-01 00:00:00+00') AS request_expiry_at,
    p.request_expiry_offset AS request_expiry_offset_minutes,
    p.created_at, p.created_by
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT r.id, r.version, r.display_name, r.onboarding_url, r.onboarding_status, r.last_connection_at,
        r.last_connection_offset, r.request_expiry_at, r.request_expiry_offset, r.created_at, r.created_by
    FROM remote_assistance_partners AS r WHERE r.tenant_id = t.tenant_id
    OFFSET 0
) AS p;

-- Every state that a partner of the reader's tenants was ever in, and what
-- ended it: nothing, for the one it is in.
CREATE VIEW report_partner_states WITH (security_barrier) AS
SELECT t.tenant_id, s.id, s.version, s.display_name, s.onboarding_url, s.onboarding_status,
    nullif(s.last_connection_at, timestamptz '0001-01-01 00:00:00+00') AS last_connection_at,
    s.last_connection_offset,
    nullif(s.request_expiry_at, timestamptz '0001-01-01 00:00:00+00') AS request_expiry_at,
    s.request_expiry_offset, s.created_at, s.created_by, s.ended_by_change, s.ended_at, s.ended_by
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT v.id, v.version, v.display_name, v.onboarding_url, v.onboarding_status::text AS onboarding_status,
        v.last_connection_at, v.last_connection_offset, v.request_expiry_at, v.request_expiry_offset,
        v.created_at, v.created_by, v.replaced_by_change::text AS ended_by_change,
        v.replaced_at AS ended_at, v.replaced_by AS ended_by
    FROM remote_assistance_partner_versions AS v WHERE v.tenant_id = t.tenant_id
    UNION ALL
    SELECT p.id, p.version, p.display_name, p.onboarding_url, p.onboarding_status::text,
        p.last_connection_at, p.last_connection_offset, p.request_expiry_at, p.request_expiry_offset,
        p.created_at, p.created_by, NULL::text, NULL::timestamptz, NULL::uuid
    FROM remote_assistance_partners AS p WHERE p.tenant_id = t.tenant_id
    OFFSET 0
) AS s;

-- An id may live twice: its versions begin anew, at another created_at.
CREATE VIEW reporting.partner_changes WITH (security_barrier) AS
WITH chained AS (
    SELECT s.*,
        lag(s.ended_by_change) OVER life AS begun_by_change,
        lag(s.ended_at) OVER life AS begun_at,
        lag(s.ended_by) OVER life AS begun_by,
        lag(s.display_name) OVER life AS before_display_name,
        lag(s.onboarding_url) OVER life AS before_onboarding_url,
        lag(s.onboarding_status) OVER life AS before_onboarding_status,
        lag(s.last_connection_at) OVER life AS before_last_connection_at,
        lag(s.last_connection_offset) OVER life AS before_last_connection_offset,
        lag(s.request_expiry_at) OVER life AS before_request_expiry_at,
        lag(s.request_expiry_offset) OVER life AS before_request_expiry_offset
    FROM report_partner_states AS s
    WINDOW life AS (PARTITION BY s.tenant_id, s.id, s.created_at ORDER BY s.version)
), changes AS (
    SELECT c.tenant_id, c.id AS partner_id, c.created_at AS partner_created_at, c.version,
        coalesce(c.begun_by_change, 'create') AS change,
        coalesce(c.begun_at, c.created_at) AS changed_at,
        coalesce(c.begun_by, c.created_by) AS changed_by,
        c.before_display_name, c.display_name AS after_display_name,
        c.before_onboarding_url, c.onboarding_url AS after_onboarding_url,
        c.before_onboarding_status, c.onboarding_status AS after_onboarding_status,
        c.before_last_connection_at, c.last_connection_at AS after_last_connection_at,
        c.before_last_connection_offset, c.last_connection_offset AS after_last_connection_offset,
        c.before_request_expiry_at, c.request_expiry_at AS after_request_expiry_at,
        c.before_request_expiry_offset, c.request_expiry_offset AS after_request_expiry_offset
    FROM chained AS c
    UNION ALL
    SELECT s.tenant_id, s.id, s.created_at, s.version + 1, s.ended_by_change, s.ended_at, s.ended_by,
        s.display_name, NULL, s.onboarding_url, NULL, s.onboarding_status, NULL,
        s.last_connection_at, NULL, s.last_connection_offset, NULL,
        s.request_expiry_at, NULL, s.request_expiry_offset, NULL
    FROM report_partner_states AS s
    WHERE s.ended_by_change = 'delete'
)
SELECT c.tenant_id, c.partner_id, c.partner_created_at, c.version, c.change, c.changed_at, c.changed_by,
    coalesce(u.user_principal_name, a.display_name) AS changed_by_name,
    c.before_display_name, c.after_display_name,
    c.before_onboarding_url, c.after_onboarding_url,
    c.before_onboarding_status, c.after_onboarding_status,
    c.before_last_connection_at, c.after_last_connection_at,
    c.before_last_connection_offset AS before_last_connection_offset_minutes,
    c.after_last_connection_offset AS after_last_connection_offset_minutes,
    c.before_request_expiry_at, c.after_request_expiry_at,
    c.before_request_expiry_offset AS before_request_expiry_offset_minutes,
    c.after_request_expiry_offset AS after_request_expiry_offset_minutes
FROM changes AS c
LEFT JOIN reporting.users AS u ON u.tenant_id = c.tenant_id AND u.id = c.changed_by
LEFT JOIN (
    SELECT DISTINCT ON (b.tenant_id, b.service_principal_id) b.tenant_id, b.service_principal_id, b.display_name
    FROM reporting.applications AS b
    ORDER BY b.tenant_id, b.service_principal_id, b.client_id
) AS a ON a.tenant_id = c.tenant_id AND a.service_principal_id = c.changed_by;

CREATE VIEW reporting.time_in_status WITH (security_barrier) AS
WITH turned AS (
    SELECT s.tenant_id, s.id, s.created_at, s.version, s.onboarding_status, s.ended_by_change, s.ended_at,
        lag(s.ended_at) OVER life AS begun_at,
        s.onboarding_status IS DISTINCT FROM lag(s.onboarding_status) OVER life AS turns
    FROM report_partner_states AS s
    WINDOW life AS (PARTITION BY s.tenant_id, s.id, s.created_at ORDER BY s.version)
), numbered AS (
    SELECT n.*, count(*) FILTER (WHERE n.turns) OVER (
        PARTITION BY n.tenant_id, n.id, n.created_at ORDER BY n.version
    ) AS stay
    FROM turned AS n
), stays AS (
    SELECT s.tenant_id, s.id AS partner_id, s.created_at AS partner_created_at, s.stay, s.onboarding_status,
        (array_agg(coalesce(s.begun_at, s.created_at) ORDER BY s.version))[1] AS from_at,
        (array_agg(s.ended_at ORDER BY s.version DESC))[1] AS until_at
    FROM numbered AS s
    GROUP BY s.tenant_id, s.id, s.created_at, s.stay, s.onboarding_status
)
SELECT s.tenant_id, s.partner_id, s.partner_created_at, s.stay, s.onboarding_status, s.from_at, s.until_at,
    coalesce(s.until_at, statement_timestamp()) - s.from_at AS duration
FROM stays AS s;

CREATE VIEW reporting.onboarding_funnel WITH (security_barrier) AS
WITH lives AS (
    SELECT s.tenant_id, s.partner_created_at AS at,
        min(s.from_at) FILTER (WHERE s.onboarding_status <> 'notOnboarded') AS began_at,
        min(s.from_at) FILTER (WHERE s.onboarding_status = 'onboarded') AS onboarded_at,
        max(s.from_at) FILTER (WHERE s.onboarding_status = 'onboarded' AND s.until_at IS NULL) AS still_at
    FROM reporting.time_in_status AS s
    GROUP BY s.tenant_id, s.partner_id, s.partner_created_at
), reached AS (
    SELECT l.tenant_id, 1 AS step, l.at - l.at AS took FROM lives AS l
    UNION ALL
    SELECT l.tenant_id, 2, l.began_at - l.at FROM lives AS l WHERE l.began_at IS NOT NULL
    UNION ALL
    SELECT l.tenant_id, 3, l.onboarded_at - l.at FROM lives AS l WHERE l.onboarded_at IS NOT NULL
    UNION ALL
    SELECT l.tenant_id, 4, l.still_at - l.at FROM lives AS l WHERE l.still_at IS NOT NULL
)
SELECT t.tenant_id, n.step::smallint AS step, n.step_name, count(r.step) AS partners,
    count(r.step)::double precision / nullif(max(count(r.step)) OVER (PARTITION BY t.tenant_id), 0) AS share,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY r.took) AS median_time
FROM report_tenants AS t
CROSS JOIN (
    SELECT 1 AS step, 'created'::text AS step_name
    UNION ALL SELECT 2, 'onboarding'
    UNION ALL SELECT 3, 'onboarded'
    UNION ALL SELECT 4, 'stillOnboarded'
) AS n
LEFT JOIN reached AS r ON r.tenant_id = t.tenant_id AND r.step = n.step
GROUP BY t.tenant_id, n.step, n.step_name;

-- Each stay counts one up on its first day and one down on its last: a stay
-- that ends on the day it began is in no end of day.
CREATE VIEW reporting.status_by_day WITH (security_barrier) AS
WITH ends AS (
    SELECT s.tenant_id, s.onboarding_status, (s.from_at AT TIME ZONE 'UTC')::date AS day, 1 AS delta
    FROM reporting.time_in_status AS s
    UNION ALL
    SELECT s.tenant_id, s.onboarding_status, (s.until_at AT TIME ZONE 'UTC')::date, -1
    FROM reporting.time_in_status AS s
    WHERE s.until_at IS NOT NULL
), turns AS (
    SELECT e.tenant_id, e.onboarding_status, e.day, sum(e.delta) AS delta
    FROM ends AS e
    GROUP BY e.tenant_id, e.onboarding_status, e.day
), days AS (
    SELECT r.tenant_id, g.day::date AS day
    FROM (
        SELECT u.tenant_id, min(u.day) AS first_day,
            greatest(max(u.day), (statement_timestamp() AT TIME ZONE 'UTC')::date) AS last_day
        FROM turns AS u GROUP BY u.tenant_id
    ) AS r
    CROSS JOIN LATERAL generate_series(r.first_day::timestamp, r.last_day::timestamp, interval '1 day') AS g (day)
)
SELECT d.tenant_id, d.day, o.onboarding_status,
    sum(coalesce(t.delta, 0)) OVER (PARTITION BY d.tenant_id, o.onboarding_status ORDER BY d.day)::bigint AS partners
FROM days AS d
CROSS JOIN (
    SELECT 'notOnboarded'::text AS onboarding_status
    UNION ALL SELECT 'onboarding'
    UNION ALL SELECT 'onboarded'
) AS o
LEFT JOIN turns AS t ON t.tenant_id = d.tenant_id AND t.day = d.day AND t.onboarding_status = o.onboarding_status;

CREATE VIEW reporting.connection_staleness WITH (security_barrier) AS
SELECT p.tenant_id, p.id AS partner_id, p.display_name, p.onboarding_status, p.last_connection_at,
    statement_timestamp() - p.last_connection_at AS stale_for,
    CASE
        WHEN p.last_connection_at IS NULL THEN 'never'
        WHEN p.last_connection_at > statement_timestamp() - interval '1 day' THEN 'day'
        WHEN p.last_connection_at > statement_timestamp() - interval '7 days' THEN 'week'
        WHEN p.last_connection_at > statement_timestamp() - interval '30 days' THEN 'month'
        ELSE 'older'
    END AS staleness
FROM reporting.partners AS p;

COMMENT ON SCHEMA reporting IS 'Version 1. What a report login reads: the rows of its tenants, and of no others.';

COMMENT ON VIEW reporting.partners IS 'The remote assistance partners as they are now, one row each.';
COMMENT ON COLUMN reporting.partners.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.partners.id IS 'The partner''s id in Graph.';
COMMENT ON COLUMN reporting.partners.version IS 'Counts the partner''s changes, from 1 when it was created.';
COMMENT ON COLUMN reporting.partners.display_name IS 'Graph''s displayName; null if it has none.';
COMMENT ON COLUMN reporting.partners.onboarding_url IS 'Graph''s onboardingUrl; null if it has none.';
COMMENT ON COLUMN reporting.partners.onboarding_status IS 'Graph''s onboardingStatus: notOnboarded, onboarding or onboarded.';
COMMENT ON COLUMN reporting.partners.last_connection_at IS 'Graph''s lastConnectionDateTime, cut to the microsecond; null if it never connected (0001-01-01T00:00:00Z in Graph).';
COMMENT ON COLUMN reporting.partners.last_connection_offset_minutes IS 'The offset in which Graph writes it, in minutes east of UTC.';
COMMENT ON COLUMN reporting.partners.request_expiry_at IS 'Beta''s onboardingRequestExpiryDateTime, cut to the microsecond; null if there is no request (0001-01-01T00:00:00Z in Graph).';
COMMENT ON COLUMN reporting.partners.request_expiry_offset_minutes IS 'The offset in which Graph writes it, in minutes east of UTC.';
COMMENT ON COLUMN reporting.partners.created_at IS 'When it was created.';
COMMENT ON COLUMN reporting.partners.created_by IS 'Who created it: the object id of a user, or of an application''s service principal.';

COMMENT ON VIEW reporting.partner_changes IS 'Every change of every partner, also of deleted ones: one row per version, and one for the deletion. What was before is null in a create, what is after in a delete.';
COMMENT ON COLUMN reporting.partner_changes.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.partner_changes.partner_id IS 'The partner''s id in Graph.';
COMMENT ON COLUMN reporting.partner_changes.partner_created_at IS 'When the partner was created; it tells apart two partners that had the same id, one after the other.';
COMMENT ON COLUMN reporting.partner_changes.version IS 'The version that the change made, from 1; a delete has the number that the next version would have had.';
COMMENT ON COLUMN reporting.partner_changes.change IS 'How: create, update, beginOnboarding, disconnect, delete; or, by the partner''s side, confirmOnboarding, refuseOnboarding, expireOnboarding, heartbeat. More may come.';
COMMENT ON COLUMN reporting.partner_changes.changed_at IS 'When.';
COMMENT ON COLUMN reporting.partner_changes.changed_by IS 'Who: the object id of a user, or of an application''s service principal; of the partner''s side, the id of an administrator''s key.';
COMMENT ON COLUMN reporting.partner_changes.changed_by_name IS 'The user''s principal name or the application''s display name, as it is now; null if the tenant has no such user or application (any more).';
COMMENT ON COLUMN reporting.partner_changes.before_display_name IS 'displayName before the change.';
COMMENT ON COLUMN reporting.partner_changes.after_display_name IS 'displayName after the change.';
COMMENT ON COLUMN reporting.partner_changes.before_onboarding_url IS 'onboardingUrl before the change.';
COMMENT ON COLUMN reporting.partner_changes.after_onboarding_url IS 'onboardingUrl after the change.';
COMMENT ON COLUMN reporting.partner_changes.before_onboarding_status IS 'onboardingStatus before the change.';
COMMENT ON COLUMN reporting.partner_changes.after_onboarding_status IS 'onboardingStatus after the change.';
COMMENT ON COLUMN reporting.partner_changes.before_last_connection_at IS 'lastConnectionDateTime before the change; null also if it never connected.';
COMMENT ON COLUMN reporting.partner_changes.after_last_connection_at IS 'lastConnectionDateTime after the change; null also if it never connected.';
COMMENT ON COLUMN reporting.partner_changes.before_last_connection_offset_minutes IS 'The offset of lastConnectionDateTime before the change, in minutes east of UTC.';
COMMENT ON COLUMN reporting.partner_changes.after_last_connection_offset_minutes IS 'The offset of lastConnectionDateTime after the change, in minutes east of UTC.';
COMMENT ON COLUMN reporting.partner_changes.before_request_expiry_at IS 'onboardingRequestExpiryDateTime before the change; null also if there was no request.';
COMMENT ON COLUMN reporting.partner_changes.after_request_expiry_at IS 'onboardingRequestExpiryDateTime after the change; null also if there is no request.';
COMMENT ON COLUMN reporting.partner_changes.before_request_expiry_offset_minutes IS 'The offset of onboardingRequestExpiryDateTime before the change, in minutes east of UTC.';
COMMENT ON COLUMN reporting.partner_changes.after_request_expiry_offset_minutes IS 'The offset of onboardingRequestExpiryDateTime after the change, in minutes east of UTC.';

COMMENT ON VIEW reporting.onboarding_funnel IS 'How far partners got, deleted ones too: four rows per tenant.';
COMMENT ON COLUMN reporting.onboarding_funnel.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.onboarding_funnel.step IS 'The step''s number, 1 to 4.';
COMMENT ON COLUMN reporting.onboarding_funnel.step_name IS 'created; onboarding: was ever onboarding or beyond; onboarded: was ever onboarded; stillOnboarded: is so now.';
COMMENT ON COLUMN reporting.onboarding_funnel.partners IS 'How many partners reached the step.';
COMMENT ON COLUMN reporting.onboarding_funnel.share IS 'Their share of all that were created, 0 to 1; null if none was.';
COMMENT ON COLUMN reporting.onboarding_funnel.median_time IS 'The median time from a partner''s creation until it first reached the step, for stillOnboarded until it last did; null if none did.';

COMMENT ON VIEW reporting.status_by_day IS 'How many partners were in each status at the end of each day (UTC), from the first partner''s day to today, whose count is that of now.';
COMMENT ON COLUMN reporting.status_by_day.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.status_by_day.day IS 'The day, in UTC.';
COMMENT ON COLUMN reporting.status_by_day.onboarding_status IS 'notOnboarded, onboarding or onboarded.';
COMMENT ON COLUMN reporting.status_by_day.partners IS 'How many partners; 0 is there, too.';

COMMENT ON VIEW reporting.time_in_status IS 'How long each partner, deleted ones too, stayed in each status: one row per stay. Changes that leave the status alone end no stay.';
COMMENT ON COLUMN reporting.time_in_status.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.time_in_status.partner_id IS 'The partner''s id in Graph.';
COMMENT ON COLUMN reporting.time_in_status.partner_created_at IS 'When the partner was created; see partner_changes.';
COMMENT ON COLUMN reporting.time_in_status.stay IS 'Counts the partner''s stays, from 1.';
COMMENT ON COLUMN reporting.time_in_status.onboarding_status IS 'notOnboarded, onboarding or onboarded.';
COMMENT ON COLUMN reporting.time_in_status.from_at IS 'When the stay began.';
COMMENT ON COLUMN reporting.time_in_status.until_at IS 'When it ended, by a change of status or the deletion; null if it lasts.';
COMMENT ON COLUMN reporting.time_in_status.duration IS 'How long it took, until now if it lasts.';

COMMENT ON VIEW reporting.connection_staleness IS 'How long ago each partner connected, one row per partner.';
COMMENT ON COLUMN reporting.connection_staleness.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.connection_staleness.partner_id IS 'The partner''s id in Graph.';
COMMENT ON COLUMN reporting.connection_staleness.display_name IS 'Graph''s displayName; null if it has none.';
COMMENT ON COLUMN reporting.connection_staleness.onboarding_status IS 'Graph''s onboardingStatus: notOnboarded, onboarding or onboarded.';
COMMENT ON COLUMN reporting.connection_staleness.last_connection_at IS 'When it last connected; null if never.';
COMMENT ON COLUMN reporting.connection_staleness.stale_for IS 'The time since then; null if it never connected, negative if that lies ahead.';
COMMENT ON COLUMN reporting.connection_staleness.staleness IS 'never, or within the last day, week (7 days) or month (30 days), or older.';

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
COMMENT ON COLUMN reporting.applications.public_client IS 'Whether it has no secret to prove itself by.';
COMMENT ON COLUMN reporting.applications.redirect_uris IS 'Where its users may come back to after they signed in.';
COMMENT ON COLUMN reporting.applications.created_at IS 'When it was created.';

-- Everybody may ask the views; they show rows to those alone who are named in
-- report_logins.
GRANT USAGE ON SCHEMA reporting TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO PUBLIC;

-- Row-level security without a policy shows nothing, whatever is granted. It
-- doesn't hold the tables' owner and superusers, one of which the service is. A
-- later migration's tables need the same; a test sees to it.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE 'goose%'
        ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    -- Tables and functions of one's own would be a way to write, and around the
    -- views' barriers. A warning, no error, where the database isn't ours.
    EXECUTE 'REVOKE CREATE ON SCHEMA public FROM PUBLIC';
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    -- So would large objects, which only a superuser can forbid.
    IF current_setting('is_superuser')::boolean THEN
        EXECUTE 'REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC';
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relrowsecurity
        ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER TABLE public.%I DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
    IF current_setting('is_superuser')::boolean THEN
        EXECUTE 'GRANT EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) TO PUBLIC';
    END IF;
END
$$;
-- +goose StatementEnd
DROP VIEW reporting.connection_staleness;
DROP VIEW reporting.status_by_day;
DROP VIEW reporting.onboarding_funnel;
DROP VIEW reporting.time_in_status;
DROP VIEW reporting.partner_changes;
DROP VIEW report_partner_states;
DROP VIEW reporting.partners;
DROP VIEW reporting.applications;
DROP VIEW reporting.users;
DROP SCHEMA reporting;
DROP VIEW report_tenants;
DROP TABLE report_logins;
