package main

import (
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// A database that isn't a cluster can't be distributed; the error names the remedy.
func TestMigrateDistribute(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
	settings := []string{"DATABASE_URL=" + url}
	_, stderr, code := output(t, settings, "migrate", "distribute")
	if dbtest.OnCluster() {
		if code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
		return
	}
	if code != exitFailure || !strings.Contains(stderr, "CREATE EXTENSION citus") || !strings.Contains(stderr, "citus_add_node") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	const missing = "The cluster doesn't distribute users. Run mocktenant migrate distribute.\n"
	if stdout, _, code := output(t, settings, "migrate", "status"); code != 0 || strings.Contains(stdout, "cluster") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	conn := connectTo(t, url)
	if _, err := conn.Exec(t.Context(), `SET allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
		INSERT INTO pg_catalog.pg_dist_partition SELECT 'tenants'::regclass UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> 'users'::regclass`); err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := output(t, settings, "migrate", "status"); code != 0 || !strings.HasSuffix(stdout, "\n"+missing) {
		t.Errorf("exit %d: %s", code, stdout)
	}
}
