-- name: CreateReportLogins :exec
-- Lets a login read one more tenant, or several.
INSERT INTO report_logins (tenant_id, login_name, label, manager, created_at, expires_at)
SELECT unnest(@tenant_ids::uuid[]), @login_name, sqlc.narg('label'), sqlc.narg('manager'), @created_at, sqlc.narg('expires_at');

-- name: ListReportLogins :many
-- Whose they are: a row for each tenant, of all logins, or of those all of whose
-- tenants are one manager's; or of one login alone. So many logins, not rows.
SELECT * FROM report_logins
WHERE login_name IN (
    SELECT DISTINCT l.login_name FROM report_logins AS l
    WHERE l.login_name > @after
        AND (sqlc.narg('login_name')::text IS NULL OR l.login_name = sqlc.narg('login_name'))
        AND (sqlc.narg('manager')::text IS NULL OR NOT EXISTS (
            SELECT FROM report_logins AS o
            JOIN tenants AS t ON t.id = o.tenant_id
            WHERE o.login_name = l.login_name AND t.manager IS DISTINCT FROM sqlc.narg('manager')
        ))
    ORDER BY l.login_name
    LIMIT @login_limit::bigint
)
ORDER BY login_name, tenant_id;

-- name: SetReportLoginManager :exec
-- Says who was given its password.
UPDATE report_logins SET manager = sqlc.narg('manager') WHERE login_name = @login_name;

-- name: RemoveManagersReportLogins :exec
-- What logins of other managers than the tenant's had of it.
DELETE FROM report_logins AS l
WHERE l.tenant_id = @tenant_id AND l.manager IS NOT NULL AND l.manager IS DISTINCT FROM sqlc.narg('manager');

-- name: DeleteReportLogin :execrows
DELETE FROM report_logins WHERE login_name = @login_name;

-- name: ListExpiredReportLogins :many
SELECT DISTINCT login_name FROM report_logins WHERE expires_at <= @now;
