-- Queries over all tenants, for administrators and for the sweep.

-- name: ListTenants :many
-- Lists tenants, filtered by manager, by name or domain, and by a text that the name contains
-- or with which the id begins. Null and '' don't filter.
SELECT * FROM tenants
WHERE kind = 'tenant' AND id > @after
    AND (sqlc.narg('name')::text IS NULL OR lower(display_name) = lower(sqlc.narg('name')) OR id = sqlc.narg('domain_tenant_id')::uuid)
    AND (strpos(lower(display_name), lower(@search::text)) > 0 OR starts_with(id::text, lower(@search::text)))
    AND (sqlc.narg('manager')::text IS NULL OR manager = sqlc.narg('manager'))
    AND (expires_at IS NULL OR expires_at > @now)
ORDER BY id
LIMIT @row_limit::bigint;

-- name: GetManagedTenant :one
-- Finds a tenant that hasn't expired. A manager finds only their own.
SELECT * FROM tenants
WHERE id = @tenant_id AND kind = 'tenant'
    AND (sqlc.narg('manager')::text IS NULL OR manager = sqlc.narg('manager'))
    AND (expires_at IS NULL OR expires_at > @now);

-- name: CountTenants :one
SELECT count(*) FROM tenants WHERE kind = 'tenant';

-- name: LockManagedTenant :one
-- Does the same, and keeps the tenant and its manager unchanged until the transaction ends.
SELECT * FROM tenants
WHERE id = @tenant_id AND kind = 'tenant'
    AND (sqlc.narg('manager')::text IS NULL OR manager = sqlc.narg('manager'))
    AND (expires_at IS NULL OR expires_at > @now)
FOR SHARE;

-- name: ListDomainsOf :many
SELECT tenant_id, name FROM domains
WHERE tenant_id = ANY (@tenant_ids::uuid[])
ORDER BY tenant_id, created_at, name;

-- name: ListRedirectURIsOfClient :many
-- Lists the redirect URIs of the applications with this id in all tenants that haven't expired.
SELECT DISTINCT unnest(a.redirect_uris || a.spa_redirect_uris || a.public_client_redirect_uris)::text AS redirect_uri
FROM applications AS a
JOIN tenants AS t ON t.id = a.tenant_id
WHERE a.client_id = @client_id AND t.kind = 'tenant' AND (t.expires_at IS NULL OR t.expires_at > @now);

-- name: ListExpiredTenants :many
SELECT id FROM tenants
WHERE expires_at <= @now
ORDER BY id
LIMIT @row_limit::bigint;

-- name: ListUnusedStates :many
-- Lists states that no snapshot, no seed and no tenant's origin refers to. It leaves out young
-- states, which may be about to get a reference.
WITH used AS MATERIALIZED (
    SELECT s.state_id FROM snapshots AS s
    UNION ALL
    SELECT s.state_id FROM seeds AS s
    UNION ALL
    SELECT o.origin_id FROM tenants AS o WHERE o.origin_id IS NOT NULL
)
SELECT t.id FROM tenants AS t
WHERE t.kind = 'state' AND t.created_at < @made_before
    AND NOT EXISTS (SELECT FROM used WHERE used.state_id = t.id)
ORDER BY t.id
LIMIT @row_limit::bigint;

-- name: DeleteUnusedStates :execrows
-- Only a transaction that has locked a state's seed or snapshot (LockSeed, LockSnapshot) adds
-- references to the state, so once the seed or snapshot is removed, this statement sees all
-- references. It must follow that removal in a transaction at the level READ COMMITTED.
WITH used AS MATERIALIZED (
    SELECT s.state_id FROM snapshots AS s WHERE s.state_id = ANY (@state_ids::uuid[])
    UNION ALL
    SELECT s.state_id FROM seeds AS s WHERE s.state_id = ANY (@state_ids::uuid[])
    UNION ALL
    SELECT o.origin_id FROM tenants AS o WHERE o.origin_id = ANY (@state_ids::uuid[])
)
DELETE FROM tenants AS t
WHERE t.id = ANY (@state_ids::uuid[]) AND t.kind = 'state'
    AND NOT EXISTS (SELECT FROM used WHERE used.state_id = t.id);

-- name: PlanForMany :exec
-- Makes the planner expect many rows for the rest of the transaction, in queries that read the
-- rows of two tenants. Its statistics may be a minute old and from before a tenant got its
-- rows; expecting only a few, it would compare each row with each other row (a nested loop).
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_nestloop', 'off', true);
