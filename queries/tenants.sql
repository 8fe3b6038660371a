-- name: CreateTenant :execrows
-- Does nothing to a tenant that is there.
INSERT INTO tenants (id, display_name, created_at)
VALUES (@tenant_id, @display_name, @created_at)
ON CONFLICT DO NOTHING;

-- name: TenantExists :one
SELECT EXISTS (SELECT FROM tenants WHERE id = @tenant_id);
