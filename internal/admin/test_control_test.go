package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// controlled is a document with a clock, rules and throttling.
const controlled = `{
  "version": 1,
  "remoteAssistancePartners": [{"displayName": "one"}],
  "faults": [
    {"match": {"method": "POST", "path": "/v1.0/deviceManagement/**"}, "schedule": {"after": 1, "times": 2, "until": "2031-01-01T00:00:00Z"}, "effect": {"status": 503, "body": ""}},
    {"scenario": "license-lost", "match": {"path": "/nowhere"}, "effect": {"error": "unlicensed"}, "matched": 7, "fired": 3}
  ],
  "settings": {"throttling": {"limits": "own", "tenantWrites": 5}},
  "clock": {"now": "2030-05-06T07:08:09Z", "rate": 0}
}`

// control has the parts of a tenant's state that control tests.
type control struct {
	clock      api.Clock
	faults     []api.Fault
	throttling api.Throttling
}

func (c *client) control(tenant uuid.UUID) (got control) {
	c.Helper()
	got.clock = decode[api.Clock](c, c.want(200, c.do("GET", tenantPath(tenant, "/clock"), nil)))
	got.faults = decode[api.FaultList](c, c.want(200, c.do("GET", tenantPath(tenant, "/faults"), nil))).Value
	got.throttling = *decode[api.Tenant](c, c.want(200, c.do("GET", tenantPath(tenant), nil))).Settings.Throttling
	return got
}

// Rules with their counts, the clock and throttling are part of a tenant's state: of
// documents, exports, seeds, snapshots, copies and restores. Everything that is made with a
// tenant is dated by its clock.
func TestTestControlIsState(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name := "seed-" + uuid.NewString()
	c.want(201, c.do("POST", "/v1/seeds?name="+name, controlled))
	made := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Seed: &name}})
	first, token := made.Tenant.Id, made.Credentials.AccessToken
	frozen := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	want := c.control(first)
	if !want.clock.Now.Equal(frozen) || want.clock.Rate != 0 || len(want.faults) != 2 || want.faults[1].Fired != 3 || *want.faults[1].Scenario != "license-lost" || *want.throttling.TenantWrites != 5 {
		t.Fatalf("%+v", want)
	}
	if !made.Tenant.CreatedDateTime.Equal(frozen) || !want.faults[0].CreatedDateTime.Equal(frozen) || !made.Credentials.ExpiresDateTime.Equal(frozen.Add(75*time.Minute)) {
		t.Errorf("%+v", made)
	}
	for i, status := range []int{201, 503, 503, 201} {
		if r := c.graph("POST", partners, `{}`, token); r.status != status {
			t.Errorf("create %d: %d %s", i, r.status, r.body)
		}
	}
	want = c.control(first)
	exported := c.export(first)
	checkSchema(t, exported)
	checkSchema(t, controlled)
	if !strings.Contains(exported, `"clock": {"now":"2030-05-06T07:08:09Z","rate":0,"from":"`) || !strings.Contains(exported, `"matched":4,"fired":2`) {
		t.Errorf("%s", exported)
	}
	check := func(how string, tenant uuid.UUID) {
		t.Helper()
		if diff := cmp.Diff(want, c.control(tenant), cmp.AllowUnexported(control{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
	}
	document := json.RawMessage(exported)
	for how, source := range map[string]api.TenantSource{"a copy": {TenantId: &first}, "a document": {Document: &document}} {
		copied := c.newTenant(api.TenantCreate{Source: &source})
		check(how, copied.Tenant.Id)
		if r := c.graph("GET", partners, "", copied.Credentials.AccessToken); r.status != 200 || r.header.Get("Date") != frozen.Format(http.TimeFormat) {
			t.Errorf("%s: %d %v", how, r.status, r.header)
		}
	}
	yaml := c.want(200, c.do("GET", tenantPath(first, "/state?format=yaml"), nil)).body
	bare := c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(bare, "/state"), yaml, "Content-Type", "application/yaml"))
	check("YAML", bare)
	c.want(201, c.do("POST", tenantPath(first, "/snapshots"), `{"name":"s"}`))
	c.want(200, c.do("PUT", tenantPath(first, "/state"), `{"version":1}`))
	if got := c.control(first); got.clock.Moved || len(got.faults) != 0 || got.throttling.Limits != "off" {
		t.Errorf("an empty document leaves %+v", got)
	}
	diff := decode[api.DiffList](t, c.want(200, c.do("GET", tenantPath(first, "/diff?from=s"), nil)))
	var entities []string
	for _, e := range diff.Value {
		if e.Entity == "clock" || e.Entity == "fault" || e.Entity == "settings" {
			entities = append(entities, fmt.Sprint(e.Entity, " ", e.Change))
		}
	}
	if want := []string{"settings changed", "clock removed", "fault removed", "fault removed"}; !reflect.DeepEqual(entities, want) {
		t.Errorf("%q, want %q", entities, want)
	}
	c.want(200, c.do("POST", tenantPath(first, "/snapshots/s/restore"), nil))
	check("a restore", first)
}

