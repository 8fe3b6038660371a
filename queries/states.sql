-- The state of a tenant put in the place of another's: each query takes one part
-- of it from @from_id to @tenant_id.

-- name: ReplaceSettings :exec
UPDATE tenants AS t SET
    permission_rule = s.permission_rule, user_picker = s.user_picker, page_size = s.page_size, repeatability_seconds = s.repeatability_seconds,
    ids_made = s.ids_made
FROM tenants AS s
WHERE t.id = @tenant_id AND s.id = @from_id;

-- name: ResetIDs :exec
UPDATE tenants AS t SET ids_made = COALESCE((SELECT s.ids_made FROM tenants AS s WHERE s.id = @from_id), 0)
WHERE t.id = @tenant_id;

-- name: SetIDsMade :exec
-- The ids up to this number are given out.
UPDATE tenants SET ids_made = @ids_made WHERE id = @tenant_id;

-- name: RemovePartnersNotIn :exec
DELETE FROM remote_assistance_partners AS p
WHERE p.tenant_id = @tenant_id AND NOT EXISTS (
    SELECT FROM remote_assistance_partners AS s WHERE s.tenant_id = @from_id AND s.id = p.id
);

-- name: ReplacePartners :exec
-- Those that are there stay the same rows, and are locked: a client's change
-- that waits for one goes on with it.
INSERT INTO remote_assistance_partners AS p (
    tenant_id, id, version, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by
)
SELECT
    @tenant_id::uuid, s.id, s.version, s.display_name, s.onboarding_url, s.onboarding_status,
    s.last_connection_at, s.last_connection_100ns, s.last_connection_offset,
    s.request_expiry_at, s.request_expiry_100ns, s.request_expiry_offset, s.created_at, s.created_by
FROM remote_assistance_partners AS s
WHERE s.tenant_id = @from_id
ON CONFLICT (tenant_id, id) DO UPDATE SET
    version = excluded.version, display_name = excluded.display_name, onboarding_url = excluded.onboarding_url,
    onboarding_status = excluded.onboarding_status,
    last_connection_at = excluded.last_connection_at, last_connection_100ns = excluded.last_connection_100ns,
    last_connection_offset = excluded.last_connection_offset,
    request_expiry_at = excluded.request_expiry_at, request_expiry_100ns = excluded.request_expiry_100ns,
    request_expiry_offset = excluded.request_expiry_offset,
    created_at = excluded.created_at, created_by = excluded.created_by
WHERE (
    p.version, p.display_name, p.onboarding_url, p.onboarding_status,
    p.last_connection_at, p.last_connection_100ns, p.last_connection_offset,
    p.request_expiry_at, p.request_expiry_100ns, p.request_expiry_offset, p.created_at, p.created_by
) IS DISTINCT FROM (
    excluded.version, excluded.display_name, excluded.onboarding_url, excluded.onboarding_status,
    excluded.last_connection_at, excluded.last_connection_100ns, excluded.last_connection_offset,
    excluded.request_expiry_at, excluded.request_expiry_100ns, excluded.request_expiry_offset, excluded.created_at, excluded.created_by
);

-- name: RemovePartnerVersions :exec
DELETE FROM remote_assistance_partner_versions AS v WHERE v.tenant_id = @tenant_id;

-- name: CopyPartnerVersions :exec
INSERT INTO remote_assistance_partner_versions (
    tenant_id, id, version, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by,
    replaced_by_change, replaced_at, replaced_by
)
SELECT
    @tenant_id::uuid, v.id, v.version, v.display_name, v.onboarding_url, v.onboarding_status,
    v.last_connection_at, v.last_connection_100ns, v.last_connection_offset,
    v.request_expiry_at, v.request_expiry_100ns, v.request_expiry_offset, v.created_at, v.created_by,
    v.replaced_by_change, v.replaced_at, v.replaced_by
FROM remote_assistance_partner_versions AS v
WHERE v.tenant_id = @from_id;

-- name: ListRevocations :many
-- Who had tokens revoked: users and applications.
SELECT u.id, u.tokens_valid_from FROM users AS u
WHERE u.tenant_id = @tenant_id AND u.tokens_valid_from > '0001-01-01 00:00:00+00'
UNION ALL
SELECT a.client_id, a.tokens_valid_from FROM applications AS a
WHERE a.tenant_id = @tenant_id AND a.tokens_valid_from > '0001-01-01 00:00:00+00';

-- name: KeepRevocations :exec
-- What was revoked stays so.
WITH revoked AS (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@valid_from::timestamptz[]) AS tokens_valid_from
), of_users AS (
    UPDATE users AS u SET tokens_valid_from = greatest(u.tokens_valid_from, r.tokens_valid_from)
    FROM revoked AS r WHERE u.tenant_id = @tenant_id AND u.id = r.id
)
UPDATE applications AS a SET tokens_valid_from = greatest(a.tokens_valid_from, r.tokens_valid_from)
FROM revoked AS r WHERE a.tenant_id = @tenant_id AND a.client_id = r.id;

-- name: KeepTokens :exec
-- Users and applications of a state that a tenant has already are the same ones:
-- their tokens go on.
WITH of_users AS (
    UPDATE users AS u SET tokens_valid_from = o.tokens_valid_from
    FROM users AS o WHERE u.tenant_id = @from_id AND o.tenant_id = @tenant_id AND o.id = u.id
)
UPDATE applications AS a SET tokens_valid_from = o.tokens_valid_from
FROM applications AS o WHERE a.tenant_id = @from_id AND o.tenant_id = @tenant_id AND o.client_id = a.client_id;

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
    (SELECT count(*) FROM remote_assistance_partners AS p WHERE p.tenant_id = @tenant_id) AS partners,
    (SELECT count(*) FROM users AS u WHERE u.tenant_id = @tenant_id) AS users,
    (SELECT count(*) FROM applications AS a WHERE a.tenant_id = @tenant_id) AS applications;

-- name: DiffPartners :many
-- The partners of which the two states differ, by id; which of the two have it.
SELECT COALESCE(a.id, b.id)::uuid AS id, (a.id IS NOT NULL)::boolean AS before, (b.id IS NOT NULL)::boolean AS after
FROM (SELECT * FROM remote_assistance_partners AS x WHERE x.tenant_id = @from_id AND x.id > @after) AS a
FULL JOIN (SELECT * FROM remote_assistance_partners AS y WHERE y.tenant_id = @tenant_id AND y.id > @after) AS b ON a.id = b.id
WHERE (
    a.id, a.display_name, a.onboarding_url, a.onboarding_status,
    a.last_connection_at, a.last_connection_100ns, a.last_connection_offset,
    a.request_expiry_at, a.request_expiry_100ns, a.request_expiry_offset
) IS DISTINCT FROM (
    b.id, b.display_name, b.onboarding_url, b.onboarding_status,
    b.last_connection_at, b.last_connection_100ns, b.last_connection_offset,
    b.request_expiry_at, b.request_expiry_100ns, b.request_expiry_offset
)
ORDER BY 1
LIMIT @row_limit::bigint;

-- name: ListPartnersByID :many
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id = ANY (@ids::uuid[])
ORDER BY id;

-- name: ListPartnerIDs :many
-- Which of the ids partners have.
SELECT p.id FROM remote_assistance_partners AS p
WHERE p.tenant_id = @tenant_id AND p.id = ANY (@ids::uuid[])
ORDER BY p.id;

-- name: GetState :one
-- A tenant or a state.
SELECT * FROM tenants WHERE id = @tenant_id;
