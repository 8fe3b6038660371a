-- The request journal of a tenant and its gaps.

-- name: CreateJournalEntries :copyfrom
INSERT INTO journal_entries (
    tenant_id, id, at, took_microseconds, front, method, url, path, route, status, request_id, client_request_id,
    batch_id, batch_item, user_id, application, token_expires_at, fault, address,
    request_headers, request_body, request_size, response_headers, response_body, response_size
) VALUES (
    @tenant_id, @id, @at, @took_microseconds, @front, @method, @url, @path, @route, @status, @request_id, @client_request_id,
    @batch_id, @batch_item, @user_id, @application, @token_expires_at, @fault, @address,
    @request_headers, @request_body, @request_size, @response_headers, @response_body, @response_size
);

-- name: UseOneConnectionPerWorker :exec
-- Makes a transaction write to the shards of a cluster one after the other. By itself, a cluster
-- opens a connection for each shard, which takes a thousand entries of as many tenants five
-- times as long. Other servers keep this setting and do nothing with it.
SELECT set_config('citus.multi_shard_modify_mode', 'sequential', true);

-- name: ListJournalEntries :many
-- Lists entries between two ids and two times, oldest or newest first.
SELECT * FROM journal_entries
WHERE tenant_id = @tenant_id AND id > @after AND id < @before
    AND (sqlc.narg('since')::timestamptz IS NULL OR at >= sqlc.narg('since'))
    AND (sqlc.narg('until')::timestamptz IS NULL OR at <= sqlc.narg('until'))
ORDER BY CASE WHEN @newest::boolean THEN id END DESC, id
LIMIT @row_limit::bigint;

-- name: DeleteJournalEntries :execrows
DELETE FROM journal_entries WHERE tenant_id = @tenant_id AND id = ANY (@ids::uuid[]);

-- name: ClearJournal :execrows
-- Removes the entries and the gaps between two times.
WITH gaps AS (
    DELETE FROM journal_gaps AS g
    WHERE g.tenant_id = @tenant_id
        AND (sqlc.narg('since')::timestamptz IS NULL OR g.since_at >= sqlc.narg('since'))
        AND (sqlc.narg('until')::timestamptz IS NULL OR g.until_at <= sqlc.narg('until'))
)
DELETE FROM journal_entries AS e
WHERE e.tenant_id = @tenant_id
    AND (sqlc.narg('since')::timestamptz IS NULL OR e.at >= sqlc.narg('since'))
    AND (sqlc.narg('until')::timestamptz IS NULL OR e.at <= sqlc.narg('until'));

-- name: ReadJournalInOrder :exec
-- Makes a transaction read entries in the order of their ids. Otherwise Postgres, whose
-- statistics lag behind, reads and sorts a whole journal.
SELECT set_config('enable_bitmapscan', 'off', true);

-- name: FindSurplusJournalEntry :one
-- Finds the newest entry beyond the number that the journal keeps.
SELECT id FROM journal_entries WHERE tenant_id = @tenant_id ORDER BY id DESC OFFSET @kept::bigint LIMIT 1;

-- name: FindOldJournalEntry :one
-- Finds the newest entry from before a time.
SELECT id FROM journal_entries WHERE tenant_id = @tenant_id AND at < @before ORDER BY id DESC LIMIT 1;

-- name: TrimJournal :exec
-- Removes an entry and all earlier ones, and counts them.
WITH gone AS (
    DELETE FROM journal_entries AS e WHERE e.tenant_id = @tenant_id AND e.id <= @through
    RETURNING e.id, e.at
), counted AS (
    SELECT count(*) AS n, min(gone.at) AS since_at, max(gone.at) AS until_at, max(gone.id::text) AS until_id FROM gone
)
INSERT INTO journal_gaps (tenant_id, id, kind, count, since_at, until_at, until_id)
SELECT @tenant_id::uuid, '00000000-0000-0000-0000-000000000000'::uuid, 'removed', c.n, c.since_at, c.until_at, c.until_id::uuid
FROM counted AS c WHERE c.n > 0
ON CONFLICT (tenant_id, id) DO UPDATE SET
    count = journal_gaps.count + excluded.count, until_at = greatest(journal_gaps.until_at, excluded.until_at),
    until_id = greatest(journal_gaps.until_id, excluded.until_id);

