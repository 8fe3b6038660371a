-- What Postgres lets everybody do and a report login has no use for. Only a superuser
-- may take it away; elsewhere docs/reporting.md says what is left.

-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
    taken record;
BEGIN
    IF NOT current_setting('is_superuser')::boolean THEN
        RETURN;
    END IF;
    FOR taken IN
        SELECT p.oid::regprocedure AS name,
            -- Those who have a use for it: the owner, for tools that take such locks; monitors.
            CASE WHEN p.proname LIKE '%advisory%' THEN 'pg_database_owner' ELSE 'pg_monitor' END AS keeper
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            -- A session that takes advisory locks without end fills the server's table of
            -- locks, and then nobody can do anything.
            p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            -- Counts of rows and of changes, table by table, of all tenants together.
            OR p.proname LIKE 'pg\_stat\_get\_%' AND p.pronargs = 1 AND p.proargtypes[0] = 'oid'::regtype
        )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', taken.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', taken.name, taken.keeper);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
    taken record;
BEGIN
    IF NOT current_setting('is_superuser')::boolean THEN
        RETURN;
    END IF;
    FOR taken IN
        SELECT p.oid::regprocedure AS name,
            CASE WHEN p.proname LIKE '%advisory%' THEN 'pg_database_owner' ELSE 'pg_monitor' END AS keeper
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            OR p.proname LIKE 'pg\_stat\_get\_%' AND p.pronargs = 1 AND p.proargtypes[0] = 'oid'::regtype
        )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', taken.name, taken.keeper);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', taken.name);
    END LOOP;
END
$$;
-- +goose StatementEnd
