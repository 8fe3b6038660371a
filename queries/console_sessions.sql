-- name: CreateConsoleSession :exec
INSERT INTO console_sessions (id, person_id, name, role, managers, address, created_at, expires_at)
VALUES (@id, @person_id, @name, @role, @managers, @address, @created_at, @expires_at);

-- name: ConsoleSessionExists :one
SELECT EXISTS (SELECT FROM console_sessions WHERE id = @id AND expires_at > @now);

-- name: ListConsoleSessions :many
SELECT * FROM console_sessions
WHERE id > @after AND expires_at > @now AND (strpos(lower(name), lower(@search::text)) > 0 OR starts_with(id::text, lower(@search::text)))
ORDER BY id
LIMIT @row_limit::bigint;

-- name: DeleteConsoleSession :execrows
DELETE FROM console_sessions WHERE id = @id;

-- name: DeleteOldConsoleSessions :execrows
DELETE FROM console_sessions WHERE expires_at <= @now;
