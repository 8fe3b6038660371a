-- name: CreateApplication :execrows
-- Does nothing if the application exists.
INSERT INTO applications (
    tenant_id, client_id, service_principal_id, display_name, public_client, public_client_flows,
    redirect_uris, spa_redirect_uris, public_client_redirect_uris,
    exposed_scopes, required_scopes, required_roles, tokens_valid_from, created_at
) VALUES (
    @tenant_id, @client_id, @service_principal_id, @display_name, @public_client, @public_client_flows,
    COALESCE(@redirect_uris::text[], '{}'), COALESCE(@spa_redirect_uris::text[], '{}'),
    COALESCE(@public_client_redirect_uris::text[], '{}'), COALESCE(@exposed_scopes::text[], '{}'),
    COALESCE(@required_scopes::text[], '{}'), COALESCE(@required_roles::text[], '{}'),
    COALESCE(sqlc.narg('tokens_valid_from')::timestamptz, '0001-01-01 00:00:00+00'), @created_at
)
ON CONFLICT DO NOTHING;

-- name: GetApplication :one
SELECT * FROM applications
WHERE tenant_id = @tenant_id AND client_id = @client_id;

-- name: CreateApplicationSecret :exec
INSERT INTO application_secrets (tenant_id, client_id, id, secret_hash, hint, created_at, expires_at)
VALUES (@tenant_id, @client_id, @id, @secret_hash, @hint, @created_at, @expires_at)
ON CONFLICT DO NOTHING;

-- name: ListApplicationSecrets :many
SELECT * FROM application_secrets
WHERE tenant_id = @tenant_id AND client_id = @client_id
ORDER BY id;

-- name: DeleteApplicationSecret :execrows
DELETE FROM application_secrets
WHERE tenant_id = @tenant_id AND client_id = @client_id AND id = @id;

-- name: CreateApplicationCertificate :exec
INSERT INTO application_certificates (tenant_id, client_id, id, certificate, created_at)
VALUES (@tenant_id, @client_id, @id, @certificate, @created_at)
ON CONFLICT DO NOTHING;

-- name: ListApplicationCertificates :many
SELECT * FROM application_certificates
WHERE tenant_id = @tenant_id AND client_id = @client_id
ORDER BY id;

-- name: DeleteApplicationCertificate :execrows
DELETE FROM application_certificates
WHERE tenant_id = @tenant_id AND client_id = @client_id AND id = @id;

-- name: ListRedirectURIs :many
-- Lists the redirect URIs of all applications of a tenant.
SELECT DISTINCT unnest(redirect_uris || spa_redirect_uris || public_client_redirect_uris)::text AS redirect_uri
FROM applications
WHERE tenant_id = @tenant_id;

-- name: ListApplications :many
-- Lists all applications, those with a name, or those whose name contains a text or whose client
-- id begins with it. Null and '' don't filter.
SELECT * FROM applications
WHERE tenant_id = @tenant_id AND client_id > @after
    AND (sqlc.narg('display_name')::text IS NULL OR lower(display_name) = lower(sqlc.narg('display_name')))
    AND (strpos(lower(display_name), lower(@search::text)) > 0 OR starts_with(client_id::text, lower(@search::text)))
ORDER BY client_id
LIMIT @row_limit::bigint;

-- name: ListSecretsOf :many
SELECT * FROM application_secrets
WHERE tenant_id = @tenant_id AND client_id = ANY (@client_ids::uuid[])
ORDER BY client_id, id;

-- name: ListCertificatesOf :many
SELECT * FROM application_certificates
WHERE tenant_id = @tenant_id AND client_id = ANY (@client_ids::uuid[])
ORDER BY client_id, id;

-- name: UpdateApplication :execrows
UPDATE applications SET
    display_name = @display_name, public_client_flows = @public_client_flows, redirect_uris = @redirect_uris,
    spa_redirect_uris = @spa_redirect_uris, public_client_redirect_uris = @public_client_redirect_uris,
    exposed_scopes = @exposed_scopes, required_scopes = @required_scopes, required_roles = @required_roles
WHERE tenant_id = @tenant_id AND client_id = @client_id;

-- name: DeleteApplication :execrows
-- Deletes an application with everything that it owns. No foreign key removes refresh tokens.
WITH tokens AS (
    DELETE FROM refresh_tokens AS r WHERE r.tenant_id = @tenant_id AND r.client_id = @client_id
)
DELETE FROM applications AS a WHERE a.tenant_id = @tenant_id AND a.client_id = @client_id;
