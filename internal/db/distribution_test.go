package db_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/migrations"
)

// These tests check what a Citus cluster needs to run the service; docs/scaling.md says
// what was tried on one. Plain Postgres runs even statements that break these rules.

// undistributable lists what keeps tables from being distributed by tenant under the rules
// of Citus's row-based sharding, and which of our rules each breaks.
const undistributable = `
WITH relation AS (
    SELECT c.oid, c.relname::text AS name,
        (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attnotnull
            AND a.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END) AS tenant
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'mocktenant_schema_versions%'
)
SELECT name || ': no tenant_id, or it may be null' FROM relation WHERE tenant IS NULL
UNION ALL
SELECT name || ': no primary key' FROM relation r
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = r.oid AND k.contype = 'p')
UNION ALL
SELECT r.name || ': the tenant does not come first in ' || i.indexrelid::regclass
FROM relation r JOIN pg_index i ON i.indrelid = r.oid WHERE i.indkey[0] IS DISTINCT FROM r.tenant
UNION ALL
SELECT r.name || ': an exclusion constraint, ' || k.conname
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'x'
UNION ALL
SELECT r.name || ': ' || k.conname || ' does not pair the tenants'
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f' JOIN relation f ON f.oid = k.confrelid
WHERE array_position(k.conkey, r.tenant) IS NULL
    OR array_position(k.conkey, r.tenant) IS DISTINCT FROM array_position(k.confkey, f.tenant)
UNION ALL
SELECT r.name || ': ' || k.conname || ' leads from a table of no tenant to one of a tenant'
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f' JOIN relation f ON f.oid = k.confrelid
JOIN pg_index i ON i.indrelid = r.oid AND i.indisprimary
WHERE f.tenant IS NOT NULL AND i.indkey[0] IS DISTINCT FROM r.tenant
UNION ALL
SELECT r.name || ': ' || k.conname || ' sets columns when its row goes'
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f'
WHERE k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd')
UNION ALL
SELECT r.name || ': trigger ' || t.tgname FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT r.name || ': ' || a.attname || ' counts by itself' FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE a.attidentity <> '' OR a.atttypid IN ('int2'::regtype, 'int4'::regtype)
    AND pg_get_serial_sequence(quote_ident(r.name), a.attname) IS NOT NULL
ORDER BY 1`

// local lists the tables without a tenant, which stay on the coordinator of a cluster.
var local = []string{
	"admin_keys", "audit_entries", "certificate_authorities", "console_sessions", "device_codes", "domains", "idempotency_keys", "replicas", "seeds", "service_secrets", "signing_keys",
}

// searched lists indexes for queries over all tenants. They aren't unique; only unique
// indexes must begin with the tenant on a cluster.
var searched = []string{"applications: the tenant does not come first in applications_client"}

func TestSchemaIsDistributable(t *testing.T) {
	t.Parallel()
	var got []string
	for _, problem := range strs(t, dbtest.Pool(t), undistributable) {
		table, what, _ := strings.Cut(problem, ": ")
		expected := slices.Contains(local, table) && (strings.HasPrefix(what, "no tenant_id") || strings.HasPrefix(what, "the tenant does not come first"))
		if !expected && !slices.Contains(searched, problem) {
			got = append(got, problem)
		}
	}
	if len(got) != 0 {
		t.Errorf("the schema can't be distributed by tenant:\n%s", strings.Join(got, "\n"))
	}
}