// The clock of a seed starts when a tenant is made from it.
func TestClockBeginsWithTheTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name := "seed-" + uuid.NewString()
	c.want(201, c.do("POST", "/v1/seeds?name="+name, `{"version":1,"clock":{"now":"2030-05-06T07:08:09Z","rate":86400}}`))
	if got := c.want(200, c.do("GET", "/v1/seeds/"+name+"/state", nil)).body; !strings.Contains(got, `"clock": {"now":"2030-05-06T07:08:09Z","rate":86400}`) {
		t.Errorf("%s", got)
	}
	made := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Seed: &name}}).Tenant
	if want := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC); !made.CreatedDateTime.Equal(want) {
		t.Errorf("made at %s, want %s", made.CreatedDateTime, want)
	}
}

// Invalid rules and clocks in documents are refused with their place, like those in other
// requests. Nothing changes.
func TestBadTestControlInDocuments(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	before := c.export(tenant)
	id := "01900000-0000-7000-8000-00000000000"
	for _, tt := range []struct{ member, pointer, want string }{
		{`"clock":{}`, "/clock", "lacks now, the time that the clock shows"},
		{`"clock":{"now":"9500-01-01T00:00:00Z"}`, "/clock/now", "9500-01-01T00:00:00Z is after 9000-01-01T00:00:00Z, the maximum of a clock"},
		{`"clock":{"now":"12000-01-01T00:00:00Z"}`, "/clock/now", `"12000-01-01T00:00:00Z"`},
		{`"clock":{"now":"1999-01-01T00:00:00Z"}`, "/clock/now", "the clock would show 1999-01-01T00:00:00Z, before the tenant was made, 20"},
		{`"clock":{"now":"2099-01-01T00:00:00Z","rate":-1}`, "/clock/rate", "-1: want 0 to 86400"},
		{`"clock":{"now":"2099-01-01T00:00:00Z","speed":1}`, "/clock/speed", "unknown property"},
		{`"faults":{}`, "/faults", "want an array"},
		{`"faults":[{"effect":{"status":500}},{}]`, "/faults/1/effect", `property "effect" is missing`},
		{`"faults":[{"effect":{"status":500},"schedule":{"probability":1.5}}]`, "/faults/0/schedule/probability", "want at most 1"},
		{`"faults":[{"effect":{"status":200}}]`, "/faults/0/effect/status", "200 isn't the status of an error: want 400 to 599, or a body."},
		{`"faults":[{"effect":{"status":500},"match":{"route":"/v1.0/nowhere"}}]`, "/faults/0/match/route", "isn't a route with that method"},
		{`"faults":[{"effect":{"status":500},"color":1}]`, "/faults/0/color", "unsupported"},
		{`"faults":[{"effect":{"status":500},"scenario":"doomsday"}]`, "/faults/0/scenario", `there is no scenario "doomsday"`},
		{`"faults":[{"effect":{"status":500},"matched":1,"fired":2}]`, "/faults/0/fired", "no more fired than matched"},
		{`"faults":[{"id":"` + id + `2","effect":{"status":500}},{"id":"` + id + `1","effect":{"status":500}}]`, "/faults/1/id", id + "1 doesn't come after " + id + "2"},
		{`"faults":[` + strings.Repeat(`{"effect":{"status":500}},`, 1000) + `{"effect":{"status":500}}]`, "/faults/1000", "is one too many: a tenant may have 1000 rules"},
	} {
		r := c.do("PUT", tenantPath(tenant, "/state"), `{"version":1,`+tt.member+`}`)
		if detail := c.refused(400, tt.pointer, r); !strings.Contains(detail, tt.want) {
			t.Errorf("%.100s: %s, want %s", tt.member, detail, tt.want)
		}
	}
	if got := c.export(tenant); got != before {
		t.Error("the tenant has changed")
	}
}
