-- name: CreateSession :exec
INSERT INTO sessions (tenant_id, hash, user_id, created_at, expires_at)
VALUES (@tenant_id, @hash, @user_id, @created_at, @expires_at);

-- name: GetSessionUser :one
SELECT u.* FROM sessions AS s
JOIN users AS u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
WHERE s.tenant_id = @tenant_id AND s.hash = @hash AND s.expires_at > @now
    AND u.enabled AND s.created_at >= u.tokens_valid_from;

-- name: DeleteSession :exec
DELETE FROM sessions
WHERE tenant_id = @tenant_id AND hash = @hash;
