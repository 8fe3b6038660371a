-- name: CreateAuthorizationCode :exec
INSERT INTO authorization_codes (
    tenant_id, hash, family_id, client_id, user_id, redirect_uri, redirect_type, scope, nonce, code_challenge, created_at, expires_at
) VALUES (
    @tenant_id, @hash, @family_id, @client_id, @user_id, @redirect_uri, @redirect_type, @scope, @nonce, @code_challenge, @created_at, @expires_at
);

-- name: GetAuthorizationCode :one
SELECT * FROM authorization_codes
WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: RedeemAuthorizationCode :one
-- Redeems a code and, unless @hash is null, issues the first refresh token of its family; it
-- does both or neither. Of concurrent redemptions, exactly one returns 1.
WITH redeemed AS (
    UPDATE authorization_codes AS c SET redeemed_at = @now::timestamptz
    WHERE c.tenant_id = @tenant_id AND c.hash = @redeemed_hash AND c.redeemed_at IS NULL
    RETURNING c.tenant_id, c.family_id, c.redirect_type
), issued AS (
    INSERT INTO refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at, redirect_type)
    SELECT r.tenant_id, sqlc.narg('hash')::bytea, r.family_id, @client_id, @user_id, @scope, @created_at, @expires_at, r.redirect_type
    FROM redeemed AS r
    WHERE sqlc.narg('hash')::bytea IS NOT NULL
)
SELECT count(*) FROM redeemed;
