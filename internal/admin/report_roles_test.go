package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// ends fails the test unless a connection ends soon.
func ends(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute) // for a busy machine
	for conn.Ping(t.Context()) == nil {
		if time.Now().After(deadline) {
			t.Fatal("the connection continues")
		}
		time.Sleep(10 * time.Millisecond) // leave the processors to others
	}
}

// A rotated login is like a new one: its sessions have ended, and the settings that they
// stored for later sessions, in any database, are reset.
func TestRotateReportLogin(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newLogin(c.newTenant(api.TenantCreate{}).Tenant.Id)
	conn := connect(c, made.Dsn)
	for _, statement := range []string{
		"SET default_transaction_read_only = off",
		"ALTER ROLE current_user SET statement_timeout = 0",
		"ALTER ROLE current_user SET search_path = public",
		"ALTER ROLE current_user SET work_mem = '1GB'",
		fmt.Sprintf("ALTER ROLE current_user IN DATABASE %s SET statement_timeout = 0", pgx.Identifier{conn.Config().Database}.Sanitize()),
		"ALTER ROLE current_user IN DATABASE template1 SET statement_timeout = 0",
		"ALTER ROLE current_user PASSWORD 'of its own'",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	rotated := decode[api.ReportLoginCreated](t, c.want(200, c.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)))
	if conn.Ping(t.Context()) == nil {
		t.Error("a session continues")
	}
	own, err := url.Parse(made.Dsn)
	if err != nil {
		t.Fatal(err)
	}
	own.User = url.UserPassword(made.Login, "of its own")
	if login := c.rows("SELECT rolpassword FROM pg_authid WHERE rolname = $1", made.Login); !strings.HasPrefix(login[0], "SCRAM-SHA-256$4096:") {
		t.Errorf("the password is kept as %s", login)
	}
	conn = connect(c, rotated.Dsn)
	for setting, want := range map[string]string{"statement_timeout": "30s", "default_transaction_read_only": "on", "search_path": "reporting", "jit": "off", "work_mem": "4MB"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s: %v", setting, got, want, err)
		}
	}
	want := []string{"default_transaction_read_only=on", "idle_in_transaction_session_timeout=60s", "jit=off", "search_path=reporting", "statement_timeout=30s", "temp_file_limit=1GB"}
	if got := c.rows("SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = $1::text::regrole ORDER BY 1", made.Login); !slices.Equal(got, want) {
		t.Errorf("the role has %q, want %q", got, want)
	}
}

// Statements contain no passwords, because they may be logged.
func TestReportLoginPasswordsStayHere(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, dbtest.NewDatabase(t))
	c := openOn(t, tap.url)
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	var logins [2]api.ReportLoginCreated
	seen := tap.during(func() {
		logins[0] = c.newLogin(tenant)
		logins[1] = decode[api.ReportLoginCreated](t, c.want(200, c.do("POST", "/v1/report-logins/"+logins[0].Login+"/rotate", nil)))
	})
	told := strings.Join(seen, "\n")
	if n := strings.Count(told, "PASSWORD 'SCRAM-SHA-256$"); n != 2 {
		t.Errorf("%d passwords were set", n)
	}
	for _, l := range logins {
		dsn, err := url.Parse(l.Dsn)
		if err != nil {
			t.Fatal(err)
		}
		if password, _ := dsn.User.Password(); password == "" || strings.Contains(told, password) {
			t.Errorf("Postgres was told the password %q", password)
		}
	}
}

// A dump has no roles. In a restored database, logins are listed as missing, and rotating one
// makes its role again. A copy on the same server leaves the first database's roles
// unchanged.
func TestRestoredReportLogins(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	c = c.as(api.AdminRoleOwner, t.Name())
	made, other := c.newLogin(tenant), c.newLogin(tenant)
	list := func() map[string]bool {
		t.Helper()
		missing := map[string]bool{}
		for _, l := range decode[api.ReportLoginList](t, c.want(200, c.do("GET", "/v1/report-logins?top=1000", nil))).Value {
			if l.Login == made.Login || l.Login == other.Login {
				missing[l.Login] = l.RoleMissing
			}
		}
		return missing
	}
	if got := list(); len(got) != 2 || got[made.Login] || got[other.Login] {
		t.Errorf("missing: %v", got)
	}
	pool := dbtest.Pool(t)
	if _, err := pool.Exec(t.Context(), "DROP ROLE "+made.Login); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "COMMENT ON ROLE "+other.Login+" IS 'template1'"); err != nil { // as if this were a copy of template1
		t.Fatal(err)
	}
	if got := list(); !got[made.Login] || !got[other.Login] {
		t.Errorf("missing: %v", got)
	}
	rotated := decode[api.ReportLoginCreated](t, c.want(200, c.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)))
	if rotated.Login != made.Login {
		t.Errorf("rotated to %s", rotated.Login)
	}
	var users int
	if err := connect(c, rotated.Dsn).QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&users); err != nil || users == 0 {
		t.Errorf("the login sees %d users: %v", users, err)
	}
	if got := list(); got[made.Login] {
		t.Errorf("missing: %v", got)
	}
	if why := c.refused(409, "", c.do("POST", "/v1/report-logins/"+other.Login+"/rotate", nil)); !strings.Contains(why, "template1") {
		t.Errorf("refused as %q", why)
	}
	connect(c, other.Dsn)
	c.want(204, c.do("DELETE", "/v1/report-logins/"+other.Login, nil))
	if left := c.rows("SELECT rolname::text FROM pg_roles WHERE rolname = $1", other.Login); len(left) != 1 {
		t.Error("revoking a login of a copy removed the role of the other database")
	}
	if _, err := pool.Exec(t.Context(), "DROP ROLE "+other.Login); err != nil {
		t.Fatal(err)
	}
}

