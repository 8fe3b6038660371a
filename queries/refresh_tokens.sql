-- name: CreateRefreshToken :exec
INSERT INTO refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at)
VALUES (@tenant_id, @hash, @family_id, @client_id, @user_id, @scope, @created_at, @expires_at);

-- name: GetRefreshToken :one
SELECT * FROM refresh_tokens
WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: RedeemRefreshToken :execrows
-- Redeems a token and issues the next one of its family; it does both or neither. Of
-- concurrent redemptions, one succeeds. A later redemption succeeds if the token was first
-- redeemed after @leeway_begins, which may be null.
WITH redeemed AS (
    UPDATE refresh_tokens AS t SET redeemed_at = COALESCE(t.redeemed_at, @now::timestamptz)
    WHERE t.tenant_id = @tenant_id AND t.hash = @redeemed_hash
        AND (t.redeemed_at IS NULL OR t.redeemed_at > sqlc.narg('leeway_begins')::timestamptz)
    RETURNING t.tenant_id, t.family_id, t.redirect_type
)
INSERT INTO refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at, redirect_type)
SELECT r.tenant_id, @hash, r.family_id, @client_id, @user_id, @scope, @created_at, @expires_at, r.redirect_type
FROM redeemed AS r;

-- name: DeleteRefreshTokenFamily :execrows
DELETE FROM refresh_tokens
WHERE tenant_id = @tenant_id AND family_id = @family_id;
