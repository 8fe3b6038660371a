package graphtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/server"
)

const (
	// Prefixes of database names, followed by a time. The time identifies databases that a
	// killed test binary left on the user's Postgres.
	testPrefix     = "mocktenant_test_"
	templatePrefix = "mocktenant_template_"
	dayFormat      = "20060102"

	// poolSize is the maximum number of connections of each service, and of the pool with
	// which a test binary makes and drops databases. Many share the 200 of a Postgres.
	poolSize = "8"

	startTimeout = 3 * time.Minute // the first start on a machine may download Postgres
	reachTimeout = 5 * time.Second
	dropTimeout  = 30 * time.Second

	templateLock = 7262815431906624 // an arbitrary number that nobody else locks
)

// postgres is a Postgres shared by the tests of this binary, with a database that each
// service gets a copy of.
type postgres struct {
	url      string // of the user's own; "" for an embedded one
	start    func() error
	admin    *db.Pool
	template string

	mu    sync.Mutex
	taken int
	next  func() (string, error)
}

// shared has the Postgres servers in use, by URL.
var shared struct {
	mu   sync.Mutex
	byID map[string]*postgres
}

// newDatabase returns the URL of a database that is dropped when the test ends.
func newDatabase(tb testing.TB, url string) string {
	tb.Helper()
	p := sharedPostgres(url)
	if err := p.start(); err != nil {
		tb.Fatalf("graphtest: %v", err)
	}
	name, err := p.take()
	if err != nil {
		tb.Fatalf("graphtest: %v", err)
	}
	tb.Cleanup(func() {
		if p.ours() { // a drop may take 100 ms, and the cluster is removed anyway
			go func() { _ = p.drop(name) }()
			return
		}
		if err := p.drop(name); err != nil {
			tb.Errorf("graphtest: %v", err)
		}
	})
	return withDatabase(p.url, name)
}

func sharedPostgres(url string) *postgres {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if p, ok := shared.byID[url]; ok {
		return p
	}
	p := &postgres{url: url}
	p.next = sync.OnceValues(p.create)
	p.start = sync.OnceValue(p.use)
	if url == "" {
		p.start = sync.OnceValue(p.embed)
	}
	if shared.byID == nil {
		shared.byID = map[string]*postgres{}
	}
	shared.byID[url] = p
	return p
}

// embed starts an embedded Postgres, which ends with this process.
func (p *postgres) embed() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	started, err := embeddedpg.Start(ctx, embeddedpg.Options{
		Template: embeddedpg.Template{Name: server.Preparation(time.Now()), Fill: server.Prepare},
	})
	if err != nil {
		return fmt.Errorf("start Postgres (or name a running one with WithDatabaseURL): %w", err)
	}
	config, err := pgx.ParseConfig(started.DatabaseURL())
	if err != nil {
		return err
	}
	p.url, p.template = started.DatabaseURL(), config.Database
	return p.open(ctx, withDatabase(p.url, "template1"))
}

// use prepares the user's own Postgres.
func (p *postgres) use() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p.template = templatePrefix + server.Preparation(time.Now())
	err := p.open(ctx, p.url)
	if err == nil {
		err = p.makeTemplate(ctx)
	}
	if err != nil {
		return fmt.Errorf("use the Postgres of WithDatabaseURL: %w", err)
	}
	return nil
}

func (p *postgres) open(ctx context.Context, url string) (err error) {
	p.admin, err = db.Open(ctx, withParameter(url, "pool_max_conns", poolSize), reachTimeout, slog.New(slog.DiscardHandler))
	return err
}

// makeTemplate makes the database to copy, unless it exists. Concurrent test binaries wait
// for the first of them.
func (p *postgres) makeTemplate(ctx context.Context) error {
	conn, err := p.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", templateLock) }()
	var whole bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", p.template).Scan(&whole)
	if err != nil || whole {
		return err
	}
	sweep(ctx, conn.Conn())
	for _, step := range []func() error{
		exec(ctx, conn.Conn(), "DROP DATABASE IF EXISTS "+p.template+" WITH (FORCE)"),
		exec(ctx, conn.Conn(), "CREATE DATABASE "+p.template+""),
		func() error { return server.Prepare(ctx, withDatabase(p.url, p.template)) },
		exec(ctx, conn.Conn(), "ALTER DATABASE "+p.template+" WITH IS_TEMPLATE true"),
	} {
		if err := step(); err != nil {
			return fmt.Errorf("make the database %s: %w", p.template, err)
		}
	}
	return nil
}

func exec(ctx context.Context, conn *pgx.Conn, statement string) func() error {
	return func() error {
		_, err := conn.Exec(ctx, statement)
		return err
	}
}

// sweep drops unused databases of earlier test binaries: test databases after two days,
// templates after two months. It leaves what can't be dropped.
func sweep(ctx context.Context, conn *pgx.Conn) {
	now := time.Now().UTC()
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database
		WHERE datname BETWEEN $1 || '2' AND $1 || $2 OR datname BETWEEN $3 || '2' AND $3 || $4`,
		testPrefix, now.AddDate(0, 0, -2).Format(dayFormat), templatePrefix, now.AddDate(0, -2, 0).Format(dayFormat))
	if err != nil {
		return
	}
	names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		name = pgx.Identifier{name}.Sanitize()
		_, _ = conn.Exec(ctx, "ALTER DATABASE "+name+" WITH IS_TEMPLATE false")
		_, _ = conn.Exec(ctx, "DROP DATABASE "+name)
	}
}

// take returns the name of a database for a service. From the second call on, it makes the
// next one ahead in an embedded Postgres, where it will be removed anyway.
func (p *postgres) take() (string, error) {
	p.mu.Lock()
	mine := p.next
	p.next = sync.OnceValues(p.create)
	if p.taken++; p.taken > 1 && p.ours() {
		go func(next func() (string, error)) { _, _ = next() }(p.next) // the next caller gets the error
	}
	p.mu.Unlock()
	return mine()
}

// ours reports whether p is embedded.
func (p *postgres) ours() bool { return !strings.HasPrefix(p.template, templatePrefix) }

func (p *postgres) create() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	name := testPrefix + time.Now().UTC().Format(dayFormat+"150405") + "_" + strings.ToLower(rand.Text()[:10])
	statement := "CREATE DATABASE " + name + " TEMPLATE " + p.template
	if p.ours() {
		statement += " STRATEGY file_copy" // faster if nothing is written to disk
	}
	if _, err := p.admin.Exec(ctx, statement); err != nil {
		return "", fmt.Errorf("make a database: %w", err)
	}
	return name, nil
}

func (p *postgres) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if _, err := p.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop the database %s: %w", name, err)
	}
	return nil
}

// withDatabase returns to, a URL or another form that libpq reads, with another database
// name.
func withDatabase(to, name string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme == "" {
		return to + " dbname=" + name
	}
	u.Path = "/" + name
	if q := u.Query(); q.Has("dbname") {
		q.Del("dbname")
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq doesn't read "+" as a space
	}
	return u.String()
}

// withParameter returns to, a URL or another form that libpq reads, with a parameter set.
func withParameter(to, name, value string) string {
	switch {
	case strings.Contains(to, name):
		return to
	case !strings.Contains(to, "://"):
		return to + " " + name + "=" + value
	case strings.Contains(to, "?"):
		return to + "&" + name + "=" + value
	}
	return to + "?" + name + "=" + value
}
