-- +goose Up

-- What an application does with the answer that is led to a redirect URI: it redeems a
-- code with its credentials, from a page by a cross-origin request, or without either.
-- https://learn.microsoft.com/entra/identity-platform/reply-url
CREATE TYPE redirect_uri_type AS ENUM ('web', 'spa', 'public_client');

-- redirect_uris are those of the type web.
ALTER TABLE applications ADD COLUMN spa_redirect_uris text[] NOT NULL DEFAULT '{}';
ALTER TABLE applications ADD COLUMN public_client_redirect_uris text[] NOT NULL DEFAULT '{}';

ALTER TABLE authorization_codes ADD COLUMN redirect_type redirect_uri_type NOT NULL DEFAULT 'web';
-- That of the sign-in; web also where no redirect URI was needed.
ALTER TABLE refresh_tokens ADD COLUMN redirect_type redirect_uri_type NOT NULL DEFAULT 'web';

-- By which the authorities of many tenants find where a refusal goes.
CREATE INDEX applications_client ON applications (client_id);

CREATE OR REPLACE VIEW reporting.applications WITH (security_barrier) AS
SELECT t.tenant_id, a.client_id, a.service_principal_id, a.display_name, a.public_client, a.redirect_uris, a.created_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT applications.client_id, applications.service_principal_id, applications.display_name, applications.public_client,
        applications.redirect_uris || applications.spa_redirect_uris || applications.public_client_redirect_uris AS redirect_uris,
        applications.created_at
    FROM applications WHERE applications.tenant_id = t.tenant_id
    OFFSET 0
) AS a;

-- +goose Down
CREATE OR REPLACE VIEW reporting.applications WITH (security_barrier) AS
SELECT t.tenant_id, a.client_id, a.service_principal_id, a.display_name, a.public_client, a.redirect_uris, a.created_at
FROM report_tenants AS t
CROSS JOIN LATERAL (
    SELECT applications.client_id, applications.service_principal_id, applications.display_name, applications.public_client,
        applications.redirect_uris, applications.created_at
    FROM applications WHERE applications.tenant_id = t.tenant_id
    OFFSET 0
) AS a;
DROP INDEX applications_client;
ALTER TABLE refresh_tokens DROP COLUMN redirect_type;
ALTER TABLE authorization_codes DROP COLUMN redirect_type;
ALTER TABLE applications DROP COLUMN public_client_redirect_uris;
ALTER TABLE applications DROP COLUMN spa_redirect_uris;
DROP TYPE redirect_uri_type;
