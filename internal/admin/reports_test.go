package admin_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// lived returns a tenant with a long history.
func lived(c *client) api.TenantCreated {
	c.Helper()
	made := c.newTenant(api.TenantCreate{IdSeed: ptr("lived")}) // the same ids in every tenant
	token := made.Credentials.AccessToken
	act := func(id, action string) {
		c.want(200, c.do("POST", tenantPath(made.Tenant.Id, "/entities/remoteAssistancePartners/", id, "/", action), nil))
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

// connect opens a connection as a report login.
func connect(c *client, dsn string) *pgx.Conn {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), dsn)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close(context.WithoutCancel(c.Context())) })
	return conn
}

// needReports skips a test of reports on a cluster.
func needReports(tb testing.TB) {
	tb.Helper()
	dbtest.SkipOnCluster(tb, "reports don't work")
}

// createLogin makes a report login. newLogin also revokes it when the test ends.
func (c *client) createLogin(body api.ReportLoginCreate) api.ReportLoginCreated {
	c.Helper()
	needReports(c)
	return decode[api.ReportLoginCreated](c, c.want(201, c.do("POST", "/v1/report-logins", body)))
}

func (c *client) newLogin(tenants ...uuid.UUID) api.ReportLoginCreated {
	c.Helper()
	made := c.createLogin(api.ReportLoginCreate{TenantIds: tenants})
	c.Cleanup(func() { // roles outlive the tests' database
		r := c.do("DELETE", "/v1/report-logins/"+made.Login, nil)
		if r.status != 204 && r.status != 404 && c.Context().Err() == nil {
			c.Errorf("%d %s", r.status, r.body)
		}
	})
	return made
}

// reportsIntroduction precedes the reports in docs/reporting.md.
const reportsIntroduction = `CI runs each of these as a report login. Run one by its name:

` + "```bash" + `
mocktenant report recent-changes --tenant TENANT_ID --days 7 --who alice@contoso.example -o csv
` + "```" + `

` + "`--days` and `--who` replace the values after `/*days*/` and `/*who*/`" + ` in a report's SQL;
` + "`mocktenant report`" + ` lists which reports have them, with the defaults. ` + "`--who`" + ` takes a user's
principal name, an application's display name, the name of an administrator's key, or the
id of one of these.
`

// Every report runs through the API and, as SQL, with a report login, with the same result. The
// documentation shows each report's present SQL.
func TestReports(t *testing.T) {
	t.Parallel()
	c := setup(t)
	one, _ := lived(c), lived(c)
	conn := connect(c, c.newLogin(one.Tenant.Id).Dsn)
	list := decode[api.ReportList](t, c.want(200, c.do("GET", "/v1/reports", nil))).Value
	if len(list) != 10 {
		t.Errorf("%d reports", len(list))
	}
	var page strings.Builder
	page.WriteString(reportsIntroduction)
	for _, report := range list {
		result := decode[api.ReportResult](t, c.want(200, c.do("GET", "/v1/reports/"+report.Name+"?tenantId="+one.Tenant.Id.String(), nil)))
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
		if n == 0 && report.Name != "stale-remote-assistance-partners" {
			t.Errorf("%s says nothing of a tenant in which much happened", report.Name)
		}
		fmt.Fprintf(&page, "\n**%s** `%s`\n\n```sql\n%s```\n", report.Question, report.Name, report.Sql)
	}
	wantPage(t, "Reports", page.String())
	c.refused(404, "", c.do("GET", "/v1/reports/nothing?tenantId="+one.Tenant.Id.String(), nil))
	c.refused(404, "", c.do("GET", "/v1/reports/recent-changes?tenantId="+uuid.NewString(), nil))
	c.refused(400, "", c.do("GET", "/v1/reports/recent-changes", nil))
}

