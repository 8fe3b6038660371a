-- name: CreateAdminKey :execrows
-- Does nothing if the key exists.
INSERT INTO admin_keys (id, name, role, hash, created_at, expires_at)
VALUES (@id, @name, @role, @hash, @created_at, sqlc.narg('expires_at'))
ON CONFLICT DO NOTHING;

-- name: GetAdminKey :one
SELECT * FROM admin_keys WHERE hash = @hash;

-- name: ListAdminKeys :many
SELECT * FROM admin_keys
WHERE id > @after AND (strpos(lower(name), lower(@search::text)) > 0 OR starts_with(id::text, lower(@search::text)))
ORDER BY id
LIMIT @row_limit::bigint;

-- name: RevokeAdminKey :execrows
UPDATE admin_keys SET revoked_at = COALESCE(revoked_at, @revoked_at) WHERE id = @id;

-- name: AdminKeysExist :one
-- Also counts revoked and expired keys, so that without a valid key the administration doesn't
-- become open to everybody.
SELECT EXISTS (SELECT FROM admin_keys);

-- name: GoodAdminKeyExists :one
SELECT EXISTS (
    SELECT FROM admin_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > @now)
);
