package admin_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// report runs a report through the administration. Rows are values with spaces between them.
func (c *client) report(tenant uuid.UUID, name, query string) []string {
	c.Helper()
	result := decode[api.ReportResult](c, c.want(200, c.do("GET", "/v1/reports/"+name+"?tenantId="+tenant.String()+query, nil)))
	all := []string{}
	for _, row := range result.Rows {
		var values []string
		for _, v := range row {
			value, err := v.Get()
			if err != nil {
				value = "?"
			}
			values = append(values, value)
		}
		all = append(all, strings.Join(values, " "))
	}
	return all
}

// ask runs a query as a login, whose session uses UTC. Rows are values with spaces between them.
func ask(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for rows.Next() {
		var values []string
		for _, v := range rows.RawValues() {
			if v == nil {
				v = []byte("?")
			}
			values = append(values, string(v))
		}
		all = append(all, strings.Join(values, " "))
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}

// reportSQL returns the SQL of a report with another number of days, or unchanged for 0.
func (c *client) reportSQL(name string, days int) string {
	c.Helper()
	for _, r := range decode[api.ReportList](c, c.want(200, c.do("GET", "/v1/reports", nil))).Value {
		if r.Name != name {
			continue
		}
		if days > 0 {
			r.Sql = regexp.MustCompile(`(/\*days\*/) \d+`).ReplaceAllString(r.Sql, fmt.Sprintf("$1 %d", days))
		}
		return r.Sql
	}
	c.Fatalf("there is no report %s", name)
	return ""
}

// frozenAt returns a tenant whose clock stands still at a time.
func (c *client) frozenAt(at time.Time) uuid.UUID {
	c.Helper()
	document := json.RawMessage(`{"version":1,"clock":{"now":"` + at.Format(time.RFC3339Nano) + `","rate":0}}`)
	return c.newTenant(api.TenantCreate{Source: &api.TenantSource{Document: &document}}).Tenant.Id
}

func (c *client) setClock(tenant uuid.UUID, r api.ClockSet) {
	c.Helper()
	c.want(200, c.do("PUT", tenantPath(tenant, "/clock"), r))
}

// livedByClock gives a tenant with a frozen clock a history of three days, and adds its entities'
// ids and names to named.
func livedByClock(c *client, tenant uuid.UUID, named map[string]string) {
	c.Helper()
	set := tenantPath(tenant, "/entities/remoteAssistancePartners")
	create := func(name, status string) string {
		r := api.EntityCreate{Properties: ptr(json.RawMessage(fmt.Sprintf(`{"displayName":%q,"onboardingStatus":%q}`, name, status)))}
		made := decode[api.Entity](c, c.want(201, c.do("POST", set, r)))
		named[made.Id] = "id-of-" + name
		return set + "/" + made.Id
	}
	a := create("a", "onboarding")
	c.setClock(tenant, api.ClockSet{AdvanceSeconds: ptr(24. * 3600)})
	c.want(200, c.do("POST", a+"/confirm", nil))
	c.want(200, c.do("POST", a+"/heartbeat", nil))
	create("b", "onboarding")
	c.want(204, c.do("DELETE", create("c", "notOnboarded"), nil))
	c.setClock(tenant, api.ClockSet{AdvanceSeconds: ptr(48. * 3600)})
}

// Reports measure by each tenant's clock, whether it is behind the service's or ahead.
func TestReportsFollowTheTenantsClock(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	const key, set, day = "owner of the tests", "remoteAssistancePartners", 24 * time.Hour
	names, begins := map[string]string{}, map[string]time.Time{
		"behind": time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC), "ahead": time.Date(2099, 12, 30, 23, 59, 0, 0, time.UTC),
	}
	tenants := map[string]uuid.UUID{}
	for clock, at := range begins {
		tenants[clock] = c.frozenAt(at)
		livedByClock(c, tenants[clock], names)
	}
	conn := connect(c, c.newLogin(tenants["behind"], tenants["ahead"]).Dsn)
	if _, err := conn.Exec(t.Context(), "SET timezone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		report string
		days   int      // 0 is the default
		want   []string // of each tenant; T0 and T1 are its first two days at the time of the clock, D1 to D3 are later dates
		both   []string // of both tenants; nil is the rows of each
	}{
		{report: "waiting-requests", want: []string{"id-of-b b 2 days ?"}},
		{report: "recent-changes", days: 3, want: []string{
			"T1 heartbeat " + key + " " + set + " id-of-a a onboarded onboarded",
			"T1 confirmOnboarding " + key + " " + set + " id-of-a a onboarding onboarded",
			"T1 create " + key + " " + set + " id-of-b b ? onboarding",
			"T1 delete " + key + " " + set + " id-of-c c notOnboarded ?",
			"T1 create " + key + " " + set + " id-of-c c ? notOnboarded",
		}},
		{report: "recent-changes", days: 2, want: []string{}},
		{report: "deleted-entities", days: 3, want: []string{"T1 " + key + " " + set + " id-of-c c notOnboarded 00:00:00"}},
		{report: "deleted-entities", days: 2, want: []string{}},
		{report: "changes-by-person", days: 3, want: []string{
			key + " " + set + " create 2 T1", key + " " + set + " confirmOnboarding 1 T1", key + " " + set + " delete 1 T1", key + " " + set + " heartbeat 1 T1",
		}, both: []string{
			key + " " + set + " create 4 2099-12-31 23:59:00+00", key + " " + set + " confirmOnboarding 2 2099-12-31 23:59:00+00",
			key + " " + set + " delete 2 2099-12-31 23:59:00+00", key + " " + set + " heartbeat 2 2099-12-31 23:59:00+00",
		}},
		{report: "changes-by-person", days: 2, want: []string{}},
		{report: "status-by-day", days: 3, want: []string{
			"D1 " + set + " notOnboarded 0", "D1 " + set + " onboarded 1", "D1 " + set + " onboarding 1",
			"D2 " + set + " notOnboarded 0", "D2 " + set + " onboarded 1", "D2 " + set + " onboarding 1",
			"D3 " + set + " notOnboarded 0", "D3 " + set + " onboarded 1", "D3 " + set + " onboarding 1",
		}},
		{report: "stale-remote-assistance-partners", days: 2, want: []string{"id-of-a a T1 week"}},
		{report: "stale-remote-assistance-partners", days: 3, want: []string{}},
	} {
		query, both := "", tt.both
		if tt.days > 0 {
			query = fmt.Sprintf("&days=%d", tt.days)
		}
		for clock, at := range begins {
			want := make([]string, len(tt.want))
			dates := strings.NewReplacer("T1", inPostgres(at.Add(day)), "D1", at.Add(day).Format(time.DateOnly), "D2", at.Add(2*day).Format(time.DateOnly), "D3", at.Add(3*day).Format(time.DateOnly))
			for i, row := range tt.want {
				want[i] = dates.Replace(row)
			}
			if diff := cmp.Diff(want, withNames(c.report(tenants[clock], tt.report, query), names)); diff != "" {
				t.Errorf("%s with %d days, %s (-want +got):\n%s", tt.report, tt.days, clock, diff)
			}
			if tt.both == nil {
				both = append(both, want...)
			}
		}
		got := withNames(ask(t, conn, c.reportSQL(tt.report, tt.days)), names)
		slices.Sort(got)
		slices.Sort(both)
		if diff := cmp.Diff(both, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s with %d days, as a login of both tenants (-want +got):\n%s", tt.report, tt.days, diff)
		}
	}
}