// A given parameter replaces its default in the SQL, as a value and never as SQL.
func TestReportParameters(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	one := lived(c)
	run := func(report, query string) api.ReportResult {
		t.Helper()
		return decode[api.ReportResult](t, c.want(200, c.do("GET", "/v1/reports/"+report+"?tenantId="+one.Tenant.Id.String()+query, nil)))
	}
	for _, tt := range []struct {
		report string
		query  string
		want   int
	}{
		{report: "recent-changes", want: 8},
		{report: "recent-changes", query: "&days=1&who=" + one.Credentials.UserPrincipalName, want: 5},
		{report: "recent-changes", query: "&who=" + one.Credentials.UserId.String(), want: 5},
		{report: "recent-changes", query: "&who=owner+of+the+tests", want: 3},
		{report: "recent-changes", query: "&who=" + url.QueryEscape(`' IN ('') OR '' IN ('`)},
		{report: "recent-changes", query: "&who=" + url.QueryEscape(`\', $1, $2 --`)},
		{report: "deleted-entities", query: "&who=nobody"},
		{report: "deleted-entities", query: "&days=3650", want: 1},
		{report: "stale-remote-assistance-partners", query: "&days=1"},
	} {
		if got := len(run(tt.report, tt.query).Rows); got != tt.want {
			t.Errorf("%s%s has %d rows, want %d", tt.report, tt.query, got, tt.want)
		}
	}
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE entity_versions SET changed_at = changed_at - interval '3 days' WHERE tenant_id = $1", one.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	if got := len(run("recent-changes", "&days=2").Rows); got != 3 { // the creates
		t.Errorf("of two days: %d changes", got)
	}
	for _, query := range []string{"&days=0", "&days=3651", "&days=x", "&who="} {
		c.refused(400, "", c.do("GET", "/v1/reports/recent-changes?tenantId="+one.Tenant.Id.String()+query, nil))
	}
	if detail := c.refused(400, "", c.do("GET", "/v1/reports/entities-by-status?tenantId="+one.Tenant.Id.String()+"&who=x", nil)); !strings.Contains(detail, "has no parameter who") {
		t.Error(detail)
	}
	for _, r := range decode[api.ReportList](t, c.want(200, c.do("GET", "/v1/reports", nil))).Value {
		if r.Name == "recent-changes" && !slices.Equal(r.Parameters, []api.ReportParameter{{Name: "days", Default: "30"}, {Name: "who"}}) {
			t.Errorf("the parameters are %+v", r.Parameters)
		}
	}
}

// The name of a login's role contains the login's name. Another login with that name has
// another role.
func TestReportLoginNames(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	var roles []string
	for range 2 {
		made := c.createLogin(api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}, Name: ptr("metabase_1")})
		if !strings.HasPrefix(made.Login, "mocktenant_report_metabase_1_") {
			t.Errorf("the login is %s", made.Login)
		}
		var user string
		if err := connect(c, made.Dsn).QueryRow(t.Context(), "SELECT session_user").Scan(&user); err != nil || user != made.Login {
			t.Errorf("%s signs in as %s: %v", made.Login, user, err)
		}
		roles = append(roles, made.Login)
	}
	for _, login := range roles {
		c.want(204, c.do("DELETE", "/v1/report-logins/"+login, nil))
	}
	if left := c.rows("SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)", roles); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	for _, name := range []string{"", "Metabase", "1", "a-b", "a b", `a"; DROP ROLE x; --`, "a'", strings.Repeat("a", 21)} {
		c.refused(400, "/name", c.do("POST", "/v1/report-logins", api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}, Name: &name}))
	}
}

