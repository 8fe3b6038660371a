-- name: CreateIdempotencyKey :execrows
-- Waits for a concurrent call with the same key. Does nothing if that call succeeded.
INSERT INTO idempotency_keys (hash, request_hash, answer, created_at)
VALUES (@hash, @request_hash, '', @created_at)
ON CONFLICT DO NOTHING;

-- name: SetIdempotentAnswer :exec
UPDATE idempotency_keys SET request_hash = @request_hash, answer = @answer WHERE hash = @hash;

-- name: GetIdempotencyKey :one
SELECT * FROM idempotency_keys WHERE hash = @hash;
