package admin_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// lived is a tenant in which much happened.
func lived(c *client) admin.TenantCreated {
	c.Helper()
	made := c.newTenant(admin.TenantCreate{IdSeed: ptr("lived")}) // the same ids in every tenant
	token := made.Credentials.AccessToken
	act := func(id, action string) {
		c.want(200, c.do("POST", tenantPath(made.Tenant.Id, "/partners/", id, "/", action), nil))
	}
	a := c.createPartner(token, "a of "+c.Name(), "onboarding").ID
	act(a, "confirm")
	act(a, "heartbeat")
	b := c.createPartner(token, "b of "+c.Name(), "notOnboarded").ID
	c.want(204, c.graph("POST", partners+"/"+b+"/beginOnboarding", "", token))
	d := c.createPartner(token, "d of "+c.Name(), "onboarding").ID
	act(d, "refuse")
	c.want(204, c.graph("DELETE", partners+"/"+d, "", token))
	return made
}

// connect opens a connection as a report login would.
func connect(c *client, dsn string) *pgx.Conn {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), dsn)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close(context.WithoutCancel(c.Context())) })
	return conn
}

func (c *client) newLogin(tenants ...uuid.UUID) admin.ReportLoginCreated {
	c.Helper()
	made := decode[admin.ReportLoginCreated](c, c.want(201, c.do("POST", "/v1/report-logins", admin.ReportLoginCreate{TenantIds: tenants})))
	c.Cleanup(func() { // roles outlive the tests' database
		r := c.do("DELETE", "/v1/report-logins/"+made.Login, nil)
		if r.status != 204 && r.status != 404 && c.Context().Err() == nil {
			c.Errorf("%d %s", r.status, r.body)
		}
	})
	return made
}

// Every report runs, through the API and, by its SQL, as a report login; both say
// the same. The documentation has each of them as it is.
func TestReports(t *testing.T) {
	t.Parallel()
	c := setup(t)
	one, _ := lived(c), lived(c)
	conn := connect(c, c.newLogin(one.Tenant.Id).Dsn)
	page, err := os.ReadFile("../../docs/reporting.md")
	if err != nil {
		t.Fatal(err)
	}
	list := decode[admin.ReportList](t, c.want(200, c.do("GET", "/v1/reports", nil))).Value
	if len(list) != 10 {
		t.Errorf("%d reports", len(list))
	}
	for _, report := range list {
		result := decode[admin.ReportResult](t, c.want(200, c.do("GET", "/v1/reports/"+report.Name+"?tenantId="+one.Tenant.Id.String(), nil)))
		rows, err := conn.Query(t.Context(), report.Sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%s: %v", report.Name, err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if rows.Err() != nil || n != len(result.Rows) {
			t.Errorf("%s: %d rows as a login, %d through the API: %v", report.Name, n, len(result.Rows), rows.Err())
		}
		if n == 0 && report.Name != "stale-partners" {
			t.Errorf("%s says nothing of a tenant in which much happened", report.Name)
		}
		if !strings.Contains(string(page), fmt.Sprintf("**%s**", report.Question)) || !strings.Contains(string(page), "```sql\n"+report.Sql+"```") {
			t.Errorf("docs/reporting.md lacks %s", report.Name)
		}
	}
	c.refused(404, "", c.do("GET", "/v1/reports/nothing?tenantId="+one.Tenant.Id.String(), nil))
	c.refused(404, "", c.do("GET", "/v1/reports/recent-changes?tenantId="+uuid.NewString(), nil))
	c.refused(400, "", c.do("GET", "/v1/reports/recent-changes", nil))
}

