
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA reporting;

CREATE TYPE public.admin_role AS ENUM (
    'reader',
    'manager',
    'owner'
);

CREATE TYPE public.audit_outcome AS ENUM (
    'done',
    'denied'
);

CREATE TYPE public.device_code_status AS ENUM (
    'pending',
    'approved',
    'declined',
    'redeemed'
);

CREATE TYPE public.onboarding_status AS ENUM (
    'notOnboarded',
    'onboarding',
    'onboarded'
);

CREATE TYPE public.partner_change AS ENUM (
    'update',
    'beginOnboarding',
    'disconnect',
    'delete',
    'confirmOnboarding',
    'refuseOnboarding',
    'expireOnboarding',
    'heartbeat'
);

CREATE TYPE public.permission_rule AS ENUM (
    'seed',
    'current'
);

CREATE TYPE public.redirect_uri_type AS ENUM (
    'web',
    'spa',
    'public_client'
);

CREATE TYPE public.tenant_kind AS ENUM (
    'tenant',
    'state'
);

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.admin_keys (
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    role public.admin_role NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone
);

CREATE TABLE public.app_role_assignments (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    role text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.application_certificates (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    certificate bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.application_federated_credentials (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    issuer text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    audiences text[] NOT NULL,
    description text COLLATE pg_catalog."C",
    key_set bytea,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.application_secrets (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    hint text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.applications (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    service_principal_id uuid NOT NULL,
    display_name text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    public_client boolean DEFAULT false NOT NULL,
    public_client_flows boolean DEFAULT false NOT NULL,
    redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    exposed_scopes text[] DEFAULT '{}'::text[] NOT NULL,
    required_scopes text[] DEFAULT '{}'::text[] NOT NULL,
    required_roles text[] DEFAULT '{}'::text[] NOT NULL,
    tokens_valid_from timestamp with time zone DEFAULT '0001-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    spa_redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    public_client_redirect_uris text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE TABLE public.audit_entries (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    key_id uuid,
    key_name text COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    tenant_id uuid,
    target text COLLATE pg_catalog."C",
    outcome public.audit_outcome NOT NULL,
    status integer NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    count integer DEFAULT 1 NOT NULL
);

CREATE TABLE public.authorization_codes (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    family_id uuid NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    redirect_uri text NOT NULL COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    nonce text COLLATE pg_catalog."C",
    code_challenge text COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    redeemed_at timestamp with time zone,
    redirect_type public.redirect_uri_type DEFAULT 'web'::public.redirect_uri_type NOT NULL
);

CREATE TABLE public.certificate_authorities (
    name text NOT NULL COLLATE pg_catalog."C",
    certificate bytea NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.client_assertions (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.device_codes (
    hash bytea NOT NULL,
    user_code text NOT NULL COLLATE pg_catalog."C",
    authority text NOT NULL COLLATE pg_catalog."C",
    client_id uuid NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    status public.device_code_status DEFAULT 'pending'::public.device_code_status NOT NULL,
    tenant_id uuid,
    user_id uuid,
    decided_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    address text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE public.domains (
    name text NOT NULL COLLATE pg_catalog."C",
    tenant_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT domains_name_check CHECK ((name = lower(name)))
);

CREATE TABLE public.idempotency_keys (
    hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.mocktenant_migrations (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.mocktenant_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.mocktenant_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.mocktenant_migrations_lock (
    lock_id bigint NOT NULL,
    locked boolean DEFAULT false NOT NULL,
    locked_at timestamp with time zone,
    locked_by text,
    lease_expires_at timestamp with time zone,
    updated_at timestamp with time zone
);

CREATE TABLE public.permission_grants (
    tenant_id uuid NOT NULL,
    client_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.refresh_tokens (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    family_id uuid NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    redeemed_at timestamp with time zone,
    redirect_type public.redirect_uri_type DEFAULT 'web'::public.redirect_uri_type NOT NULL
);

CREATE TABLE public.remote_assistance_partner_versions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text COLLATE pg_catalog."C",
    onboarding_url text COLLATE pg_catalog."C",
    onboarding_status public.onboarding_status NOT NULL,
    last_connection_at timestamp with time zone NOT NULL,
    last_connection_100ns smallint NOT NULL,
    last_connection_offset smallint NOT NULL,
    request_expiry_at timestamp with time zone NOT NULL,
    request_expiry_100ns smallint NOT NULL,
    request_expiry_offset smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    replaced_by_change public.partner_change NOT NULL,
    replaced_at timestamp with time zone NOT NULL,
    replaced_by uuid NOT NULL
);

CREATE TABLE public.remote_assistance_partners (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    display_name text COLLATE pg_catalog."C",
    onboarding_url text COLLATE pg_catalog."C",
    onboarding_status public.onboarding_status NOT NULL,
    last_connection_at timestamp with time zone NOT NULL,
    last_connection_100ns smallint NOT NULL,
    last_connection_offset smallint NOT NULL,
    request_expiry_at timestamp with time zone NOT NULL,
    request_expiry_100ns smallint NOT NULL,
    request_expiry_offset smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    CONSTRAINT remote_assistance_partners_display_name_check CHECK ((char_length(display_name) <= 1024)),
    CONSTRAINT remote_assistance_partners_last_connection_100ns_check CHECK (((last_connection_100ns >= 0) AND (last_connection_100ns <= 9))),
    CONSTRAINT remote_assistance_partners_last_connection_offset_check CHECK (((last_connection_offset >= '-840'::integer) AND (last_connection_offset <= 840))),
    CONSTRAINT remote_assistance_partners_onboarding_url_check CHECK ((char_length(onboarding_url) <= 2048)),
    CONSTRAINT remote_assistance_partners_request_expiry_100ns_check CHECK (((request_expiry_100ns >= 0) AND (request_expiry_100ns <= 9))),
    CONSTRAINT remote_assistance_partners_request_expiry_offset_check CHECK (((request_expiry_offset >= '-840'::integer) AND (request_expiry_offset <= 840))),
    CONSTRAINT remote_assistance_partners_version_check CHECK ((version > 0))
);

CREATE TABLE public.repeatable_requests (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    status smallint DEFAULT 0 NOT NULL,
    headers text[] DEFAULT '{}'::text[] NOT NULL,
    body bytea DEFAULT '\x'::bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.report_logins (
    tenant_id uuid NOT NULL,
    login_name text NOT NULL COLLATE pg_catalog."C",
    label text COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    manager text COLLATE pg_catalog."C"
);

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    display_name text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    permission_rule public.permission_rule DEFAULT 'seed'::public.permission_rule NOT NULL,
    user_picker boolean DEFAULT false NOT NULL,
    page_size integer DEFAULT 1000 NOT NULL,
    kind public.tenant_kind DEFAULT 'tenant'::public.tenant_kind NOT NULL,
    expires_at timestamp with time zone,
    manager text COLLATE pg_catalog."C",
    origin_id uuid,
    partner_quota integer,
    user_quota integer,
    request_rate integer,
    id_seed text COLLATE pg_catalog."C",
    ids_made bigint DEFAULT 0 NOT NULL,
    repeatability_seconds integer DEFAULT 0 NOT NULL,
    CONSTRAINT tenants_page_size_check CHECK (((page_size >= 1) AND (page_size <= 1000))),
    CONSTRAINT tenants_partner_quota_check CHECK ((partner_quota >= 0)),
    CONSTRAINT tenants_repeatability_seconds_check CHECK (((repeatability_seconds >= 0) AND (repeatability_seconds <= 3600))),
    CONSTRAINT tenants_request_rate_check CHECK ((request_rate > 0)),
    CONSTRAINT tenants_user_quota_check CHECK ((user_quota >= 0))
);

CREATE VIEW public.report_tenants WITH (security_barrier='true') AS
 SELECT l.tenant_id
   FROM (public.report_logins l
     CROSS JOIN LATERAL ( SELECT 1 AS "?column?"
           FROM public.tenants
          WHERE ((tenants.id = l.tenant_id) AND ((tenants.expires_at IS NULL) OR (tenants.expires_at > statement_timestamp())))
         OFFSET 0) t)
  WHERE ((l.login_name = (SESSION_USER)::text) AND ((l.expires_at IS NULL) OR (l.expires_at > statement_timestamp())))
UNION ALL
 SELECT t.id AS tenant_id
   FROM public.tenants t
  WHERE ((t.kind = 'tenant'::public.tenant_kind) AND ((t.expires_at IS NULL) OR (t.expires_at > statement_timestamp())) AND (t.id =
        CASE
            WHEN ( SELECT pg_has_role(SESSION_USER, c.relowner, 'MEMBER'::text) AS pg_has_role
               FROM pg_class c
              WHERE (c.oid = ('public.tenants'::regclass)::oid)) THEN (NULLIF(current_setting('mocktenant.report_tenant'::text, true), ''::text))::uuid
            ELSE NULL::uuid
        END))
 OFFSET 0;

CREATE VIEW public.report_partner_states WITH (security_barrier='true') AS
 SELECT t.tenant_id,
    s.id,
    s.version,
    s.display_name,
    s.onboarding_url,
    s.onboarding_status,
    NULLIF(s.last_connection_at, '0001-01-01 00:00:00+00'::timestamp with time zone) AS last_connection_at,
    s.last_connection_offset,
    NULLIF(s.request_expiry_at, '0001-01-01 00:00:00+00'::timestamp with time zone) AS request_expiry_at,
    s.request_expiry_offset,
    s.created_at,
    s.created_by,
    s.ended_by_change,
    s.ended_at,
    s.ended_by
   FROM (public.report_tenants t
     CROSS JOIN LATERAL ( SELECT v.id,
            v.version,
            v.display_name,
            v.onboarding_url,
            (v.onboarding_status)::text AS onboarding_status,
            v.last_connection_at,
            v.last_connection_offset,
            v.request_expiry_at,
            v.request_expiry_offset,
            v.created_at,
            v.created_by,
            (v.replaced_by_change)::text AS ended_by_change,
            v.replaced_at AS ended_at,
            v.replaced_by AS ended_by
           FROM public.remote_assistance_partner_versions v
          WHERE (v.tenant_id = t.tenant_id)
        UNION ALL
         SELECT p.id,
            p.version,
            p.display_name,
            p.onboarding_url,
            (p.onboarding_status)::text AS onboarding_status,
            p.last_connection_at,
            p.last_connection_offset,
            p.request_expiry_at,
            p.request_expiry_offset,
            p.created_at,
            p.created_by,
            NULL::text AS text,
            NULL::timestamp with time zone AS timestamptz,
            NULL::uuid AS uuid
           FROM public.remote_assistance_partners p
          WHERE (p.tenant_id = t.tenant_id)
 OFFSET 0) s);

CREATE TABLE public.seeds (
    name text NOT NULL COLLATE pg_catalog."C",
    state_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    digest bytea,
    manager text COLLATE pg_catalog."C"
);

CREATE TABLE public.service_secrets (
    name text NOT NULL COLLATE pg_catalog."C",
    value bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.sessions (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.signing_keys (
    kid text NOT NULL COLLATE pg_catalog."C",
    private_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    certificate bytea
);

CREATE TABLE public.snapshots (
    tenant_id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    state_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.users (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_principal_name text NOT NULL COLLATE pg_catalog."C",
    display_name text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    given_name text COLLATE pg_catalog."C",
    surname text COLLATE pg_catalog."C",
    password_hash text COLLATE pg_catalog."C",
    must_change_password boolean DEFAULT false NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    directory_roles uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    failed_sign_ins integer DEFAULT 0 NOT NULL,
    locked_until timestamp with time zone DEFAULT '0001-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    tokens_valid_from timestamp with time zone DEFAULT '0001-01-01 00:00:00+00'::timestamp with time zone NOT NULL
);

CREATE VIEW reporting.applications WITH (security_barrier='true') AS
 SELECT t.tenant_id,
    a.client_id,
    a.service_principal_id,
    a.display_name,
    a.public_client,
    a.redirect_uris,
    a.created_at
   FROM (public.report_tenants t
     CROSS JOIN LATERAL ( SELECT applications.client_id,
            applications.service_principal_id,
            applications.display_name,
            applications.public_client,
            ((applications.redirect_uris || applications.spa_redirect_uris) || applications.public_client_redirect_uris) AS redirect_uris,
            applications.created_at
           FROM public.applications
          WHERE (applications.tenant_id = t.tenant_id)
         OFFSET 0) a);

CREATE VIEW reporting.partners WITH (security_barrier='true') AS
 SELECT t.tenant_id,
    p.id,
    p.version,
    p.display_name,
    p.onboarding_url,
    (p.onboarding_status)::text AS onboarding_status,
    NULLIF(p.last_connection_at, '0001-01-01 00:00:00+00'::timestamp with time zone) AS last_connection_at,
    p.last_connection_offset AS last_connection_offset_minutes,
    NULLIF(p.request_expiry_at, '0001-01-01 00:00:00+00'::timestamp with time zone) AS request_expiry_at,
    p.request_expiry_offset AS request_expiry_offset_minutes,
    p.created_at,
    p.created_by
   FROM (public.report_tenants t
     CROSS JOIN LATERAL ( SELECT r.id,
            r.version,
            r.display_name,
            r.onboarding_url,
            r.onboarding_status,
            r.last_connection_at,
            r.last_connection_offset,
            r.request_expiry_at,
            r.request_expiry_offset,
            r.created_at,
            r.created_by
           FROM public.remote_assistance_partners r
          WHERE (r.tenant_id = t.tenant_id)
         OFFSET 0) p);

CREATE VIEW reporting.connection_staleness WITH (security_barrier='true') AS
 SELECT p.tenant_id,
    p.id AS partner_id,
    p.display_name,
    p.onboarding_status,
    p.last_connection_at,
    (statement_timestamp() - p.last_connection_at) AS stale_for,
        CASE
            WHEN (p.last_connection_at IS NULL) THEN 'never'::text
            WHEN (p.last_connection_at > (statement_timestamp() - '1 day'::interval)) THEN 'day'::text
            WHEN (p.last_connection_at > (statement_timestamp() - '7 days'::interval)) THEN 'week'::text
            WHEN (p.last_connection_at > (statement_timestamp() - '30 days'::interval)) THEN 'month'::text
            ELSE 'older'::text
        END AS staleness
   FROM reporting.partners p;

CREATE VIEW reporting.time_in_status WITH (security_barrier='true') AS
 WITH turned AS (
         SELECT s_1.tenant_id,
            s_1.id,
            s_1.created_at,
            s_1.version,
            s_1.onboarding_status,
            s_1.ended_by_change,
            s_1.ended_at,
            lag(s_1.ended_at) OVER life AS begun_at,
            (s_1.onboarding_status IS DISTINCT FROM lag(s_1.onboarding_status) OVER life) AS turns
           FROM public.report_partner_states s_1
          WINDOW life AS (PARTITION BY s_1.tenant_id, s_1.id, s_1.created_at ORDER BY s_1.version)
        ), numbered AS (
         SELECT n.tenant_id,
            n.id,
            n.created_at,
            n.version,
            n.onboarding_status,
            n.ended_by_change,
            n.ended_at,
            n.begun_at,
            n.turns,
            count(*) FILTER (WHERE n.turns) OVER (PARTITION BY n.tenant_id, n.id, n.created_at ORDER BY n.version) AS stay
           FROM turned n
        ), stays AS (
         SELECT s_1.tenant_id,
            s_1.id AS partner_id,
            s_1.created_at AS partner_created_at,
            s_1.stay,
            s_1.onboarding_status,
            (array_agg(COALESCE(s_1.begun_at, s_1.created_at) ORDER BY s_1.version))[1] AS from_at,
            (array_agg(s_1.ended_at ORDER BY s_1.version DESC))[1] AS until_at
           FROM numbered s_1
          GROUP BY s_1.tenant_id, s_1.id, s_1.created_at, s_1.stay, s_1.onboarding_status
        )
 SELECT s.tenant_id,
    s.partner_id,
    s.partner_created_at,
    s.stay,
    s.onboarding_status,
    s.from_at,
    s.until_at,
    (COALESCE(s.until_at, statement_timestamp()) - s.from_at) AS duration
   FROM stays s;

CREATE VIEW reporting.onboarding_funnel WITH (security_barrier='true') AS
 WITH lives AS (
         SELECT s.tenant_id,
            s.partner_created_at AS at,
            min(s.from_at) FILTER (WHERE (s.onboarding_status <> 'notOnboarded'::text)) AS began_at,
            min(s.from_at) FILTER (WHERE (s.onboarding_status = 'onboarded'::text)) AS onboarded_at,
            max(s.from_at) FILTER (WHERE ((s.onboarding_status = 'onboarded'::text) AND (s.until_at IS NULL))) AS still_at
           FROM reporting.time_in_status s
          GROUP BY s.tenant_id, s.partner_id, s.partner_created_at
        ), reached AS (
         SELECT l.tenant_id,
            1 AS step,
            (l.at - l.at) AS took
           FROM lives l
        UNION ALL
         SELECT l.tenant_id,
            2,
            (l.began_at - l.at)
           FROM lives l
          WHERE (l.began_at IS NOT NULL)
        UNION ALL
         SELECT l.tenant_id,
            3,
            (l.onboarded_at - l.at)
           FROM lives l
          WHERE (l.onboarded_at IS NOT NULL)
        UNION ALL
         SELECT l.tenant_id,
            4,
            (l.still_at - l.at)
           FROM lives l
          WHERE (l.still_at IS NOT NULL)
        )
 SELECT t.tenant_id,
    (n.step)::smallint AS step,
    n.step_name,
    count(r.step) AS partners,
    ((count(r.step))::double precision / (NULLIF(max(count(r.step)) OVER (PARTITION BY t.tenant_id), 0))::double precision) AS share,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY r.took) AS median_time
   FROM ((public.report_tenants t
     CROSS JOIN ( SELECT 1 AS step,
            'created'::text AS step_name
        UNION ALL
         SELECT 2,
            'onboarding'::text
        UNION ALL
         SELECT 3,
            'onboarded'::text
        UNION ALL
         SELECT 4,
            'stillOnboarded'::text) n)
     LEFT JOIN reached r ON (((r.tenant_id = t.tenant_id) AND (r.step = n.step))))
  GROUP BY t.tenant_id, n.step, n.step_name;

CREATE VIEW reporting.users WITH (security_barrier='true') AS
 SELECT t.tenant_id,
    u.id,
    u.user_principal_name,
    u.display_name,
    u.given_name,
    u.surname,
    u.enabled,
    u.directory_roles,
    u.created_at
   FROM (public.report_tenants t
     CROSS JOIN LATERAL ( SELECT users.id,
            users.user_principal_name,
            users.display_name,
            users.given_name,
            users.surname,
            users.enabled,
            users.directory_roles,
            users.created_at
           FROM public.users
          WHERE (users.tenant_id = t.tenant_id)
         OFFSET 0) u);

CREATE VIEW reporting.partner_changes WITH (security_barrier='true') AS
 WITH chained AS (
         SELECT s.tenant_id,
            s.id,
            s.version,
            s.display_name,
            s.onboarding_url,
            s.onboarding_status,
            s.last_connection_at,
            s.last_connection_offset,
            s.request_expiry_at,
            s.request_expiry_offset,
            s.created_at,
            s.created_by,
            s.ended_by_change,
            s.ended_at,
            s.ended_by,
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
           FROM public.report_partner_states s
          WINDOW life AS (PARTITION BY s.tenant_id, s.id, s.created_at ORDER BY s.version)
        ), changes AS (
         SELECT c_1.tenant_id,
            c_1.id AS partner_id,
            c_1.created_at AS partner_created_at,
            c_1.version,
            COALESCE(c_1.begun_by_change, 'create'::text) AS change,
            COALESCE(c_1.begun_at, c_1.created_at) AS changed_at,
            COALESCE(c_1.begun_by, c_1.created_by) AS changed_by,
            c_1.before_display_name,
            c_1.display_name AS after_display_name,
            c_1.before_onboarding_url,
            c_1.onboarding_url AS after_onboarding_url,
            c_1.before_onboarding_status,
            c_1.onboarding_status AS after_onboarding_status,
            c_1.before_last_connection_at,
            c_1.last_connection_at AS after_last_connection_at,
            c_1.before_last_connection_offset,
            c_1.last_connection_offset AS after_last_connection_offset,
            c_1.before_request_expiry_at,
            c_1.request_expiry_at AS after_request_expiry_at,
            c_1.before_request_expiry_offset,
            c_1.request_expiry_offset AS after_request_expiry_offset
           FROM chained c_1
        UNION ALL
         SELECT s.tenant_id,
            s.id,
            s.created_at,
            (s.version + 1),
            s.ended_by_change,
            s.ended_at,
            s.ended_by,
            s.display_name,
            NULL::text,
            s.onboarding_url,
            NULL::text,
            s.onboarding_status,
            NULL::text,
            s.last_connection_at,
            NULL::timestamp with time zone,
            s.last_connection_offset,
            NULL::smallint,
            s.request_expiry_at,
            NULL::timestamp with time zone,
            s.request_expiry_offset,
            NULL::smallint
           FROM public.report_partner_states s
          WHERE (s.ended_by_change = 'delete'::text)
        )
 SELECT c.tenant_id,
    c.partner_id,
    c.partner_created_at,
    c.version,
    c.change,
    c.changed_at,
    c.changed_by,
    COALESCE(u.user_principal_name, a.display_name) AS changed_by_name,
    c.before_display_name,
    c.after_display_name,
    c.before_onboarding_url,
    c.after_onboarding_url,
    c.before_onboarding_status,
    c.after_onboarding_status,
    c.before_last_connection_at,
    c.after_last_connection_at,
    c.before_last_connection_offset AS before_last_connection_offset_minutes,
    c.after_last_connection_offset AS after_last_connection_offset_minutes,
    c.before_request_expiry_at,
    c.after_request_expiry_at,
    c.before_request_expiry_offset AS before_request_expiry_offset_minutes,
    c.after_request_expiry_offset AS after_request_expiry_offset_minutes
   FROM ((changes c
     LEFT JOIN reporting.users u ON (((u.tenant_id = c.tenant_id) AND (u.id = c.changed_by))))
     LEFT JOIN ( SELECT DISTINCT ON (b.tenant_id, b.service_principal_id) b.tenant_id,
            b.service_principal_id,
            b.display_name
           FROM reporting.applications b
          ORDER BY b.tenant_id, b.service_principal_id, b.client_id) a ON (((a.tenant_id = c.tenant_id) AND (a.service_principal_id = c.changed_by))));

CREATE VIEW reporting.status_by_day WITH (security_barrier='true') AS
 WITH ends AS (
         SELECT s.tenant_id,
            s.onboarding_status,
            ((s.from_at AT TIME ZONE 'UTC'::text))::date AS day,
            1 AS delta
           FROM reporting.time_in_status s
        UNION ALL
         SELECT s.tenant_id,
            s.onboarding_status,
            ((s.until_at AT TIME ZONE 'UTC'::text))::date AS timezone,
            '-1'::integer
           FROM reporting.time_in_status s
          WHERE (s.until_at IS NOT NULL)
        ), turns AS (
         SELECT e.tenant_id,
            e.onboarding_status,
            e.day,
            sum(e.delta) AS delta
           FROM ends e
          GROUP BY e.tenant_id, e.onboarding_status, e.day
        ), days AS (
         SELECT r.tenant_id,
            (g.day)::date AS day
           FROM (( SELECT u.tenant_id,
                    min(u.day) AS first_day,
                    GREATEST(max(u.day), ((statement_timestamp() AT TIME ZONE 'UTC'::text))::date) AS last_day
                   FROM turns u
                  GROUP BY u.tenant_id) r
             CROSS JOIN LATERAL generate_series((r.first_day)::timestamp without time zone, (r.last_day)::timestamp without time zone, '1 day'::interval) g(day))
        )
 SELECT d.tenant_id,
    d.day,
    o.onboarding_status,
    (sum(COALESCE(t.delta, (0)::bigint)) OVER (PARTITION BY d.tenant_id, o.onboarding_status ORDER BY d.day))::bigint AS partners
   FROM ((days d
     CROSS JOIN ( SELECT 'notOnboarded'::text AS onboarding_status
        UNION ALL
         SELECT 'onboarding'::text
        UNION ALL
         SELECT 'onboarded'::text) o)
     LEFT JOIN turns t ON (((t.tenant_id = d.tenant_id) AND (t.day = d.day) AND (t.onboarding_status = o.onboarding_status))));

INSERT INTO public.app_role_assignments VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', 'DeviceManagementServiceConfig.Read.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.app_role_assignments VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', 'DeviceManagementServiceConfig.ReadWrite.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.app_role_assignments VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', 'DeviceManagementServiceConfig.Read.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.app_role_assignments VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', 'DeviceManagementServiceConfig.ReadWrite.All', '2026-11-28 17:36:45.497641+00');

INSERT INTO public.application_secrets VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', 'c5568c32-bb7f-40ff-9a9c-d053ff86d320', '\xaba40cb5bc46079b0dfe446f4d0260a1c1e42165a67844ea0126ca177c1023be', 'WKE', '2026-11-28 17:36:45.497641+00', '2028-11-27 17:36:45.497641+00');
INSERT INTO public.application_secrets VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'f9716525-f3d9-4f93-8bc3-4a2a95d7b301', '4dad004b-6a5e-4281-a6c5-1c33de535a0a', '\x3903b1d8a37ef7c3f9327478253ddb37e85fc57795584c0087a5630c9becfa1d', '2Z5', '2026-11-28 17:37:03.29168+00', '2028-11-27 17:37:03.29168+00');
INSERT INTO public.application_secrets VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', 'c5568c32-bb7f-40ff-9a9c-d053ff86d320', '\xaba40cb5bc46079b0dfe446f4d0260a1c1e42165a67844ea0126ca177c1023be', 'WKE', '2026-11-28 17:36:45.497641+00', '2028-11-27 17:36:45.497641+00');
INSERT INTO public.application_secrets VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', 'f9716525-f3d9-4f93-8bc3-4a2a95d7b301', '4dad004b-6a5e-4281-a6c5-1c33de535a0a', '\x3903b1d8a37ef7c3f9327478253ddb37e85fc57795584c0087a5630c9becfa1d', '2Z5', '2026-11-28 17:37:03.29168+00', '2028-11-27 17:37:03.29168+00');

INSERT INTO public.applications VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', '63aa41df-cdb7-4960-85a9-86278e80055e', 'Application', '2026-11-28 17:36:45.497641+00', false, true, '{http://localhost,http://127.0.0.1}', '{}', '{User.Read,DeviceManagementServiceConfig.ReadWrite.All}', '{DeviceManagementServiceConfig.ReadWrite.All}', '2026-11-28 17:36:45.497641+00', '{http://localhost/redirect,http://localhost/redirect.html,http://localhost:3000,http://localhost:4200,http://localhost:5173,http://localhost:8080}', '{}');
INSERT INTO public.applications VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'f9716525-f3d9-4f93-8bc3-4a2a95d7b301', '0dddddc2-bd29-40cd-9b07-3e44948d97e3', 'Portal', '2026-11-28 17:37:03.29168+00', false, false, '{https://portal.example/cb}', '{Read.All}', '{}', '{}', '2026-11-28 17:37:03.29168+00', '{https://portal.example/spa}', '{}');
INSERT INTO public.applications VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', '63aa41df-cdb7-4960-85a9-86278e80055e', 'Application', '2026-11-28 17:36:45.497641+00', false, true, '{http://localhost,http://127.0.0.1}', '{}', '{User.Read,DeviceManagementServiceConfig.ReadWrite.All}', '{DeviceManagementServiceConfig.ReadWrite.All}', '2026-11-28 17:36:45.497641+00', '{http://localhost/redirect,http://localhost/redirect.html,http://localhost:3000,http://localhost:4200,http://localhost:5173,http://localhost:8080}', '{}');
INSERT INTO public.applications VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', 'f9716525-f3d9-4f93-8bc3-4a2a95d7b301', '0dddddc2-bd29-40cd-9b07-3e44948d97e3', 'Portal', '2026-11-28 17:37:03.29168+00', false, false, '{https://portal.example/cb}', '{Read.All}', '{}', '{}', '2026-11-28 17:37:03.29168+00', '{https://portal.example/spa}', '{}');

INSERT INTO public.audit_entries VALUES ('01a2233b-1a5d-7cf7-ba13-9a8c4407d07e', '2026-11-28 17:36:45.497641+00', NULL, NULL, 'createTenant', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'done', 201, '127.0.0.1', 1);
INSERT INTO public.audit_entries VALUES ('01a2233b-367f-7a54-abe4-0bde982bff46', '2026-11-28 17:36:50.924265+00', NULL, NULL, 'actOnPartner', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-2518-7c84-874a-d22185b3cb4c confirm', 'done', 200, '127.0.0.1', 1);
INSERT INTO public.audit_entries VALUES ('01a2233b-3b0b-7579-a0e8-c147ee9d5f7f', '2026-11-28 17:36:54.025242+00', NULL, NULL, 'actOnPartner', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-2518-7c84-874a-d22185b3cb4c heartbeat', 'done', 200, '127.0.0.1', 1);
INSERT INTO public.audit_entries VALUES ('01a2233b-3c75-78a9-ae2e-d98908327676', '2026-11-28 17:36:54.386977+00', NULL, NULL, 'createUser', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'alice@contoso.example', 'done', 201, '127.0.0.1', 1);
INSERT INTO public.audit_entries VALUES ('01a2233b-5f3f-71ed-916a-ae18b212b955', '2026-11-28 17:37:03.29168+00', NULL, NULL, 'createApplication', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'Portal', 'done', 201, '127.0.0.1', 1);
INSERT INTO public.audit_entries VALUES ('01a2233b-5f77-7993-8e09-3736d757f439', '2026-11-28 17:37:03.329773+00', NULL, NULL, 'createSnapshot', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'before', 'done', 201, '127.0.0.1', 1);

INSERT INTO public.domains VALUES ('0c8d6a1f2b10.mocktenant.example', '3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2026-11-28 17:36:45.497641+00');

INSERT INTO public.mocktenant_migrations VALUES (1, 0, true, '2026-11-28 17:36:06.854408');
INSERT INTO public.mocktenant_migrations VALUES (2, 1, true, '2026-11-28 17:36:07.032221');
INSERT INTO public.mocktenant_migrations VALUES (3, 2, true, '2026-11-28 17:36:07.096921');
INSERT INTO public.mocktenant_migrations VALUES (4, 3, true, '2026-11-28 17:36:07.146973');
INSERT INTO public.mocktenant_migrations VALUES (5, 4, true, '2026-11-28 17:36:07.296686');
INSERT INTO public.mocktenant_migrations VALUES (6, 5, true, '2026-11-28 17:36:07.312395');
INSERT INTO public.mocktenant_migrations VALUES (7, 6, true, '2026-11-28 17:36:07.342597');
INSERT INTO public.mocktenant_migrations VALUES (8, 7, true, '2026-11-28 17:36:07.408192');
INSERT INTO public.mocktenant_migrations VALUES (9, 8, true, '2026-11-28 17:36:07.503189');
INSERT INTO public.mocktenant_migrations VALUES (10, 9, true, '2026-11-28 17:36:07.507693');
INSERT INTO public.mocktenant_migrations VALUES (11, 13, true, '2026-11-28 17:36:07.512362');
INSERT INTO public.mocktenant_migrations VALUES (12, 14, true, '2026-11-28 17:36:07.567499');
INSERT INTO public.mocktenant_migrations VALUES (13, 15, true, '2026-11-28 17:36:07.588098');
INSERT INTO public.mocktenant_migrations VALUES (14, 16, true, '2026-11-28 17:36:07.604844');
INSERT INTO public.mocktenant_migrations VALUES (15, 17, true, '2026-11-28 17:36:07.637875');

INSERT INTO public.mocktenant_migrations_lock VALUES (4097083626, false, NULL, NULL, NULL, '2026-11-28 17:36:07.700955+00');

INSERT INTO public.permission_grants VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'User.Read', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.permission_grants VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'DeviceManagementServiceConfig.Read.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.permission_grants VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'DeviceManagementServiceConfig.ReadWrite.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.permission_grants VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'User.Read', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.permission_grants VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'DeviceManagementServiceConfig.Read.All', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.permission_grants VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '2586af34-7442-4957-b268-945377c98971', '00000000-0000-0000-0000-000000000000', 'DeviceManagementServiceConfig.ReadWrite.All', '2026-11-28 17:36:45.497641+00');

INSERT INTO public.remote_assistance_partner_versions VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-2518-7c84-874a-d22185b3cb4c', 1, 'TeamViewer', 'https://teamviewer.example/', 'onboarding', '2017-01-01 07:58:36.667003+00', 3, -480, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'confirmOnboarding', '2026-11-28 17:36:50.924265+00', '00000000-0000-0000-0000-000000000000');
INSERT INTO public.remote_assistance_partner_versions VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-2518-7c84-874a-d22185b3cb4c', 2, 'TeamViewer', 'https://teamviewer.example/', 'onboarded', '2017-01-01 07:58:36.667003+00', 3, -480, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'heartbeat', '2026-11-28 17:36:54.025242+00', '00000000-0000-0000-0000-000000000000');
INSERT INTO public.remote_assistance_partner_versions VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '01a2233b-2518-7c84-874a-d22185b3cb4c', 1, 'TeamViewer', 'https://teamviewer.example/', 'onboarding', '2017-01-01 07:58:36.667003+00', 3, -480, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'confirmOnboarding', '2026-11-28 17:36:50.924265+00', '00000000-0000-0000-0000-000000000000');
INSERT INTO public.remote_assistance_partner_versions VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '01a2233b-2518-7c84-874a-d22185b3cb4c', 2, 'TeamViewer', 'https://teamviewer.example/', 'onboarded', '2017-01-01 07:58:36.667003+00', 3, -480, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'heartbeat', '2026-11-28 17:36:54.025242+00', '00000000-0000-0000-0000-000000000000');

INSERT INTO public.remote_assistance_partners VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-2518-7c84-874a-d22185b3cb4c', 3, 'TeamViewer', 'https://teamviewer.example/', 'onboarded', '2026-11-28 17:36:54.025242+00', 0, 0, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382');
INSERT INTO public.remote_assistance_partners VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '01a2233b-3c5f-7325-b03e-d2d04749e51b', 1, 'O''Neil 😀', NULL, 'notOnboarded', '0001-01-01 00:00:00+00', 0, 0, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:54.367202+00', '6818201b-19c7-4600-bf6b-c3f613f4a382');
INSERT INTO public.remote_assistance_partners VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '01a2233b-2518-7c84-874a-d22185b3cb4c', 3, 'TeamViewer', 'https://teamviewer.example/', 'onboarded', '2026-11-28 17:36:54.025242+00', 0, 0, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:48.408817+00', '6818201b-19c7-4600-bf6b-c3f613f4a382');
INSERT INTO public.remote_assistance_partners VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '01a2233b-3c5f-7325-b03e-d2d04749e51b', 1, 'O''Neil 😀', NULL, 'notOnboarded', '0001-01-01 00:00:00+00', 0, 0, '0001-01-01 00:00:00+00', 0, 0, '2026-11-28 17:36:54.367202+00', '6818201b-19c7-4600-bf6b-c3f613f4a382');

INSERT INTO public.snapshots VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'before', '00a7186d-2af6-412c-9401-720bee5c51b1', '2026-11-28 17:37:03.329773+00');

INSERT INTO public.tenants VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', 'Contoso', '2026-11-28 17:36:45.497641+00', 'seed', false, 10, 'tenant', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0);
INSERT INTO public.tenants VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', 'state', '2026-11-28 17:37:03.329773+00', 'seed', false, 10, 'state', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0);

INSERT INTO public.users VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'user@0c8d6a1f2b10.mocktenant.example', 'User', '2026-11-28 17:36:45.497641+00', NULL, NULL, '$sha256$HB48IrHKx7wp3WPvUVw4eBgWUVbEn57gFnJLiL6JeM8', false, true, '{3a2c62db-5318-420d-8d74-23affee5d9d5}', 0, '0001-01-01 00:00:00+00', '2026-11-28 17:36:45.497641+00');
INSERT INTO public.users VALUES ('3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10', '8ade065e-e743-409f-b18e-dc91cf007393', 'alice@contoso.example', 'alice@contoso.example', '2026-11-28 17:36:54.386977+00', NULL, NULL, '$2a$04$5j/cllqfodmWXsbasMFuXePFL28meM/oN/MZ/4Gh8JsVu3EJ4mHDu', false, true, '{}', 0, '0001-01-01 00:00:00+00', '2026-11-28 17:36:54.386977+00');
INSERT INTO public.users VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '8ade065e-e743-409f-b18e-dc91cf007393', 'alice@contoso.example', 'alice@contoso.example', '2026-11-28 17:36:54.386977+00', NULL, NULL, '$2a$04$5j/cllqfodmWXsbasMFuXePFL28meM/oN/MZ/4Gh8JsVu3EJ4mHDu', false, true, '{}', 0, '0001-01-01 00:00:00+00', '2026-11-28 17:36:54.386977+00');
INSERT INTO public.users VALUES ('00a7186d-2af6-412c-9401-720bee5c51b1', '6818201b-19c7-4600-bf6b-c3f613f4a382', 'user@0c8d6a1f2b10.mocktenant.example', 'User', '2026-11-28 17:36:45.497641+00', NULL, NULL, '$sha256$HB48IrHKx7wp3WPvUVw4eBgWUVbEn57gFnJLiL6JeM8', false, true, '{3a2c62db-5318-420d-8d74-23affee5d9d5}', 0, '0001-01-01 00:00:00+00', '2026-11-28 17:36:45.497641+00');

SELECT pg_catalog.setval('public.mocktenant_migrations_id_seq', 15, true);

ALTER TABLE ONLY public.admin_keys
    ADD CONSTRAINT admin_keys_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.admin_keys
    ADD CONSTRAINT admin_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.app_role_assignments
    ADD CONSTRAINT app_role_assignments_pkey PRIMARY KEY (tenant_id, client_id, role);

ALTER TABLE ONLY public.application_certificates
    ADD CONSTRAINT application_certificates_pkey PRIMARY KEY (tenant_id, client_id, id);

ALTER TABLE ONLY public.application_federated_credentials
    ADD CONSTRAINT application_federated_credentials_pkey PRIMARY KEY (tenant_id, client_id, id);

ALTER TABLE ONLY public.application_federated_credentials
    ADD CONSTRAINT application_federated_credentials_tenant_id_client_id_name_key UNIQUE (tenant_id, client_id, name);

ALTER TABLE ONLY public.application_secrets
    ADD CONSTRAINT application_secrets_pkey PRIMARY KEY (tenant_id, client_id, id);

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (tenant_id, client_id);

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT audit_entries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.authorization_codes
    ADD CONSTRAINT authorization_codes_pkey PRIMARY KEY (tenant_id, hash);

ALTER TABLE ONLY public.certificate_authorities
    ADD CONSTRAINT certificate_authorities_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.client_assertions
    ADD CONSTRAINT client_assertions_pkey PRIMARY KEY (tenant_id, client_id, hash);

ALTER TABLE ONLY public.device_codes
    ADD CONSTRAINT device_codes_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.device_codes
    ADD CONSTRAINT device_codes_user_code_key UNIQUE (user_code);

ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.mocktenant_migrations_lock
    ADD CONSTRAINT mocktenant_migrations_lock_pkey PRIMARY KEY (lock_id);

ALTER TABLE ONLY public.mocktenant_migrations
    ADD CONSTRAINT mocktenant_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.permission_grants
    ADD CONSTRAINT permission_grants_pkey PRIMARY KEY (tenant_id, client_id, principal_id, scope);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (tenant_id, hash);

ALTER TABLE ONLY public.remote_assistance_partner_versions
    ADD CONSTRAINT remote_assistance_partner_versions_pkey PRIMARY KEY (tenant_id, id, version);

ALTER TABLE ONLY public.remote_assistance_partners
    ADD CONSTRAINT remote_assistance_partners_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.repeatable_requests
    ADD CONSTRAINT repeatable_requests_pkey PRIMARY KEY (tenant_id, hash);

ALTER TABLE ONLY public.report_logins
    ADD CONSTRAINT report_logins_pkey PRIMARY KEY (tenant_id, login_name);

ALTER TABLE ONLY public.seeds
    ADD CONSTRAINT seeds_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.service_secrets
    ADD CONSTRAINT service_secrets_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, hash);

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (tenant_id, name);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (tenant_id, id);

CREATE INDEX applications_client ON public.applications USING btree (client_id);

CREATE INDEX audit_entries_denied ON public.audit_entries USING btree (id) WHERE (outcome = 'denied'::public.audit_outcome);

CREATE INDEX device_codes_pending_address ON public.device_codes USING btree (address) WHERE (status = 'pending'::public.device_code_status);

CREATE INDEX device_codes_pending_client ON public.device_codes USING btree (authority, client_id) WHERE (status = 'pending'::public.device_code_status);

CREATE INDEX refresh_tokens_family ON public.refresh_tokens USING btree (tenant_id, family_id);

CREATE INDEX refresh_tokens_user ON public.refresh_tokens USING btree (tenant_id, user_id, client_id);

CREATE INDEX remote_assistance_partners_display_name ON public.remote_assistance_partners USING btree (tenant_id, display_name NULLS FIRST, id);

CREATE INDEX remote_assistance_partners_last_connection ON public.remote_assistance_partners USING btree (tenant_id, last_connection_at, last_connection_100ns, id);

CREATE INDEX remote_assistance_partners_status ON public.remote_assistance_partners USING btree (tenant_id, onboarding_status, id);

CREATE UNIQUE INDEX users_user_principal_name ON public.users USING btree (tenant_id, lower(user_principal_name));

ALTER TABLE ONLY public.app_role_assignments
    ADD CONSTRAINT app_role_assignments_tenant_id_client_id_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES public.applications(tenant_id, client_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.application_certificates
    ADD CONSTRAINT application_certificates_tenant_id_client_id_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES public.applications(tenant_id, client_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.application_federated_credentials
    ADD CONSTRAINT application_federated_credentials_tenant_id_client_id_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES public.applications(tenant_id, client_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.application_secrets
    ADD CONSTRAINT application_secrets_tenant_id_client_id_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES public.applications(tenant_id, client_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.authorization_codes
    ADD CONSTRAINT authorization_codes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_assertions
    ADD CONSTRAINT client_assertions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.permission_grants
    ADD CONSTRAINT permission_grants_tenant_id_client_id_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES public.applications(tenant_id, client_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.remote_assistance_partner_versions
    ADD CONSTRAINT remote_assistance_partner_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.remote_assistance_partners
    ADD CONSTRAINT remote_assistance_partners_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.repeatable_requests
    ADD CONSTRAINT repeatable_requests_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_logins
    ADD CONSTRAINT report_logins_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE public.admin_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.app_role_assignments ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.application_certificates ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.application_federated_credentials ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.application_secrets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.applications ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_entries ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.authorization_codes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.certificate_authorities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.client_assertions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.device_codes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.domains ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.mocktenant_migrations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.mocktenant_migrations_lock ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.permission_grants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.refresh_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.remote_assistance_partner_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.remote_assistance_partners ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.repeatable_requests ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.report_logins ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.seeds ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.service_secrets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.signing_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.snapshots ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

