-- +goose Up

-- The manager who was given the login's password; null: an owner. When a tenant
-- gets another manager, the logins of the one before read it no more.
ALTER TABLE report_logins ADD COLUMN manager text COLLATE "C";
UPDATE report_logins AS l SET manager = t.manager FROM tenants AS t WHERE t.id = l.tenant_id;

-- A tenant whose time is over is gone, also before it is swept.
CREATE OR REPLACE VIEW report_tenants WITH (security_barrier) AS
SELECT l.tenant_id FROM report_logins AS l
CROSS JOIN LATERAL (
    SELECT 1 FROM tenants
    WHERE tenants.id = l.tenant_id AND (tenants.expires_at IS NULL OR tenants.expires_at > statement_timestamp())
    OFFSET 0
) AS t
WHERE l.login_name = session_user::text
    AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
UNION ALL
SELECT t.id FROM tenants AS t
WHERE t.kind = 'tenant' AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp()) AND t.id = CASE
    WHEN (SELECT pg_has_role(session_user, c.relowner, 'MEMBER') FROM pg_class AS c WHERE c.oid = 'public.tenants'::regclass)
    THEN nullif(current_setting('mocktenant.report_tenant', true), '')::uuid
END
OFFSET 0;

-- +goose Down

CREATE OR REPLACE VIEW report_tenants WITH (security_barrier) AS
SELECT l.tenant_id FROM report_logins AS l
WHERE l.login_name = session_user::text
    AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
UNION ALL
SELECT t.id FROM tenants AS t
WHERE t.kind = 'tenant' AND t.id = CASE
    WHEN (SELECT pg_has_role(session_user, c.relowner, 'MEMBER') FROM pg_class AS c WHERE c.oid = 'public.tenants'::regclass)
    THEN nullif(current_setting('mocktenant.report_tenant', true), '')::uuid
END
OFFSET 0;
ALTER TABLE report_logins DROP COLUMN manager;
