-- name: CreateTenant :execrows
-- Does nothing to a tenant that is there.
INSERT INTO tenants (id, display_name, permission_rule, user_picker, created_at)
VALUES (@tenant_id, @display_name, COALESCE(sqlc.narg('permission_rule')::permission_rule, 'seed'), @user_picker, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetTenant :one
SELECT * FROM tenants WHERE id = @tenant_id;

-- name: TenantExists :one
SELECT EXISTS (SELECT FROM tenants WHERE id = @tenant_id);

-- name: GetCaller :one
-- What decides whether a token of a tenant, an application and a user or
-- service principal is still good.
SELECT
    t.permission_rule,
    t.page_size,
    a.tokens_valid_from AS application_valid_from,
    u.enabled AS user_enabled,
    u.tokens_valid_from AS user_valid_from
FROM tenants AS t
LEFT JOIN applications AS a ON a.tenant_id = t.id AND a.client_id = @client_id
LEFT JOIN users AS u ON u.tenant_id = t.id AND u.id = @object_id
WHERE t.id = @tenant_id;
