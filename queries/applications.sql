-- name: CreateApplication :execrows
-- Does nothing to an application that is there.
INSERT INTO applications (tenant_id, client_id, service_principal_id, display_name, created_at)
VALUES (@tenant_id, @client_id, @service_principal_id, @display_name, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetApplication :one
SELECT * FROM applications
WHERE tenant_id = @tenant_id AND client_id = @client_id;
