-- name: CreateDeviceCode :execrows
-- Does nothing if the user code is another's.
INSERT INTO device_codes (hash, user_code, authority, client_id, scope, created_at, expires_at)
VALUES (@hash, @user_code, @authority, @client_id, @scope, @created_at, @expires_at)
ON CONFLICT DO NOTHING;

-- name: GetDeviceCode :one
SELECT * FROM device_codes
WHERE hash = @hash;

-- name: GetDeviceCodeByUserCode :one
SELECT * FROM device_codes
WHERE user_code = @user_code;

-- name: DecideDeviceCode :execrows
UPDATE device_codes SET status = @status, tenant_id = @tenant_id::uuid, user_id = @user_id::uuid, decided_at = @decided_at::timestamptz
WHERE hash = @hash AND status = 'pending';

-- name: RedeemDeviceCode :execrows
-- Of any number of redemptions at once, one changes the row.
UPDATE device_codes SET status = 'redeemed'
WHERE hash = @hash AND status = 'approved';
