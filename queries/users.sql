-- name: CreateUser :execrows
-- Does nothing if the user exists.
INSERT INTO users (
    tenant_id, id, user_principal_name, display_name, given_name, surname,
    password_hash, must_change_password, enabled, directory_roles, tokens_valid_from, created_at
) VALUES (
    @tenant_id, @id, @user_principal_name, @display_name, @given_name, @surname,
    @password_hash, @must_change_password, @enabled, COALESCE(@directory_roles::uuid[], '{}'),
    COALESCE(sqlc.narg('tokens_valid_from')::timestamptz, '0001-01-01 00:00:00+00'), @created_at
)
ON CONFLICT DO NOTHING;

-- name: GetUser :one
SELECT * FROM users
WHERE tenant_id = @tenant_id AND id = @id;

-- name: GetUserByName :one
SELECT * FROM users
WHERE tenant_id = @tenant_id AND lower(user_principal_name) = lower(@user_principal_name);

-- name: ListUsers :many
-- Lists users whose names contain a text, or whose ids begin with it. '' doesn't filter.
SELECT * FROM users
WHERE tenant_id = @tenant_id AND id > @after
    AND (strpos(lower(user_principal_name), lower(@search::text)) > 0 OR strpos(lower(display_name), lower(@search::text)) > 0 OR starts_with(id::text, lower(@search::text)))
ORDER BY id
LIMIT @row_limit::bigint;

-- name: CountFailedSignIn :exec
-- Counts a failed sign-in, and locks the user each time that the count reaches a multiple of
-- the allowed failures.
UPDATE users SET
    failed_sign_ins = failed_sign_ins + 1,
    locked_until = CASE WHEN (failed_sign_ins + 1) % @most::integer = 0 THEN @lock_until ELSE locked_until END
WHERE tenant_id = @tenant_id AND id = @id;

-- name: ForgetFailedSignIns :exec
UPDATE users SET failed_sign_ins = 0
WHERE tenant_id = @tenant_id AND id = @id AND failed_sign_ins > 0;

-- name: SetUserPassword :execrows
UPDATE users SET
    password_hash = @password_hash, must_change_password = @must_change_password,
    failed_sign_ins = 0, locked_until = '0001-01-01 00:00:00+00',
    tokens_valid_from = @tokens_valid_from
WHERE tenant_id = @tenant_id AND id = @id;

-- name: ChangeUserPassword :execrows
-- Replaces the password with which the user signed in, unless somebody else has replaced it
-- since.
UPDATE users SET
    password_hash = @password_hash, must_change_password = false, tokens_valid_from = @tokens_valid_from
WHERE tenant_id = @tenant_id AND id = @id AND password_hash = @former_hash::text;

-- name: SetUserEnabled :execrows
UPDATE users SET
    enabled = @enabled,
    tokens_valid_from = CASE WHEN @enabled THEN tokens_valid_from ELSE @tokens_valid_from END
WHERE tenant_id = @tenant_id AND id = @id;

-- name: RevokeUserTokens :execrows
UPDATE users SET tokens_valid_from = @tokens_valid_from
WHERE tenant_id = @tenant_id AND id = @id;

-- name: EndUserSessions :exec
WITH ended AS (
    DELETE FROM sessions AS s
    WHERE s.tenant_id = @tenant_id AND s.user_id = @user_id
)
DELETE FROM refresh_tokens AS r
WHERE r.tenant_id = @tenant_id AND r.user_id = @user_id;

-- name: CountUsers :one
SELECT count(*) FROM users WHERE tenant_id = @tenant_id;

-- name: UpdateUser :execrows
UPDATE users SET display_name = @display_name, directory_roles = @directory_roles
WHERE tenant_id = @tenant_id AND id = @id;

-- name: DeleteUser :execrows
-- Deletes a user with the permissions granted for that user.
WITH grants AS (
    DELETE FROM permission_grants AS g WHERE g.tenant_id = @tenant_id AND g.principal_id = @id
)
DELETE FROM users AS u WHERE u.tenant_id = @tenant_id AND u.id = @id;
