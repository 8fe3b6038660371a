-- +goose Up

-- The SHA-256 of the file that a seed was last read from at a start; null if it
-- came by the API.
ALTER TABLE seeds ADD COLUMN digest bytea;

-- +goose Down

ALTER TABLE seeds DROP COLUMN digest;