// The views show what happened.
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
	user, key := one.Credentials.UserPrincipalName, "owner of the tests"
	for _, tt := range []struct {
		sql  string
		want []string
	}{
		{"SELECT concat_ws(' ', left(coalesce(after_display_name, before_display_name), 1), version, change, coalesce(changed_by_name, '?'), before_onboarding_status, '>', after_onboarding_status) FROM remote_assistance_partner_changes ORDER BY changed_at, version", []string{
			"a 1 create " + user + " > onboarding", "a 2 confirmOnboarding " + key + " onboarding > onboarded", "a 3 heartbeat " + key + " onboarded > onboarded",
			"b 1 create " + user + " > notOnboarded", "b 2 beginOnboarding " + user + " notOnboarded > onboarding",
			"d 1 create " + user + " > onboarding", "d 2 refuseOnboarding " + key + " onboarding > notOnboarded", "d 3 delete " + user + " notOnboarded >",
		}},
		{"SELECT concat_ws(' ', entity_set, left(display_name, 1), version, change, coalesce(before_status, '-'), coalesce(after_status, '-')) FROM changes WHERE change IN ('create', 'delete') ORDER BY changed_at, version", []string{
			"remoteAssistancePartners a 1 create - onboarding", "remoteAssistancePartners b 1 create - notOnboarded",
			"remoteAssistancePartners d 1 create - onboarding", "remoteAssistancePartners d 3 delete notOnboarded -",
		}},
		{"SELECT concat_ws(' ', left(display_name, 1), version, coalesce(changed_with_name, '?')) FROM changes WHERE display_name LIKE 'a %' OR display_name LIKE 'd %' ORDER BY changed_at, version", []string{
			"a 1 Application", "a 2 ?", "a 3 ?", "d 1 Application", "d 2 ?", "d 3 Application", // the partner's side isn't Graph
		}},
		{"SELECT DISTINCT (p.created_with = a.client_id)::text FROM remote_assistance_partners AS p CROSS JOIN applications AS a", []string{"true"}},
		{"SELECT concat_ws(' ', step_name, reached, round(share::numeric, 2)) FROM remote_assistance_partner_funnel ORDER BY step", []string{"created 3 1.00", "onboarding 3 1.00", "onboarded 1 0.33", "stillOnboarded 1 0.33"}},
		{"SELECT concat_ws(' ', entity_set, status, entities) FROM status_by_day WHERE day = (now() AT TIME ZONE 'UTC')::date ORDER BY status", []string{"remoteAssistancePartners notOnboarded 0", "remoteAssistancePartners onboarded 1", "remoteAssistancePartners onboarding 1"}},
		{"SELECT concat_ws(' ', stay, status, until_at IS NULL) FROM time_in_status ORDER BY from_at, stay", []string{"1 onboarding f", "2 onboarded t", "1 notOnboarded f", "2 onboarding t", "1 onboarding f", "2 notOnboarded f"}},
		{"SELECT concat_ws(' ', onboarding_status, staleness) FROM remote_assistance_partner_staleness ORDER BY 1", []string{"onboarded day", "onboarding never"}},
		{"SELECT user_principal_name FROM users", []string{user}},
		{"SELECT concat_ws(' ', name, role) FROM administrators", []string{key + " owner"}},
		{
			"SELECT concat_ws(' ', display_name, domains[1], coalesce(manager, '?'), permission_rule, created_at <= now(), expires_at IS NULL, replaced_at IS NULL) FROM tenants",
			[]string{one.Tenant.DisplayName + " " + one.Tenant.Domains[0] + " ? seed t t t"},
		},
		{"SELECT user_id::text FROM sign_ins", []string{}},
		{"SELECT display_name FROM applications", []string{"Application"}},
		{"SELECT concat_ws(' ', onboarding_status, version, last_connection_at IS NULL, request_expiry_at IS NULL) FROM remote_assistance_partners ORDER BY 1", []string{"onboarded 3 f t", "onboarding 2 t f"}},
	} {
		if diff := cmp.Diff(tt.want, ask(tt.sql)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sql, diff)
		}
	}
}

// The views show when a tenant's history was replaced.
func TestReplacedHistory(t *testing.T) {
	t.Parallel()
	c := setup(t)
	one := lived(c)
	conn := connect(c, c.newLogin(one.Tenant.Id).Dsn)
	var before, after *time.Time
	for _, change := range []func(){
		func() { c.want(200, c.do("POST", tenantPath(one.Tenant.Id, "/reset"), nil)) },
		func() { c.want(200, c.do("PUT", tenantPath(one.Tenant.Id, "/state"), `{"version":1}`)) },
		func() {
			c.want(201, c.do("POST", tenantPath(one.Tenant.Id, "/snapshots"), api.SnapshotCreate{Name: "x"}))
			c.want(200, c.do("POST", tenantPath(one.Tenant.Id, "/snapshots/x/restore"), nil))
		},
	} {
		change()
		if err := conn.QueryRow(t.Context(), "SELECT replaced_at FROM reporting.tenants").Scan(&after); err != nil {
			t.Fatal(err)
		}
		if after == nil || before != nil && !after.After(*before) {
			t.Errorf("replaced at %v, and at %v before", after, before)
		}
		before = after
	}
}

