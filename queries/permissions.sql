-- name: GrantScopes :exec
-- Grants an application delegated permissions for one user, or for all users if principal_id
-- is all zeros.
INSERT INTO permission_grants (tenant_id, client_id, principal_id, scope, created_at)
SELECT @tenant_id, @client_id, @principal_id, unnest(@scopes::text[]), @created_at
ON CONFLICT DO NOTHING;

-- name: GrantRoles :exec
INSERT INTO app_role_assignments (tenant_id, client_id, role, created_at)
SELECT @tenant_id, @client_id, unnest(@roles::text[]), @created_at
ON CONFLICT DO NOTHING;

-- name: ListGrantedScopes :many
-- Lists the delegated permissions that an application has for a user.
SELECT DISTINCT scope FROM permission_grants
WHERE tenant_id = @tenant_id AND client_id = @client_id
    AND principal_id IN (@principal_id, '00000000-0000-0000-0000-000000000000')
ORDER BY scope;

-- name: ListGrantedRoles :many
SELECT role FROM app_role_assignments
WHERE tenant_id = @tenant_id AND client_id = @client_id
ORDER BY role;

-- name: RemoveConsent :exec
-- Removes all permissions of an application and its refresh tokens, and revokes its other
-- tokens.
WITH roles AS (
    DELETE FROM app_role_assignments AS a
    WHERE a.tenant_id = @tenant_id AND a.client_id = @client_id
), tokens AS (
    DELETE FROM refresh_tokens AS r
    WHERE r.tenant_id = @tenant_id AND r.client_id = @client_id
), revoked AS (
    UPDATE applications AS p SET tokens_valid_from = @tokens_valid_from
    WHERE p.tenant_id = @tenant_id AND p.client_id = @client_id
)
DELETE FROM permission_grants AS g
WHERE g.tenant_id = @tenant_id AND g.client_id = @client_id;

-- name: ListGrantsOf :many
SELECT * FROM permission_grants
WHERE tenant_id = @tenant_id AND client_id = ANY (@client_ids::uuid[])
ORDER BY client_id, principal_id, scope;

-- name: ListRolesOf :many
SELECT * FROM app_role_assignments
WHERE tenant_id = @tenant_id AND client_id = ANY (@client_ids::uuid[])
ORDER BY client_id, role;
