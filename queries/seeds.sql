-- name: CreateSeed :execrows
-- Does nothing if the seed exists.
INSERT INTO seeds (name, state_id, manager, created_at)
VALUES (@name, @state_id, sqlc.narg('manager'), @created_at)
ON CONFLICT DO NOTHING;

-- name: PutSeed :execrows
-- Of two processes that put the same file, the later one waits and does nothing.
INSERT INTO seeds AS s (name, state_id, created_at, digest)
VALUES (@name, @state_id, @created_at, @digest)
ON CONFLICT (name) DO UPDATE SET state_id = excluded.state_id, manager = NULL, created_at = excluded.created_at, digest = excluded.digest
    WHERE s.digest IS DISTINCT FROM excluded.digest;

-- name: GetSeed :one
-- A manager finds their own seeds and those for everybody, here and below.
SELECT * FROM seeds
WHERE name = @name AND (sqlc.narg('manager')::text IS NULL OR manager IS NULL OR manager = sqlc.narg('manager'));

-- name: LockSeed :one
-- Keeps others from deleting the seed, and so its state, until the transaction ends.
SELECT * FROM seeds
WHERE name = @name AND (sqlc.narg('manager')::text IS NULL OR manager IS NULL OR manager = sqlc.narg('manager'))
FOR SHARE;

-- name: ListSeeds :many
SELECT * FROM seeds
WHERE name > @after AND (sqlc.narg('manager')::text IS NULL OR manager IS NULL OR manager = sqlc.narg('manager'))
    AND strpos(lower(name), lower(@search::text)) > 0
ORDER BY name
LIMIT @row_limit::bigint;

-- name: DeleteSeed :one
-- Waits for transactions that make a tenant from the seed.
DELETE FROM seeds WHERE name = @name RETURNING state_id;