func inPostgres(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.999999-07") }

// withNames replaces the ids of entities in rows.
func withNames(rows []string, names map[string]string) []string {
	for i := range rows {
		for id, name := range names {
			rows[i] = strings.ReplaceAll(rows[i], id, name)
		}
	}
	return rows
}

// The views show what a tenant's clock shows, whatever the time zone of the session, and measure
// with it.
func TestReportedTime(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	far := time.Date(8999, 12, 31, 23, 59, 59, 999999e3, time.UTC)
	spring := time.Date(2030, 3, 10, 6, 59, 59, 0, time.UTC) // in New York, a second before an hour is left out
	for _, tt := range []struct {
		name string
		set  *api.ClockSet
		ran  time.Duration // before the query
		at   *time.Time    // nil is what the administration shows
	}{
		{name: "the service's"},
		{name: "ahead", set: &api.ClockSet{AdvanceSeconds: ptr(3e8 + .25)}},
		{name: "frozen", set: &api.ClockSet{Now: &far, Rate: ptr(0.)}, ran: time.Hour, at: &far},
		{name: "half as fast", set: &api.ClockSet{Now: &spring, Rate: ptr(.5)}, ran: 50 * time.Hour},
		{name: "over a change to summer time", set: &api.ClockSet{Now: &spring}, ran: 75 * time.Hour},
		{name: "faster", set: &api.ClockSet{Now: &spring, Rate: ptr(1000.)}, ran: time.Hour},
		{name: "at its end", set: &api.ClockSet{Now: &far, Rate: ptr(86400.)}, ran: 10 * 365 * 24 * time.Hour, at: ptr(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC))},
		{name: "set by a clock that is ahead of Postgres's", set: &api.ClockSet{Now: &far}, ran: -time.Hour, at: &far},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made := c.newTenant(api.TenantCreate{})
			tenant := made.Tenant.Id
			c.createPartner(made.Credentials.AccessToken, "x", "onboarding")
			if tt.set != nil {
				c.setClock(tenant, *tt.set)
			}
			if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE tenants SET clock_from = clock_from - $2::interval WHERE id = $1", tenant, tt.ran); err != nil {
				t.Fatal(err)
			}
			conn := connect(c, c.newLogin(tenant).Dsn)
			if _, err := conn.Exec(t.Context(), "SET timezone = 'America/New_York'"); err != nil {
				t.Fatal(err)
			}
			shown := func() time.Time {
				return decode[api.Clock](t, c.want(200, c.do("GET", tenantPath(tenant, "/clock"), nil))).Now
			}
			var now time.Time
			var agree bool
			before := shown()
			const query = "SELECT t.now, extract(epoch FROM s.duration) = extract(epoch FROM t.now - s.from_at) FROM reporting.tenants AS t JOIN reporting.time_in_status AS s USING (tenant_id)"
			if err := conn.QueryRow(t.Context(), query).Scan(&now, &agree); err != nil {
				t.Fatal(err)
			}
			after := shown()
			if tt.at != nil {
				before, after = *tt.at, *tt.at
			}
			if now.Before(before) || now.After(after) || !agree {
				t.Errorf("the views show %s, the clock %s to %s; with time_in_status it agrees: %t", now, before, after, agree)
			}
		})
	}
}