// A user who signed in is in the views until the sign-in ends.
func TestReportedSignIns(t *testing.T) {
	t.Parallel()
	c := setup(t)
	one := c.newTenant(api.TenantCreate{})
	conn := connect(c, c.newLogin(one.Tenant.Id).Dsn)
	users := func() (all []uuid.UUID) {
		t.Helper()
		rows, err := conn.Query(t.Context(), "SELECT user_id FROM reporting.sign_ins WHERE signed_in_at <= now() AND expires_at > now()")
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if _, err := dbtest.Pool(t).Exec(t.Context(), "INSERT INTO sessions VALUES ($1, 'x', $2, now(), now() + interval '1 hour'), ($1, 'y', $2, now() - interval '2 hours', now() - interval '1 hour')",
		one.Tenant.Id, one.Credentials.UserId); err != nil {
		t.Fatal(err)
	}
	if got := users(); !slices.Equal(got, []uuid.UUID{one.Credentials.UserId}) {
		t.Errorf("signed in: %v", got)
	}
	c.want(204, c.do("POST", tenantPath(one.Tenant.Id, "/users/", one.Credentials.UserId.String(), "/revokeSignIns"), nil))
	if got := users(); len(got) != 0 {
		t.Errorf("signed in after signing out: %v", got)
	}
}

// On a cluster, reports and report logins are refused by name.
func TestReportsOnACluster(t *testing.T) {
	t.Parallel()
	c := open(t)
	tenant := c.newTenant(api.TenantCreate{DisplayName: "x"}).Tenant.Id
	if !dbtest.OnCluster() { // Citus's catalog, as it would be there
		_, err := c.server.Pool().Exec(t.Context(), `SET LOCAL allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
			INSERT INTO pg_catalog.pg_dist_partition SELECT 'tenants'::regclass UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f'`)
		if err != nil {
			t.Fatal(err)
		}
	}
	const refusal = "The tables are distributed over a Citus cluster, where reports and report logins don't work."
	if got := c.refused(409, "", c.do("GET", "/v1/reports/onboarding-funnel?tenantId="+tenant.String(), nil)); got != refusal {
		t.Errorf("a report: %q", got)
	}
	if got := c.refused(409, "", c.do("POST", "/v1/report-logins", api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}})); got != refusal {
		t.Errorf("a login: %q", got)
	}
}

// The service's own role reads all tenants but no snapshots, or the tenant that it names. So
// does a role that may bypass row-level security on the tables, and no other role.
func TestServiceRoleReports(t *testing.T) {
	t.Parallel()
	needReports(t)
	url := dbtest.NewDatabase(t)
	c := openOn(t, url)
	one, two := lived(c), lived(c)
	c.want(201, c.do("POST", tenantPath(one.Tenant.Id, "/snapshots"), api.SnapshotCreate{Name: "x"}))
	service, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = service.Close(context.WithoutCancel(t.Context())) }()
	exec := func(ctx context.Context, statement string) {
		t.Helper()
		if _, err := service.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	reader := "reader_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t.Context(), "CREATE ROLE "+reader+" LOGIN BYPASSRLS PASSWORD 'x'")
	defer func() {
		exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+reader)
		exec(context.WithoutCancel(t.Context()), "DROP ROLE "+reader)
	}()
	config := service.Config().Copy()
	config.User, config.Password = reader, "x"
	other, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
	sees := func(conn *pgx.Conn, name string, want ...uuid.UUID) {
		t.Helper()
		slices.SortFunc(want, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		for _, view := range []string{"tenants", "users", "remote_assistance_partners", "remote_assistance_partner_changes", "changes"} {
			rows, err := conn.Query(t.Context(), "SELECT DISTINCT tenant_id FROM reporting."+view+" ORDER BY 1")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s sees in %s the tenants %v, want %v: %v", name, view, got, want, err)
			}
		}
	}
	sees(service, "the service", one.Tenant.Id, two.Tenant.Id)
	exec(t.Context(), "SET mocktenant.report_tenant = '"+two.Tenant.Id.String()+"'")
	sees(service, "the service, of a tenant", two.Tenant.Id)
	sees(other, "a role without rights")
	exec(t.Context(), "GRANT SELECT (id) ON tenants TO "+reader)
	sees(other, "a role that reads the tables", one.Tenant.Id, two.Tenant.Id)
	exec(t.Context(), "ALTER ROLE "+reader+" NOBYPASSRLS")
	sees(other, "a role with a grant alone")
	sees(connect(c, c.newLogin(one.Tenant.Id).Dsn), "a login", one.Tenant.Id)
}

