package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// Texts are always UTF-8: a database with another encoding is refused by name, and a client
// encoding in the URL is ignored.
func TestOpenWantsUTF8(t *testing.T) {
	t.Parallel()
	// The throw-away server has no template0, and only a template with this name allows
	// another encoding.
	var taken *pgconn.PgError
	if _, err := dbtest.Pool(t).Exec(t.Context(), "CREATE DATABASE template0 TEMPLATE template1"); err != nil && (!errors.As(err, &taken) || taken.Code != "42P04") {
		t.Fatal(err)
	}
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		name := "test_" + uuid.NewString()
		quoted := pgx.Identifier{name}.Sanitize()
		pool := dbtest.Pool(t)
		if _, err := pool.Exec(t.Context(), "CREATE DATABASE "+quoted+" ENCODING '"+encoding+"' LOCALE 'C' TEMPLATE template0"); err != nil {
			t.Fatal(err)
		}
		_, err := db.Open(t.Context(), dbtest.OfDatabase(t, name), 0, discard)
		if err == nil || !strings.Contains(err.Error(), encoding) || !strings.Contains(err.Error(), "ENCODING 'UTF8'") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", encoding, err)
		}
		if _, err := pool.Exec(t.Context(), "DROP DATABASE "+quoted+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	}
	pool := open(t, dbtest.NewEmptyDatabase(t)+" client_encoding=LATIN1")
	var text string
	if err := pool.QueryRow(t.Context(), "SELECT $1::text || current_setting('client_encoding')", "ž€").Scan(&text); err != nil || text != "ž€UTF8" {
		t.Errorf("%q, %v", text, err)
	}
}

// Postgres compiles no plan of the service, however many rows its statistics promise.
func TestPlansAreNotCompiled(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyDatabase(t))
	var setting string
	if err := pool.QueryRow(t.Context(), "SHOW jit").Scan(&setting); err != nil || setting != "off" {
		t.Errorf("jit is %q: %v", setting, err)
	}
}

// Behind a pooler that shares server connections, a start is refused with a remedy in the
// modes that would lose prepared statements, and succeeds in the others.
func TestOpenBehindAPooler(t *testing.T) {
	t.Parallel()
	url := dbtest.PgBouncer(t, dbtest.Pool(t).Config().ConnConfig.Database)
	for mode, works := range map[string]bool{"cache_statement": false, "describe_exec": false, "cache_describe": true, "exec": true, "simple_protocol": true} {
		pool, err := db.Open(t.Context(), url+" default_query_exec_mode="+mode, 0, discard)
		if err == nil {
			pool.Close()
		}
		if works && err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if !works && (err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") || !strings.Contains(err.Error(), "127.0.0.1")) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
