package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// The administration's commands find exactly the intended service: the one on the data
// directory, or the one at MOCKTENANT_ADMIN_ADDR.
func TestFindsTheAdministration(t *testing.T) {
	t.Parallel()
	dir := "MOCKTENANT_DATA_DIR=" + preparedDir(t)
	a := administration{t, []string{dir}}
	p := serve(t, a.settings)
	a.run("tenant", "list")
	if err := killService(p); err != nil {
		t.Fatal(err)
	}
	a.fails(exitFailure, `MOCKTENANT_ADMIN_ADDR "127.0.0.1:0" doesn't have the administration's address, and no service runs on `, "tenant", "list")
	unset := command(t, a.settings, "tenant", "list")
	unset.Env = slices.DeleteFunc(unset.Env, func(s string) bool { return strings.HasPrefix(s, "MOCKTENANT_ADMIN_ADDR=") })
	if out, err := unset.CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "mocktenant: no service runs on ") {
		t.Errorf("without an address: %v\n%s", err, out)
	}

	address := freeAddress(t)
	other := serve(t, []string{"DATABASE_URL=" + dbtest.NewDatabase(t), "MOCKTENANT_ADMIN_ADDR=" + address})
	elsewhere := administration{t, []string{"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "MOCKTENANT_ADMIN_ADDR=" + address}}
	if out := elsewhere.run("tenant", "list"); !strings.Contains(out, "Demo tenant") {
		t.Error(out)
	}
	other.stop(t)

	shut := serve(t, []string{dir, "MOCKTENANT_ADMIN_ADDR="})
	a.fails(exitFailure, "has no administration: start it with MOCKTENANT_ADMIN_ADDR", "tenant", "list")
	shut.stop(t)
}

// freeAddress returns an address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// An address that another program uses is reported before a database is made.
func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, setting := range []string{"MOCKTENANT_HTTP_ADDR", "MOCKTENANT_HTTPS_ADDR", "MOCKTENANT_ADMIN_ADDR", "MOCKTENANT_PROXY_ADDR", "MOCKTENANT_PG_LISTEN"} {
		dir := filepath.Join(t.TempDir(), "data")
		_, log, code := output(t, []string{"MOCKTENANT_DATA_DIR=" + dir, setting + "=" + taken.Addr().String()}, "serve")
		want := "mocktenant: " + setting + ` "` + taken.Addr().String() + `": another program listens there, perhaps another mocktenant: stop it or choose another port; port 0 picks a free one` + "\n"
		if code != exitFailure || log != want {
			t.Errorf("exit %d\n%s\nwant\n%s", code, log, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the data directory was made: %v", setting, err)
		}
	}
}

// An ephemeral service starts in a shell with the output of mocktenant env of any service.
func TestEphemeralBesideADatabase(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"DATABASE_URL=postgres://nobody@127.0.0.1:1/none"}, "--ephemeral")
	if status, body, err := p.do("POST", partners, "{}"); status != 201 {
		t.Errorf("%d %s, %v", status, body, err)
	}
	p.stop(t)
}

// An unavailable database is reported in one line, and only once while the service waits for
// it.
func TestDatabaseIsNotUp(t *testing.T) {
	t.Parallel()
	_, log, code := output(t, []string{"DATABASE_URL=postgres://x@127.0.0.1:1/y", "MOCKTENANT_DATABASE_WAIT=2s"}, "serve")
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if code != exitFailure || len(lines) != 3 || !strings.Contains(lines[0], "msg=starting") || !strings.Contains(lines[1], "waiting for the database") {
		t.Errorf("exit %d\n%s", code, log)
	}
	const want = "mocktenant: reach the database: failed to connect to `user=x database=y`: 127.0.0.1:1 (127.0.0.1): dial error: dial tcp 127.0.0.1:1: connect: connection refused"
	if last := lines[len(lines)-1]; last != want {
		t.Errorf("got\n%s\nwant\n%s", last, want)
	}
}

// migrate status changes nothing: it makes no data directory and no table.
func TestMigrateStatusChangesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	out, log, code := output(t, []string{"MOCKTENANT_DATA_DIR=" + dir}, "migrate", "status")
	if code != 0 || !strings.HasPrefix(out, "00001_tenants.sql") || strings.Count(out, "pending") != strings.Count(out, "\n") {
		t.Errorf("exit %d\n%s%s", code, out, log)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory was made: %v", err)
	}
	url := dbtest.NewEmptyDatabase(t)
	again, log, code := output(t, []string{"DATABASE_URL=" + url}, "migrate", "status")
	if code != 0 || again != out {
		t.Errorf("exit %d\n%s%s", code, again, log)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables, %v", tables, err)
	}
	for _, command := range []string{"token", "env", "ca"} {
		_, log, code := output(t, []string{"DATABASE_URL=" + url}, command)
		if code != exitFailure || !strings.HasPrefix(log, "mocktenant: the database has no tables of mocktenant: start the service on it, or run mocktenant migrate up") || strings.Count(log, "\n") != 1 {
			t.Errorf("%s: exit %d\n%s", command, code, log)
		}
	}
}
