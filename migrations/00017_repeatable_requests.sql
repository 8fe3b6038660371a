-- +goose Up
-- For how long a change that is sent again with its client-request-id is answered
-- as before; 0: it is done again, as Microsoft Graph does it.
ALTER TABLE tenants ADD COLUMN repeatability_seconds integer NOT NULL DEFAULT 0
    CHECK (repeatability_seconds BETWEEN 0 AND 3600);

-- What a change was answered, written in its transaction. The hash is of who asked,
-- by which client-request-id, and of the whole request.
CREATE TABLE repeatable_requests (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    status smallint NOT NULL DEFAULT 0, -- 0 until the transaction has the answer
    headers text[] NOT NULL DEFAULT '{}', -- names and values in turn
    body bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE repeatable_requests ENABLE ROW LEVEL SECURITY;

-- +goose Down
DROP TABLE repeatable_requests;
ALTER TABLE tenants DROP COLUMN repeatability_seconds;
