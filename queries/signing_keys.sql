-- name: CreateSigningKey :exec
-- Does nothing if a key at most as old as @since exists.
INSERT INTO signing_keys (kid, private_key, certificate, created_at)
SELECT @kid, @private_key, @certificate, @created_at
WHERE NOT EXISTS (SELECT FROM signing_keys AS k WHERE k.created_at > @since)
ON CONFLICT DO NOTHING;

-- name: ListSigningKeys :many
-- Lists keys, newest first.
SELECT * FROM signing_keys
ORDER BY created_at DESC, kid;

-- name: DeleteSigningKeys :execrows
DELETE FROM signing_keys
WHERE kid = ANY(@kids::text[]);
