package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
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
		if err != nil {
			return answer{}, err
		}
		list.Value, list.NextLink = page(x, logins, p.Top, func(l ReportLogin) string { return l.Login })
		return ok(list), a.markMissing(c.Request.Context(), list.Value)
	})
}

// markMissing says of each login whether Postgres lacks its role.
func (a *API) markMissing(ctx context.Context, logins []ReportLogin) error {
	names := make([]string, len(logins))
	for i, l := range logins {
		names[i] = l.Login
	}
	there, err := rolesOf(ctx, a.pool, names)
	if err != nil {
		return err
	}
	for i := range logins {
		logins[i].RoleMissing = !slices.Contains(there, logins[i].Login)
	}
	return nil
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
	a.answer(c, a.guarded(func(x *call) (answer, error) {
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
			if err := createRole(ctx, c.tx, login, password); err != nil {
				return answer{}, err
			}
			if err := c.CreateReportLogins(ctx, p); err != nil {
				return answer{}, err
			}
			dsn, err := a.dsn(login, password)
			return created(ReportLoginCreated{Login: login, Dsn: dsn}), err
		})
	}))
}

// guarded wakes the guard up after a call that lets a login in.
func (a *API) guarded(f func(*call) (answer, error)) func(*call) (answer, error) {
	return func(x *call) (answer, error) {
		result, err := f(x)
		if err == nil {
			a.guard.wakeUp()
		}
		return result, err
	}
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

// RevokeReportLogin ends a login's connections and removes it.
func (a *API) RevokeReportLogin(c *gin.Context, login Login) {
	a.answer(c, func(x *call) (answer, error) {
		if err := a.shutOutOnBehalf(x, login); err != nil {
			return answer{}, err
		}
		return a.change(x, login, func(ctx context.Context, c *change) (answer, error) {
			if err := a.findReportLogin(ctx, c.Queries, x, login); err != nil {
				return answer{}, err
			}
			return done(), dropLogin(ctx, c.tx, login)
		})
	})
}

// dropLogin removes a login that is shut out: its role, if that is ours, and its rows.
func dropLogin(ctx context.Context, tx pgx.Tx, login string) error {
	state, _, err := findRole(ctx, tx, login)
	if err == nil && state == roleOurs {
		_, err = tx.Exec(ctx, "DROP ROLE "+pgx.Identifier{login}.Sanitize())
	}
	if err == nil {
		_, err = db.New(tx).DeleteReportLogin(ctx, login)
	}
	return errRole(err)
}

// RotateReportLogin ends a login's connections, gives it another password and its first
// settings, and makes its role anew where a restored database has lost it.
func (a *API) RotateReportLogin(c *gin.Context, login Login) {
	a.answer(c, a.guarded(func(x *call) (answer, error) {
		if err := a.shutOutOnBehalf(x, login); err != nil {
			return answer{}, err
		}
		return a.change(x, login, func(ctx context.Context, c *change) (answer, error) {
			if err := a.findReportLogin(ctx, c.Queries, x, login); err != nil {
				return answer{}, err
			}
			password := newSecret()
			if err := renewRole(ctx, c.tx, login, password); err != nil {
				return answer{}, err
			}
			if err := c.SetReportLoginManager(ctx, db.SetReportLoginManagerParams{LoginName: login, Manager: x.caller.manager()}); err != nil {
				return answer{}, err
			}
			dsn, err := a.dsn(login, password)
			return ok(ReportLoginCreated{Login: login, Dsn: dsn}), err
		})
	}))
}

// shutOutOnBehalf shuts out a login that the caller may see. It does so before the
// change, whose transaction couldn't keep the login from connecting meanwhile.
func (a *API) shutOutOnBehalf(x *call, login string) error {
	if err := a.findReportLogin(x.Request.Context(), a.queries, x, login); err != nil {
		return err
	}
	return a.shutOut(x.Request.Context(), login)
}

// sweepReports removes logins whose time is over or whose tenants are gone.
func (a *API) sweepReports(ctx context.Context) error {
	now := a.now()
	logins, err := a.queries.ListExpiredReportLogins(ctx, &now)
	if err != nil {
		return err
	}
	orphans, err := orphanRoles(ctx, a.pool)
	if err != nil {
		return err
	}
	if guarded, err := reportRoles(ctx, a.pool); len(guarded) > 0 || err != nil { // also by another replica
		a.guard.wakeUp()
	}
	var errs []error // one that can't be removed is no reason to leave the others
	for _, login := range append(logins, orphans...) {
		err := a.shutOut(ctx, login)
		if err == nil {
			err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error { return dropLogin(ctx, tx, login) })
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove report login %s: %w", login, err))
		}
	}
	return errors.Join(errs...)
}
