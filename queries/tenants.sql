-- name: CreateTenant :execrows
-- Does nothing if the tenant exists.
INSERT INTO tenants (
    id, display_name, kind, permission_rule, status_codes, user_picker, partner_portal, page_size, repeatability_seconds, expires_at, manager, origin_id,
    entity_quota, user_quota, request_rate, id_seed, throttling, journal_limit, journal_seconds, created_at
) VALUES (
    @tenant_id, @display_name, COALESCE(sqlc.narg('kind')::tenant_kind, 'tenant'),
    COALESCE(sqlc.narg('permission_rule')::permission_rule, 'seed'), COALESCE(sqlc.narg('status_codes')::status_codes, 'documented'), @user_picker, @partner_portal,
    COALESCE(sqlc.narg('page_size')::integer, 1000), @repeatability_seconds, sqlc.narg('expires_at'), sqlc.narg('manager'), sqlc.narg('origin_id'),
    sqlc.narg('entity_quota'), sqlc.narg('user_quota'), sqlc.narg('request_rate'), sqlc.narg('id_seed'), sqlc.narg('throttling'),
    COALESCE(sqlc.narg('journal_limit')::integer, 10000), COALESCE(sqlc.narg('journal_seconds')::integer, 86400), @created_at
)
ON CONFLICT DO NOTHING;

-- name: GetTenant :one
SELECT * FROM tenants WHERE id = @tenant_id AND kind = 'tenant';

-- name: LockTenant :one
-- Makes other administrators' changes of the tenant wait, but not the tenant's clients.
SELECT * FROM tenants WHERE id = @tenant_id AND kind = 'tenant' FOR NO KEY UPDATE;

-- name: TakeID :one
-- Returns the number of the next id of a tenant with an id seed.
UPDATE tenants SET ids_made = ids_made + 1 WHERE id = @tenant_id RETURNING ids_made;

-- name: UpdateTenant :one
UPDATE tenants SET
    display_name = @display_name, permission_rule = @permission_rule, status_codes = @status_codes, user_picker = @user_picker, partner_portal = @partner_portal, page_size = @page_size,
    repeatability_seconds = @repeatability_seconds, throttling = sqlc.narg('throttling'),
    journal_limit = @journal_limit, journal_seconds = @journal_seconds,
    expires_at = sqlc.narg('expires_at'), manager = sqlc.narg('manager'),
    entity_quota = sqlc.narg('entity_quota'), user_quota = sqlc.narg('user_quota'), request_rate = sqlc.narg('request_rate')
WHERE id = @tenant_id
RETURNING *;

-- name: SetTenantClock :exec
UPDATE tenants SET clock_from = sqlc.narg('clock_from'), clock_at = sqlc.narg('clock_at'), clock_rate = @clock_rate
WHERE id = @tenant_id;

-- name: SetTenantOrigin :exec
UPDATE tenants SET origin_id = sqlc.narg('origin_id') WHERE id = @tenant_id;

-- name: DeleteTenantReferences :exec
-- Deletes a tenant's rows in tables that belong to no tenant.
WITH codes AS (
    DELETE FROM device_codes AS c WHERE c.tenant_id = @tenant_id::uuid
)
DELETE FROM domains AS d WHERE d.tenant_id = @tenant_id::uuid;

-- name: ExpireTenant :exec
-- Hides the tenant from everybody.
UPDATE tenants SET expires_at = @expires_at WHERE id = @tenant_id;

-- name: ListStatesOf :many
-- Lists the states of a tenant's snapshots and the state that a reset returns to.
SELECT s.state_id FROM snapshots AS s WHERE s.tenant_id = @tenant_id
UNION
SELECT t.origin_id::uuid FROM tenants AS t WHERE t.id = @tenant_id AND t.origin_id IS NOT NULL;

-- name: DeleteTenant :execrows
-- Deletes the tenant and everything in it.
DELETE FROM tenants WHERE id = @tenant_id;

-- name: TenantExists :one
SELECT EXISTS (SELECT FROM tenants WHERE id = @tenant_id AND kind = 'tenant');

-- name: GetCaller :one
-- Returns a tenant, and what decides whether a token of an application and a user or service
-- principal is still valid.
SELECT
    sqlc.embed(t),
    a.tokens_valid_from AS application_valid_from,
    u.enabled AS user_enabled,
    u.tokens_valid_from AS user_valid_from,
    COALESCE((
        SELECT min(p.request_expiry_ticks) FROM remote_assistance_partners AS p
        WHERE p.tenant_id = @tenant_id AND p.onboarding_status = 'onboarding' AND p.request_expiry_ticks > 0
    ), 0)::bigint AS onboarding_ends
FROM tenants AS t
LEFT JOIN applications AS a ON a.tenant_id = t.id AND a.client_id = @client_id
LEFT JOIN users AS u ON u.tenant_id = t.id AND u.id = @object_id
WHERE t.id = @tenant_id AND t.kind = 'tenant';

-- name: EndCredentials :exec
-- Ends everything with which somebody could sign in to a tenant: sessions, codes, tokens,
-- passwords, secrets, certificates and federated credentials.
WITH signed_in AS (
    DELETE FROM sessions AS s WHERE s.tenant_id = @tenant_id
), codes AS (
    DELETE FROM authorization_codes AS c WHERE c.tenant_id = @tenant_id
), device_codes AS (
    DELETE FROM device_codes AS d WHERE d.tenant_id = @tenant_id
), refresh AS (
    DELETE FROM refresh_tokens AS r WHERE r.tenant_id = @tenant_id
), secrets AS (
    DELETE FROM application_secrets AS a WHERE a.tenant_id = @tenant_id
), certificates AS (
    DELETE FROM application_certificates AS a WHERE a.tenant_id = @tenant_id
), federated AS (
    DELETE FROM application_federated_credentials AS f WHERE f.tenant_id = @tenant_id
), applications AS (
    UPDATE applications AS a SET tokens_valid_from = @now WHERE a.tenant_id = @tenant_id
)
UPDATE users AS u SET tokens_valid_from = @now, password_hash = NULL WHERE u.tenant_id = @tenant_id;
