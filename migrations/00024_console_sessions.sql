-- +goose Up
-- +goose StatementBegin
-- People who are signed in to the console by OpenID Connect, of all tenants.
CREATE TABLE console_sessions (
    id uuid PRIMARY KEY, -- version 7, in the order of time
    person_id uuid NOT NULL, -- the same for each sign-in of one person
    name text COLLATE "C" NOT NULL,
    role admin_role NOT NULL,
    managers text[] NOT NULL, -- the names under which a manager may act
    address text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
ALTER TABLE console_sessions ENABLE ROW LEVEL SECURITY;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE console_sessions;
-- +goose StatementEnd
