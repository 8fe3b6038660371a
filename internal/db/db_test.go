package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

func open(t *testing.T, url string) *db.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), url, 0, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// schema is every column, constraint, index and type label of the schema.
const schema = `
	SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, collation_name, is_nullable, column_default)
	FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'mocktenant_migrations%'
	UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
	WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid::regclass::text NOT LIKE 'mocktenant_migrations%'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'mocktenant_migrations%'
	UNION ALL SELECT enumtypid::regtype || ' ' || enumlabel FROM pg_enum ORDER BY 1`

func strs(t *testing.T, pool *db.Pool, query string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each migration can be taken back, to nothing, and applied again to the same.
func TestMigrateDownAndUp(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	pool := open(t, dbtest.NewDatabase(t))
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	want := strs(t, pool, schema)
	list, err := db.Migrations(t.Context(), pool)
	_, revision, err2 := db.Revision(t.Context(), pool)
	if err != nil || err2 != nil || len(list) == 0 || list[len(list)-1].Version != revision {
		t.Fatalf("at %d of %+v: %v, %v", revision, list, err, err2)
	}
	for i := len(list) - 1; i >= 0; i-- {
		down, err := db.MigrateDown(t.Context(), pool, discard)
		if err != nil || !down {
			t.Fatalf("down from %s: %v, %v", list[i].Name, down, err)
		}
		before := int64(0)
		if i > 0 {
			before = list[i-1].Version
		}
		if have, _, err := db.Revision(t.Context(), pool); err != nil || have != before {
			t.Fatalf("after down from %s at %d: %v", list[i].Name, have, err)
		}
	}
	if left := strs(t, pool, schema); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if down, err := db.MigrateDown(t.Context(), pool, discard); err != nil || down {
		t.Errorf("down from nothing: %v, %v", down, err)
	}
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strs(t, pool, schema)); diff != "" {
		t.Errorf("the schema differs (-first +second):\n%s", diff)
	}
	if list, err = db.Migrations(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.AppliedAt == nil {
			t.Errorf("%s is pending", m.Name)
		}
	}
}

