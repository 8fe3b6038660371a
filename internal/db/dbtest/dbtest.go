// Package dbtest gives tests a real Postgres: one throw-away server per test
// binary, migrated once, and in it a fresh tenant per test, so that tests run
// side by side and each among the rows of others. Only tests import it.
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }
//
//	tenant := dbtest.NewTenant(t)
package dbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// Tenant is a tenant for a single test.
type Tenant struct {
	ID       uuid.UUID
	UserID   uuid.UUID
	ClientID uuid.UUID // the client ID of its application
}

// shared is the server of the test binary.
var shared struct {
	once sync.Once
	pool *db.Pool
	url  string
	stop func()
	err  error
}

// Run clears the settings from the environment, runs the tests, stops the server if one was
// started, and returns the exit code.
func Run(m *testing.M) int {
	testenv.Clean()
	code := m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	return code
}

// URL returns the URL of the migrated database that all tests of the binary share.
func URL(tb testing.TB) string {
	tb.Helper()
	start(tb)
	return shared.url
}

// Pool returns a pool on the shared database.
func Pool(tb testing.TB) *db.Pool {
	tb.Helper()
	start(tb)
	return shared.pool
}

// before is the creation time of tenants. It lies before any test's clock, because tokens
// from before a tenant's creation are refused.
var before = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// NewTenant makes a tenant with one user and one application in the shared database.
func NewTenant(tb testing.TB) Tenant {
	tb.Helper()
	return NewTenantIn(tb, Pool(tb))
}

// NewTenantIn is like NewTenant, in the database of a pool.
func NewTenantIn(tb testing.TB, pool *db.Pool) Tenant {
	tb.Helper()
	t := Tenant{ID: uuid.New(), UserID: uuid.New(), ClientID: uuid.New()}
	q := db.New(pool)
	_, err := q.CreateTenant(tb.Context(), db.CreateTenantParams{
		TenantID: t.ID, DisplayName: tb.Name(), CreatedAt: before,
	})
	if err == nil {
		_, err = q.CreateUser(tb.Context(), db.CreateUserParams{
			TenantID: t.ID, ID: t.UserID, UserPrincipalName: "user@" + t.ID.String(), DisplayName: tb.Name(), CreatedAt: time.Now(),
			Enabled: true,
		})
	}
	if err == nil {
		_, err = q.CreateApplication(tb.Context(), db.CreateApplicationParams{
			TenantID: t.ID, ClientID: t.ClientID, ServicePrincipalID: uuid.New(), DisplayName: tb.Name(), CreatedAt: time.Now(),
		})
	}
	if err != nil {
		tb.Fatalf("make a tenant: %v", err)
	}
	return t
}

// template is a database with the schema. NewDatabase copies it, which takes a fifth of the
// work of running the migrations.
var template struct {
	once sync.Once
	name string
	err  error
}

// NewDatabase makes a database with the schema for a test that needs a whole one, and
// returns its URL. The database is dropped when the test ends. On a cluster it is
// distributed.
func NewDatabase(tb testing.TB) string {
	tb.Helper()
	if OnCluster() {
		return newDistributedDatabase(tb)
	}
	pool := Pool(tb)
	template.once.Do(func() {
		template.name = "template_" + uuid.NewString()
		template.err = makeTemplate(context.WithoutCancel(tb.Context()), pool, template.name)
	})
	if template.err != nil {
		tb.Fatalf("make a database to copy: %v", template.err)
	}
	return newDatabase(tb, " TEMPLATE "+pgx.Identifier{template.name}.Sanitize())
}

// NewEmptyDatabase is like NewDatabase, without the schema. On a cluster, the servers share
// it, but nothing is distributed yet.
func NewEmptyDatabase(tb testing.TB) string {
	tb.Helper()
	if OnCluster() {
		return newClusterDatabase(tb)
	}
	return newDatabase(tb, "")
}

func newDatabase(tb testing.TB, from string) string {
	tb.Helper()
	pool := Pool(tb)
	name := "test_" + uuid.NewString()
	if _, err := pool.Exec(tb.Context(), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+from); err != nil {
		tb.Fatalf("make a database: %v", err)
	}
	tb.Cleanup(func() {
		_, err := pool.Exec(context.WithoutCancel(tb.Context()), "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		if err != nil {
			tb.Errorf("drop a database: %v", err)
		}
	})
	return OfDatabase(tb, name)
}

// makeTemplate makes a database with the schema and ends all connections to it, those of a
// pooler too: Postgres copies no database that someone is connected to.
func makeTemplate(ctx context.Context, pool *db.Pool, name string) error {
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err := pool.Exec(ctx, "CREATE DATABASE "+quoted); err != nil {
		return err
	}
	config := pool.Config().ConnConfig.Copy()
	config.Database = name
	log := slog.New(slog.DiscardHandler)
	own, err := db.Open(ctx, urlOf(config), time.Minute, log)
	if err != nil {
		return err
	}
	err = db.MigrateUp(ctx, own, log)
	own.Close()
	if err == nil {
		_, err = pool.Exec(ctx, "ALTER DATABASE "+quoted+" ALLOW_CONNECTIONS false")
	}
	if err == nil {
		_, err = pool.Exec(ctx, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1", name)
	}
	return err
}

// OfDatabase returns the URL of a database on the shared server.
func OfDatabase(tb testing.TB, name string) string {
	config := Pool(tb).Config().ConnConfig.Copy()
	config.Database = name
	return urlOf(config)
}

// urlOf returns the URL of a database, with the query mode of TEST_QUERY_EXEC_MODE
// (https://pkg.go.dev/github.com/jackc/pgx/v5#QueryExecMode).
func urlOf(config *pgx.ConnConfig) string {
	url := fmt.Sprintf("host='%s' port=%d user='%s' password='%s' dbname='%s' sslmode=disable",
		config.Host, config.Port, config.User, config.Password, config.Database)
	if mode := os.Getenv("TEST_QUERY_EXEC_MODE"); mode != "" {
		url += " default_query_exec_mode=" + mode
	}
	return url
}

func start(tb testing.TB) {
	tb.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if shared.url, shared.stop, shared.err = startShared(ctx); shared.err != nil {
			return
		}
		log := slog.New(slog.DiscardHandler)
		if shared.pool, shared.err = db.Open(ctx, shared.url, time.Minute, log); shared.err != nil {
			return
		}
		if OnCluster() {
			shared.err = distribute(ctx, shared.pool)
		} else {
			shared.err = db.MigrateUp(ctx, shared.pool, log)
		}
	})
	if shared.err != nil {
		tb.Fatalf("start Postgres for the tests: %v", shared.err)
	}
}

// startShared starts a Postgres or, on a cluster, makes a database. With
// TEST_POOLER=pgbouncer it also starts a pooler, and all tests connect through it.
func startShared(ctx context.Context) (url string, stop func(), err error) {
	if OnCluster() {
		return startCluster(ctx)
	}
	url, stop, err = startPostgres(ctx)
	if err != nil {
		return "", nil, err
	}
	config, err := pgx.ParseConfig(url)
	if err == nil && os.Getenv("TEST_POOLER") == "pgbouncer" {
		var pooler *exec.Cmd
		if pooler, config.Port, err = startPgBouncer(ctx, config); err == nil {
			config.Host = "127.0.0.1"
			stop = func(behind func()) func() {
				return func() { _ = pooler.Process.Kill(); _ = pooler.Wait(); behind() }
			}(stop)
		}
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	return urlOf(config), stop, nil
}
