// Package reporting lets people read schema reporting: by report logins, which are
// Postgres roles that see the rows of their tenants alone and that a guard keeps from
// harm, and by ready reports.
package reporting

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// Error is a refusal with an HTTP status and a text for the client.
type Error struct {
	Status int
	Text   string
	Err    error // for the log; may be nil
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error { return e.Err }

// Config configures Logins. DB and URL are required.
type Config struct {
	DB  *db.Pool
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil discards

	// URL is the database that logins connect to, as in DATABASE_URL.
	URL string

	// LongestReport bounds a transaction of a login, and GuardPause is the time between
	// checks of their sessions. 0 means two minutes and a second.
	LongestReport, GuardPause time.Duration
}

// Logins are the report logins of a service.
type Logins struct {
	pool    *db.Pool
	queries *db.Queries
	now     func() time.Time
	log     *slog.Logger
	url     string
	guard   guard
}

// New returns the report logins of a service.
func New(c Config) *Logins {
	l := &Logins{pool: c.DB, queries: db.New(c.DB), now: c.Now, log: c.Log, url: c.URL, guard: newGuard(c)}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// List returns up to limit logins after a name: all or, for a manager, those whose tenants
// are all the manager's.
func (l *Logins) List(ctx context.Context, manager *string, after string, limit int64) ([]api.ReportLogin, error) {
	logins, err := list(ctx, l.queries, db.ListReportLoginsParams{Manager: manager, After: after, LoginLimit: limit})
	if err != nil {
		return nil, fmt.Errorf("list report logins: %w", err)
	}
	return logins, l.markMissing(ctx, logins)
}

// markMissing marks the logins whose role Postgres lacks.
func (l *Logins) markMissing(ctx context.Context, logins []api.ReportLogin) error {
	names := make([]string, len(logins))
	for i, login := range logins {
		names[i] = login.Login
	}
	there, err := rolesOf(ctx, l.pool, names)
	if err != nil {
		return err
	}
	for i := range logins {
		logins[i].RoleMissing = !slices.Contains(there, logins[i].Login)
	}
	return nil
}

// list returns logins with their tenants: a page, or one by name.
func list(ctx context.Context, q *db.Queries, which db.ListReportLoginsParams) ([]api.ReportLogin, error) {
	rows, err := q.ListReportLogins(ctx, which)
	logins := []api.ReportLogin{}
	for _, r := range rows {
		if n := len(logins); n == 0 || logins[n-1].Login != r.LoginName {
			logins = append(logins, newLogin(r))
		}
		l := &logins[len(logins)-1]
		l.TenantIds = append(l.TenantIds, r.TenantID)
	}
	return logins, err
}

func newLogin(r db.ReportLogin) api.ReportLogin {
	l := api.ReportLogin{Login: r.LoginName, Label: r.Label, CreatedDateTime: r.CreatedAt.UTC()}
	if r.ExpiresAt != nil {
		expires := r.ExpiresAt.UTC()
		l.ExpiresDateTime = &expires
	}
	return l
}

// Exists reports whether a login has the name and, for a manager, whether it is the
// manager's.
func Exists(ctx context.Context, q *db.Queries, manager *string, login string) (bool, error) {
	found, err := list(ctx, q, db.ListReportLoginsParams{Manager: manager, LoginName: &login, LoginLimit: 1})
	return len(found) > 0, err
}

// NewName returns an unguessable name for a login's role. It can contain a given part: up
// to 20 lower-case letters, digits and underscores.
func NewName(part string) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	if part != "" {
		part += "_"
	}
	return loginPrefix + part + hex.EncodeToString(random[:])
}

// Create makes a Postgres role and sets what it may read. The statement that makes it
// contains nothing from the client. Create returns an Error on a cluster. Call Wake after
// the transaction.
func (l *Logins) Create(ctx context.Context, tx pgx.Tx, p db.CreateReportLoginsParams) (api.ReportLoginCreated, error) {
	if err := refuseCluster(ctx, tx); err != nil {
		return api.ReportLoginCreated{}, err
	}
	p.TenantIds = distinct(p.TenantIds)
	password := newPassword()
	if err := createRole(ctx, tx, p.LoginName, password); err != nil {
		return api.ReportLoginCreated{}, err
	}
	if err := db.New(tx).CreateReportLogins(ctx, p); err != nil {
		return api.ReportLoginCreated{}, err
	}
	return l.created(p.LoginName, password)
}

// Rotate gives a login that is shut out a new password and its initial settings. If a
// restored database has lost its role, Rotate makes it again. The manager who gets the
// password is nil for an owner. Call Wake after the transaction.
func (l *Logins) Rotate(ctx context.Context, tx pgx.Tx, login string, manager *string) (api.ReportLoginCreated, error) {
	password := newPassword()
	if err := renewRole(ctx, tx, login, password); err != nil {
		return api.ReportLoginCreated{}, err
	}
	if err := db.New(tx).SetReportLoginManager(ctx, db.SetReportLoginManagerParams{LoginName: login, Manager: manager}); err != nil {
		return api.ReportLoginCreated{}, err
	}
	return l.created(login, password)
}

// newPassword returns 260 random bits as text.
func newPassword() string { return rand.Text() + rand.Text() }

func (l *Logins) created(login, password string) (api.ReportLoginCreated, error) {
	dsn, err := l.dsn(login, password)
	return api.ReportLoginCreated{Login: login, Dsn: dsn}, err
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

// dsn returns the URL with which a login connects.
func (l *Logins) dsn(login, password string) (string, error) {
	config, err := pgx.ParseConfig(l.url)
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

// Remove removes a login that is shut out: its role, if that is ours, and its rows.
func Remove(ctx context.Context, tx pgx.Tx, login string) error {
	state, _, err := findRole(ctx, tx, login)
	if err != nil {
		return errRole(err)
	}
	if state == roleOurs {
		if _, err := tx.Exec(ctx, "DROP ROLE "+pgx.Identifier{login}.Sanitize()); err != nil {
			return errRole(err)
		}
	}
	_, err = db.New(tx).DeleteReportLogin(ctx, login)
	return errRole(err)
}

// ShutOut ends a login's sessions, which may hold locks that the service waits for, and
// prevents new ones. A transaction couldn't keep the login from connecting meanwhile.
func (l *Logins) ShutOut(ctx context.Context, login string) error {
	return l.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
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
		return endSessions(ctx, conn, login) // those that began meanwhile
	})
}

// Sweep removes expired logins, and those whose tenants are deleted.
func (l *Logins) Sweep(ctx context.Context) error {
	now := l.now()
	logins, err := l.queries.ListExpiredReportLogins(ctx, &now)
	if err != nil {
		return err
	}
	orphans, err := orphanRoles(ctx, l.pool)
	if err != nil {
		return err
	}
	if guarded, err := reportRoles(ctx, l.pool); len(guarded) > 0 || err != nil { // even those of another replica
		l.Wake()
	}
	var errs []error // continues after an error
	for _, login := range append(logins, orphans...) {
		err := l.ShutOut(ctx, login)
		if err == nil {
			err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return Remove(ctx, tx, login) })
		}
		if err != nil && !isGone(err) {
			errs = append(errs, fmt.Errorf("remove report login %s: %w", login, err))
		}
	}
	return errors.Join(errs...)
}

// isGone reports whether a statement named a role that another replica's sweep has removed.
func isGone(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "42704" // undefined_object
}
