//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

// The statements of the comparison, which come from the description, make the rows that
// the service makes and change them.
func TestStatements(t *testing.T) {
	t.Parallel()
	pool, tenant := dbtest.Pool(t), dbtest.NewTenant(t).ID
	pgbench := strings.NewReplacer(":client_id::int", "1", ":n::bigint", "7", ":tenant", "'"+tenant.String()+"'", ":id", "'018f0000-0000-7000-8000-000100000007'")
	for _, statement := range []struct {
		sql     string
		args    []any
		changes int64
	}{
		{sql: strings.TrimPrefix(pgbench.Replace(insert(tenant.String())), `\set n :n + 1`), changes: 1},
		{sql: pgbench.Replace(update()), changes: 1},
		{sql: copies(), args: []any{tenant, 2, 3}, changes: 5},
		{sql: fill(), args: []any{tenant, 10}, changes: 4},
	} {
		done, err := pool.Exec(t.Context(), statement.sql, statement.args...)
		if err != nil || done.RowsAffected() != statement.changes {
			t.Errorf("%s\n%v, %v; want %d rows", statement.sql, done, err, statement.changes)
		}
	}
	var changed int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+measured.Table+" WHERE tenant_id = $1 AND display_name = 'Another name' AND version = 2 AND onboarding_status = 'onboarding'", tenant).Scan(&changed); err != nil || changed != 1 {
		t.Errorf("%d changed, %v", changed, err)
	}
}