// A report login reads its tenants and can do nothing else.
func TestReportLoginIsShutIn(t *testing.T) {
	t.Parallel()
	c := setup(t)
	mine, other := lived(c), lived(c)
	conn := connect(c, c.newLogin(mine.Tenant.Id).Dsn)
	for _, view := range []string{"remote_assistance_partners", "remote_assistance_partner_changes", "remote_assistance_partner_funnel", "remote_assistance_partner_staleness", "changes", "status_by_day", "time_in_status", "users", "applications"} {
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
		"SELECT lo_creat(-1)", "ALTER VIEW reporting.remote_assistance_partners SET (security_barrier = off)", "DROP VIEW reporting.remote_assistance_partners", "CREATE EXTENSION dblink",
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
	// The setting with which the service's role names a tenant has no effect for others.
	if _, err := conn.Exec(t.Context(), "SET mocktenant.report_tenant = '"+other.Tenant.Id.String()+"'"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting.remote_assistance_partners WHERE tenant_id = $1", other.Tenant.Id).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows of another tenant, %v", n, err)
	}
	for setting, want := range map[string]string{"statement_timeout": "30s", "default_transaction_read_only": "on", "search_path": "reporting", "temp_file_limit": "1GB"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v", setting, got, err)
		}
	}
	// A reader's own function in a query never sees other tenants' rows.
	if _, err := conn.Exec(t.Context(), "SELECT count(*) FROM reporting.remote_assistance_partners WHERE 1 / (CASE WHEN tenant_id = $1 THEN 0 ELSE 1 END) = 1", other.Tenant.Id); err != nil {
		t.Errorf("a condition met a row of another tenant: %v", err)
	}
}

