package admin_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// tool returns the path of a Postgres program, which is next to the server's or on PATH.
func tool(t *testing.T, name string) string {
	t.Helper()
	var dir string
	if err := dbtest.Pool(t).QueryRow(t.Context(), "SELECT setting FROM pg_config WHERE name = 'BINDIR'").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	if program, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
		return program
	}
	program, err := exec.LookPath(name)
	if err != nil {
		testenv.Skip(t, "there is no "+name+" beside the server or on the PATH: install Postgres's client programs")
	}
	return program
}

// runTool runs a Postgres program and returns its output.
func runTool(t *testing.T, name, stdin string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), tool(t, name), args...)
	c.Stdin = strings.NewReader(stdin)
	var log strings.Builder
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, log.String())
	}
	return string(out)
}

// dump copies a database to another one, as described in docs/reporting.md.
func dump(t *testing.T, from, to string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mocktenant.dump")
	runTool(t, "pg_dump", "", "-Fc", "--dbname="+from, "--file="+file)
	runTool(t, "pg_restore", "", "--no-owner", "--exit-on-error", "--dbname="+to, file)
}

// newServer starts another Postgres and returns the URLs of empty databases on it.
func newServer(t *testing.T, databases ...string) (urls []string) {
	t.Helper()
	postgres, err := embeddedpg.Start(t.Context(), embeddedpg.Options{BinDir: os.Getenv("MOCKTENANT_PG_BINDIR")})
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
	defer func() { _ = root.Close(t.Context()) }()
	for _, name := range databases {
		if _, err := root.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		config := root.Config().Copy()
		config.Database = name
		u := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + name, RawQuery: url.Values{"host": {config.Host}, "port": {strconv.Itoa(int(config.Port))}, "sslmode": {"disable"}}.Encode()}
		urls = append(urls, u.String())
	}
	return urls
}

// refusesLogin fails the test if a login can connect.
func refusesLogin(c *client, dsn string) {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), dsn)
	if err == nil {
		_ = conn.Close(c.Context())
		c.Error("the login connects")
	}
}

// onServer returns a login's DSN for another server or database.
func onServer(c *client, dsn, where string) string {
	c.Helper()
	own, err := url.Parse(dsn)
	to, err2 := url.Parse(where)
	if err != nil || err2 != nil {
		c.Fatal(err, err2)
	}
	to.User = own.User
	return to.String()
}

func missingRoles(c *client) map[string]bool {
	c.Helper()
	missing := map[string]bool{}
	for _, l := range decode[api.ReportLoginList](c, c.want(200, c.do("GET", "/v1/report-logins", nil))).Value {
		missing[l.Login] = l.RoleMissing
	}
	return missing
}

// readsOwnTenant fails the test unless a login reads only its tenant, as when it was made.
func readsOwnTenant(c *client, dsn, tenant string) {
	c.Helper()
	conn := connect(c, dsn)
	for _, view := range []string{"remote_assistance_partners", "remote_assistance_partner_changes", "changes", "users", "applications", "time_in_status"} {
		var tenants []string
		if err := conn.QueryRow(c.Context(), "SELECT array_agg(DISTINCT tenant_id::text) FROM reporting."+view).Scan(&tenants); err != nil || len(tenants) != 1 || tenants[0] != tenant {
			c.Errorf("%s shows %q, %v", view, tenants, err)
		}
	}
	if _, err := conn.Exec(c.Context(), "SET default_transaction_read_only = off"); err != nil { // a session may do this
		c.Fatal(err)
	}
	for _, statement := range []string{
		"SELECT * FROM public.users", "CREATE TEMP TABLE x (i int)", "CREATE TABLE public.x (i int)", "SELECT lo_creat(-1)", "SELECT pg_advisory_lock(1)",
		"SELECT * FROM pg_stat_user_tables",
	} {
		if _, err := conn.Exec(c.Context(), statement); err == nil {
			c.Errorf("may %s", statement)
		}
	}
}

// A dump restored on another server has the logins without their roles. Rotating a login
// makes its role, with the same restrictions as the first one.
func TestDumpOnAnotherServer(t *testing.T) {
	t.Parallel()
	from := dbtest.NewDatabase(t)
	c := openOn(t, from)
	mine, other := lived(c), lived(c)
	made, revoked := c.newLogin(mine.Tenant.Id), c.newLogin(other.Tenant.Id)
	to := newServer(t, "restored")[0]
	dump(t, from, to)

	restored := openOn(t, to)
	if missing := missingRoles(restored); len(missing) != 2 || !missing[made.Login] || !missing[revoked.Login] {
		t.Errorf("missing: %v", missing)
	}
	refusesLogin(restored, onServer(restored, made.Dsn, to))
	rotated := decode[api.ReportLoginCreated](t, restored.want(200, restored.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)))
	readsOwnTenant(restored, rotated.Dsn, mine.Tenant.Id.String())
	restored.want(204, restored.do("DELETE", "/v1/report-logins/"+revoked.Login, nil))
	if missing := missingRoles(restored); len(missing) != 1 || missing[made.Login] {
		t.Errorf("missing: %v", missing)
	}
	readsOwnTenant(c, made.Dsn, mine.Tenant.Id.String()) // the original database is unaffected
	readsOwnTenant(c, revoked.Dsn, other.Tenant.Id.String())
}

// If the roles are also copied, logins keep their passwords.
func TestDumpWithRoles(t *testing.T) {
	t.Parallel()
	first := newServer(t, "first")[0]
	c := openOn(t, first)
	tenant := lived(c)
	made := c.newLogin(tenant.Tenant.Id)
	second := newServer(t, "second")[0]
	roles := runTool(t, "pg_dumpall", "", "--roles-only", "--dbname="+first)
	runTool(t, "psql", roles, "--dbname="+second) // reports that the superuser already exists
	dump(t, first, second)

	restored := openOn(t, second)
	if missing := missingRoles(restored); len(missing) != 1 || missing[made.Login] {
		t.Errorf("missing: %v", missing)
	}
	readsOwnTenant(restored, onServer(restored, made.Dsn, second), tenant.Tenant.Id.String())
}

// In a copy on the same server, the logins belong to the first database.
func TestDumpBesideTheFirst(t *testing.T) {
	t.Parallel()
	urls := newServer(t, "first", "copy")
	c := openOn(t, urls[0])
	tenant := lived(c)
	made := c.newLogin(tenant.Tenant.Id)
	dump(t, urls[0], urls[1])

	copied := openOn(t, urls[1])
	if missing := missingRoles(copied); len(missing) != 1 || !missing[made.Login] {
		t.Errorf("missing: %v", missing)
	}
	if why := copied.refused(409, "", copied.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)); !strings.Contains(why, "first") {
		t.Errorf("refused as %q", why)
	}
	copied.want(204, copied.do("DELETE", "/v1/report-logins/"+made.Login, nil))
	readsOwnTenant(c, made.Dsn, tenant.Tenant.Id.String())
	readsOwnTenant(copied, copied.newLogin(tenant.Tenant.Id).Dsn, tenant.Tenant.Id.String())
}
