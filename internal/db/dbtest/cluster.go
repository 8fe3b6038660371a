package dbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// clusterVariable names the URLs of a Citus cluster's servers, separated by spaces, the
// coordinator first. If it is set, all tests run there. The URLs lead to a database
// postgres on each server, with a superuser.
const clusterVariable = "TEST_CITUS_DSN"

// OnCluster reports whether the tests run on a Citus cluster.
func OnCluster() bool { return os.Getenv(clusterVariable) != "" }

// SkipOnCluster skips a test of something that a cluster doesn't have, with a reason.
func SkipOnCluster(tb testing.TB, reason string) {
	tb.Helper()
	if OnCluster() {
		testenv.Skip(tb, reason)
	}
}

// startCluster makes a database on the cluster. It returns the database's URL and a
// function that drops it.
func startCluster(ctx context.Context) (url string, stop func(), err error) {
	name := "test_" + uuid.NewString()
	stop = func() {
		_ = onEach(context.WithoutCancel(ctx), "", "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	}
	config, err := pgx.ParseConfig(servers()[0])
	if err == nil {
		err = createOnCluster(ctx, name)
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	config.Database = name
	return urlOf(config), stop, nil
}

// newClusterDatabase makes a database on the cluster, without the schema, for a test.
func newClusterDatabase(tb testing.TB) (url string) {
	tb.Helper()
	url, stop, err := startCluster(tb.Context())
	if err != nil {
		tb.Fatalf("make a database: %v", err)
	}
	tb.Cleanup(stop)
	return url
}

// newDistributedDatabase is like newClusterDatabase, with the schema, distributed.
func newDistributedDatabase(tb testing.TB) string {
	tb.Helper()
	url := newClusterDatabase(tb)
	pool, err := db.Open(tb.Context(), url, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	defer pool.Close()
	if err := distribute(tb.Context(), pool); err != nil {
		tb.Fatalf("distribute a database: %v", err)
	}
	return url
}

// distribute makes the schema and distributes it. It first drops the views, which nothing
// reads on a cluster, because Citus examines them for each table, which takes minutes.
func distribute(ctx context.Context, pool *db.Pool) error {
	log := slog.New(slog.DiscardHandler)
	if err := db.MigrateUp(ctx, pool, log); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "DROP VIEW report_tenants CASCADE"); err != nil {
		return err
	}
	return db.Distribute(ctx, pool, log)
}

// createOnCluster makes a database with this name on every server and joins the servers to
// a cluster. It makes one at a time, because joining a server changes roles there, which can't
// be done twice at once.
func createOnCluster(ctx context.Context, name string) error {
	first, err := pgx.Connect(ctx, servers()[0])
	if err != nil {
		return err
	}
	defer func() { _ = first.Close(context.WithoutCancel(ctx)) }() // which unlocks
	if _, err := first.Exec(ctx, "SELECT pg_advisory_lock(hashtext('dbtest'))"); err != nil {
		return err
	}
	quoted := pgx.Identifier{name}.Sanitize()
	err = onEach(ctx, "", "SET citus.enable_create_database_propagation = off", "CREATE DATABASE "+quoted)
	if err == nil {
		err = onEach(ctx, name, "CREATE EXTENSION citus")
	}
	if err != nil {
		return err
	}
	join := []string{"ALTER DATABASE " + quoted + " SET citus.shard_count = 4"} // two on each of two workers
	for i, server := range servers() {
		config, err := pgx.ParseConfig(server)
		if err != nil {
			return err
		}
		call := "citus_add_node"
		if i == 0 {
			call = "citus_set_coordinator_host"
		}
		join = append(join, fmt.Sprintf("SELECT %s('%s', %d)", call, config.Host, config.Port))
	}
	return on(ctx, servers()[0], name, join...)
}

func servers() []string { return strings.Fields(os.Getenv(clusterVariable)) }

// onEach runs statements on every server of the cluster, in the named database, or in the
// URL's database if the name is empty.
func onEach(ctx context.Context, database string, statements ...string) error {
	for _, server := range servers() {
		if err := on(ctx, server, database, statements...); err != nil {
			return err
		}
	}
	return nil
}

func on(ctx context.Context, server, database string, statements ...string) error {
	config, err := pgx.ParseConfig(server)
	if err != nil {
		return err
	}
	if database != "" {
		config.Database = database
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
