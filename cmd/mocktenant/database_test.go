package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// A role that signs in over TCP reads and changes tenants and partners, but no keys and
// secrets. Its password is random unless it is set.
func TestSQLRole(t *testing.T) {
	t.Parallel()
	const address = "127.83.12.9" // a loopback address that no other test uses
	free, err := net.Listen("tcp", net.JoinHostPort(address, "5432"))
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := preparedDir(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + dir, "MOCKTENANT_PG_LISTEN=" + address}
	p := serve(t, settings)
	env, stderr, code := output(t, settings, "env")
	if code != 0 {
		t.Fatal(stderr)
	}
	_, url, _ := strings.Cut(env, "export DATABASE_URL='")
	url, _, _ = strings.Cut(url, "'")
	config, err := pgx.ParseConfig(url)
	if err != nil || config.Host != address || config.User != "mocktenant" || len(config.Password) < 20 {
		t.Fatalf("DATABASE_URL is %s: %v", url, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "pg-password")); err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("the password is kept as %v: %v", info, err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range []string{
		"SELECT id, display_name, onboarding_status FROM remote_assistance_partners", "SELECT * FROM entity_versions",
		"SELECT * FROM tenants", "SELECT id, user_principal_name FROM users", "SELECT * FROM applications", "SELECT * FROM permission_grants",
		"UPDATE tenants SET page_size = 2", "UPDATE users SET display_name = 'x'",
	} {
		if tag, err := conn.Exec(t.Context(), statement); err != nil || strings.HasPrefix(statement, "UPDATE") && tag.RowsAffected() == 0 {
			t.Errorf("%s: %v %v", statement, tag, err)
		}
	}
	shared := []string{"tenants", "domains", "users", "applications", "application_certificates", "permission_grants", "app_role_assignments", "entity_versions", "snapshots", "seeds"}
	for _, e := range entity.All {
		shared = append(shared, e.Table)
	}
	rows, err := conn.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL ($1)`, shared)
	if err != nil {
		t.Fatal(err)
	}
	shut, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(shut) < 12 {
		t.Errorf("tables %q: %v", shut, err)
	}
	refused := []string{"SELECT password_hash FROM users", "UPDATE users SET password_hash = 'x'", "CREATE TABLE x (i int)", "CREATE ROLE x", "SELECT lo_creat(-1)"}
	for _, table := range shut {
		refused = append(refused, "SELECT * FROM "+table, "DELETE FROM "+table, "INSERT INTO "+table+" DEFAULT VALUES")
	}
	for _, statement := range refused {
		if _, err := conn.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	config.Database = "template1"
	if other, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = other.Close(t.Context())
		t.Error("it connects to database template1")
	}
	p.stop(t)
	p = serve(t, append(settings, "DATABASE_URL="+url)) // as in a shell with the output of env
	p.stop(t)
}