// The views say what happened.
func TestReportingTellsTheTruth(t *testing.T) {
	t.Parallel()
	c := setup(t)
	one := lived(c)
	conn := connect(c, c.newLogin(one.Tenant.Id).Dsn)
	ask := func(sql string) []string {
		t.Helper()
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	user, key := one.Credentials.UserPrincipalName, "?"
	for _, tt := range []struct {
		sql  string
		want []string
	}{
		{"SELECT concat_ws(' ', left(coalesce(after_display_name, before_display_name), 1), version, change, coalesce(changed_by_name, '?'), before_onboarding_status, '>', after_onboarding_status) FROM partner_changes ORDER BY changed_at, version", []string{
			"a 1 create " + user + " > onboarding", "a 2 confirmOnboarding " + key + " onboarding > onboarded", "a 3 heartbeat " + key + " onboarded > onboarded",
			"b 1 create " + user + " > notOnboarded", "b 2 beginOnboarding " + user + " notOnboarded > onboarding",
			"d 1 create " + user + " > onboarding", "d 2 refuseOnboarding " + key + " onboarding > notOnboarded", "d 3 delete " + user + " notOnboarded >",
		}},
		{"SELECT concat_ws(' ', step_name, partners, round(share::numeric, 2)) FROM onboarding_funnel ORDER BY step", []string{"created 3 1.00", "onboarding 3 1.00", "onboarded 1 0.33", "stillOnboarded 1 0.33"}},
		{"SELECT concat_ws(' ', onboarding_status, partners) FROM status_by_day WHERE day = (now() AT TIME ZONE 'UTC')::date ORDER BY onboarding_status", []string{"notOnboarded 0", "onboarded 1", "onboarding 1"}},
		{"SELECT concat_ws(' ', stay, onboarding_status, until_at IS NULL) FROM time_in_status ORDER BY from_at, stay", []string{"1 onboarding f", "2 onboarded t", "1 notOnboarded f", "2 onboarding t", "1 onboarding f", "2 notOnboarded f"}},
		{"SELECT concat_ws(' ', onboarding_status, staleness) FROM connection_staleness ORDER BY 1", []string{"onboarded day", "onboarding never"}},
		{"SELECT user_principal_name FROM users", []string{user}},
		{"SELECT display_name FROM applications", []string{"Application"}},
		{"SELECT concat_ws(' ', onboarding_status, version, last_connection_at IS NULL, request_expiry_at IS NULL) FROM partners ORDER BY 1", []string{"onboarded 3 f t", "onboarding 2 t f"}},
	} {
		if diff := cmp.Diff(tt.want, ask(tt.sql)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sql, diff)
		}
	}
}

// A report login reads its tenants and can do nothing else.
func TestReportLoginIsShutIn(t *testing.T) {
	t.Parallel()
	c := setup(t)
	mine, other := lived(c), lived(c)
	conn := connect(c, c.newLogin(mine.Tenant.Id).Dsn)
	for _, view := range []string{"partners", "partner_changes", "onboarding_funnel", "status_by_day", "time_in_status", "connection_staleness", "users", "applications"} {
		var tenants []string
		if err := conn.QueryRow(t.Context(), "SELECT array_agg(DISTINCT tenant_id::text) FROM reporting."+view).Scan(&tenants); err != nil || !slices.Equal(tenants, []string{mine.Tenant.Id.String()}) {
			t.Errorf("%s shows %q, %v", view, tenants, err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting."+view+" WHERE tenant_id = $1", other.Tenant.Id).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s shows %d rows of another tenant, %v", view, n, err)
		}
		if _, err := conn.Exec(t.Context(), "DELETE FROM reporting."+view); err == nil {
			t.Errorf("deleted from %s", view)
		}
	}
	tables := c.rows("SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'")
	if len(tables) < 20 {
		t.Errorf("tables %q", tables)
	}
	for _, table := range tables {
		if _, err := conn.Exec(t.Context(), "SELECT * FROM public."+table); err == nil {
			t.Errorf("reads %s", table)
		}
		if _, err := conn.Exec(t.Context(), "DELETE FROM public."+table); err == nil {
			t.Errorf("deletes from %s", table)
		}
	}
	secret := "SELECT 1 FROM reporting.users WHERE password_hash IS NOT NULL"
	for _, statement := range []string{
		secret, "CREATE TABLE public.x (i int)", "CREATE TABLE reporting.x (i int)", "CREATE TEMP TABLE x (i int)", "CREATE SCHEMA x",
		"CREATE FUNCTION reporting.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE ROLE x", "ALTER ROLE postgres PASSWORD 'x'", "SET ROLE postgres",
		"SET SESSION AUTHORIZATION postgres", "COPY (SELECT 1) TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('/etc/passwd')",
		"SELECT lo_creat(-1)", "ALTER VIEW reporting.partners SET (security_barrier = off)", "DROP VIEW reporting.partners", "CREATE EXTENSION dblink",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND pid IS NOT NULL AND usename IS NOT NULL",
		"ALTER SYSTEM SET fsync = off", "VACUUM FULL public.tenants; SELECT 1/0", "GRANT mocktenant TO PUBLIC", "INSERT INTO report_logins VALUES (gen_random_uuid(), session_user)",
		"SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(1, 2)", "SELECT pg_advisory_lock_shared(1)", "SELECT pg_try_advisory_lock(1)",
		"SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_xact_lock_shared(1, 2)", "SELECT lo_from_bytea(0, 'x')",
		"SELECT * FROM pg_stat_user_tables", "SELECT * FROM pg_stat_database", "SELECT pg_stat_get_live_tuples('public.tenants'::regclass)",
		"SELECT pg_stat_get_tuples_inserted('public.users'::regclass)", "SELECT * FROM pg_statio_all_indexes", "SET temp_file_limit = -1",
	} {
		if _, err := conn.Exec(t.Context(), statement); err == nil {
			t.Errorf("may %s", statement)
		}
	}
	// The service's own way to say which tenant is no way for others.
	if _, err := conn.Exec(t.Context(), "SET mocktenant.report_tenant = '"+other.Tenant.Id.String()+"'"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting.partners WHERE tenant_id = $1", other.Tenant.Id).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows of another tenant, %v", n, err)
	}
	for setting, want := range map[string]string{"statement_timeout": "30s", "default_transaction_read_only": "on", "search_path": "reporting", "temp_file_limit": "1GB"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v", setting, got, err)
		}
	}
	// A reader's own function sees no row of others on its way through a view.
	if _, err := conn.Exec(t.Context(), "SELECT count(*) FROM reporting.partners WHERE 1 / (CASE WHEN tenant_id = $1 THEN 0 ELSE 1 END) = 1", other.Tenant.Id); err != nil {
		t.Errorf("a condition met a row of another tenant: %v", err)
	}
}

