-- name: CreateAuditEntry :exec
INSERT INTO audit_entries (id, at, key_id, key_name, action, tenant_id, target, outcome, status, address)
VALUES (@id, @at, sqlc.narg('key_id'), sqlc.narg('key_name'), @action, sqlc.narg('tenant_id'), sqlc.narg('target'), @outcome, @status, @address);

-- name: ListAuditEntries :many
-- The latest first.
SELECT * FROM audit_entries
WHERE id < @before AND (sqlc.narg('tenant_id')::uuid IS NULL OR tenant_id = sqlc.narg('tenant_id'))
ORDER BY id DESC
LIMIT @row_limit::bigint;
