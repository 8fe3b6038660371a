package reporting

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/scram"
)

// These are the limits of a report login. A session can lift its own timeouts; then the
// guard ends statements longer than longestReport.
const (
	loginPrefix      = "mocktenant_report_"
	loginConnections = 10
	loginTempFiles   = "1GB" // per session; only superusers can change it
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// roleState says whether Postgres has the role of a login. All databases of a server share
// its roles, so a comment names the database whose service made one.
type roleState int

const (
	roleMissing roleState = iota
	roleOurs
	roleElsewhere // another database's, of which this one is a copy
)

// ours is the SQL for whether a role in pg_roles AS r belongs to this database, or to one
// that no longer exists.
const ours = `NOT EXISTS (SELECT FROM pg_database AS d WHERE d.datname <> current_database()
	AND d.datname = shobj_description(r.oid, 'pg_authid'))`

// findRole returns the state of a login's role and the database that it belongs to.
func findRole(ctx context.Context, q querier, login string) (state roleState, database string, err error) {
	const find = "SELECT " + ours + ", coalesce(shobj_description(r.oid, 'pg_authid'), '') FROM pg_roles AS r WHERE r.rolname = $1"
	rows, err := q.Query(ctx, find, login)
	if err != nil {
		return roleMissing, "", err
	}
	defer rows.Close()
	if !rows.Next() {
		return roleMissing, "", rows.Err()
	}
	var here bool
	if err := rows.Scan(&here, &database); err != nil {
		return roleMissing, "", err
	}
	if here {
		return roleOurs, database, nil
	}
	return roleElsewhere, database, nil
}

// rolesOf returns the logins that have a role of this database.
func rolesOf(ctx context.Context, q querier, logins []string) ([]string, error) {
	rows, err := q.Query(ctx, "SELECT r.rolname::text FROM pg_roles AS r WHERE r.rolname::text = ANY($1) AND "+ours, logins)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// orphanRoles returns the roles of this database whose login was removed.
func orphanRoles(ctx context.Context, q querier) ([]string, error) {
	const orphans = `WITH known AS MATERIALIZED (SELECT login_name FROM report_logins)
		SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, $1)
		AND NOT EXISTS (SELECT FROM known WHERE login_name = rolname::text)
		AND shobj_description(oid, 'pg_authid') = current_database()`
	rows, err := q.Query(ctx, orphans, loginPrefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// BeginRoles begins a transaction that changes roles. A cluster allows that only if no
// earlier statement has read a table over several connections to one server; the setting
// prevents it, and has no effect elsewhere.
func BeginRoles(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('citus.multi_shard_modify_mode', 'sequential', true)")
	return err
}

// createRole makes a login that can read schema reporting, whose views show it the tenants
// in report_logins.
func createRole(ctx context.Context, q querier, login, password string) error {
	role := pgx.Identifier{login}.Sanitize()
	err := execAll(ctx, q,
		fmt.Sprintf("CREATE ROLE %s NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d", role, loginConnections),
		// With this grant, a service that isn't a superuser can see and end its logins'
		// sessions.
		fmt.Sprintf("DO $$ BEGIN IF NOT current_setting('is_superuser')::boolean THEN GRANT %s TO CURRENT_USER; END IF; END $$", role),
	)
	if err != nil {
		return err
	}
	return setRole(ctx, q, login, password)
}

// setRole sets a role's database, settings and password.
func setRole(ctx context.Context, q querier, login, password string) error {
	role := pgx.Identifier{login}.Sanitize()
	return execAll(ctx, q,
		fmt.Sprintf("DO $$ BEGIN EXECUTE format('COMMENT ON ROLE %%I IS %%L', '%s', current_database()); END $$", login),
		fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '%s'", role, reportTimeout),
		fmt.Sprintf("ALTER ROLE %s SET idle_in_transaction_session_timeout = '60s'", role),
		fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = on", role),
		fmt.Sprintf("ALTER ROLE %s SET search_path = reporting", role),
		// The views read every set, so a plan has thousands of expressions. Postgres would
		// compile them when its estimates are high, which takes longer than any query.
		fmt.Sprintf("ALTER ROLE %s SET jit = off", role),
		fmt.Sprintf("DO $$ BEGIN IF has_parameter_privilege('temp_file_limit', 'SET') THEN ALTER ROLE %s SET temp_file_limit = '%s'; END IF; END $$", role, loginTempFiles),
		fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD '%s'", role, scram.Verifier(password)),
	)
}

// renewRole gives a login that is shut out a new password and its initial settings. This
// reverts settings that its sessions have stored, in any database. It makes a missing role.
func renewRole(ctx context.Context, q querier, login, password string) error {
	state, database, err := findRole(ctx, q, login)
	switch {
	case err != nil:
		return err
	case state == roleMissing:
		return createRole(ctx, q, login, password)
	case state == roleElsewhere:
		return &Error{Status: http.StatusConflict, Text: fmt.Sprintf("The role %s belongs to the database %s of the same server, of which this one is a copy: revoke the login here, which leaves that role alone, and create another.", login, database)}
	}
	reset := fmt.Sprintf(`DO $$
		DECLARE place text;
		BEGIN
			FOR place IN SELECT coalesce('IN DATABASE ' || quote_ident(d.datname), '') FROM pg_db_role_setting AS s
				LEFT JOIN pg_database AS d ON d.oid = s.setdatabase WHERE s.setrole = '%s'::regrole
			LOOP
				EXECUTE format('ALTER ROLE %%I %%s RESET ALL', '%[1]s', place);
			END LOOP;
		END $$`, login)
	if err := execAll(ctx, q, reset); err != nil {
		return err
	}
	return setRole(ctx, q, login, password)
}

// endTries is how often ending sessions is tried.
const endTries = 5

// endSessions ends the sessions of a login in every database, and waits for their end.
func endSessions(ctx context.Context, q querier, login string) error {
	const end = "SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE usename = $1"
	for range endTries {
		rows, err := q.Query(ctx, end, login)
		if err != nil {
			return errRole(err)
		}
		left, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		if err != nil || left == 0 {
			return errRole(err)
		}
	}
	return &Error{Status: http.StatusServiceUnavailable, Text: "A session of " + login + " doesn't end. Try again."}
}

func execAll(ctx context.Context, q querier, statements ...string) error {
	for _, statement := range statements {
		if _, err := q.Exec(ctx, statement); err != nil {
			return errRole(err)
		}
	}
	return nil
}

func errRole(err error) error {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == "42501" { // insufficient_privilege
		return &Error{Status: http.StatusConflict, Text: "The service's Postgres role can't manage roles: grant it CREATEROLE and INHERIT.", Err: err}
	}
	return err
}
