package console_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// plotted returns what the marks of a page's charts say: labels and values.
func (p page) plotted() (all []string) {
	for _, n := range p.find(func(n *html.Node) bool { return has(n, "data-value") && has(n, "data-label") && n.Namespace == "svg" }) {
		all = append(all, attr(n, "data-label")+": "+attr(n, "data-value"))
	}
	return all
}

// length returns the number in an attribute of a chart's node.
func length(tb testing.TB, n *html.Node, name string) (value float64) {
	tb.Helper()
	text := strings.TrimSuffix(attr(n, name), "%")
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		tb.Fatalf("%s %q: %v", name, text, err)
	}
	return value
}

// chartTenant makes a tenant whose partners change on each of three days, by its clock: one is
// onboarded and stale, one waits, and one is new.
func (b *browser) chartTenant() uuid.UUID {
	b.Helper()
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(b.Context(), nil, api.TenantCreate{DisplayName: "Charts"})))(b)
	id, token := made.Tenant.Id, made.Credentials.AccessToken
	onboarded := b.createPartner(token, "<b>Onboarded</b>, and a long name that a chart shortens")
	b.createPartner(token, "Waiting")
	b.nextDay(id)
	must(client.Read[api.Entity](b.api().ActOnEntity(b.Context(), id, "remoteAssistancePartners", onboarded, "confirm")))(b)
	b.nextDay(id)
	must(client.Read[api.Entity](b.api().CreateEntity(b.Context(), id, "remoteAssistancePartners", nil, api.EntityCreate{})))(b)
	return id
}

func (b *browser) nextDay(tenant uuid.UUID) {
	b.Helper()
	must(client.Read[api.Clock](b.api().SetClock(b.Context(), tenant, api.ClockSet{AdvanceSeconds: ptr(24 * 60 * 60.0)})))(b)
}

// The marks of each report's chart have the values of the report's rows.
func TestCharts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.chartTenant()
	for _, tt := range []struct {
		report string
		labels []string // columns; none takes a mark for each value column
		values []string
		counts bool // a mark counts the rows of its label
	}{
		{report: "onboarding-funnel", labels: []string{"step_name"}, values: []string{"reached"}},
		{report: "entities-by-status", labels: []string{"entity_set", "status"}, values: []string{"entities"}},
		{report: "changes-by-person", labels: []string{"change", "entity_set", "who"}, values: []string{"changes"}},
		{report: "waiting-requests", labels: []string{"display_name"}, values: []string{"waiting_for"}},
		{report: "time-to-onboard", values: []string{"median", "nine_in_ten"}},
		{report: "status-by-day", labels: []string{"entity_set", "day", "status"}, values: []string{"entities"}},
		{report: "stale-remote-assistance-partners", labels: []string{"staleness"}, counts: true},
	} {
		page := b.get("/console/tenants/" + id.String() + "/reports/" + tt.report + "/answer")
		rows := b.reportRows(page)
		var want []string
		for _, row := range rows {
			for _, value := range tt.values {
				label := strings.ReplaceAll(value, "_", " ")
				if tt.labels != nil {
					label = strings.Join(pick(row, tt.labels), ", ")
				}
				want = append(want, label+": "+row[value])
			}
		}
		if tt.counts {
			want = []string{rows[0][tt.labels[0]] + ": 1"}
		}
		if diff := cmp.Diff(want, page.plotted()); len(want) == 0 || diff != "" {
			t.Errorf("%s: (-rows +chart)\n%s", tt.report, diff)
		}
	}
	days := b.get("/console/tenants/" + id.String() + "/reports/status-by-day/answer")
	if got := days.plotted(); len(got) != 3*3 || !strings.HasSuffix(got[0], "notOnboarded: 0") || !slices.ContainsFunc(got, func(m string) bool { return strings.HasSuffix(m, "onboarding: 2") }) {
		t.Errorf("by day: %q", got)
	}
	if other := b.get("/console/tenants/" + id.String() + "/reports/recent-changes/answer"); len(other.plotted()) != 0 {
		t.Errorf("recent changes: %q", other.plotted())
	}
}

// reportRows reads the table of a report's answer, which TestPagesShowTheAPI and the browser's test
// compare with the API.
func (b *browser) reportRows(p page) (rows []map[string]string) {
	b.Helper()
	for _, row := range p.withTestID("report-row") {
		cells := map[string]string{}
		for _, n := range descend(row) {
			if n.Data == "td" {
				cells[strings.ReplaceAll(attr(n, "data-label"), " ", "_")] = inner(n)
			}
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		b.Fatalf("no rows in %s", p.main())
	}
	return rows
}

func pick(row map[string]string, columns []string) (values []string) {
	for _, c := range columns {
		values = append(values, row[c])
	}
	return values
}

// Bars are as long as their values, and the parts of a day as high.
func TestChartsAreToScale(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.chartTenant()
	at := "/console/tenants/" + id.String() + "/reports/"
	funnel := b.get(at + "onboarding-funnel/answer")
	var longest float64
	bars := funnel.find(func(n *html.Node) bool { return n.Data == "rect" })
	for _, n := range bars {
		longest = max(longest, length(t, n, "width"))
	}
	for _, n := range bars {
		value := length(t, n.Parent, "data-value")
		if got, want := length(t, n, "width"), longest*value/3; got < want-.1 || got > want+.1 { // three partners were created
			t.Errorf("%s: %g, want %g", attr(n.Parent, "data-label"), got, want)
		}
	}
	for _, n := range b.get(at + "status-by-day/answer").find(func(n *html.Node) bool { return n.Data == "rect" }) {
		value, high := length(t, n, "data-value"), length(t, n, "height")
		if unit := 130.0 / 3; value == 0 && high != 0 || value > 0 && (high < value*unit-3 || high > value*unit) { // three partners at most
			t.Errorf("%s: %g for %g", attr(n, "data-label"), high, value)
		}
	}
}
