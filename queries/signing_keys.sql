-- name: CreateFirstSigningKey :exec
-- Does nothing where a key is there.
INSERT INTO signing_keys (kid, private_key, created_at)
SELECT @kid, @private_key, @created_at
WHERE NOT EXISTS (SELECT FROM signing_keys)
ON CONFLICT DO NOTHING;

-- name: ListSigningKeys :many
-- The newest first: it signs, all verify.
SELECT * FROM signing_keys
ORDER BY created_at DESC, kid;
