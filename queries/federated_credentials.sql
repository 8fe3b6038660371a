-- name: CreateFederatedCredential :execrows
-- Does nothing if the application has a federated credential with this name.
INSERT INTO application_federated_credentials (tenant_id, client_id, id, name, issuer, subject, audiences, description, key_set, created_at)
VALUES (@tenant_id, @client_id, @id, @name, @issuer, @subject, @audiences, @description, @key_set, @created_at)
ON CONFLICT DO NOTHING;

-- name: ListFederatedCredentialsOf :many
SELECT * FROM application_federated_credentials
WHERE tenant_id = @tenant_id AND client_id = ANY (@client_ids::uuid[])
ORDER BY client_id, id;

-- name: DeleteFederatedCredential :execrows
DELETE FROM application_federated_credentials
WHERE tenant_id = @tenant_id AND client_id = @client_id AND id = @id;
