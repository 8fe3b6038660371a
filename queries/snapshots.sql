-- name: CreateSnapshot :execrows
-- Does nothing to a snapshot that is there.
INSERT INTO snapshots (tenant_id, name, state_id, created_at)
VALUES (@tenant_id, @name, @state_id, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetSnapshot :one
SELECT * FROM snapshots WHERE tenant_id = @tenant_id AND name = @name;

-- name: LockSnapshot :one
-- Keeps it, and so its state, from going until the transaction ends.
SELECT * FROM snapshots WHERE tenant_id = @tenant_id AND name = @name FOR SHARE;

-- name: ListSnapshots :many
SELECT * FROM snapshots
WHERE tenant_id = @tenant_id AND name > @after
ORDER BY name
LIMIT @row_limit::bigint;

-- name: DeleteSnapshot :execrows
DELETE FROM snapshots WHERE tenant_id = @tenant_id AND name = @name;