-- name: CreateJournalGap :exec
-- Does nothing if the tenant no longer exists.
INSERT INTO journal_gaps (tenant_id, id, kind, count, since_at, until_at, until_id)
SELECT t.id, @id, 'dropped', @count, @since_at, @until_at, @until_id
FROM tenants AS t WHERE t.id = @tenant_id;

-- name: CreateReplicaGaps :exec
-- Notes in all journals that a replica may not have written what it answered since it was
-- last seen. A journal whose clock was set since then notes it from the tenant's beginning. A
-- fast clock stops in the year 9000, as Clock.Now in internal/tenant does.
INSERT INTO journal_gaps (tenant_id, id, kind, count, since_at, until_at, until_id)
SELECT t.id, @replica, 'unanswered', 0,
    CASE
        WHEN t.clock_at IS NULL THEN sqlc.arg('seen_at')::timestamptz
        WHEN t.clock_from <= sqlc.arg('seen_at')::timestamptz THEN t.clock_at + make_interval(secs => LEAST(
            extract(epoch FROM sqlc.arg('seen_at')::timestamptz - t.clock_from) * t.clock_rate, extract(epoch FROM timestamptz '9000-01-01 00:00:00Z' - t.clock_at)))
        ELSE t.created_at
    END,
    CASE
        WHEN t.clock_from IS NULL THEN sqlc.arg('now')::timestamptz
        ELSE t.clock_at + make_interval(secs => LEAST(
            extract(epoch FROM sqlc.arg('now')::timestamptz - t.clock_from) * t.clock_rate, extract(epoch FROM timestamptz '9000-01-01 00:00:00Z' - t.clock_at)))
    END, @until_id
FROM tenants AS t WHERE t.journal_limit > 0
ON CONFLICT (tenant_id, id) DO UPDATE SET until_at = excluded.until_at, until_id = excluded.until_id;

-- name: DeleteReplicaGaps :exec
-- Removes the gaps of a replica that has written everything.
DELETE FROM journal_gaps WHERE id = @replica AND kind = 'unanswered';

-- name: ListJournalGaps :many
-- Lists the gaps after an id and between two times.
SELECT * FROM journal_gaps
WHERE tenant_id = @tenant_id AND until_id > @after
    AND (sqlc.narg('since')::timestamptz IS NULL OR until_at >= sqlc.narg('since'))
    AND (sqlc.narg('until')::timestamptz IS NULL OR since_at <= sqlc.narg('until'))
ORDER BY since_at, id;

-- name: DeleteOldJournalGaps :execrows
WITH kept AS MATERIALIZED (
    SELECT t.id, COALESCE(t.clock_at, @now::timestamptz) - make_interval(secs => t.journal_seconds) AS since FROM tenants AS t
)
DELETE FROM journal_gaps AS g USING kept AS k
WHERE g.tenant_id = k.id AND g.kind <> 'removed' AND g.until_at < k.since;

-- name: ListOverdueJournals :many
-- Lists tenants whose oldest entry is older than their journal keeps. For a tenant with its
-- own clock it takes the time to which the clock was last set, which is in the clock's past.
SELECT t.id, COALESCE(t.clock_at, @now::timestamptz)::timestamptz AS now, t.journal_seconds FROM tenants AS t
WHERE (SELECT e.at FROM journal_entries AS e WHERE e.tenant_id = t.id ORDER BY e.id LIMIT 1)
    < COALESCE(t.clock_at, @now::timestamptz) - make_interval(secs => t.journal_seconds)
LIMIT @row_limit::bigint;
