-- name: CreateReportLogins :exec
-- Lets a login read more tenants.
INSERT INTO report_logins (tenant_id, login_name, label, manager, created_at, expires_at)
SELECT unnest(@tenant_ids::uuid[]), @login_name, sqlc.narg('label'), sqlc.narg('manager'), @created_at, sqlc.narg('expires_at');

-- name: ListReportLogins :many
-- Returns a row for each tenant of each login. It lists all logins, the logins of a manager, of
-- which all tenants are the manager's, or one login. The limit counts logins, not rows.
WITH chosen AS MATERIALIZED (
    SELECT l.login_name FROM report_logins AS l
    JOIN tenants AS t ON t.id = l.tenant_id
    WHERE l.login_name > @after
        AND (sqlc.narg('login_name')::text IS NULL OR l.login_name = sqlc.narg('login_name'))
    GROUP BY l.login_name
    HAVING sqlc.narg('manager')::text IS NULL OR bool_and(t.manager IS NOT DISTINCT FROM sqlc.narg('manager'))
    ORDER BY l.login_name
    LIMIT @login_limit::bigint
)
SELECT r.* FROM report_logins AS r
JOIN chosen AS c ON c.login_name = r.login_name
ORDER BY r.login_name, r.tenant_id;

-- name: SetReportLoginManager :exec
-- Records which manager has the login's password.
UPDATE report_logins SET manager = sqlc.narg('manager') WHERE login_name = @login_name;

-- name: RemoveManagersReportLogins :exec
-- Removes a tenant from the logins of managers other than its own.
DELETE FROM report_logins AS l
WHERE l.tenant_id = @tenant_id AND l.manager IS NOT NULL AND l.manager IS DISTINCT FROM sqlc.narg('manager');

-- name: DeleteReportLogin :execrows
DELETE FROM report_logins WHERE login_name = @login_name;

-- name: ListExpiredReportLogins :many
SELECT DISTINCT login_name FROM report_logins WHERE expires_at <= @now;
