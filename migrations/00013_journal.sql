-- The request journal: what clients sent, and the answers.

-- +goose Up
-- +goose StatementBegin
-- The tenant that stores requests without a tenant.
INSERT INTO tenants (id, display_name, kind, created_at)
VALUES ('00000000-0000-0000-0000-000000000000', 'The service', 'service', '2000-01-01 00:00:00+00');

-- Requests and their answers, in which internal/journal has masked secrets.
CREATE TABLE journal_entries (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL, -- version 7, so that ids are in the order of the requests
    at timestamptz NOT NULL, -- by the tenant's clock
    took_microseconds bigint NOT NULL, -- real time
    front text COLLATE "C" NOT NULL, -- graph or authority
    method text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL, -- as the client sent it
    path text COLLATE "C" NOT NULL, -- in the one spelling that is routed
    route text COLLATE "C" NOT NULL, -- '' if no route has this path
    status integer NOT NULL, -- 0 if the connection was cut instead
    request_id text COLLATE "C" NOT NULL,
    client_request_id text COLLATE "C" NOT NULL,
    batch_id uuid, -- the entry of its $batch; batch_item is its id there
    batch_item text COLLATE "C",
    user_id uuid, -- the caller, by its token
    application text COLLATE "C" NOT NULL,
    token_expires_at timestamptz, -- when the token expires
    fault text COLLATE "C" NOT NULL, -- the rule that made it fail
    address text COLLATE "C" NOT NULL,
    request_headers json NOT NULL,
    request_body text COLLATE "C" NOT NULL, -- the stored part
    request_size bigint NOT NULL, -- of the whole body, in bytes
    response_headers json NOT NULL,
    response_body text COLLATE "C" NOT NULL,
    response_size bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITH (toast_tuple_target = 8160); -- to compress rows of a few kB costs more than to write them
ALTER TABLE journal_entries ENABLE ROW LEVEL SECURITY;

CREATE TYPE journal_gap_kind AS ENUM ('dropped', 'removed', 'unanswered');

-- Gaps of a journal: requests that weren't recorded because too many came; in one row,
-- requests that were removed because of the journal's limits; and what a process that didn't
-- answer may not have written.
CREATE TABLE journal_gaps (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL, -- zero for the row of removed requests, or the process
    kind journal_gap_kind NOT NULL,
    count bigint NOT NULL, -- zero if it isn't known
    since_at timestamptz NOT NULL, -- time of the first and the last request, by the tenant's clock
    until_at timestamptz NOT NULL,
    until_id uuid NOT NULL, -- id of the last request
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE journal_gaps ENABLE ROW LEVEL SECURITY;

-- The running processes of the service, each with the number of the last call that it has
-- answered. The row with the zero id has the number of the last call. Of no tenant.
CREATE TABLE replicas (
    id uuid PRIMARY KEY,
    acknowledged bigint NOT NULL,
    seen_at timestamptz NOT NULL -- when it last answered
);
ALTER TABLE replicas ENABLE ROW LEVEL SECURITY;

CREATE VIEW reporting.requests WITH (security_barrier) AS
SELECT t.tenant_id, r.id, r.at, r.took, r.front, r.method, r.url, r.path, r.route, r.status, r.request_id, r.client_request_id,
    r.batch_id, r.batch_item, r.user_id, r.application, r.token_expires_at, r.fault, r.address,
    r.request_headers, r.request_body, r.request_size, r.response_headers, r.response_body, r.response_size
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT e.id, e.at, make_interval(secs => e.took_microseconds / 1e6) AS took, e.front, e.method, e.url, e.path, e.route, e.status,
        e.request_id, e.client_request_id, e.batch_id, e.batch_item, e.user_id, nullif(e.application, '') AS application,
        e.token_expires_at, nullif(e.fault, '') AS fault, e.address,
        e.request_headers, e.request_body, e.request_size, e.response_headers, e.response_body, e.response_size
    FROM journal_entries AS e WHERE e.tenant_id = t.tenant_id
    OFFSET 0
) AS r;

CREATE VIEW reporting.request_gaps WITH (security_barrier) AS
SELECT t.tenant_id, g.kind, g.count, g.since_at, g.until_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT o.kind::text AS kind, o.count, o.since_at, o.until_at
    FROM journal_gaps AS o WHERE o.tenant_id = t.tenant_id
    OFFSET 0
) AS g;

