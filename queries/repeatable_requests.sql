-- name: BeginRepeatableRequest :execrows
-- Waits for the same request where it is under way, also at another replica; then
-- it changes no row if that one is answered, unless its answer is too old, or ahead of a clock
-- that was reset.
INSERT INTO repeatable_requests AS r (tenant_id, hash, created_at)
VALUES (@tenant_id, @hash, @created_at)
ON CONFLICT (tenant_id, hash) DO UPDATE SET created_at = excluded.created_at
WHERE r.created_at < @expired_before OR r.created_at > @ahead_after;

-- name: AnswerRepeatableRequest :exec
UPDATE repeatable_requests SET status = @status, headers = @headers::text[], body = @body
WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: GetRepeatableRequest :one
SELECT * FROM repeatable_requests WHERE tenant_id = @tenant_id AND hash = @hash;

-- name: ForgetRepeatableRequests :exec
-- What a tenant's changes were answered says nothing of another state.
DELETE FROM repeatable_requests WHERE tenant_id = @tenant_id;