// A user is in the view of sign-ins until the sign-in ends by the tenant's clock.
func TestReportedSignInsByClock(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	for name, at := range map[string]time.Time{"behind": time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), "ahead": time.Date(2099, 12, 31, 23, 59, 0, 0, time.UTC)} {
		tenant := c.frozenAt(at)
		conn := connect(c, c.newLogin(tenant).Dsn)
		if _, err := dbtest.Pool(t).Exec(t.Context(), "INSERT INTO sessions SELECT $1, 'x', id, $2::timestamptz, $2::timestamptz + interval '1 day' FROM users WHERE tenant_id = $1", tenant, at); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{1, 1, 0} {
			if got := rowsSeen(t, conn, "sign_ins"); got != want {
				t.Errorf("%s, %s: %d signed in, want %d", name, decode[api.Clock](t, c.do("GET", tenantPath(tenant, "/clock"), nil)).Now, got, want)
			}
			c.setClock(tenant, api.ClockSet{AdvanceSeconds: ptr(12. * 3600)})
		}
	}
}

// A report doesn't show an onboarding as waiting that has expired by the tenant's clock.
func TestReportsEndOnboardings(t *testing.T) {
	t.Parallel()
	needReports(t)
	c := setup(t)
	tenant := c.frozenAt(time.Date(2099, 12, 30, 23, 59, 0, 0, time.UTC))
	set := tenantPath(tenant, "/entities/remoteAssistancePartners")
	r := api.EntityCreate{Properties: ptr(json.RawMessage(`{"displayName":"x","onboardingStatus":"onboarding","onboardingRequestExpiryDateTime":"2100-01-02T00:00:00Z"}`))}
	names := map[string]string{decode[api.Entity](t, c.want(201, c.do("POST", set, r))).Id: "id-of-x"}
	c.setClock(tenant, api.ClockSet{AdvanceSeconds: ptr(24. * 3600)})
	if got, want := withNames(c.report(tenant, "waiting-requests", ""), names), []string{"id-of-x x 1 day 2100-01-02 00:00:00+00"}; !slices.Equal(got, want) {
		t.Errorf("%q waits, want %q", got, want)
	}
	c.setClock(tenant, api.ClockSet{AdvanceSeconds: ptr(24.*3600 + 60)})
	if got := c.report(tenant, "waiting-requests", ""); len(got) != 0 {
		t.Errorf("%q waits after its expiry", got)
	}
}

// The administration's reports use the service's clock even if that isn't Postgres's.
func TestReportsFollowTheServicesClock(t *testing.T) {
	t.Parallel()
	needReports(t)
	var now atomic.Int64
	now.Store(time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC).Unix())
	c := openWith(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	r := api.EntityCreate{Properties: ptr(json.RawMessage(`{"displayName":"x","onboardingStatus":"onboarding"}`))}
	names := map[string]string{decode[api.Entity](t, c.want(201, c.do("POST", tenantPath(tenant, "/entities/remoteAssistancePartners"), r))).Id: "id-of-x"}
	now.Add(36 * 3600)
	for query, want := range map[string][]string{
		"waiting-requests": {"id-of-x x 1 day 12:00:00 ?"},
		"status-by-day": {
			"2040-01-02 remoteAssistancePartners notOnboarded 0", "2040-01-02 remoteAssistancePartners onboarded 0", "2040-01-02 remoteAssistancePartners onboarding 1",
			"2040-01-03 remoteAssistancePartners notOnboarded 0", "2040-01-03 remoteAssistancePartners onboarded 0", "2040-01-03 remoteAssistancePartners onboarding 1",
		},
	} {
		if diff := cmp.Diff(want, withNames(c.report(tenant, query, ""), names)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
