-- +goose Up

-- In the order of the members' values, so that ORDER BY sorts as OData does.
CREATE TYPE onboarding_status AS ENUM ('notOnboarded', 'onboarding', 'onboarded');

-- What replaced a version of a partner.
CREATE TYPE partner_change AS ENUM ('update', 'beginOnboarding', 'disconnect', 'delete');

-- An Edm.DateTimeOffset takes three columns: timestamptz keeps microseconds
-- and forgets the offset. x_at is the instant cut to the microsecond, x_100ns
-- the next digit, x_offset the minutes east of UTC in which it was written.
-- (x_at, x_100ns) orders by the instant, to 100 ns.
CREATE TABLE remote_assistance_partners (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    display_name text COLLATE "C" CHECK (char_length(display_name) <= 1024),
    onboarding_url text COLLATE "C" CHECK (char_length(onboarding_url) <= 2048),
    onboarding_status onboarding_status NOT NULL,
    last_connection_at timestamptz NOT NULL,
    last_connection_100ns smallint NOT NULL CHECK (last_connection_100ns BETWEEN 0 AND 9),
    last_connection_offset smallint NOT NULL CHECK (last_connection_offset BETWEEN -840 AND 840),
    request_expiry_at timestamptz NOT NULL,
    request_expiry_100ns smallint NOT NULL CHECK (request_expiry_100ns BETWEEN 0 AND 9),
    request_expiry_offset smallint NOT NULL CHECK (request_expiry_offset BETWEEN -840 AND 840),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL, -- oid of the caller's token
    PRIMARY KEY (tenant_id, id)
);

-- Every version of a partner that a change replaced: what it was, and who
-- replaced it, when and how. Written in the statement of the change itself.
CREATE TABLE remote_assistance_partner_versions (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text COLLATE "C",
    onboarding_url text COLLATE "C",
    onboarding_status onboarding_status NOT NULL,
    last_connection_at timestamptz NOT NULL,
    last_connection_100ns smallint NOT NULL,
    last_connection_offset smallint NOT NULL,
    request_expiry_at timestamptz NOT NULL,
    request_expiry_100ns smallint NOT NULL,
    request_expiry_offset smallint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    replaced_by_change partner_change NOT NULL,
    replaced_at timestamptz NOT NULL,
    replaced_by uuid NOT NULL, -- oid of the caller's token
    PRIMARY KEY (tenant_id, id, version)
);

-- +goose Down
DROP TABLE remote_assistance_partner_versions;
DROP TABLE remote_assistance_partners;
DROP TYPE partner_change;
DROP TYPE onboarding_status;