// Row-level security shuts every table for every role that isn't the service,
// whatever it was granted, and a migration can't forget one.
func TestRowLevelSecurity(t *testing.T) {
	t.Parallel()
	c := setup(t)
	lived(c)
	if open := c.rows("SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%' AND NOT relrowsecurity"); len(open) != 0 {
		t.Errorf("without row-level security: %q", open)
	}
	login := c.newLogin(c.newTenant(admin.TenantCreate{}).Tenant.Id)
	pool := dbtest.Pool(t)
	role := pgx.Identifier{login.Login}.Sanitize()
	if _, err := pool.Exec(t.Context(), "GRANT ALL ON ALL TABLES IN SCHEMA public TO "+role); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "+role); err != nil {
			t.Error(err)
		}
	})
	conn := connect(c, login.Dsn)
	for _, table := range c.rows("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'") {
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM public."+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s shows %d rows, %v", table, n, err)
		}
	}
}

// Logins are listed page by page, each whole, however many tenants it has.
func TestListReportLogins(t *testing.T) {
	t.Parallel()
	manager := setup(t).as(admin.AdminRoleManager, t.Name())
	tenants := []uuid.UUID{manager.newTenant(admin.TenantCreate{}).Tenant.Id, manager.newTenant(admin.TenantCreate{}).Tenant.Id}
	var want, got []string
	for range 3 {
		made := decode[admin.ReportLoginCreated](t, manager.want(201, manager.do("POST", "/v1/report-logins", admin.ReportLoginCreate{TenantIds: tenants})))
		want = append(want, made.Login)
	}
	for link := "/v1/report-logins?top=2"; link != ""; {
		list := decode[admin.ReportLoginList](t, manager.want(200, manager.do("GET", link, nil)))
		if len(list.Value) == 0 || len(list.Value) > 2 {
			t.Errorf("%d logins on a page of two", len(list.Value))
		}
		for _, l := range list.Value {
			got = append(got, l.Login)
			if len(l.TenantIds) != 2 {
				t.Errorf("%+v", l)
			}
		}
		link = ""
		if list.NextLink != nil {
			link = *list.NextLink
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A login ends when it is revoked, its password when it is rotated, and its rows
// with its tenant; a label is only a label.
func TestReportLogins(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager, stranger := owner.as(admin.AdminRoleManager, t.Name()), owner.as(admin.AdminRoleManager, t.Name()+" stranger")
	tenant := manager.newTenant(admin.TenantCreate{}).Tenant.Id
	label := `x"; DROP ROLE postgres; --'$$`
	made := decode[admin.ReportLoginCreated](t, manager.want(201, manager.do("POST", "/v1/report-logins", admin.ReportLoginCreate{TenantIds: []uuid.UUID{tenant, tenant}, Label: &label})))
	conn := connect(manager, made.Dsn)

	list := decode[admin.ReportLoginList](t, manager.want(200, manager.do("GET", "/v1/report-logins", nil))).Value
	if len(list) != 1 || *list[0].Label != label || len(list[0].TenantIds) != 1 {
		t.Errorf("%+v", list)
	}
	if list := decode[admin.ReportLoginList](t, stranger.want(200, stranger.do("GET", "/v1/report-logins", nil))).Value; len(list) != 0 {
		t.Errorf("a stranger sees %+v", list)
	}
	stranger.refused(404, "", stranger.do("DELETE", "/v1/report-logins/"+made.Login, nil))
	stranger.refused(404, "", stranger.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil))
	stranger.refused(404, "", stranger.do("POST", "/v1/report-logins", admin.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}}))
	for _, name := range []string{"postgres", `x%22; DROP TABLE tenants`, "mocktenant_report_0"} {
		owner.want(404, owner.do("DELETE", "/v1/report-logins/"+strings.ReplaceAll(name, " ", "%20"), nil))
	}

	rotated := decode[admin.ReportLoginCreated](t, manager.want(200, manager.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)))
	if rotated.Login != made.Login || rotated.Dsn == made.Dsn {
		t.Errorf("%+v", rotated)
	}
	connect(manager, rotated.Dsn)

	manager.want(204, manager.do("DELETE", "/v1/report-logins/"+made.Login, nil))
	deadline := time.Now().Add(2 * time.Minute)
	for conn.Ping(t.Context()) == nil && time.Now().Before(deadline) { // its end is on its way
	}
	if conn.Ping(t.Context()) == nil {
		t.Error("a revoked login goes on")
	}
	if conn, err := pgx.Connect(t.Context(), rotated.Dsn); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a revoked login connects")
	}

	short := decode[admin.ReportLoginCreated](t, manager.want(201, manager.do("POST", "/v1/report-logins", admin.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}, TtlSeconds: ptr(int64(1000))})))
	conn = connect(manager, short.Dsn)
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE report_logins SET expires_at = now() - interval '1 second' WHERE login_name = $1", short.Login); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting.users").Scan(&n); err != nil || n != 0 {
		t.Errorf("an expired login sees %d users, %v", n, err)
	}
	gone := manager.newLogin(tenant)
	manager.want(204, manager.do("DELETE", tenantPath(tenant), nil))
	if err := owner.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := owner.rows("SELECT rolname::text FROM pg_roles WHERE rolname IN ($1, $2)", short.Login, gone.Login); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// The views' columns are promised: those that were published stay as they are, in
