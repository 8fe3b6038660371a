-- The running processes of the service, which answer each other's calls.

-- name: ListReplicas :many
SELECT * FROM replicas;

-- name: KeepReplica :exec
INSERT INTO replicas (id, acknowledged, seen_at) VALUES (@id, @acknowledged, @now)
ON CONFLICT (id) DO UPDATE SET acknowledged = excluded.acknowledged, seen_at = excluded.seen_at;

-- name: CallReplicas :one
-- Returns the number of a new call.
INSERT INTO replicas (id, acknowledged, seen_at) VALUES ('00000000-0000-0000-0000-000000000000', 1, @now)
ON CONFLICT (id) DO UPDATE SET acknowledged = replicas.acknowledged + 1
RETURNING acknowledged;

-- name: DeleteReplica :execrows
-- Removes a replica that hasn't answered a call.
DELETE FROM replicas WHERE id = @id AND acknowledged < @call;
