-- name: CreateAuthorizationCode :exec
INSERT INTO authorization_codes (
    tenant_id, hash, family_id, client_id, user_id, redirect_uri, scope, nonce, code_challenge, created_at, expires_at
) VALUES (
    @tenant_id, @hash, @family_id, @client_id, @user_id, @redirect_uri, @scope, @nonce, @code_challenge, @created_at, @expires_at
);

-- name: GetAuthorizationCode :one
SELECT * FROM authorization_codes
WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: RedeemAuthorizationCode :execrows
-- Of any number of redemptions at once, one changes the row.
UPDATE authorization_codes SET redeemed_at = @now::timestamptz
WHERE tenant_id = @tenant_id AND hash = @hash AND redeemed_at IS NULL;
