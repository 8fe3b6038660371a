-- name: CreateCertificateAuthority :exec
-- Does nothing if an authority with this name exists.
INSERT INTO certificate_authorities (name, certificate, private_key, created_at)
VALUES (@name, @certificate, @private_key, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetCertificateAuthority :one
SELECT * FROM certificate_authorities
WHERE name = @name;

-- name: RenewCertificateAuthority :exec
-- Does nothing if another process has already renewed it.
UPDATE certificate_authorities SET certificate = @certificate, private_key = @private_key, created_at = @created_at
WHERE name = @name AND certificate = @former;
