-- name: CreateServiceSecret :exec
-- Does nothing if a secret with this name exists.
INSERT INTO service_secrets (name, value, created_at)
VALUES (@name, @value, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetServiceSecret :one
SELECT value FROM service_secrets
WHERE name = @name;
