package console_test

import (
	"net/http"
	"net/http/httptest"
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
	active := func(want string) {
		t.Helper()
		if got := b.get("/console/tenants/" + id.String()).byTestID("card-faults"); got != "Faults active"+want {
			t.Errorf("%q, want %s", got, want)
		}
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
	must(client.Read[api.Clock](b.api().SetClock(t.Context(), id, api.ClockSet{AdvanceSeconds: ptr(float64(7200))})))(t)
	active("1")
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
