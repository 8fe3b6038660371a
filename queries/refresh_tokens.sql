-- name: CreateRefreshToken :exec
INSERT INTO refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at)
VALUES (@tenant_id, @hash, @family_id, @client_id, @user_id, @scope, @created_at, @expires_at);

-- name: GetRefreshToken :one
SELECT * FROM refresh_tokens
WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: RedeemRefreshToken :execrows
-- Of any number of redemptions at once, one changes the row.
UPDATE refresh_tokens SET redeemed_at = @now::timestamptz
WHERE tenant_id = @tenant_id AND hash = @hash AND redeemed_at IS NULL;

-- name: DeleteRefreshTokenFamily :exec
DELETE FROM refresh_tokens
WHERE tenant_id = @tenant_id AND family_id = @family_id;