// Row-level security closes every table to every role except the service's, whatever is
// granted. The test finds tables for which a migration forgot it.
func TestRowLevelSecurity(t *testing.T) {
	t.Parallel()
	c := setup(t)
	lived(c)
	if open := c.rows("SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%' AND NOT relrowsecurity"); len(open) != 0 {
		t.Errorf("without row-level security: %q", open)
	}
	login := c.newLogin(c.newTenant(api.TenantCreate{}).Tenant.Id)
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

// Logins are listed in pages. A page has whole logins, however many tenants they have.
func TestListReportLogins(t *testing.T) {
	t.Parallel()
	manager := setup(t).as(api.AdminRoleManager, t.Name())
	tenants := []uuid.UUID{manager.newTenant(api.TenantCreate{}).Tenant.Id, manager.newTenant(api.TenantCreate{}).Tenant.Id}
	var want, got []string
	for range 3 {
		made := manager.createLogin(api.ReportLoginCreate{TenantIds: tenants})
		want = append(want, made.Login)
	}
	for link := "/v1/report-logins?top=2"; link != ""; {
		list := decode[api.ReportLoginList](t, manager.want(200, manager.do("GET", link, nil)))
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

// A login ends when it is revoked, its password when it is rotated, and its access to a
// tenant when the tenant ends. A label has no effect.
func TestReportLogins(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager, stranger := owner.as(api.AdminRoleManager, t.Name()), owner.as(api.AdminRoleManager, t.Name()+" stranger")
	tenant := manager.newTenant(api.TenantCreate{}).Tenant.Id
	label := `x"; DROP ROLE postgres; --'$$`
	made := manager.createLogin(api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant, tenant}, Label: &label})
	conn := connect(manager, made.Dsn)

	list := decode[api.ReportLoginList](t, manager.want(200, manager.do("GET", "/v1/report-logins", nil))).Value
	if len(list) != 1 || *list[0].Label != label || len(list[0].TenantIds) != 1 {
		t.Errorf("%+v", list)
	}
	if list := decode[api.ReportLoginList](t, stranger.want(200, stranger.do("GET", "/v1/report-logins", nil))).Value; len(list) != 0 {
		t.Errorf("a stranger sees %+v", list)
	}
	stranger.refused(404, "", stranger.do("DELETE", "/v1/report-logins/"+made.Login, nil))
	stranger.refused(404, "", stranger.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil))
	stranger.refused(404, "", stranger.do("POST", "/v1/report-logins", api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}}))
	for _, name := range []string{"postgres", `x%22; DROP TABLE tenants`, "mocktenant_report_0"} {
		owner.want(404, owner.do("DELETE", "/v1/report-logins/"+strings.ReplaceAll(name, " ", "%20"), nil))
	}

	rotated := decode[api.ReportLoginCreated](t, manager.want(200, manager.do("POST", "/v1/report-logins/"+made.Login+"/rotate", nil)))
	if rotated.Login != made.Login || rotated.Dsn == made.Dsn {
		t.Errorf("%+v", rotated)
	}
	connect(manager, rotated.Dsn)

	manager.want(204, manager.do("DELETE", "/v1/report-logins/"+made.Login, nil))
	deadline := time.Now().Add(2 * time.Minute)
	for conn.Ping(t.Context()) == nil && time.Now().Before(deadline) { // its end is on its way
	}
	if conn.Ping(t.Context()) == nil {
		t.Error("a revoked login continues")
	}
	if conn, err := pgx.Connect(t.Context(), rotated.Dsn); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a revoked login connects")
	}

	short := manager.createLogin(api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}, TtlSeconds: ptr(int64(1000))})
	conn = connect(manager, short.Dsn)
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE report_logins SET expires_at = now() - interval '1 second' WHERE login_name = $1", short.Login); err != nil {
		t.Fatal(err)
	}
	if got := rowsSeen(t, conn, "users"); got != 0 {
		t.Errorf("an expired login sees %d users", got)
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

var update = flag.Bool("update", false, "write docs/reporting.md and testdata/reporting-v1.txt from the reports and the views")

// The views' columns are promised: published columns stay unchanged and in order. A version
// may only add columns at the end.
func TestReportingColumns(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	const promise = "testdata/reporting-v1.txt"
	got := c.rows(`SELECT concat_ws(' ', c.relname, string_agg(a.attname || ':' || format_type(a.atttypid, a.atttypmod), ' ' ORDER BY a.attnum))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'reporting'::regnamespace GROUP BY c.relname ORDER BY c.relname COLLATE "C"`)
	promised, err := os.ReadFile(promise)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(promised)) {
		line = strings.TrimSpace(line)
		if !slices.ContainsFunc(got, func(g string) bool { return g == line || strings.HasPrefix(g, line+" ") }) {
			t.Errorf("promised and not there: %s", line)
		}
	}
	if t.Failed() {
		t.Fatalf("there are:\n%s\nColumns may only be added at the end, where make generate puts new ones. For a view that no release has had yet, remove its line from %s, run make generate, then make golden.", strings.Join(got, "\n"), promise)
	}
	if *update {
		if err := os.WriteFile(promise, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wantPage(t, "Data dictionary", dictionary(c))
}

// dictionary writes the last section of docs/reporting.md from the comments of the views and
// their columns in the database.
func dictionary(c *client) string {
	c.Helper()
	var text strings.Builder
	text.WriteString(`Times are ` + "`timestamptz`" + `. Graph's dates have 100 ns and an offset; here they are cut to the
microsecond, with the offset in a separate column. ` + "`0001-01-01T00:00:00Z`" + `, Graph's value for a
missing time, is null. A tenant's history starts when it is made. A reset, an import or a restored
snapshot replaces the history, at the time in ` + "`tenants.replaced_at`" + `.

Unless a column says otherwise, a tenant's times are by its [clock](administration.md#clock).
Compare them with ` + "`tenants.now`, not with Postgres's `now()`" + `. An onboarding that has expired ends in
the views when the next request or report of the tenant comes, or within an hour.
`)
	view := ""
	for _, row := range c.rows(`SELECT concat_ws(E'\t', c.relname, coalesce(obj_description(c.oid), '-'), a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '-'))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'reporting'::regnamespace ORDER BY c.relname COLLATE "C", a.attnum`) {
		part := strings.Split(row, "\t")
		if slices.Contains(part, "-") {
			c.Errorf("not described: %s", row)
		}
		if part[0] != view {
			view = part[0]
			fmt.Fprintf(&text, "\n### %s\n\n%s\n\n| column | type | what it is |\n|---|---|---|\n", view, part[1])
		}
		fmt.Fprintf(&text, "| %s |\n", strings.Join(part[2:], " | "))
	}
	return text.String()
}

var pageLock sync.Mutex // two tests update the page

// wantPage compares a section of docs/reporting.md, or writes it with -update.
func wantPage(t *testing.T, heading, want string) {
	t.Helper()
	const page = "../../docs/reporting.md"
	pageLock.Lock()
	defer pageLock.Unlock()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "\n## "+heading+"\n\n")
	got, after, more := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	if more {
		after = "\n## " + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+"\n## "+heading+"\n\n"+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s isn't current; run make golden (-want +got):\n%s", page, diff)
	}
}

// partnersSeen returns how many partners a connection's login sees.
func partnersSeen(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return rowsSeen(t, conn, "remote_assistance_partners")
}

// rowsSeen returns how many rows of a view a connection's login sees: 0 if its session has
// ended, because any test's sweep removes logins that have expired or lost their last tenant.
func rowsSeen(t *testing.T, conn *pgx.Conn, view string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM reporting."+view).Scan(&n); err != nil && !conn.IsClosed() {
		t.Fatal(err)
	}
	return n
}

