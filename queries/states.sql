-- Replaces the state of a tenant with another's: each query copies one part of the state from
-- @from_id to @tenant_id. A statement that changes one tenant from another's rows first reads
-- them, MATERIALIZED, because a cluster may have the two tenants on different servers.

-- name: ReplaceSettings :exec
WITH s AS MATERIALIZED (
    SELECT o.permission_rule, o.status_codes, o.user_picker, o.partner_portal, o.page_size, o.repeatability_seconds, o.ids_made, o.clock_from, o.clock_at, o.clock_rate, o.faults_version, o.throttling
    FROM tenants AS o WHERE o.id = @from_id
)
UPDATE tenants AS t SET
    permission_rule = s.permission_rule, status_codes = s.status_codes, user_picker = s.user_picker, partner_portal = s.partner_portal, page_size = s.page_size, repeatability_seconds = s.repeatability_seconds,
    ids_made = s.ids_made, clock_from = CASE WHEN s.clock_at IS NOT NULL THEN COALESCE(s.clock_from, @now) END, clock_at = s.clock_at, clock_rate = s.clock_rate, throttling = s.throttling,
    faults_version = t.faults_version + (t.faults_version > 0 OR s.faults_version > 0)::integer
FROM s
WHERE t.id = @tenant_id;

-- name: BeginTenant :exec
-- Gives a new tenant the id counter and the clock of the state from which it is made.
WITH s AS MATERIALIZED (
    SELECT o.ids_made, o.clock_from, o.clock_at, o.clock_rate, o.faults_version FROM tenants AS o WHERE o.id = @from_id
)
UPDATE tenants AS t SET
    ids_made = s.ids_made, clock_from = CASE WHEN s.clock_at IS NOT NULL THEN COALESCE(s.clock_from, @now) END, clock_at = s.clock_at, clock_rate = s.clock_rate,
    faults_version = s.faults_version
FROM s WHERE t.id = @tenant_id;

-- name: ResetIDs :exec
WITH s AS MATERIALIZED (
    SELECT o.ids_made FROM tenants AS o WHERE o.id = @from_id
)
UPDATE tenants AS t SET ids_made = COALESCE((SELECT s.ids_made FROM s), 0)
WHERE t.id = @tenant_id;

-- name: SetIDsMade :exec
-- Records that the ids up to this number have been used.
UPDATE tenants SET ids_made = @ids_made WHERE id = @tenant_id;

-- name: RemoveVersions :exec
DELETE FROM entity_versions AS v WHERE v.tenant_id = @tenant_id;

-- name: CopyVersions :exec
INSERT INTO entity_versions (tenant_id, entity, id, version, row, created_at, created_by, created_with, created_request, change, changed_at, changed_by, changed_with, changed_request)
SELECT @tenant_id::uuid, v.entity, v.id, v.version, v.row, v.created_at, v.created_by, v.created_with, v.created_request, v.change, v.changed_at, v.changed_by, v.changed_with, v.changed_request
FROM entity_versions AS v
WHERE v.tenant_id = @from_id;

-- name: ListRevocations :many
-- Lists users and applications whose tokens were revoked.
SELECT u.id, u.tokens_valid_from FROM users AS u
WHERE u.tenant_id = @tenant_id AND u.tokens_valid_from > '0001-01-01 00:00:00+00'
UNION ALL
SELECT a.client_id, a.tokens_valid_from FROM applications AS a
WHERE a.tenant_id = @tenant_id AND a.tokens_valid_from > '0001-01-01 00:00:00+00';

-- name: KeepRevocations :exec
-- Keeps revoked tokens revoked.
WITH revoked AS (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@valid_from::timestamptz[]) AS tokens_valid_from
), of_users AS (
    UPDATE users AS u SET tokens_valid_from = greatest(u.tokens_valid_from, r.tokens_valid_from)
    FROM revoked AS r WHERE u.tenant_id = @tenant_id AND u.id = r.id
)
UPDATE applications AS a SET tokens_valid_from = greatest(a.tokens_valid_from, r.tokens_valid_from)
FROM revoked AS r WHERE a.tenant_id = @tenant_id AND a.client_id = r.id;

