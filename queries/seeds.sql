-- name: CreateSeed :execrows
-- Does nothing to a seed that is there.
INSERT INTO seeds (name, state_id, created_at)
VALUES (@name, @state_id, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetSeed :one
SELECT * FROM seeds WHERE name = @name;

-- name: ListSeeds :many
SELECT * FROM seeds
WHERE name > @after
ORDER BY name
LIMIT @row_limit::bigint;

-- name: DeleteSeed :execrows
DELETE FROM seeds WHERE name = @name;