// When a tenant gets another manager, the former manager's logins can no longer read it, but
// still read that manager's other tenants. An owner's login can, unless the former manager
// has rotated its password.
func TestReportLoginsOfFormerManager(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager, next := owner.as(api.AdminRoleManager, t.Name()), owner.as(api.AdminRoleManager, t.Name()+" next")
	var tenants []uuid.UUID
	for range 2 {
		made := manager.newTenant(api.TenantCreate{})
		manager.createPartner(made.Credentials.AccessToken, "x", "onboarding")
		tenants = append(tenants, made.Tenant.Id)
	}
	both, one := manager.newLogin(tenants...), manager.newLogin(tenants[0])
	owners, rotated := owner.newLogin(tenants...), owner.newLogin(tenants[0])
	rotated = decode[api.ReportLoginCreated](t, manager.want(200, manager.do("POST", "/v1/report-logins/"+rotated.Login+"/rotate", nil)))
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
	list := decode[api.ReportLoginList](t, manager.want(200, manager.do("GET", "/v1/report-logins", nil))).Value
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

// A login sees nothing of an expired tenant, even before the sweep.
func TestReportsOfExpiredTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{TtlSeconds: ptr(int64(3600))})
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

// A service whose Postgres role isn't a superuser but may make roles also ends the
// connections of a revoked login, and reports that take too long.
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

	made := c.newTenant(api.TenantCreate{})
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
		t.Error("a revoked login continues")
	}

	login = c.newLogin(made.Tenant.Id)
	conn = connect(c, login.Dsn)
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var state *string // null for other roles' sessions
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