// The check finds every kind of violation.
func TestUndistributableIsFound(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyDatabase(t))
	for _, ddl := range []string{
		"CREATE TABLE tenants (id uuid PRIMARY KEY, name text UNIQUE)",
		"CREATE TABLE a (id uuid PRIMARY KEY)",
		"CREATE TABLE b (tenant_id uuid, n serial)",
		"CREATE TABLE c (tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, t uuid REFERENCES tenants ON DELETE SET NULL, PRIMARY KEY (id, tenant_id), EXCLUDE USING gist (box(point(1, 1), point(2, 2)) WITH &&))",
		"CREATE TABLE d (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants)",
		"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
		"CREATE TRIGGER g AFTER INSERT ON c EXECUTE FUNCTION f()",
	} {
		if _, err := pool.Exec(t.Context(), ddl); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"a: no tenant_id, or it may be null",
		"a: the tenant does not come first in a_pkey",
		"b: n counts by itself",
		"b: no primary key",
		"b: no tenant_id, or it may be null",
		"c: an exclusion constraint, c_box_excl",
		"c: c_t_fkey does not pair the tenants",
		"c: c_t_fkey leads from a table of no tenant to one of a tenant",
		"c: c_t_fkey sets columns when its row goes",
		"c: id counts by itself",
		"c: the tenant does not come first in c_box_excl",
		"c: the tenant does not come first in c_pkey",
		"c: trigger g",
		"d: d_tenant_id_fkey leads from a table of no tenant to one of a tenant",
		"d: the tenant does not come first in d_pkey",
		"tenants: the tenant does not come first in tenants_name_key",
	}
	if diff := cmp.Diff(want, strs(t, pool, undistributable)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// ofSeveralTenants lists the queries that a cluster can't send to one server, and why each
// is needed.
var ofSeveralTenants = func() map[string]string {
	all := map[string]string{}
	for _, e := range entity.All {
		if !e.Gathered {
			continue
		}
		for _, verb := range []string{"Get", "Update", "Change"} {
			all[verb+strings.ToUpper(e.SetName()[:1])+e.SetName()[1:]] = "calls of several tenants share it on one server; on a cluster, gets of one tenant share …OfTenant, and changes run alone"
		}
	}
	return all
}()

// Every query reads rows of tenants that parameters name, and changes or locks rows of one
// tenant: a cluster refuses an UPDATE, DELETE or lock that it can't send to one server. A
// change that needs another tenant's rows reads them first, in a MATERIALIZED CTE. An
// INSERT may read another tenant's rows.
func TestChangesNameOneTenant(t *testing.T) {
	t.Parallel()
	conn := planner(t)
	all := queries(t)
	for name, query := range all {
		if ofAllTenants[name] != "" {
			continue
		}
		problems := planOf(t, conn, name, query).ofSeveralTenants()
		if (len(problems) > 0) != (ofSeveralTenants[name] != "") {
			t.Errorf("%s is %q, which it may %q", name, problems, ofSeveralTenants[name])
		}
	}
	for name := range ofSeveralTenants {
		if all[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
}

// The check finds every kind of violation.
func TestChangesOfSeveralTenantsAreFound(t *testing.T) {
	t.Parallel()
	conn := planner(t)
	i := 0
	for query, want := range map[string][]string{
		"UPDATE users AS u SET display_name = o.display_name FROM users AS o WHERE u.tenant_id = $1 AND o.tenant_id = $2 AND o.id = u.id":                                     {"an Update of 2 tenants, $1 and $2"},
		"WITH o AS (SELECT * FROM users WHERE tenant_id = $2) UPDATE users AS u SET display_name = o.display_name FROM o WHERE u.tenant_id = $1 AND o.id = u.id":              {"an Update of 2 tenants, $1 and $2"},
		"WITH o AS MATERIALIZED (SELECT * FROM users WHERE tenant_id = $2) UPDATE users AS u SET display_name = o.display_name FROM o WHERE u.tenant_id = $1 AND o.id = u.id": nil,
		"WITH gone AS (DELETE FROM users AS u USING tenants AS t WHERE t.id = $2 AND u.tenant_id = $1) SELECT 1":                                                              {"a Delete of 2 tenants, $1 and $2"},
		"DELETE FROM users AS u USING (SELECT unnest($1::uuid[]) AS tenant_id) AS k WHERE u.tenant_id = k.tenant_id":                                                          {"a Delete of rows of users whose tenant no parameter names"},
		"SELECT p.id FROM (SELECT unnest($1::uuid[]) AS id) AS k CROSS JOIN LATERAL (SELECT * FROM users AS u WHERE u.tenant_id = k.id FOR UPDATE SKIP LOCKED) AS p":          {"a lock of rows of users whose tenant no parameter names"},
		"INSERT INTO snapshots (tenant_id, name, state_id, created_at) SELECT $1::uuid, s.name, s.state_id, s.created_at FROM snapshots AS s WHERE s.tenant_id = $2":          nil,
		"SELECT p.id FROM (SELECT unnest($1::uuid[]) AS id) AS k CROSS JOIN LATERAL (SELECT * FROM users AS u WHERE u.tenant_id = k.id OFFSET 0) AS p":                        {"a reading of rows of users whose tenant no parameter names"},
		"SELECT a.id FROM users AS a JOIN users AS b ON b.id = a.id WHERE a.tenant_id = $1 AND b.tenant_id = $2":                                                              nil,
		"DELETE FROM device_codes WHERE hash = $1": nil,
	} {
		i++
		if diff := cmp.Diff(want, planOf(t, conn, fmt.Sprintf("found_%d", i), query).ofSeveralTenants()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// ofSeveralTenants returns the changes and locks in a plan that a cluster can't send to one
// server. A materialized CTE is executed separately.
func (n planNode) ofSeveralTenants() (problems []string) {
	var u unit
	problems = n.addTo(&u)
	return append(problems, u.problems()...)
}

// unit is a part of a plan that a cluster executes as one statement.
type unit struct {
	change  string // how it changes or locks existing rows; "" if it doesn't
	tenants []string
	open    []string // tables in which it reads rows of any tenant
}

var named = map[bool]*regexp.Regexp{false: regexp.MustCompile(`\btenant_id = (\$\d+)`), true: regexp.MustCompile(`\bid = (\$\d+)`)}

// addTo adds a node to its unit, and returns the problems of the CTEs under it.
func (n planNode) addTo(u *unit) (problems []string) {
	switch {
	case n.Type == "ModifyTable" && n.Operation == "Update":
		u.change = "an Update"
	case n.Type == "ModifyTable" && n.Operation == "Delete":
		u.change = "a Delete"
	case n.Type == "LockRows" && u.change == "":
		u.change = "a lock"
	}
	if n.scansTenants() {
		if m := named[n.Relation == "tenants"].FindStringSubmatch(n.Conditions + n.Recheck + n.Filter); m == nil {
			u.open = append(u.open, n.Relation)
		} else if !slices.Contains(u.tenants, m[1]) {
			u.tenants = append(u.tenants, m[1])
		}
	}
	for _, p := range n.Plans {
		if strings.HasPrefix(p.Subplan, "CTE ") {
			problems = append(problems, p.ofSeveralTenants()...)
		} else {
			problems = append(problems, p.addTo(u)...)
		}
	}
	return problems
}

func (u unit) problems() (problems []string) {
	what := u.change
	if what == "" {
		what = "a reading"
	}
	if len(u.tenants) > 1 && u.change != "" {
		slices.Sort(u.tenants)
		problems = append(problems, fmt.Sprintf("%s of %d tenants, %s", what, len(u.tenants), strings.Join(u.tenants, " and ")))
	}
	for _, table := range u.open {
		problems = append(problems, fmt.Sprintf("%s of rows of %s whose tenant no parameter names", what, table))
	}
	return problems
}

// castsInChanges lists changes that cast a column from or to an enum, and why.
var castsInChanges = map[string]string{}

// An UPDATE or DELETE compares and sets enums without casting columns: casts between enum
// and text aren't immutable, and a cluster refuses them there. Parameters may be cast, and
// so may columns in a CTE that only reads.
func TestChangesCastNoEnumColumns(t *testing.T) {
	t.Parallel()
	enums := enumColumns(t)
	for name, query := range queries(t) {
		if found := enums.castIn(query); (found != "") != (castsInChanges[name] != "") {
			t.Errorf("%s casts %q, which it may %q", name, found, castsInChanges[name])
		}
	}
	const set = "UPDATE t SET status = "
	for query, want := range map[string]string{
		set + "w.onboarding_status::onboarding_status FROM w":                     "w.onboarding_status::onboarding_status",
		set + "1 WHERE before.onboarding_status::text = $1":                       "before.onboarding_status::text",
		"WITH a AS (DELETE FROM t WHERE onboarding_status::text = $1) SELECT 1":   "onboarding_status::text",
		"WITH w AS (SELECT x.onboarding_status::text FROM x) " + set + "1 FROM w": "",
		set + "$1::text::onboarding_status":                                       "",
		"INSERT INTO t SELECT u.onboarding_status::onboarding_status FROM u":      "",
		"SELECT onboarding_status::text FROM t":                                   "",
	} {
		if got := enums.castIn(query); got != want {
			t.Errorf("%s: found %q, want %q", query, got, want)
		}
	}
}

// An UPDATE or DELETE adds no interval to a time: that isn't immutable, because it depends on
// the time zone, and a cluster refuses it there. A CTE may.
func TestChangesAddNoIntervals(t *testing.T) {
	t.Parallel()
	for name, query := range queries(t) {
		for _, part := range statements(query) {
			if changes.MatchString(part) && strings.Contains(part, "interval") {
				t.Errorf("%s uses an interval", name)
			}
		}
	}
}

// enumCasts matches a cast of a column from or to an enum.
type enumCasts struct{ *regexp.Regexp }

func enumColumns(t *testing.T) enumCasts {
	t.Helper()
	columns := strs(t, dbtest.Pool(t), `SELECT DISTINCT attname::text FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid JOIN pg_class AS c ON c.oid = a.attrelid
		WHERE y.typtype = 'e' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`)
	types := strs(t, dbtest.Pool(t), "SELECT typname::text FROM pg_type WHERE typtype = 'e' ORDER BY 1")
	return enumCasts{regexp.MustCompile(`\b(\w+\.)?(` + strings.Join(columns, "|") + `)::(text|` + strings.Join(types, "|") + `)\b`)}
}

var changes = regexp.MustCompile(`^\s*(UPDATE|DELETE)\b`)

// castIn returns a cast in an UPDATE or DELETE of a query.
func (c enumCasts) castIn(query string) string {
	for _, part := range statements(query) {
		if changes.MatchString(part) {
			if found := c.FindString(part); found != "" {
				return found
			}
		}
	}
	return ""
}

var nextCTE = regexp.MustCompile(`^[\s,]*(WITH\s+)?\w+ AS (MATERIALIZED )?\(`)

// statements splits a query into its CTEs and the rest.
func statements(query string) (parts []string) {
	for {
		begin := nextCTE.FindString(query)
		if begin == "" {
			return append(parts, query)
		}
		query = query[len(begin):]
		depth, end := 1, 0
		for ; depth > 0; end++ {
			switch query[end] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		parts = append(parts, query[:end-1])
		query = query[end:]
	}
}

// broken matches violations that plain Postgres doesn't notice in a migration.
var broken = map[string]*regexp.Regexp{
	"adds a column and its constraint in one statement":    regexp.MustCompile(`ADD COLUMN [^;]*\b(CHECK|UNIQUE|PRIMARY KEY|REFERENCES)\b`),
	"has several sub-commands in one ALTER TABLE":          regexp.MustCompile(`ALTER TABLE [^;]*,\s*(ADD|DROP|ALTER)\b`),
	"drops a view after it changed the row-level security": regexp.MustCompile(`(?s)DISABLE ROW LEVEL SECURITY.*DROP VIEW`),
}

var sqlComment = regexp.MustCompile(`--[^\n]*`)

// rulesBroken returns the rules that an Up or Down of a migration breaks.
func rulesBroken(text string) (found []string) {
	text = sqlComment.ReplaceAllString(text, "")
	for rule, pattern := range broken {
		if pattern.MatchString(text) {
			found = append(found, rule)
		}
	}
	slices.Sort(found)
	return found
}

func TestMigrationsKeepTheRules(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(migrations.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		up, down, found := strings.Cut(string(text), "-- +goose StatementEnd\n\n-- +goose Down\n-- +goose StatementBegin\n")
		if !found || !strings.Contains(up, "-- +goose Up\n-- +goose StatementBegin\n") || !strings.HasSuffix(down, "-- +goose StatementEnd\n") || strings.Count(string(text), "+goose Statement") != 4 {
			t.Errorf("%s doesn't send up and down whole, from StatementBegin to StatementEnd", file)
		}
		for _, found := range append(rulesBroken(up), rulesBroken(down)...) {
			t.Errorf("%s %s", file, found)
		}
	}
	for text, want := range map[string]string{
		"ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 1 CHECK (c > 0);":                       "adds a column and its constraint in one statement",
		"ALTER TABLE t ADD COLUMN c int;\nALTER TABLE t ADD CONSTRAINT t_c_check CHECK (c > 0);": "",
		"ALTER TABLE t ADD COLUMN c int, DROP COLUMN d;":                                         "has several sub-commands in one ALTER TABLE",
		"ALTER TABLE t DISABLE ROW LEVEL SECURITY;\nDROP VIEW v;":                                "drops a view after it changed the row-level security",
		"DROP VIEW v;\nALTER TABLE t DISABLE ROW LEVEL SECURITY;":                                "",
		"-- no ADD COLUMN c CHECK\nSELECT 1;":                                                    "",
	} {
		if got := strings.Join(rulesBroken(text), ", "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Distributed reads Citus's catalog, if there is one.
func TestDistributed(t *testing.T) {
	t.Parallel()
	dbtest.SkipOnCluster(t, "it makes its own catalog; TestDistribute reads the cluster's")
	pool := open(t, dbtest.NewEmptyDatabase(t))
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	const catalog = "INSERT INTO pg_catalog.pg_dist_partition VALUES "
	for _, tt := range []struct {
		before string
		want   bool
		local  bool // whether some tables aren't distributed
	}{
		{before: "SELECT 1"},
		{before: "SET LOCAL allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass)"},
		{before: catalog + "('domains')"}, // a table without a tenant
		{before: catalog + "('tenants')", want: true, local: true},
		{before: catalog + "('users')", want: true, local: true},
		{before: "INSERT INTO pg_catalog.pg_dist_partition SELECT conrelid FROM pg_constraint WHERE contype = 'f'", want: true},
	} {
		if _, err := pool.Exec(t.Context(), tt.before); err != nil {
			t.Fatal(err)
		}
		got, err := db.Distributed(t.Context(), pool)
		local, err2 := db.Undistributed(t.Context(), pool)
		if err != nil || got != tt.want {
			t.Errorf("after %s: %v, %v", tt.before, got, err)
		}
		if err2 != nil || (len(local) > 0) != tt.local {
			t.Errorf("after %s: local %q, %v", tt.before, local, err2)
		}
		if slices.Contains(local, "tenants") || slices.Contains(local, "domains") {
			t.Errorf("after %s: local %q", tt.before, local)
		}
	}
}

// Distribute distributes every table of tenants on a cluster, also after a later migration.
// Elsewhere it is refused.
func TestDistribute(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyDatabase(t))
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	err := db.Distribute(t.Context(), pool, discard)
	if !dbtest.OnCluster() {
		if !errors.Is(err, db.ErrNoCluster) {
			t.Errorf("without a cluster: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "CREATE TABLE later (tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE, id uuid, PRIMARY KEY (tenant_id, id))"); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Undistributed(t.Context(), pool); err != nil || !slices.Equal(left, []string{"later"}) {
		t.Errorf("not distributed: %q, %v", left, err)
	}
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Undistributed(t.Context(), pool); err != nil || len(left) != 0 {
		t.Errorf("not distributed: %q, %v", left, err)
	}
	for _, name := range strs(t, pool, "SELECT logicalrelid::text FROM pg_dist_partition") {
		if slices.Contains(local, name) {
			t.Errorf("%s is distributed", name)
		}
	}
}
