package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Limits of a report login. A session may lift its own time-outs; what it then
// runs for longer than longestReport is ended by the sweep.
const (
	loginPrefix      = "mocktenant_report_"
	loginConnections = 10
	longestReport    = 2 * time.Minute
)

// ListReportLogins lists the logins, those of a manager by whether all their
// tenants are the manager's.
func (a *API) ListReportLogins(c *gin.Context, p ListReportLoginsParams) {
	a.answer(c, func(x *call) (answer, error) {
		q := db.ListReportLoginsParams{LoginLimit: limit(p.Top) + 1}
		if p.After != nil {
			q.After = *p.After
		}
		list := ReportLoginList{}
		logins, err := a.reportLogins(c.Request.Context(), a.queries, x.caller, q)
		list.Value, list.NextLink = page(x, logins, p.Top, func(l ReportLogin) string { return l.Login })
		return ok(list), err
	})
}

// reportLogins are those that a caller may see: a page, or one by name.
func (a *API) reportLogins(ctx context.Context, q *db.Queries, who caller, which db.ListReportLoginsParams) ([]ReportLogin, error) {
	which.Manager = who.manager()
	rows, err := q.ListReportLogins(ctx, which)
	logins := []ReportLogin{}
	for _, r := range rows {
		if n := len(logins); n == 0 || logins[n-1].Login != r.LoginName {
			logins = append(logins, ReportLogin{Login: r.LoginName, Label: r.Label, CreatedDateTime: r.CreatedAt.UTC(), ExpiresDateTime: utc(r.ExpiresAt)})
		}
		l := &logins[len(logins)-1]
		l.TenantIds = append(l.TenantIds, r.TenantID)
	}
	return logins, err
}

// CreateReportLogin makes a Postgres role and says what it may read. Nothing that
// the client gives gets into the statement that makes it.
func (a *API) CreateReportLogin(c *gin.Context, _ CreateReportLoginParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[ReportLoginCreate](x)
		if err != nil {
			return answer{}, err
		}
		var name [8]byte
		_, _ = rand.Read(name[:]) // never fails
		login := loginPrefix + hex.EncodeToString(name[:])
		p := db.CreateReportLoginsParams{TenantIds: distinct(r.TenantIds), LoginName: login, Label: r.Label, Manager: x.caller.manager(), CreatedAt: x.now}
		if r.TtlSeconds != nil {
			p.ExpiresAt = after(x.now, time.Duration(*r.TtlSeconds)*time.Second)
		}
		return a.change(x, login, func(ctx context.Context, c *change) (answer, error) {
			for _, id := range p.TenantIds { // here, so that a retry is answered though they are gone
				if err := c.hold(ctx, x, id); err != nil {
					return answer{}, err
				}
			}
			password := newSecret()
			if err := c.createRole(ctx, login, password); err != nil {
				return answer{}, err
			}
			if err := c.CreateReportLogins(ctx, p); err != nil {
				return answer{}, err
			}
			dsn, err := a.dsn(login, password)
			return created(ReportLoginCreated{Login: login, Dsn: dsn}), err
		})
	})
}

func distinct(ids []uuid.UUID) []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	var once []uuid.UUID
	for _, id := range ids {
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	return once
}

// createRole makes a login that reads schema reporting, as everybody may; the
// views show it what report_logins names.
func (c *change) createRole(ctx context.Context, login, password string) error {
	role := pgx.Identifier{login}.Sanitize()
	for _, statement := range []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d PASSWORD %s", role, loginConnections, quote(password)),
		// Roles are of the whole server; this tells whose it is.
		fmt.Sprintf("DO $$ BEGIN EXECUTE format('COMMENT ON ROLE %%I IS %%L', '%s', current_database()); END $$", login),
		// A service that is no superuser sees what its logins run, and ends it, by this.
		fmt.Sprintf("DO $$ BEGIN IF NOT current_setting('is_superuser')::boolean THEN GRANT %s TO CURRENT_USER; END IF; END $$", role),
		fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '%s'", role, reportTimeout),
		fmt.Sprintf("ALTER ROLE %s SET idle_in_transaction_session_timeout = '60s'", role),
		fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = on", role),
		fmt.Sprintf("ALTER ROLE %s SET search_path = reporting", role),
	} {
		if _, err := c.tx.Exec(ctx, statement); err != nil {
			return errRole(err)
		}
	}
	return nil
}

