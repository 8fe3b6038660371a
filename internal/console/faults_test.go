package console_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// A tenant's home counts only rules that can still fire: not those that have fired as often as
// they may, nor those whose time is past.
func TestActiveFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: "faulty"})))(t)
	id := made.Tenant.Id
	for _, rule := range []api.FaultCreate{
		{Schedule: &api.FaultSchedule{Times: ptr(int64(2))}},
		{Match: &api.FaultMatch{Path: ptr("/nowhere")}},
		{Match: &api.FaultMatch{Path: ptr("/nowhere")}, Schedule: &api.FaultSchedule{Until: ptr(time.Now().Add(time.Hour))}},
	} {
		rule.Effect.Status = ptr(int32(503))
		must(client.Read[api.Fault](b.api().CreateFault(t.Context(), id, rule)))(t)
	}
	active := func(want string) page {
		t.Helper()
		home := b.get("/console/tenants/" + id.String())
		if got := home.byTestID("card-faults"); got != "Faults active"+want {
			t.Errorf("%q, want %s", got, want)
		}
		return home
	}
	active("3")
	for _, want := range []string{"3", "2"} { // one firing of two, the second one
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1.0/deviceManagement/remoteAssistancePartners", nil)
		r.Header.Set("Authorization", "Bearer "+made.Credentials.AccessToken)
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, r)
		if w.Code != 503 {
			t.Fatalf("the rule doesn't fire: %d %s", w.Code, w.Body)
		}
		active(want)
	}
	if got := active("2").byTestID("card-requests"); got != "Requests in the last minute2" {
		t.Errorf("two requests: %q", got)
	}
	must(client.Read[api.Clock](b.api().SetClock(t.Context(), id, api.ClockSet{AdvanceSeconds: ptr(float64(7200))})))(t)
	if got := active("1").byTestID("card-requests"); got != "Requests in the last minute0" {
		t.Errorf("two hours later: %q", got)
	}
}

// Each scenario starts by one click.
func TestScenarioButtons(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: "scenarios"})))(t)
	at := "/console/tenants/" + made.Tenant.Id.String() + "/faults"
	forms := b.get(at).find(func(n *html.Node) bool { return attr(n, "action") == "/console/call/startScenario" })
	if len(forms) < 9 {
		t.Fatalf("%d scenarios", len(forms))
	}
	for _, form := range forms {
		values := url.Values{}
		for _, n := range descend(form) {
			if name := attr(n, "name"); name != "" {
				values.Set(name, attr(n, "value"))
			}
		}
		if p := b.do("POST", attr(form, "action"), values); p.status != 303 || p.header.Get("Location") != at {
			t.Fatalf("%v: %d %s", values, p.status, p.main())
		}
		rules := must(client.Read[api.FaultList](b.api().ListFaults(t.Context(), made.Tenant.Id)))(t)
		if !slices.ContainsFunc(rules.Value, func(f api.Fault) bool { return f.Scenario != nil && *f.Scenario == values.Get("/name") }) {
			t.Errorf("%s has no rules", values.Get("/name"))
		}
	}
}

// The page of the clock says what expires next, by that clock.
func TestExpiring(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: "expiring"})))(t)
	id, at := made.Tenant.Id, "/console/tenants/"+made.Tenant.Id.String()+"/clock"
	rows := func() (all []string) {
		for _, n := range b.get(at).find(func(n *html.Node) bool { return attr(n, "data-testid") == "expiring-row" }) {
			all = append(all, inner(n))
		}
		return all
	}
	before := rows()
	properties := json.RawMessage(`{"displayName": "<b>Asks</b>", "onboardingStatus": "onboarding", "onboardingRequestExpiryDateTime": "` + time.Now().Add(72*time.Hour).UTC().Format(time.RFC3339) + `"}`)
	entity := must(client.Read[api.Entity](b.api().CreateEntity(t.Context(), id, "remoteAssistancePartners", nil, api.EntityCreate{Properties: &properties})))(t)
	if all := rows(); len(all) != len(before)+1 || !strings.HasPrefix(all[0], "<b>Asks</b>"+entity.Id+"onboarding requestin 2 days") || len(before) == 0 || !strings.Contains(strings.Join(all, "\n"), "secret "+made.Credentials.ClientSecret[:3]) {
		t.Errorf("%q, before %q", all, before)
	}
	must(client.Read[api.Clock](b.api().SetClock(t.Context(), id, api.ClockSet{AdvanceSeconds: ptr(float64(73 * 3600))})))(t)
	if all := rows(); len(all) != len(before) {
		t.Errorf("three days later: %q", all)
	}
}

// Pages about a tenant whose clock is ahead measure its own times by that clock, and its expiry
// and the audit log by the service's.
func TestTimesOfMovedTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: "moved", TtlSeconds: ptr(int64(3*24*3600 - 60))})))(t)
	id := made.Tenant.Id.String()
	ahead := time.Now().AddDate(10, 0, 5)
	must(client.Read[api.Clock](b.api().SetClock(t.Context(), made.Tenant.Id, api.ClockSet{Now: &ahead, Rate: ptr(0.)})))(t)
	times := func(path string) (all []string) {
		for _, n := range b.get(path).find(func(n *html.Node) bool { return n.Data == "time" }) {
			all = append(all, inner(n))
		}
		return all
	}
	if got, want := times("/console/tenants/"+id+"/settings"), []string{"10 years ago", "in 2 days"}; !slices.Equal(got, want) {
		t.Errorf("created and expires %q, want %q", got, want)
	}
	got := times("/console/audit?tenantId=" + id)
	if len(got) != 2 || slices.ContainsFunc(got, func(at string) bool { return strings.Contains(at, "year") }) {
		t.Errorf("made and moved %q", got)
	}
}

// The form for a tenant starts with a preset's document, which it sends.
func TestPresets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range api.PresetNames() {
		form := b.get("/console/form/createTenant?back=/console/tenants")
		link := form.find(func(n *html.Node) bool { return attr(n, "data-testid") == "preset-"+name })
		if len(link) != 1 {
			t.Fatalf("no link to the preset %s", name)
		}
		p := b.submit(b.get(attr(link[0], "href")), "createTenant", "/displayName", "from "+name)
		if p.status != 200 {
			t.Fatalf("%s: %d %s", name, p.status, p.main())
		}
		home := attr(p.find(func(n *html.Node) bool { return attr(n, "data-testid") == "tenant-link" })[0], "href")
		if got := b.get(home).byTestID("card-remoteAssistancePartners"); got == "Remote assistance partners0" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if p := b.get("/console/form/createTenant?preset=../openapi"); p.byTestID("field-source-document") != "\n" && p.byTestID("field-source-document") != "" {
		t.Errorf("another preset: %q", p.byTestID("field-source-document"))
	}
}

// Every block of text can have the focus, so that keys scroll it.
func TestBlocksHaveFocus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	blocks := 0
	for _, path := range b.sample("blocks").pages() {
		for _, n := range b.get(path).find(func(n *html.Node) bool { return n.Data == "pre" }) {
			if blocks++; attr(n, "tabindex") != "0" {
				t.Errorf("%s: %q can't have the focus", path, inner(n))
			}
		}
	}
	if blocks < 20 {
		t.Errorf("only %d blocks", blocks)
	}
}
