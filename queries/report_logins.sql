-- name: CreateReportLogins :exec
-- Lets a login read one more tenant, or several.
INSERT INTO report_logins (tenant_id, login_name, label, created_at, expires_at)
SELECT unnest(@tenant_ids::uuid[]), @login_name, sqlc.narg('label'), @created_at, sqlc.narg('expires_at');

-- name: ListReportLogins :many
-- Whose they are: a row for each tenant, of all or of one manager's.
SELECT l.*, t.manager FROM report_logins AS l
JOIN tenants AS t ON t.id = l.tenant_id
WHERE sqlc.narg('login_name')::text IS NULL OR l.login_name = sqlc.narg('login_name')
ORDER BY l.created_at, l.login_name, l.tenant_id;

-- name: DeleteReportLogin :execrows
DELETE FROM report_logins WHERE login_name = @login_name;

-- name: ListExpiredReportLogins :many
SELECT DISTINCT login_name FROM report_logins WHERE expires_at <= @now;
