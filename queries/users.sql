-- name: CreateUser :execrows
-- Does nothing to a user that is there.
INSERT INTO users (tenant_id, id, user_principal_name, display_name, created_at)
VALUES (@tenant_id, @id, @user_principal_name, @display_name, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetUser :one
SELECT * FROM users
WHERE tenant_id = @tenant_id AND id = @id;