// quote writes a literal of the letters, digits, - and _ that secrets are of.
func quote(secret string) string { return "'" + strings.ReplaceAll(secret, "'", "''") + "'" }

func errRole(err error) error {
	if stateOf(err) == "42501" { // insufficient_privilege
		return &problem{status: http.StatusConflict, detail: "The service's own Postgres role may not manage roles: give it CREATEROLE and INHERIT.", cause: err}
	}
	return err
}

// dsn is the URL by which a login connects.
func (a *API) dsn(login, password string) (string, error) {
	config, err := pgx.ParseConfig(a.report)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(login, password), Path: "/" + config.Database}
	query := url.Values{}
	if strings.HasPrefix(config.Host, "/") {
		query.Set("host", config.Host)
		query.Set("port", strconv.Itoa(int(config.Port)))
	} else {
		u.Host = config.Host + ":" + strconv.Itoa(int(config.Port))
	}
	if config.TLSConfig == nil {
		query.Set("sslmode", "disable")
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String(), nil
}

// findReportLogin finds a login that the caller may see.
func (a *API) findReportLogin(ctx context.Context, q *db.Queries, x *call, login string) error {
	found, err := a.reportLogins(ctx, q, x.caller, db.ListReportLoginsParams{LoginName: &login, LoginLimit: 1})
	if err == nil && len(found) == 0 {
		err = errNotFound("There is no report login %q.", login)
	}
	return err
}

// RevokeReportLogin removes a login and ends its connections.
func (a *API) RevokeReportLogin(c *gin.Context, login Login) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, login, func(ctx context.Context, c *change) (answer, error) {
			if err := a.findReportLogin(ctx, c.Queries, x, login); err != nil {
				return answer{}, err
			}
			return done(), dropLogin(ctx, c.tx, login)
		})
	})
}

// dropLogin removes a login of ours: its rows, its connections, its role. A
// connection that is made meanwhile reads nothing.
func dropLogin(ctx context.Context, tx pgx.Tx, login string) error {
	if _, err := db.New(tx).DeleteReportLogin(ctx, login); err != nil {
		return err
	}
	// While there is the role: a service that is no superuser may by being its member.
	if _, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", login); err != nil {
		return errRole(err)
	}
	_, err := tx.Exec(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{login}.Sanitize())
	return errRole(err)
}

// RotateReportLogin gives a login another password.
func (a *API) RotateReportLogin(c *gin.Context, login Login) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, login, func(ctx context.Context, c *change) (answer, error) {
			if err := a.findReportLogin(ctx, c.Queries, x, login); err != nil {
				return answer{}, err
			}
			password := newSecret()
			if _, err := c.tx.Exec(ctx, "ALTER ROLE "+pgx.Identifier{login}.Sanitize()+" PASSWORD "+quote(password)); err != nil {
				return answer{}, errRole(err)
			}
			if err := c.SetReportLoginManager(ctx, db.SetReportLoginManagerParams{LoginName: login, Manager: x.caller.manager()}); err != nil {
				return answer{}, err
			}
			dsn, err := a.dsn(login, password)
			return ok(ReportLoginCreated{Login: login, Dsn: dsn}), err
		})
	})
}

// sweepReports removes logins whose time is over or whose tenants are gone, and
// ends what runs for too long.
func (a *API) sweepReports(ctx context.Context) error {
	now := a.now()
	logins, err := a.queries.ListExpiredReportLogins(ctx, &now)
	if err != nil {
		return err
	}
	const idle = `SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, $1)
		AND NOT EXISTS (SELECT FROM report_logins WHERE login_name = rolname::text)
		AND shobj_description(oid, 'pg_authid') = current_database()`
	rows, err := a.pool.Query(ctx, idle, loginPrefix)
	if err != nil {
		return err
	}
	orphans, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var errs []error // one that can't be removed is no reason to leave the others
	for _, login := range append(logins, orphans...) {
		err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error { return dropLogin(ctx, tx, login) })
		if err != nil {
			errs = append(errs, fmt.Errorf("remove report login %s: %w", login, err))
		}
	}
	const long = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE starts_with(usename::text, $1) AND datname = current_database() AND state <> 'idle' AND now() - query_start > $2::interval`
	_, err = a.pool.Exec(ctx, long, loginPrefix, longestReport.String())
	return errors.Join(append(errs, err)...)
}
