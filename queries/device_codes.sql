-- name: CreateDeviceCode :execrows
-- Does nothing if another device code has this user code.
INSERT INTO device_codes (hash, user_code, authority, client_id, scope, address, created_at, expires_at, kept_until)
VALUES (@hash, @user_code, @authority, @client_id, @scope, @address, @created_at, @expires_at, @kept_until)
ON CONFLICT DO NOTHING;

-- name: CountPendingDeviceCodes :one
-- Counts the pending codes of an address, of a client at an authority, and of the authority,
-- each up to a limit.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM device_codes AS c
        WHERE c.status = 'pending' AND c.address = @address AND c.kept_until > @now LIMIT @most_of_address::bigint
    ) AS a) AS of_address,
    (SELECT count(*) FROM (
        SELECT FROM device_codes AS c
        WHERE c.status = 'pending' AND c.authority = @authority AND c.client_id = @client_id AND c.kept_until > @now LIMIT @most_of_client::bigint
    ) AS b) AS of_client,
    (SELECT count(*) FROM (
        SELECT FROM device_codes AS c
        WHERE c.status = 'pending' AND c.authority = @authority AND c.kept_until > @now LIMIT @most_of_authority::bigint
    ) AS d) AS of_authority;

-- name: GetDeviceCode :one
SELECT * FROM device_codes
WHERE hash = @hash;

-- name: GetDeviceCodeByUserCode :one
SELECT * FROM device_codes
WHERE user_code = @user_code;

-- name: DecideDeviceCode :execrows
UPDATE device_codes SET status = @status, tenant_id = @tenant_id::uuid, user_id = @user_id::uuid, decided_at = @decided_at::timestamptz
WHERE hash = @hash AND status = 'pending';

-- name: RedeemDeviceCode :one
-- Redeems a code and, unless @hash is null, issues the first refresh token of its family; it
-- does both or neither. Of concurrent redemptions, exactly one returns 1.
WITH redeemed AS (
    UPDATE device_codes AS c SET status = 'redeemed'
    WHERE c.hash = @redeemed_hash AND c.status = 'approved'
    RETURNING c.hash
), issued AS (
    INSERT INTO refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at)
    SELECT @tenant_id, sqlc.narg('hash')::bytea, @family_id, @client_id, @user_id, @scope, @created_at, @expires_at
    FROM redeemed AS r
    WHERE sqlc.narg('hash')::bytea IS NOT NULL
)
SELECT count(*) FROM redeemed;
