package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
)

// Bad rules and clocks are refused in exactly these words.
func TestTestControlRefusals(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:08:09Z","rate":0}`)
	for _, tt := range []struct {
		what, method, path, body string
		status                   int
		pointer, detail          string
	}{
		{
			what: "GET has no body", method: "POST", path: "/faults", body: `{"match":{"method":"GET","member":{"name":"displayName"}},"effect":{"status":500}}`,
			status: 400, pointer: "/match/member", detail: `/match/member: a GET has no body, so the rule would never match.`,
		},
		{
			what: "no such route", method: "POST", path: "/faults", body: `{"match":{"route":"/v1.0/nowhere"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/route", detail: `/match/route: "/v1.0/nowhere" isn't a route with that method, so the rule would never match: want one such as /v1.0/deviceManagement/remoteAssistancePartners/:id.`,
		},
		{
			what: "no such method of a route", method: "POST", path: "/faults", body: `{"match":{"method":"PUT","route":"/v1.0/deviceManagement/remoteAssistancePartners"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/route", detail: `/match/route: "/v1.0/deviceManagement/remoteAssistancePartners" isn't a route with that method, so the rule would never match: want one such as /v1.0/deviceManagement/remoteAssistancePartners/:id.`,
		},
		{
			what: "a user at the authority", method: "POST", path: "/faults", body: `{"match":{"front":"authority","user":"8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/front", detail: `/match/front: requests to the authority have no token with an application or a user, so the rule would never match: match the member client_id instead.`,
		},
		{
			what: "an error of another front", method: "POST", path: "/faults", body: `{"match":{"front":"graph"},"effect":{"error":"AADSTS50126"}}`,
			status: 400, pointer: "/effect/error", detail: `/effect/error: AADSTS50126 is an error of the front authority, but the rule is for the front graph.`,
		},
		{
			what: "a schedule that is past", method: "POST", path: "/faults", body: `{"schedule":{"until":"2031-05-06T07:08:09Z"},"effect":{"status":500}}`,
			status: 400, pointer: "/schedule/until", detail: `/schedule/until: 2031-05-06T07:08:09Z is past, by the tenant's clock, so the rule would never match.`,
		},
		{
			what: "a schedule that ends before it begins", method: "POST", path: "/faults", body: `{"schedule":{"from":"2032-01-02T00:00:00Z","until":"2032-01-01T00:00:00Z"},"effect":{"status":500}}`,
			status: 400, pointer: "/schedule/until", detail: `/schedule/until: 2032-01-01T00:00:00Z isn't after from, 2032-01-02T00:00:00Z, so the rule would never match.`,
		},
		{
			what: "a schedule without times", method: "POST", path: "/faults", body: `{"schedule":{"times":0},"effect":{"status":500}}`,
			status: 400, pointer: "/schedule/times", detail: `/schedule/times: want at least 1`,
		},
		{
			what: "a probability of 1.5", method: "POST", path: "/faults", body: `{"schedule":{"probability":1.5},"effect":{"status":500}}`,
			status: 400, pointer: "/schedule/probability", detail: `/schedule/probability: want at most 1`,
		},
		{
			what: "a rule until the year 12000", method: "POST", path: "/faults", body: `{"schedule":{"until":"12000-01-02T00:00:00Z"},"effect":{"status":500}}`,
			status: 400, pointer: "/schedule/until", detail: `/schedule/until: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "a bad pattern", method: "POST", path: "/faults", body: `{"match":{"path":"/v1.0/[a-z]"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/path", detail: `/match/path: "/v1.0/[a-z]" isn't a pattern, because no path contains "[": * matches any part of a segment, and /** at the end any number of segments.`,
		},
		{
			what: "a bad pattern: ** within", method: "POST", path: "/faults", body: `{"match":{"path":"/v1.0/**/x"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/path", detail: `/match/path: "/v1.0/**/x" isn't a pattern: ** must be the last segment.`,
		},
		{
			what: "a slow pattern", method: "POST", path: "/faults", body: `{"match":{"query":"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a"},"effect":{"status":500}}`,
			status: 400, pointer: "/match/query", detail: `/match/query: "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a" has more than 20 *.`,
		},
		{
			what: "a member that is too deep", method: "POST", path: "/faults", body: `{"match":{"member":{"name":"a/b/c/d/e/f/g/h/i/j/k"}},"effect":{"status":500}}`,
			status: 400, pointer: "/match/member/name", detail: `/match/member/name: "a/b/c/d/e/f/g/h/i/j/k" is deeper than 10 members.`,
		},
		{
			what: "a bad rule in a document", method: "PUT", path: "/state", body: `{"version":1,"faults":[{"effect":{"status":200}}]}`,
			status: 400, pointer: "/faults/0/effect/status", detail: `line 1, /faults/0/effect/status: 200 isn't the status of an error: want 400 to 599, or a body.`,
		},
		{
			what: "a clock before the tenant was made", method: "PUT", path: "/clock", body: `{"now":"2001-01-01T00:00:00Z"}`,
			status: 409, pointer: "", detail: `A clock never runs backwards: it shows 2031-05-06T07:08:09Z, which is after 2001-01-01T00:00:00Z. Reset it, or restore a snapshot.`,
		},
		{
			what: "a clock in the year 12000", method: "PUT", path: "/clock", body: `{"now":"12000-01-01T00:00:00Z"}`,
			status: 400, pointer: "/now", detail: `/now: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "a clock of a document in the year 12000", method: "PUT", path: "/state", body: `{"version":1,"clock":{"now":"12000-01-01T00:00:00Z"}}`,
			status: 400, pointer: "/clock/now", detail: `line 1, /clock/now: "12000-01-01T00:00:00Z": want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "a rule of a document until the year 12000", method: "PUT", path: "/state", body: `{"version":1,"faults":[{"schedule":{"until":"12000-01-01T00:00:00Z"},"effect":{"status":500}}]}`,
			status: 400, pointer: "/faults/0/schedule/until", detail: `line 1, /faults/0/schedule/until: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "requests since the year 12000", method: "GET", path: "/requests?since=12000-01-01T00:00:00Z",
			status: 400, pointer: "", detail: `The parameter since: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "a verification until the year 12000", method: "POST", path: "/requests/verify", body: `{"until":"12000-01-01T00:00:00Z","noExpiredToken":true}`,
			status: 400, pointer: "/until", detail: `/until: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z`,
		},
		{
			what: "a clock after its end", method: "PUT", path: "/clock", body: `{"now":"9999-12-31T00:00:00Z"}`,
			status: 400, pointer: "/now", detail: `/now: 9999-12-31T00:00:00Z is after 9000-01-01T00:00:00Z, the maximum of a clock.`,
		},
		{
			what: "a clock that runs backwards", method: "PUT", path: "/clock", body: `{"advanceSeconds":-1}`,
			status: 400, pointer: "/advanceSeconds", detail: `/advanceSeconds: want at least 0`,
		},
	} {
		d.refused(tt.what, tt.method, tt.path, tt.body, tt.status, tt.pointer, tt.detail)
	}
	tenant := want[api.Tenant](d, "GET", "", "", 200)
	d.refused("a clock of a document before the tenant was made", "PUT", "/state", `{"version":1,"clock":{"now":"2001-01-01T00:00:00Z"}}`, 400, "/clock/now",
		"line 1, /clock/now: the clock would show 2001-01-01T00:00:00Z, before the tenant was made, "+tenant.CreatedDateTime.Format(time.RFC3339Nano))
	rules := strings.Repeat(`{"effect":{"status":500}},`, 9_999) + `{"effect":{"status":500}}`
	d.refused("10,000 rules", "PUT", "/state", `{"version":1,"faults":[`+rules+`]}`, 400, "/faults/1000", "line 1, /faults/1000: is one too many: a tenant may have 1000 rules")
	if got := d.faults(); len(got) != 0 {
		t.Errorf("what was refused left %+v", got)
	}
}

// refused sends what the administration must refuse in these words.
func (d *demo) refused(what, method, path, body string, status int, pointer, detail string) {
	d.Helper()
	w := d.administer(method, path, body)
	var got struct {
		Type, Title, Detail, Pointer string
		Status                       int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		d.Errorf("%s: %v: %s", what, err, w.Body)
	}
	title := map[int]string{400: "Bad Request", 409: "Conflict"}[status]
	if have, want := fmt.Sprintf("%d %+v", w.Code, got), fmt.Sprintf("%d {Type:about:blank Title:%s Detail:%s Pointer:%s Status:%d}", status, title, detail, pointer, status); have != want {
		d.Errorf("%s: %s, want %s", what, have, want)
	}
}
