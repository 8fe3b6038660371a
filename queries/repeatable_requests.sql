-- name: BeginRepeatableRequest :execrows
-- Waits for the same request if it is in progress, on any replica. Then it changes no row if
-- that request has an answer, unless the answer is too old or is in the future of a clock that
-- was reset.
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
-- Removes the stored answers of a tenant, which don't apply to another state.
DELETE FROM repeatable_requests WHERE tenant_id = @tenant_id;
