-- name: CreateAuditEntry :exec
INSERT INTO audit_entries (id, at, key_id, key_name, action, tenant_id, target, outcome, status, address)
VALUES (@id, @at, sqlc.narg('key_id'), sqlc.narg('key_name'), @action, sqlc.narg('tenant_id'), sqlc.narg('target'), @outcome, @status, @address);

-- name: SetAuditCounts :exec
-- Sets how many calls each entry counts.
UPDATE audit_entries AS e SET count = c.count
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@counts::integer[]) AS count) AS c
WHERE e.id = c.id;

-- name: ListAuditEntries :many
-- Lists entries, newest first, filtered by tenant, by key or target, and by time.
SELECT * FROM audit_entries
WHERE id < @before AND (sqlc.narg('tenant_id')::uuid IS NULL OR tenant_id = sqlc.narg('tenant_id'))
    AND (sqlc.narg('who')::text IS NULL OR lower(key_name) = lower(sqlc.narg('who'))
        OR lower(target) = lower(sqlc.narg('who')) OR starts_with(lower(target), lower(sqlc.narg('who')) || ' '))
    AND (sqlc.narg('since')::timestamptz IS NULL OR at >= sqlc.narg('since'))
    AND (sqlc.narg('until')::timestamptz IS NULL OR at < sqlc.narg('until'))
ORDER BY id DESC
LIMIT @row_limit::bigint;

-- name: DeleteOldDenials :execrows
-- Deletes refusals from before a time, and all except a number of the newest.
DELETE FROM audit_entries AS e
WHERE e.outcome = 'denied' AND (e.at < @before OR e.id <= (
    SELECT d.id FROM audit_entries AS d
    WHERE d.outcome = 'denied'
    ORDER BY d.id DESC
    OFFSET @keep::bigint LIMIT 1
));