// this order; a version may only add to the end.
func TestReportingColumns(t *testing.T) {
	t.Parallel()
	c := setup(t)
	promised, err := os.ReadFile("testdata/reporting-v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := c.rows(`SELECT concat_ws(' ', c.relname, string_agg(a.attname || ':' || format_type(a.atttypid, a.atttypmod), ' ' ORDER BY a.attnum))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'reporting'::regnamespace GROUP BY c.relname ORDER BY c.relname`)
	for line := range strings.Lines(string(promised)) {
		line = strings.TrimSpace(line)
		if !slices.ContainsFunc(got, func(g string) bool { return g == line || strings.HasPrefix(g, line+" ") }) {
			t.Errorf("promised and not there: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("there are:\n%s", strings.Join(got, "\n"))
	}
	// Everything is described, in the database and in the dictionary.
	page, err := os.ReadFile("../../docs/reporting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.rows(`SELECT c.relname || ' | ' || a.attname || ' | ' || format_type(a.atttypid, a.atttypmod) || ' | ' || coalesce(col_description(c.oid, a.attnum), '-')
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'reporting'::regnamespace ORDER BY c.relname, a.attnum`) {
		view, line, _ := strings.Cut(row, " | ")
		if strings.HasSuffix(line, " | -") || !strings.Contains(string(page), "### "+view+"\n") || !strings.Contains(string(page), "| "+line+" |") {
			t.Errorf("docs/reporting.md lacks, of %s: | %s |", view, line)
		}
	}
}

// partnersSeen is how many partners a connection's login sees.
func partnersSeen(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting.partners").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// When a tenant gets another manager, the logins whose password the one before has
// read it no more, though they go on with that manager's other tenants; an owner's
// goes on, unless the manager had given it a password of their own.
func TestReportLoginsOfFormerManager(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager, next := owner.as(admin.AdminRoleManager, t.Name()), owner.as(admin.AdminRoleManager, t.Name()+" next")
	var tenants []uuid.UUID
	for range 2 {
		made := manager.newTenant(admin.TenantCreate{})
		manager.createPartner(made.Credentials.AccessToken, "x", "onboarding")
		tenants = append(tenants, made.Tenant.Id)
	}
	both, one := manager.newLogin(tenants...), manager.newLogin(tenants[0])
	owners, rotated := owner.newLogin(tenants...), owner.newLogin(tenants[0])
	rotated = decode[admin.ReportLoginCreated](t, manager.want(200, manager.do("POST", "/v1/report-logins/"+rotated.Login+"/rotate", nil)))
	conns := map[string]*pgx.Conn{"both": connect(owner, both.Dsn), "one": connect(owner, one.Dsn), "owner's": connect(owner, owners.Dsn), "rotated": connect(owner, rotated.Dsn)}
	for name, want := range map[string]int{"both": 2, "one": 1, "owner's": 2, "rotated": 1} {
		if got := partnersSeen(t, conns[name]); got != want {
			t.Errorf("%s sees %d partners, want %d", name, got, want)
		}
	}

	owner.want(200, owner.do("PATCH", tenantPath(tenants[0]), map[string]string{"manager": t.Name() + " next"}))

	for name, want := range map[string]int{"both": 1, "one": 0, "owner's": 2, "rotated": 0} {
		if got := partnersSeen(t, conns[name]); got != want {
			t.Errorf("%s sees %d partners of the former manager's, want %d", name, got, want)
		}
	}
	next.newLogin(tenants[0])
	list := decode[admin.ReportLoginList](t, manager.want(200, manager.do("GET", "/v1/report-logins", nil))).Value
	if len(list) != 1 || list[0].Login != both.Login || !slices.Equal(list[0].TenantIds, tenants[1:]) {
		t.Errorf("the former manager has %+v", list)
	}
	manager.refused(404, "", manager.do("POST", "/v1/report-logins/"+owners.Login+"/rotate", nil))
	if err := owner.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := owner.rows("SELECT rolname::text FROM pg_roles WHERE rolname IN ($1, $2)", one.Login, rotated.Login); len(left) != 0 {
		t.Errorf("logins of no tenant are left: %q", left)
	}
}

// A login sees nothing of a tenant whose time is over, also before the sweep.
func TestReportsOfExpiredTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(admin.TenantCreate{TtlSeconds: ptr(int64(3600))})
	c.createPartner(made.Credentials.AccessToken, "x", "onboarding")
	conn := connect(c, c.newLogin(made.Tenant.Id).Dsn)
	if got := partnersSeen(t, conn); got != 1 {
		t.Errorf("sees %d partners", got)
	}
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE tenants SET expires_at = now() - interval '1 second' WHERE id = $1", made.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	if got := partnersSeen(t, conn); got != 0 {
		t.Errorf("sees %d partners of an expired tenant", got)
	}
}

// A service whose Postgres role is no superuser, but may make roles, ends the
// connections of a login that it revokes, and reports that run for too long.
func TestReportLoginsWithoutSuperuser(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	exec := func(ctx context.Context, statement string) {
		t.Helper()
		if _, err := pool.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	name := "service_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t.Context(), "CREATE ROLE "+name+" LOGIN NOSUPERUSER CREATEROLE PASSWORD '"+name+"'")
	exec(t.Context(), "CREATE DATABASE "+name+" OWNER "+name)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		exec(ctx, "DROP ROLE "+name)
	})
	config := pool.Config().ConnConfig
	url := fmt.Sprintf("host='%s' port=%d user='%s' password='%s' dbname='%s' sslmode=disable", config.Host, config.Port, name, name, name)
	c := openOn(t, url)

	made := c.newTenant(admin.TenantCreate{})
	c.createPartner(made.Credentials.AccessToken, "x", "onboarding")
	login := c.newLogin(made.Tenant.Id)
	conn := connect(c, login.Dsn)
	if got := partnersSeen(t, conn); got != 1 {
		t.Errorf("sees %d partners", got)
	}
	c.want(204, c.do("DELETE", "/v1/report-logins/"+login.Login, nil))
	deadline := time.Now().Add(2 * time.Minute)
	for conn.Ping(t.Context()) == nil && time.Now().Before(deadline) { // its end is on its way
	}
	if conn.Ping(t.Context()) == nil {
		t.Error("a revoked login goes on")
	}

	login = c.newLogin(made.Tenant.Id)
	conn = connect(c, login.Dsn)
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var state *string // what is not one's own has none
	asService, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asService.Close(context.WithoutCancel(t.Context())) }()
	if err := asService.QueryRow(t.Context(), "SELECT state FROM pg_stat_activity WHERE usename = $1", login.Login).Scan(&state); err != nil || state == nil || *state != "idle in transaction" {
		t.Errorf("the service sees a login in state %v, %v", state, err)
	}
	c.want(204, c.do("DELETE", tenantPath(made.Tenant.Id), nil))
	if err := c.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := c.rows("SELECT rolname::text FROM pg_roles WHERE rolname = $1", login.Login); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
