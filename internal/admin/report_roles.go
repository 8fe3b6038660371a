package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/scram"
)

// Limits of a report login. A session may lift its own time-outs; the guard ends what
// it then runs for longer than longestReport.
const (
	loginPrefix      = "mocktenant_report_"
	loginConnections = 10
	loginTempFiles   = "1GB" // of each session; only superusers may change it
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// roleState says whether Postgres has the role of a login. Roles are of the whole
// server: a comment names the database whose service has made one.
type roleState int

const (
	roleMissing roleState = iota
	roleOurs
	roleElsewhere // another database's, of which this one is a copy
)

// ours tells of a role in pg_roles AS r whether it belongs to this database, or to none
// that is still there.
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

// rolesOf are those of the logins that have a role of this database.
func rolesOf(ctx context.Context, q querier, logins []string) ([]string, error) {
	rows, err := q.Query(ctx, "SELECT r.rolname::text FROM pg_roles AS r WHERE r.rolname::text = ANY($1) AND "+ours, logins)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// orphanRoles returns the roles of this database whose login was removed.
func orphanRoles(ctx context.Context, q querier) ([]string, error) {
	const orphans = `SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, $1)
		AND NOT EXISTS (SELECT FROM report_logins WHERE login_name = rolname::text)
		AND shobj_description(oid, 'pg_authid') = current_database()`
	rows, err := q.Query(ctx, orphans, loginPrefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// createRole makes a login that reads schema reporting, as everybody may; the
// views show it what report_logins names.
func createRole(ctx context.Context, q querier, login, password string) error {
	role := pgx.Identifier{login}.Sanitize()
	err := execAll(ctx, q,
		fmt.Sprintf("CREATE ROLE %s NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d", role, loginConnections),
		// By this, a service that isn't a superuser sees what its logins run, and ends it.
		fmt.Sprintf("DO $$ BEGIN IF NOT current_setting('is_superuser')::boolean THEN GRANT %s TO CURRENT_USER; END IF; END $$", role),
	)
	if err != nil {
		return err
	}
	return setRole(ctx, q, login, password)
}

// setRole gives a role its database, its settings and its password.
func setRole(ctx context.Context, q querier, login, password string) error {
	role := pgx.Identifier{login}.Sanitize()
	return execAll(ctx, q,
		fmt.Sprintf("DO $$ BEGIN EXECUTE format('COMMENT ON ROLE %%I IS %%L', '%s', current_database()); END $$", login),
		fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '%s'", role, reportTimeout),
		fmt.Sprintf("ALTER ROLE %s SET idle_in_transaction_session_timeout = '60s'", role),
		fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = on", role),
		fmt.Sprintf("ALTER ROLE %s SET search_path = reporting", role),
		fmt.Sprintf("DO $$ BEGIN IF has_parameter_privilege('temp_file_limit', 'SET') THEN ALTER ROLE %s SET temp_file_limit = '%s'; END IF; END $$", role, loginTempFiles),
		fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD '%s'", role, scram.Verifier(password)),
	)
}

// renewRole gives a login that is shut out another password and its first settings:
// what its sessions have set for later ones, in this or another database, is undone. It
// makes the role where there is none.
func renewRole(ctx context.Context, q querier, login, password string) error {
	state, database, err := findRole(ctx, q, login)
	switch {
	case err != nil:
		return err
	case state == roleMissing:
		return createRole(ctx, q, login, password)
	case state == roleElsewhere:
		return &problem{status: http.StatusConflict, detail: fmt.Sprintf("The role %s belongs to the database %s of the same server, of which this one is a copy: revoke the login here, which leaves that role alone, and create another.", login, database)}
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

// shutOut ends a login's sessions, which may hold what the service waits for, and lets
// it make no more.
func (a *API) shutOut(ctx context.Context, login string) error {
	return a.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		state, _, err := findRole(ctx, conn, login)
		if err != nil || state != roleOurs {
			return err
		}
		if err := endSessions(ctx, conn, login); err != nil {
			return err
		}
		if err := execAll(ctx, conn, "ALTER ROLE "+pgx.Identifier{login}.Sanitize()+" NOLOGIN"); err != nil {
			return err
		}
		return endSessions(ctx, conn, login) // that began meanwhile
	})
}

// endSessions ends the sessions of a login, in every database, and waits for their end.
func endSessions(ctx context.Context, q querier, login string) error {
	const end = "SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE usename = $1"
	for range tries {
		rows, err := q.Query(ctx, end, login)
		if err != nil {
			return errRole(err)
		}
		left, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		if err != nil || left == 0 {
			return errRole(err)
		}
	}
	return &problem{status: http.StatusServiceUnavailable, detail: "A session of " + login + " doesn't end. Try again."}
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
	if stateOf(err) == "42501" { // insufficient_privilege
		return &problem{status: http.StatusConflict, detail: "The service's own Postgres role may not manage roles: give it CREATEROLE and INHERIT.", cause: err}
	}
	return err
}