// Any number of replicas may start at once.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	var wg sync.WaitGroup
	for range 6 {
		pool := open(t, url)
		wg.Go(func() {
			if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if have, want, err := db.Revision(t.Context(), open(t, url)); err != nil || have != want {
		t.Errorf("at %d, want %d: %v", have, want, err)
	}
}

// Tables can be distributed by tenant: this query lists what row-based sharding
// (Citus) refuses of them. It says nothing about statements and views, some of which
// fail on a cluster (docs/scaling.md).
const undistributable = `
WITH relation AS (
    SELECT c.oid, c.relname::text AS name,
        (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attnotnull
            AND a.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END) AS tenant
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'mocktenant_migrations%'
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

// reference are the tables that aren't distributed by tenant.
var reference = []string{
	"admin_keys", "audit_entries", "certificate_authorities", "device_codes", "domains", "idempotency_keys", "seeds", "service_secrets", "signing_keys",
}

// searched are indexes that serve queries over all tenants. They aren't unique: a cluster
// wants the tenant first in unique ones alone.
var searched = []string{"applications: the tenant does not come first in applications_client"}

func TestSchemaIsDistributable(t *testing.T) {
	t.Parallel()
	var got []string
	for _, problem := range strs(t, dbtest.Pool(t), undistributable) {
		if table, _, _ := strings.Cut(problem, ":"); !slices.Contains(reference, table) && !slices.Contains(searched, problem) {
			got = append(got, problem)
		}
	}
	if len(got) != 0 {
		t.Errorf("the schema can't be distributed by tenant:\n%s", strings.Join(got, "\n"))
	}
}

// The check finds what it is for.
func TestUndistributableIsFound(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewDatabase(t))
	for _, ddl := range []string{
		"CREATE TABLE tenants (id uuid PRIMARY KEY, name text UNIQUE)",
		"CREATE TABLE a (id uuid PRIMARY KEY)",
		"CREATE TABLE b (tenant_id uuid, n serial)",
		"CREATE TABLE c (tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, t uuid REFERENCES tenants ON DELETE SET NULL, PRIMARY KEY (id, tenant_id), EXCLUDE USING gist (box(point(1, 1), point(2, 2)) WITH &&))",
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
		"c: c_t_fkey sets columns when its row goes",
		"c: id counts by itself",
		"c: the tenant does not come first in c_box_excl",
		"c: the tenant does not come first in c_pkey",
		"c: trigger g",
		"tenants: the tenant does not come first in tenants_name_key",
	}
	if diff := cmp.Diff(want, strs(t, pool, undistributable)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// ofAllTenants are the queries that read or change rows of many tenants on
// purpose, each with why.
var ofAllTenants = map[string]string{
	"ListTenants":                     "administration, by manager",
	"CountTenants":                    "metrics",
	"ListExpiredTenants":              "the sweep",
	"ListUnusedStates":                "the sweep",
	"DeleteUnusedStates":              "of states that nobody names",
	"ListRedirectURIsOfClient":        "authorities of many tenants, before it is known who signs in",
	"ListReportLogins":                "administration, by manager",
	"DeleteReportLogin":               "a login is of several tenants",
	"SetReportLoginManager":           "a login is of several tenants",
	"ListExpiredReportLogins":         "the sweep",
	"DeleteExpiredSessions":           "the sweep",
	"DeleteExpiredAuthorizationCodes": "the sweep",
	"DeleteExpiredRefreshTokens":      "the sweep",
	"DeleteExpiredClientAssertions":   "the sweep",
	"DeleteOldRepeatableRequests":     "the sweep",
	"TrimAuthorizationCodes":          "the sweep, in tenants whose user_picker lets anybody sign in",
	"TrimRefreshTokens":               "the sweep, in tenants whose user_picker lets anybody sign in",
	"TrimSessions":                    "the sweep, in tenants whose user_picker lets anybody sign in",
}

// volatile are functions that a distributed Postgres refuses in a change, and
// whose results would differ between the servers.
var volatile = regexp.MustCompile(`(?i)\b(now|clock_timestamp|statement_timestamp|random|gen_random_uuid|nextval)\s*\(|\bcurrent_(timestamp|date|time)\b`)

// generated is a query as sqlc wrote it.
var generated = regexp.MustCompile("(?s)= `-- name: (\\w+) :\\w+\n(.*?)`")

// Every query reads and changes rows of the tenant that it names alone: Postgres
// itself says by which conditions it finds those of each table. Times and ids come
// as parameters.
func TestQueriesNameTheTenant(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS("."), "*.sql.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries: %v", err)
	}
	conn, err := dbtest.Pool(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { // what is prepared here and set is for nobody else
		_ = conn.Hijack().Close(context.WithoutCancel(t.Context()))
	}()
	// By conditions, even where a table has so few rows that reading all is cheaper.
	for _, setting := range []string{"plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off"} {
		if _, err := conn.Exec(t.Context(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	queries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range generated.FindAllStringSubmatch(string(text), -1) {
			name, query := m[1], m[2]
			queries++
			if found := volatile.FindString(query); found != "" {
				t.Errorf("%s: %s calls %s", file, name, found)
			}
			if open := planOf(t, conn, name, query).unbound(); (len(open) > 0) != (ofAllTenants[name] != "") {
				t.Errorf("%s: %s finds rows of other tenants, which it may %q: %q", file, name, ofAllTenants[name], open)
			}
		}
	}
	if queries < 100 {
		t.Errorf("%d queries found", queries)
	}
	for name := range ofAllTenants {
		if _, err := conn.Exec(t.Context(), "DEALLOCATE "+name); err != nil {
			t.Errorf("there is no %s: %v", name, err)
		}
	}
	if open := planOf(t, conn, "found", "SELECT u.id FROM users AS u JOIN tenants AS t ON t.id = u.tenant_id WHERE u.id = $1").unbound(); !slices.Contains(open, "users by (id = $1)") {
		t.Errorf("the check doesn't find what it is for: %q", open)
	}
}

// The statements that calls share look each partner up by its key, also where the
// planner knows of few: the plan may be kept while they become many.
func TestSharedStatementsLookUpByKey(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewDatabase(t))
	if err := db.MigrateUp(t.Context(), pool, discard); err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("remote_assistance_partners.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	shared := 0
	for _, m := range generated.FindAllStringSubmatch(string(text), -1) {
		if name, query := m[1], m[2]; strings.Contains(query, "unnest(") {
			shared++
			if all := planOf(t, conn, name, query).readInFull(); len(all) > 0 {
				t.Errorf("%s reads all of %q", name, all)
			}
		}
	}
	if shared != 4 {
		t.Errorf("%d statements found", shared)
	}
	if all := planOf(t, conn, "found", "SELECT p.id FROM remote_assistance_partners AS p").readInFull(); len(all) != 1 {
		t.Errorf("the check doesn't find what it is for: %q", all)
	}
}

// planOf is how Postgres executes a query, whatever the parameters.
func planOf(t *testing.T, conn *pgxpool.Conn, name, query string) planNode {
	t.Helper()
	nulls := []string{}
	for strings.Contains(query, fmt.Sprintf("$%d", len(nulls)+1)) {
		nulls = append(nulls, "NULL")
	}
	if _, err := conn.Exec(t.Context(), "PREPARE "+name+" AS "+query); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	call := "EXECUTE " + name
	if len(nulls) > 0 {
		call += "(" + strings.Join(nulls, ", ") + ")"
	}
	var plan []struct{ Plan planNode }
	if err := conn.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+call, pgx.QueryExecModeExec).Scan(&plan); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return plan[0].Plan
}

// planNode is a part of what EXPLAIN says.
type planNode struct {
	Type       string     `json:"Node Type"`
	Relation   string     `json:"Relation Name"`
	Conditions string     `json:"Index Cond"`
	Recheck    string     `json:"Recheck Cond"`
	Filter     string     `json:"Filter"`
	Plans      []planNode `json:"Plans"`
}

var byTenantID, byID = regexp.MustCompile(`\btenant_id = `), regexp.MustCompile(`\bid = `)

// readInFull are the tables that are read from end to end.
func (n planNode) readInFull() (all []string) {
	if n.Type == "Seq Scan" {
		all = append(all, n.Relation)
	}
	for _, p := range n.Plans {
		all = append(all, p.readInFull()...)
	}
	return all
}

// unbound are the tables that are looked into without a condition on the tenant.
func (n planNode) unbound() []string {
	var open []string
	tenant := byTenantID
	if n.Relation == "tenants" {
		tenant = byID
	}
	scans := n.Relation != "" && n.Type != "ModifyTable" && !slices.Contains(reference, n.Relation)
	if conditions := n.Conditions + n.Recheck + n.Filter; scans && !tenant.MatchString(conditions) {
		open = append(open, n.Relation+" by "+conditions)
	}
	for _, p := range n.Plans {
		open = append(open, p.unbound()...)
	}
	return open
}

func TestTimesKeepTicksAndOffset(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	q := db.New(dbtest.Pool(t))
	for _, text := range []string{
		"2016-12-31T23:58:36.6670033-08:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z",
		"1969-12-31T23:59:59.9999999Z", "1900-01-01T00:00:00.0000009+14:00", "2020-06-01T12:00:00.1234567+05:45",
		"0001-01-01T14:00:00.0000001+14:00", "2000-01-01T00:00:00.0000010-00:30",
	} {
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		p := db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: uuid.Must(uuid.NewV7()), OnboardingStatus: db.OnboardingStatusOnboarded,
			CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		}
		p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(want)
		p.RequestExpiryAt = p.LastConnectionAt
		row, err := q.CreateRemoteAssistancePartner(t.Context(), p)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := db.JoinTime(row.LastConnectionAt, row.LastConnection100ns, row.LastConnectionOffset)
		if got.Format(time.RFC3339Nano) != want.Format(time.RFC3339Nano) {
			t.Errorf("%s came back as %s", text, got.Format(time.RFC3339Nano))
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: code}) }
	for _, tt := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{pgx.ErrNoRows, db.ErrNotFound},
		{state("23503"), db.ErrNoTenant},
		{state("57P01"), db.ErrUnavailable},
		{state("57014"), db.ErrUnavailable},
		{state("53300"), db.ErrUnavailable},
		{state("08006"), db.ErrUnavailable},
		{state("25006"), db.ErrUnavailable},
		{state("40001"), db.ErrUnavailable},
		{context.DeadlineExceeded, db.ErrUnavailable},
		{io.ErrUnexpectedEOF, db.ErrUnavailable},
		{pgconn.ErrConnClosed, db.ErrUnavailable},
	} {
		got := db.Classify(tt.err)
		if !errors.Is(got, tt.want) || !errors.Is(got, tt.err) {
			t.Errorf("Classify(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
	for _, err := range []error{state("23505"), state("22P02"), state("28P01"), state("42P01"), errors.New("x")} {
		for _, class := range []error{db.ErrNotFound, db.ErrNoTenant, db.ErrUnavailable} {
			if errors.Is(db.Classify(err), class) {
				t.Errorf("Classify(%v) is %v", err, class)
			}
		}
	}
}

// What waiting can't mend fails at once; an unreachable server is awaited.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	for _, tt := range []struct{ name, url, want string }{
		{"no URL", "postgres://%zz", "read the database URL"},
		{"no such database", strings.Replace(url, "dbname='test_", "dbname='nowhere_", 1), "does not exist"},
		{"no server", "host=127.0.0.1 port=1 sslmode=disable", "reach the database"},
	} {
		start := time.Now()
		pool, err := db.Open(t.Context(), tt.url, 600*time.Millisecond, discard)
		if err == nil {
			pool.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if waited := time.Since(start) > 500*time.Millisecond; waited != (tt.name == "no server") {
			t.Errorf("%s: took %s", tt.name, time.Since(start))
		}
	}
}
