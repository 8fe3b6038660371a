-- +goose Up
-- +goose StatementBegin
-- Answers to changes, each written in the change's transaction. The hash covers the caller, the
-- client-request-id and the whole request.
CREATE TABLE repeatable_requests (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    status smallint NOT NULL DEFAULT 0, -- 0 until the transaction has the answer
    headers text[] NOT NULL DEFAULT '{}', -- alternating names and values
    body bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE repeatable_requests ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE repeatable_requests;
-- +goose StatementEnd