// A report login's session that keeps others from working is ended, even while the lock table
// is full, and in any database.
func TestReportLoginsAreGuarded(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	postgres, err := embeddedpg.Start(t.Context(), embeddedpg.Options{BinDir: os.Getenv("MOCKTENANT_PG_BINDIR")}) // a separate one, because this test fills its lock table
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	root, err := pgx.Connect(t.Context(), postgres.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close(context.WithoutCancel(t.Context())) })
	for _, statement := range []string{"CREATE ROLE service LOGIN CREATEROLE", "CREATE DATABASE service OWNER service", "CREATE DATABASE another"} {
		if _, err := root.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	config := root.Config()
	c := openOn(t, fmt.Sprintf("host='%s' port=%d user=service dbname=service sslmode=disable pool_max_conns=4", config.Host, config.Port))
	login := c.newLogin(c.newTenant(api.TenantCreate{}).Tenant.Id)
	in := func(database string) *pgx.Conn {
		t.Helper()
		config, err := pgx.ParseConfig(login.Dsn)
		if err != nil {
			t.Fatal(err)
		}
		config.Database = database
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		return conn
	}
	const fill = "DO $$ BEGIN FOR i IN 1..1000000 LOOP PERFORM pg_advisory_lock(i); END LOOP; END $$"
	const read = `DO $$ DECLARE r regclass; BEGIN
		FOR r IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'v') AND has_table_privilege(oid, 'SELECT') LOOP EXECUTE 'SELECT FROM ' || r || ' LIMIT 0'; END LOOP; END $$`
	for name, attack := range map[string]struct {
		database   string
		statements []string
	}{
		"advisory locks":     {"service", []string{fill}},
		"one advisory lock":  {"service", []string{"SELECT pg_advisory_lock_shared(1, 2)"}},
		"very many locks":    {"service", []string{"BEGIN", read}},
		"another database":   {"another", []string{"SELECT 1"}},
		"locks in another":   {"another", []string{fill}},
		"a table in another": {"another", []string{"SET default_transaction_read_only = off", "CREATE TEMP TABLE x (i int)"}},
	} {
		conn := in(attack.database)
		for _, statement := range attack.statements {
			_, _ = conn.Exec(t.Context(), statement) // it may have ended before the answer
		}
		ends(t, conn)
		deadline := time.Now().Add(time.Minute)
		for {
			r := c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: name})
			if r.status == 201 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d %s", name, r.status, r.body)
			}
		}
	}
	// A harmless session stays.
	conn := in("service")
	if _, err := conn.Exec(t.Context(), "SELECT count(*) FROM reporting.remote_assistance_partners"); err != nil {
		t.Error(err)
	}
	// Revoking a login first ends its sessions and so their locks.
	if _, err := conn.Exec(t.Context(), fill); err == nil {
		t.Error("a million locks fit")
	}
	deadline := time.Now().Add(time.Minute)
	for r := c.do("DELETE", "/v1/report-logins/"+login.Login, nil); r.status != 204; r = c.do("DELETE", "/v1/report-logins/"+login.Login, nil) {
		if time.Now().After(deadline) {
			t.Fatalf("revoke: %d %s", r.status, r.body)
		}
	}
	ends(t, conn)
}

// EXPLAIN ANALYZE may reveal how many rows a table has, but not whose they are: plans for
// another tenant's rows equal plans for the rows of a tenant that doesn't exist.
func TestReportLoginLearnsTotalsAtMost(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	c := openOn(t, dbtest.NewDatabase(t)) // a separate one, so that no other test changes the totals
	mine, other := lived(c), lived(c)
	conn := connect(c, c.newLogin(mine.Tenant.Id).Dsn)
	explain := func(view, tenant string) string {
		t.Helper()
		rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT * FROM reporting."+view+" WHERE tenant_id = '"+tenant+"'", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.Join(lines, "\n"), tenant, "TENANT")
	}
	const nobody = "00000000-0000-4000-8000-000000000001"
	total := false
	for _, settings := range []string{"", "SET enable_indexscan = off", "SET enable_bitmapscan = off"} {
		if _, err := conn.Exec(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		for _, view := range c.rows("SELECT viewname::text FROM pg_views WHERE schemaname = 'reporting'") {
			explain(view, nobody) // fills caches
			theirs, none := explain(view, other.Tenant.Id.String()), explain(view, nobody)
			for range 9 { // repeated because roles made by other tests can change a plan; a leak would differ each time
				if theirs == none {
					break
				}
				theirs, none = explain(view, other.Tenant.Id.String()), explain(view, nobody)
			}
			if diff := cmp.Diff(strings.Split(none, "\n"), strings.Split(theirs, "\n")); diff != "" {
				t.Errorf("%s of another tenant (+) differs from that of nobody (-):\n%s", view, diff)
			}
			total = total || strings.Contains(theirs, "Rows Removed by Filter")
		}
	}
	if !total {
		t.Error("no plan tells a total any more: docs/reporting.md says that they do")
	}
}
