-- Rules by which requests of a tenant fail on purpose.

-- name: CreateFault :exec
INSERT INTO faults (tenant_id, id, rule, skip, every, times, probability, seed, scenario, matched, fired, created_at)
VALUES (@tenant_id, @id, @rule, @skip, @every, sqlc.narg('times'), @probability, @seed, sqlc.narg('scenario'), @matched, @fired, @created_at);

-- name: ListFaults :many
-- Lists rules in the order of their creation. The first that matches a request and fires
-- decides.
SELECT * FROM faults WHERE tenant_id = @tenant_id ORDER BY id;

-- name: CountFaults :one
SELECT count(*) FROM faults WHERE tenant_id = @tenant_id;

-- name: GetFault :one
SELECT * FROM faults WHERE tenant_id = @tenant_id AND id = @id;

-- name: UpdateFault :one
UPDATE faults SET rule = @rule, skip = @skip, every = @every, times = sqlc.narg('times'), probability = @probability, seed = @seed
WHERE tenant_id = @tenant_id AND id = @id
RETURNING *;

-- name: DeleteFault :execrows
DELETE FROM faults WHERE tenant_id = @tenant_id AND id = @id;

-- name: DeleteScenario :execrows
DELETE FROM faults WHERE tenant_id = @tenant_id AND scenario = @scenario::text;

-- name: ChangeFaults :exec
UPDATE tenants SET faults_version = faults_version + 1 WHERE id = @tenant_id;

-- name: MatchFaults :many
-- Counts a request for the rules that match it, in order, up to the first that fires, and
-- returns that rule with the number of its match. Concurrent requests wait for each other, so
-- that a rule fires exactly as often as it should.
WITH locked AS MATERIALIZED (
    SELECT o.* FROM faults AS o WHERE o.tenant_id = @tenant_id AND o.id = ANY(@ids::uuid[]) ORDER BY o.id FOR UPDATE
), first AS (
    SELECT l.id FROM locked AS l
    WHERE l.matched >= l.skip AND (l.matched - l.skip) % l.every = 0 AND (l.times IS NULL OR l.fired < l.times)
    AND (hashint8extended(l.matched, l.seed) & 9223372036854775807)::double precision / 9223372036854775807 < l.probability
    ORDER BY l.id LIMIT 1
), counted AS (
    UPDATE faults AS t SET matched = t.matched + 1, fired = t.fired + (t.id = COALESCE((SELECT f.id FROM first AS f), '00000000-0000-0000-0000-000000000000'))::integer
    FROM locked AS l
    WHERE t.tenant_id = @tenant_id AND t.id = l.id AND (NOT EXISTS (SELECT FROM first) OR l.id <= (SELECT f.id FROM first AS f))
    RETURNING t.id, t.matched
)
SELECT c.id, c.matched FROM counted AS c WHERE c.id = (SELECT f.id FROM first AS f);

-- name: RemoveFaults :exec
DELETE FROM faults AS f WHERE f.tenant_id = @tenant_id;

-- name: CopyFaults :exec
INSERT INTO faults (tenant_id, id, rule, skip, every, times, probability, seed, scenario, matched, fired, created_at)
SELECT @tenant_id::uuid, f.id, f.rule, f.skip, f.every, f.times, f.probability, f.seed, f.scenario, f.matched, f.fired, f.created_at
FROM faults AS f WHERE f.tenant_id = @from_id;

-- name: OpenThrottles :exec
-- Adds windows in which no requests have been granted.
INSERT INTO throttles (tenant_id, scope, begun, used, granted)
SELECT @tenant_id::uuid, unnest(@scopes::text[]), @now::timestamptz, 0, 0
ON CONFLICT DO NOTHING;

-- name: TakeThrottle :many
-- Grants requests in windows. A window begins with the first request after the previous
-- window. A full window blocks requests until its end, and a blocked call restarts the wait.
-- A clock that was set back begins a new window. The result lacks windows that OpenThrottles
-- hasn't added.
WITH wanted AS (
    SELECT unnest(@scopes::text[]) AS name, unnest(@most::bigint[]) AS most, unnest(@leases::bigint[]) AS lease,
        @now::timestamptz AS at, @window_seconds::double precision AS seconds
), locked AS MATERIALIZED (
    SELECT o.scope, o.begun, o.used, o.blocked_until, o.wait FROM throttles AS o
    WHERE o.tenant_id = @tenant_id AND o.scope = ANY(@scopes::text[]) ORDER BY o.scope FOR UPDATE
), found AS (
    SELECT l.scope, w.most, least(w.lease, w.most) AS lease, w.at, l.begun + make_interval(secs => w.seconds) AS ends, w.at + l.wait * interval '1 microsecond' AS again,
        CASE
            WHEN w.at < l.begun THEN 'new'
            WHEN l.blocked_until > w.at THEN 'blocked'
            WHEN l.blocked_until IS NOT NULL OR w.at >= l.begun + make_interval(secs => w.seconds) THEN 'new'
            WHEN l.used >= w.most THEN 'full'
            ELSE 'open'
        END AS state
    FROM locked AS l JOIN wanted AS w ON w.name = l.scope
)
UPDATE throttles AS t SET
    begun = CASE WHEN f.state = 'new' THEN f.at ELSE t.begun END,
    used = CASE f.state WHEN 'new' THEN f.lease WHEN 'open' THEN least(t.used + f.lease, f.most) ELSE t.used END,
    granted = CASE f.state WHEN 'new' THEN f.lease WHEN 'open' THEN least(f.lease, f.most - t.used) ELSE 0 END,
    blocked_until = CASE f.state
        WHEN 'full' THEN f.ends
        WHEN 'blocked' THEN greatest(t.blocked_until, f.again)
    END,
    wait = CASE f.state WHEN 'full' THEN (extract(epoch FROM f.ends - f.at) * 1000000)::bigint WHEN 'blocked' THEN t.wait ELSE 0 END
FROM found AS f
WHERE t.tenant_id = @tenant_id AND t.scope = f.scope
RETURNING t.scope, t.begun, t.granted, t.blocked_until;
