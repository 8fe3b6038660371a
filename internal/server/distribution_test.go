package server_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
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
