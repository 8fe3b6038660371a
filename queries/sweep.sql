-- Expired codes, tokens and sessions of all tenants.

-- name: DeleteExpiredSessions :execrows
DELETE FROM sessions WHERE expires_at < @expired_before;

-- name: DeleteExpiredAuthorizationCodes :execrows
DELETE FROM authorization_codes WHERE expires_at < @expired_before;

-- name: DeleteExpiredRefreshTokens :execrows
DELETE FROM refresh_tokens WHERE expires_at < @expired_before;

-- name: DeleteExpiredDeviceCodes :execrows
DELETE FROM device_codes WHERE expires_at < @expired_before;

-- name: DeleteExpiredClientAssertions :execrows
DELETE FROM client_assertions WHERE expires_at < @expired_before;

-- name: DeleteOldIdempotencyKeys :execrows
DELETE FROM idempotency_keys WHERE created_at < @created_before;

-- name: DeleteOldAuditEntries :execrows
DELETE FROM audit_entries WHERE at < @before;

-- name: DeleteOldRepeatableRequests :execrows
DELETE FROM repeatable_requests WHERE created_at < @created_before;
