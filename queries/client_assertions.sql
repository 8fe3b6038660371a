-- name: UseClientAssertion :one
-- Records that an assertion was used, if the application has fewer than @most unexpired
-- assertions whose hashes begin like this one's. Returns whether there was room, and how many
-- it recorded: 0 if the assertion was used before.
WITH room AS (
    SELECT count(*) < @most::bigint AS room FROM (
        SELECT FROM client_assertions AS c
        WHERE c.tenant_id = @tenant_id AND c.client_id = @client_id
            AND c.hash BETWEEN substring(@hash::bytea FOR 1) AND substring(@hash::bytea FOR 1) || '\xffffffffffffffff'::bytea
        LIMIT @most::bigint
    ) AS c
), used AS (
    INSERT INTO client_assertions (tenant_id, client_id, hash, expires_at)
    SELECT @tenant_id, @client_id, @hash::bytea, @expires_at FROM room WHERE room.room
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT room.room, (SELECT count(*) FROM used) AS used FROM room;
