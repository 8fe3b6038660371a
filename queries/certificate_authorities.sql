-- name: CreateCertificateAuthority :exec
-- Does nothing where one of this name is there.
INSERT INTO certificate_authorities (name, certificate, private_key, created_at)
VALUES (@name, @certificate, @private_key, @created_at)
ON CONFLICT DO NOTHING;

-- name: GetCertificateAuthority :one
SELECT * FROM certificate_authorities
WHERE name = @name;

-- name: RenewCertificateAuthority :exec
-- Does nothing where another one has taken the former one's place.
UPDATE certificate_authorities SET certificate = @certificate, private_key = @private_key, created_at = @created_at
WHERE name = @name AND certificate = @former;
