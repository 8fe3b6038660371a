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
	"github.com/mocktenant/mocktenant/internal/entity"
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

// schema returns every column, constraint, index and type label of the schema.
const schema = `
	SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, collation_name, is_nullable, column_default)
	FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'mocktenant_schema_versions%'
	UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
	WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid::regclass::text NOT LIKE 'mocktenant_schema_versions%'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'mocktenant_schema_versions%'
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

// Every migration can be reverted, down to an empty schema, and applied again with the same
// result.
func TestMigrateDownAndUp(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	pool := open(t, dbtest.NewEmptyDatabase(t))
	empty := strs(t, pool, schema) // Citus has objects of its own
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
	if diff := cmp.Diff(empty, strs(t, pool, schema)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
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

// Any number of replicas can start at once.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
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

// ofAllTenants lists the queries that read or change rows of many tenants on purpose, and
// why.
var ofAllTenants = map[string]string{
	"ListTenants":                     "administration, by manager",
	"CountTenants":                    "metrics",
	"ListExpiredTenants":              "the sweep",
	"ListTenantsWithOnboardings":      "the sweep",
	"ListUnusedStates":                "the sweep",
	"DeleteUnusedStates":              "states that no row names",
	"ListRedirectURIsOfClient":        "authorities of many tenants, before the user is known",
	"ListReportLogins":                "administration, by manager",
	"DeleteReportLogin":               "a login serves several tenants",
	"SetReportLoginManager":           "a login serves several tenants",
	"ListExpiredReportLogins":         "the sweep",
	"DeleteExpiredSessions":           "the sweep",
	"DeleteOldJournalGaps":            "the sweep",
	"CreateReplicaGaps":               "what a replica answered may be missing in every journal",
	"DeleteReplicaGaps":               "what a replica answered may be missing in every journal",
	"ListOverdueJournals":             "the sweep",
	"DeleteExpiredAuthorizationCodes": "the sweep",
	"DeleteExpiredRefreshTokens":      "the sweep",
	"DeleteExpiredClientAssertions":   "the sweep",
	"DeleteOldRepeatableRequests":     "the sweep",
	"TrimAuthorizationCodes":          "the sweep, in tenants whose user_picker lets anybody sign in",
	"TrimRefreshTokens":               "the sweep, in tenants whose user_picker lets anybody sign in",
	"TrimSessions":                    "the sweep, in tenants whose user_picker lets anybody sign in",
}

// volatile lists functions that a distributed Postgres refuses in changes, because their
// results would differ between servers.
var volatile = regexp.MustCompile(`(?i)\b(now|clock_timestamp|statement_timestamp|random|gen_random_uuid|nextval)\s*\(|\bcurrent_(timestamp|date|time)\b`)

// generated matches a query as sqlc wrote it.
var generated = regexp.MustCompile("(?s)= `-- name: (\\w+) :\\w+\n(.*?)`")

// Every query reads and changes only rows of the tenant that it names. The test asks
// Postgres for the conditions by which it finds the rows of each table. Times and ids are
// parameters.
func TestQueriesNameTheTenant(t *testing.T) {
	t.Parallel()
	conn := planner(t)
	for name, query := range queries(t) {
		if found := volatile.FindString(query); found != "" {
			t.Errorf("%s calls %s", name, found)
		}
		if open := planOf(t, conn, name, query).unbound(); (len(open) > 0) != (ofAllTenants[name] != "") {
			t.Errorf("%s finds rows of other tenants, which it may %q: %q", name, ofAllTenants[name], open)
		}
	}
	for name := range ofAllTenants {
		if _, err := conn.Exec(t.Context(), "DEALLOCATE "+name); err != nil {
			t.Errorf("there is no %s: %v", name, err)
		}
	}
	if open := planOf(t, conn, "found", "SELECT u.id FROM users AS u JOIN tenants AS t ON t.id = u.tenant_id WHERE u.id = $1").unbound(); !slices.Contains(open, "users by (id = $1)") {
		t.Errorf("the check misses a violation: %q", open)
	}
}

// queries returns the text of every query that sqlc generated, by name.
func queries(t *testing.T) map[string]string {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range generated.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = m[2]
		}
	}
	if len(found) < 100 {
		t.Fatalf("%d queries found", len(found))
	}
	return found
}

// planner returns a connection that plans by conditions, even for tables so small that
// reading all rows is cheaper.
func planner(t *testing.T) *pgxpool.Conn {
	t.Helper()
	dbtest.SkipOnCluster(t, "its plans have other nodes")
	conn, err := dbtest.Pool(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // closed, so that no other test gets its settings and prepared statements
		_ = conn.Hijack().Close(context.WithoutCancel(t.Context()))
	})
	for _, setting := range []string{"plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off"} {
		if _, err := conn.Exec(t.Context(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// Shared statements look up each partner by its key even when the planner expects few
// partners: Postgres may keep the plan while they become many.
func TestSharedStatementsLookUpByKey(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyDatabase(t))
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
	var text []byte
	gathered := 0
	for _, e := range entity.All {
		if e.Gathered {
			gathered++
		}
		file, err := os.ReadFile(e.Table + ".sql.go")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, file...)
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
	if shared != 6*gathered {
		t.Errorf("%d statements found", shared)
	}
	if all := planOf(t, conn, "found", "SELECT p.id FROM remote_assistance_partners AS p").readInFull(); len(all) != 1 {
		t.Errorf("the check misses a violation: %q", all)
	}
}

// planOf returns Postgres's generic plan of a query.
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

// planNode is a node of EXPLAIN's output.
type planNode struct {
	Type       string     `json:"Node Type"`
	Operation  string     `json:"Operation"`
	Subplan    string     `json:"Subplan Name"`
	Relation   string     `json:"Relation Name"`
	Conditions string     `json:"Index Cond"`
	Recheck    string     `json:"Recheck Cond"`
	Filter     string     `json:"Filter"`
	Plans      []planNode `json:"Plans"`
}

var byTenantID, byID = regexp.MustCompile(`\btenant_id = `), regexp.MustCompile(`\bid = `)

// alternative matches an alternative of OR, which by itself excludes no row.
var alternative = regexp.MustCompile(`\([^()]*\) OR | OR \([^()]*\)`)

// readInFull returns the tables that are read from end to end.
func (n planNode) readInFull() (all []string) {
	if n.Type == "Seq Scan" {
		all = append(all, n.Relation)
	}
	for _, p := range n.Plans {
		all = append(all, p.readInFull()...)
	}
	return all
}

// unbound returns the tables that are read without a condition on the tenant.
func (n planNode) unbound() []string {
	var open []string
	tenant := byTenantID
	if n.Relation == "tenants" {
		tenant = byID
	}
	conditions := n.Conditions + n.Recheck + n.Filter
	if n.scansTenants() && !tenant.MatchString(alternative.ReplaceAllString(conditions, "")) {
		open = append(open, n.Relation+" by "+conditions)
	}
	for _, p := range n.Plans {
		open = append(open, p.unbound()...)
	}
	return open
}

// scansTenants reports whether the node reads a table that a cluster distributes.
func (n planNode) scansTenants() bool {
	return n.Relation != "" && n.Type != "ModifyTable" && !slices.Contains(local, n.Relation)
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
		row, err := db.SetOf(partner).Create(t.Context(), q, newPartner(tenant, uuid.Must(uuid.NewV7()), map[string]entity.Value{
			"lastConnectionDateTime": entity.DateValue(want),
		}))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := recordOf(partner, row).value("lastConnectionDateTime").Time()
		if got.Format(time.RFC3339Nano) != want.Format(time.RFC3339Nano) {
			t.Errorf("%s came back as %s", text, got.Format(time.RFC3339Nano))
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: code}) }
	fromCluster := func(message string) error { return &pgconn.PgError{Code: "XX000", Message: message} }
	for _, tt := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{pgx.ErrNoRows, db.ErrNotFound},
		{state("23503"), db.ErrNoTenant},
		{state("23505"), db.ErrTaken},
		{fromCluster("duplicate key value violates unique constraint \"users_pkey_102008\""), db.ErrTaken},
		{fromCluster("insert or update on table \"users_102008\" violates foreign key constraint \"users_tenant_id_fkey_102008\""), db.ErrNoTenant},
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
	for _, err := range []error{state("23505"), state("22P02"), state("28P01"), state("42P01"), fromCluster("could not open file"), errors.New("x")} {
		for _, class := range []error{db.ErrNotFound, db.ErrNoTenant, db.ErrUnavailable} {
			if errors.Is(db.Classify(err), class) {
				t.Errorf("Classify(%v) is %v", err, class)
			}
		}
	}
}

// Errors that waiting can't cure fail at once. An unreachable server is awaited.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
	for _, tt := range []struct{ name, url, want string }{
		{"no URL", "postgres://%zz", "read the database URL"},
		{"no such database", strings.Replace(url, "dbname='test_", "dbname='nowhere_", 1), "does not exist"},
		{"no server", "host=127.0.0.1 port=1 sslmode=disable", "reach the database"},
	} {
		var log strings.Builder
		pool, err := db.Open(t.Context(), tt.url, 2*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		if err == nil {
			pool.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if waited := strings.Contains(log.String(), "waiting for the database"); waited != (tt.name == "no server") {
			t.Errorf("%s: waited: %t", tt.name, waited)
		}
	}
}
