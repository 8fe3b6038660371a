-- name: CreateDomain :execrows
-- Does nothing if a tenant has the domain.
INSERT INTO domains (name, tenant_id, created_at)
VALUES (lower(@name), @tenant_id, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetDomain :one
SELECT * FROM domains
WHERE name = lower(@name);

-- name: ListDomains :many
SELECT name FROM domains
WHERE tenant_id = @tenant_id
ORDER BY created_at, name;
