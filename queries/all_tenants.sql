-- What is of all tenants: for administrators, and for the sweep.

-- name: ListTenants :many
-- All, or those of one manager; all, or those of a name and the one of a domain; those whose
-- name contains a text or whose id begins with it, as all do with ''.
SELECT * FROM tenants
WHERE kind = 'tenant' AND id > @after
    AND (sqlc.narg('name')::text IS NULL OR lower(display_name) = lower(sqlc.narg('name')) OR id = sqlc.narg('domain_tenant_id')::uuid)
    AND (strpos(lower(display_name), lower(@search::text)) > 0 OR starts_with(id::text, lower(@search::text)))
    AND (sqlc.narg('manager')::text IS NULL OR manager = sqlc.narg('manager'))
    AND (expires_at IS NULL OR expires_at > @now)
ORDER BY id
LIMIT @row_limit::bigint;

-- name: GetManagedTenant :one
-- A tenant whose time isn't over; a manager's, if one asks.
SELECT * FROM tenants
WHERE id = @tenant_id AND kind = 'tenant'
    AND (sqlc.narg('manager')::text IS NULL OR manager = sqlc.narg('manager'))
    AND (expires_at IS NULL OR expires_at > @now);

-- name: CountTenants :one
SELECT count(*) FROM tenants WHERE kind = 'tenant';

-- name: LockManagedTenant :one
-- The same, which neither goes nor gets another manager until the transaction ends.
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
-- Those of the applications of one id, of all tenants whose time isn't over.
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
-- States that neither a snapshot nor a seed names, and that no tenant returns to. Young ones
-- may soon be named.
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
-- Only a holder of what names a state, LockSeed or LockSnapshot, makes new uses of it; once
-- the name is gone, this statement sees all uses. So it must come after the statement that
-- removed the name, in a transaction that reads what is committed.
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
-- For the rest of the transaction, what reads two tenants' rows is planned for many
-- of them. What the planner knows of a tenant is a minute old, in which it may have
-- got all its rows: for the few that it believes in, it would compare each with each.
-- A plan that can't do without that costs so much, as the planner counts, that it would
-- be compiled, for 40 ms.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true);
