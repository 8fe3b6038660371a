-- name: CreateSnapshot :execrows
-- Does nothing if the snapshot exists.
INSERT INTO snapshots (tenant_id, name, state_id, created_at)
VALUES (@tenant_id, @name, @state_id, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetSnapshot :one
SELECT * FROM snapshots WHERE tenant_id = @tenant_id AND name = @name;

-- name: LockSnapshot :one
-- Keeps others from deleting the snapshot, and so its state, until the transaction ends.
SELECT * FROM snapshots WHERE tenant_id = @tenant_id AND name = @name FOR SHARE;

-- name: ListSnapshots :many
SELECT * FROM snapshots
WHERE tenant_id = @tenant_id AND name > @after
ORDER BY name
LIMIT @row_limit::bigint;

-- name: DeleteSnapshot :execrows
DELETE FROM snapshots WHERE tenant_id = @tenant_id AND name = @name;