COMMENT ON VIEW reporting.requests IS 'The request journal: what clients sent and received, without secrets. Each request in a $batch has its own row.';
COMMENT ON COLUMN reporting.requests.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.requests.id IS 'The entry''s id; ids are in the order of arrival.';
COMMENT ON COLUMN reporting.requests.at IS 'When it arrived, by the tenant''s clock.';
COMMENT ON COLUMN reporting.requests.took IS 'How long the answer took.';
COMMENT ON COLUMN reporting.requests.front IS 'graph or authority.';
COMMENT ON COLUMN reporting.requests.method IS 'The method, in capital letters.';
COMMENT ON COLUMN reporting.requests.url IS 'The URL as the client sent it.';
COMMENT ON COLUMN reporting.requests.path IS 'The path in the spelling that is routed.';
COMMENT ON COLUMN reporting.requests.route IS 'The route; empty if no route has this path.';
COMMENT ON COLUMN reporting.requests.status IS 'The answer''s status; 0 if the connection was cut instead.';
COMMENT ON COLUMN reporting.requests.request_id IS 'The answer''s request-id, or the authority''s trace id.';
COMMENT ON COLUMN reporting.requests.client_request_id IS 'The client''s own id of the request, or the correlation id.';
COMMENT ON COLUMN reporting.requests.batch_id IS 'The id of the $batch that the request was part of; null otherwise.';
COMMENT ON COLUMN reporting.requests.batch_item IS 'Its id in the $batch.';
COMMENT ON COLUMN reporting.requests.user_id IS 'The object id in the token; null without one.';
COMMENT ON COLUMN reporting.requests.application IS 'The client id in the token or in the form; null without one.';
COMMENT ON COLUMN reporting.requests.token_expires_at IS 'When the token expires; null without one.';
COMMENT ON COLUMN reporting.requests.fault IS 'The rule that made the request fail on purpose; null if none did.';
COMMENT ON COLUMN reporting.requests.address IS 'The client''s address.';
COMMENT ON COLUMN reporting.requests.request_headers IS 'The request''s headers, with secrets masked.';
COMMENT ON COLUMN reporting.requests.request_body IS 'The request''s body, decompressed, with secrets masked, as much of it as the journal keeps.';
COMMENT ON COLUMN reporting.requests.request_size IS 'The size of the whole body, in bytes, as far as the service read it.';
COMMENT ON COLUMN reporting.requests.response_headers IS 'The answer''s headers, with secrets masked.';
COMMENT ON COLUMN reporting.requests.response_body IS 'The answer''s body, with secrets masked, as much of it as the journal keeps.';
COMMENT ON COLUMN reporting.requests.response_size IS 'The size of the whole body, in bytes.';

COMMENT ON VIEW reporting.request_gaps IS 'What the request journal lacks.';
COMMENT ON COLUMN reporting.request_gaps.tenant_id IS 'The tenant.';
COMMENT ON COLUMN reporting.request_gaps.kind IS 'dropped: there were too many to record; removed: they exceeded the number or the time that the journal keeps; unanswered: a process of the service didn''t answer in time, and may not have recorded some.';
COMMENT ON COLUMN reporting.request_gaps.count IS 'How many requests; 0 if that isn''t known.';
COMMENT ON COLUMN reporting.request_gaps.since_at IS 'When the first of them arrived, by the tenant''s clock.';
COMMENT ON COLUMN reporting.request_gaps.until_at IS 'When the last of them arrived, by the tenant''s clock.';

GRANT SELECT ON reporting.requests, reporting.request_gaps TO PUBLIC;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP VIEW reporting.request_gaps;
DROP VIEW reporting.requests;
DROP TABLE replicas;
DROP TABLE journal_gaps;
DROP TYPE journal_gap_kind;
DROP TABLE journal_entries;
DELETE FROM tenants WHERE kind = 'service';
-- +goose StatementEnd