-- name: KeepTokens :exec
-- Keeps the tokens of users and applications valid that both the tenant and the state have.
WITH users_before AS MATERIALIZED (
    SELECT u.id, u.tokens_valid_from FROM users AS u WHERE u.tenant_id = @tenant_id
), applications_before AS MATERIALIZED (
    SELECT a.client_id, a.tokens_valid_from FROM applications AS a WHERE a.tenant_id = @tenant_id
), of_users AS (
    UPDATE users AS u SET tokens_valid_from = o.tokens_valid_from
    FROM users_before AS o WHERE u.tenant_id = @from_id AND o.id = u.id
)
UPDATE applications AS a SET tokens_valid_from = o.tokens_valid_from
FROM applications_before AS o WHERE a.tenant_id = @from_id AND o.client_id = a.client_id;

-- name: RemoveUsers :exec
DELETE FROM users AS u WHERE u.tenant_id = @tenant_id;

-- name: CopyUsers :exec
INSERT INTO users (
    tenant_id, id, user_principal_name, display_name, given_name, surname, password_hash,
    must_change_password, enabled, directory_roles, tokens_valid_from, created_at
)
SELECT
    @tenant_id::uuid, u.id, u.user_principal_name, u.display_name, u.given_name, u.surname, u.password_hash,
    u.must_change_password, u.enabled, u.directory_roles, u.tokens_valid_from, u.created_at
FROM users AS u
WHERE u.tenant_id = @from_id;

-- name: RemoveApplications :exec
DELETE FROM applications AS a WHERE a.tenant_id = @tenant_id;

-- name: CopyApplications :exec
INSERT INTO applications (
    tenant_id, client_id, service_principal_id, display_name, public_client, public_client_flows,
    redirect_uris, spa_redirect_uris, public_client_redirect_uris,
    exposed_scopes, required_scopes, required_roles, tokens_valid_from, created_at
)
SELECT
    @tenant_id::uuid, a.client_id, a.service_principal_id, a.display_name, a.public_client, a.public_client_flows,
    a.redirect_uris, a.spa_redirect_uris, a.public_client_redirect_uris,
    a.exposed_scopes, a.required_scopes, a.required_roles, a.tokens_valid_from, a.created_at
FROM applications AS a
WHERE a.tenant_id = @from_id;

-- name: CopyApplicationSecrets :exec
INSERT INTO application_secrets (tenant_id, client_id, id, secret_hash, hint, created_at, expires_at)
SELECT @tenant_id::uuid, s.client_id, s.id, s.secret_hash, s.hint, s.created_at, s.expires_at
FROM application_secrets AS s WHERE s.tenant_id = @from_id;

-- name: CopyApplicationCertificates :exec
INSERT INTO application_certificates (tenant_id, client_id, id, certificate, created_at)
SELECT @tenant_id::uuid, c.client_id, c.id, c.certificate, c.created_at
FROM application_certificates AS c WHERE c.tenant_id = @from_id;

-- name: CopyFederatedCredentials :exec
INSERT INTO application_federated_credentials (tenant_id, client_id, id, name, issuer, subject, audiences, description, key_set, created_at)
SELECT @tenant_id::uuid, c.client_id, c.id, c.name, c.issuer, c.subject, c.audiences, c.description, c.key_set, c.created_at
FROM application_federated_credentials AS c WHERE c.tenant_id = @from_id;

-- name: CopyPermissionGrants :exec
INSERT INTO permission_grants (tenant_id, client_id, principal_id, scope, created_at)
SELECT @tenant_id::uuid, g.client_id, g.principal_id, g.scope, g.created_at
FROM permission_grants AS g WHERE g.tenant_id = @from_id;

-- name: CopyAppRoleAssignments :exec
INSERT INTO app_role_assignments (tenant_id, client_id, role, created_at)
SELECT @tenant_id::uuid, r.client_id, r.role, r.created_at
FROM app_role_assignments AS r WHERE r.tenant_id = @from_id;

-- name: CountState :one
SELECT
    (SELECT count(*) FROM users AS u WHERE u.tenant_id = @tenant_id) AS users,
    (SELECT count(*) FROM applications AS a WHERE a.tenant_id = @tenant_id) AS applications;

-- name: GetState :one
-- Gets the row of a tenant or a state.
SELECT * FROM tenants WHERE id = @tenant_id;
