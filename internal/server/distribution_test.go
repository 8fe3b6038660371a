package server_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// A service on a cluster isn't ready while one of its tables isn't distributed.
func TestReadyOnAClusterThatLacksATable(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t)})
	table, change := "later", "CREATE TABLE later (tenant_id uuid NOT NULL REFERENCES tenants, id uuid, PRIMARY KEY (tenant_id, id))"
	if !dbtest.OnCluster() { // Citus's catalog, as it would be there
		table, change = "users", `SET LOCAL allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
			INSERT INTO pg_catalog.pg_dist_partition SELECT 'tenants'::regclass UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> 'users'::regclass`
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
		t.Errorf("before: %d %s", r.StatusCode, body)
	}
	if _, err := s.Pool().Exec(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 503 || !strings.Contains(body, "run mocktenant migrate distribute: "+table+`"`) {
		t.Errorf("after: %d %s", r.StatusCode, body)
	}
}

// catalog is what the service reads of Citus's catalog, with every table distributed over two
// workers, one of which can be moved to where nothing listens.
const catalog = `SET LOCAL allow_system_table_mods = on;
	CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
	INSERT INTO pg_catalog.pg_dist_partition SELECT 'tenants'::regclass UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f';
	CREATE TABLE pg_catalog.pg_dist_node (groupid int, nodename text, nodeport int, noderole text, isactive boolean);
	INSERT INTO pg_catalog.pg_dist_node VALUES (0, 'coordinator', 1, 'primary', true), (1, 'one', 5432, 'primary', true), (2, 'two', 5432, 'primary', true), (3, 'new', 1, 'primary', true);
	CREATE TABLE pg_catalog.pg_dist_placement (groupid int);
	INSERT INTO pg_catalog.pg_dist_placement VALUES (1), (2), (2);
	CREATE FUNCTION pg_catalog.citus_check_connection_to_node(text, int) RETURNS boolean LANGUAGE sql AS 'SELECT $2 <> 1'`

// A service stays ready while a worker is lost, because other tenants still work. It says how
// many are lost, and its log says which.
func TestReadyWhileAWorkerIsLost(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	pool, err := db.Open(t.Context(), url, 0, testenv.Log())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if !dbtest.OnCluster() {
		if _, err := pool.Exec(t.Context(), catalog); err != nil {
			t.Fatal(err)
		}
	}
	var log lockedBuffer
	s := start(t, server.Config{DatabaseURL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
	var host string
	var port int
	if err := pool.QueryRow(t.Context(), "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid = 2").Scan(&host, &port); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		port         int // of the second worker; nothing listens on 1
		want, logged string
	}{
		{port: port, want: "ok"},
		{port: 1, want: "1 of 2 not available", logged: "level=WARN msg=\"a worker doesn't answer: its tenants get 503\" worker=" + host + ":1\n"},
		{port: port, want: "ok", logged: "level=INFO msg=\"a worker answers again, or was replaced\" worker=" + host + ":1\n"},
	} {
		if _, err := pool.Exec(t.Context(), "UPDATE pg_dist_node SET nodeport = $1 WHERE groupid = 2", step.port); err != nil {
			t.Fatal(err)
		}
		wantWorkers(t, s, step.want, host)
		if n := strings.Count(log.String(), step.logged); step.logged != "" && n != 1 {
			t.Errorf("with port %d, it logged %q %d times in %s", step.port, step.logged, n, log.String())
		}
	}
}

// wantWorkers waits until the service, which stays ready, says this about its workers, without
// saying where they are.
func wantWorkers(t *testing.T, s *server.Server, want, host string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		r, body := call(t, "GET", s.URL()+"/readyz", "", "")
		if r.StatusCode != 200 || strings.Contains(body, host) {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
		if strings.Contains(body, `"workers":"`+want+`"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, want %q", body, want)
		}
	}
}

// On a cluster, only calls of the same tenant share statements, and the service logs what
// doesn't work.
func TestStartOnACluster(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	if !dbtest.OnCluster() {
		s := start(t, server.Config{DatabaseURL: url, AdminAddr: "127.0.0.1:0", Demo: true})
		if !gathers(t, s) {
			t.Error("calls share no statements, though there is no cluster")
		}
		if _, err := s.Pool().Exec(t.Context(), `SET LOCAL allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
			INSERT INTO pg_catalog.pg_dist_partition SELECT 'tenants'::regclass UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f'`); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	s := start(t, server.Config{DatabaseURL: url, AdminAddr: "127.0.0.1:0", Demo: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if said := strings.Count(log.String(), "level=WARN msg=\"the tables are distributed over a cluster: only calls of one tenant share statements, and reports"); said != 1 {
		t.Errorf("said %d times in\n%s", said, &log)
	}
	if !gathers(t, s) {
		t.Error("calls of one tenant share no statements")
	}
}

// gathers reports whether the calls of a service share statements.
func gathers(t *testing.T, s *server.Server) bool {
	t.Helper()
	token, err := s.Identity().IssueAccessToken(server.DemoAccessToken([]string{"DeviceManagementServiceConfig.ReadWrite.All"}, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r, body := call(t, "GET", s.URL()+partners+"/"+uuid.NewString(), token, ""); r.StatusCode != 404 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	_, metrics := call(t, "GET", s.AdminURL()+"/metrics", "", "")
	return strings.Contains(metrics, "mocktenant_gathered_rows")
}
