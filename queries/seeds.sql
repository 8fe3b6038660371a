-- name: CreateSeed :execrows
-- Does nothing to a seed that is there.
INSERT INTO seeds (name, state_id, created_at)
VALUES (@name, @state_id, @created_at)
ON CONFLICT DO NOTHING;

-- name: PutSeed :execrows
-- Of two that put the same file, the later one waits and does nothing.
INSERT INTO seeds AS s (name, state_id, created_at, digest)
VALUES (@name, @state_id, @created_at, @digest)
ON CONFLICT (name) DO UPDATE SET state_id = excluded.state_id, created_at = excluded.created_at, digest = excluded.digest
    WHERE s.digest IS DISTINCT FROM excluded.digest;

-- name: GetSeed :one
SELECT * FROM seeds WHERE name = @name;

-- name: LockSeed :one
-- Keeps it, and so its state, from going until the transaction ends.
SELECT * FROM seeds WHERE name = @name FOR SHARE;

-- name: ListSeeds :many
SELECT * FROM seeds
WHERE name > @after
ORDER BY name
LIMIT @row_limit::bigint;

-- name: DeleteSeed :one
-- Waits for those that make a tenant of it.
DELETE FROM seeds WHERE name = @name RETURNING state_id;
