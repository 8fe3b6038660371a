-- Deletes expired codes, tokens and sessions of all tenants a day after they expired. Until
-- then the authority can report that they have expired, rather than that they don't exist.
-- For a tenant with its own clock it takes the time to which the clock was last set, which is
-- in the clock's past. It reads the clocks first, because a cluster subtracts no interval in a
-- DELETE.

-- name: DeleteExpiredSessions :execrows
WITH kept AS MATERIALIZED (
    SELECT t.id, COALESCE(t.clock_at, @now::timestamptz) - interval '1 day' AS since FROM tenants AS t
)
DELETE FROM sessions AS s USING kept AS k
WHERE s.tenant_id = k.id AND s.expires_at < k.since;

-- name: DeleteExpiredAuthorizationCodes :execrows
WITH kept AS MATERIALIZED (
    SELECT t.id, COALESCE(t.clock_at, @now::timestamptz) - interval '1 day' AS since FROM tenants AS t
)
DELETE FROM authorization_codes AS c USING kept AS k
WHERE c.tenant_id = k.id AND c.expires_at < k.since;

-- name: DeleteExpiredRefreshTokens :execrows
-- A redeemed token is kept until it expires, because redeeming it again ends its family.
-- After that, redeeming it is refused because it has expired or doesn't exist.
WITH kept AS MATERIALIZED (
    SELECT t.id, COALESCE(t.clock_at, @now::timestamptz) AS now, COALESCE(t.clock_at, @now) - interval '1 day' AS since FROM tenants AS t
)
DELETE FROM refresh_tokens AS r USING kept AS k
WHERE r.tenant_id = k.id AND (r.expires_at < k.since OR (r.redeemed_at IS NOT NULL AND r.expires_at <= k.now));

-- name: TrimSessions :execrows
-- Deletes all except the newest sessions of each tenant where people sign in without a
-- password.
DELETE FROM sessions AS s USING (
    SELECT o.tenant_id, o.hash FROM tenants AS t
    CROSS JOIN LATERAL (
        SELECT i.tenant_id, i.hash FROM sessions AS i
        WHERE i.tenant_id = t.id ORDER BY i.created_at DESC OFFSET @kept::bigint
    ) AS o
    WHERE t.user_picker
) AS old
WHERE s.tenant_id = old.tenant_id AND s.hash = old.hash;

-- name: TrimAuthorizationCodes :execrows
DELETE FROM authorization_codes AS c USING (
    SELECT o.tenant_id, o.hash FROM tenants AS t
    CROSS JOIN LATERAL (
        SELECT i.tenant_id, i.hash FROM authorization_codes AS i
        WHERE i.tenant_id = t.id ORDER BY i.created_at DESC OFFSET @kept::bigint
    ) AS o
    WHERE t.user_picker
) AS old
WHERE c.tenant_id = old.tenant_id AND c.hash = old.hash;

-- name: TrimRefreshTokens :execrows
DELETE FROM refresh_tokens AS r USING (
    SELECT o.tenant_id, o.hash FROM tenants AS t
    CROSS JOIN LATERAL (
        SELECT i.tenant_id, i.hash FROM refresh_tokens AS i
        WHERE i.tenant_id = t.id ORDER BY i.created_at DESC OFFSET @kept::bigint
    ) AS o
    WHERE t.user_picker
) AS old
WHERE r.tenant_id = old.tenant_id AND r.hash = old.hash;

-- name: DeleteExpiredDeviceCodes :execrows
DELETE FROM device_codes WHERE kept_until < @now;

-- name: DeleteExpiredClientAssertions :execrows
DELETE FROM client_assertions WHERE expires_at < @expired_before;

-- name: DeleteOldIdempotencyKeys :execrows
DELETE FROM idempotency_keys WHERE created_at < @created_before;

-- name: DeleteOldAuditEntries :execrows
DELETE FROM audit_entries WHERE at < @before;

-- name: DeleteOldRepeatableRequests :execrows
-- Also deletes requests in the future of a clock that was reset.
WITH kept AS MATERIALIZED (
    SELECT t.id, t.clock_at, COALESCE(t.clock_at, @now::timestamptz) - make_interval(secs => @seconds::double precision) AS since FROM tenants AS t
)
DELETE FROM repeatable_requests AS r USING kept AS k
WHERE r.tenant_id = k.id AND (r.created_at < k.since OR (k.clock_at IS NULL AND r.created_at > @now));
