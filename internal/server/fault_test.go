package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/fault"
	"github.com/mocktenant/mocktenant/internal/server"
)

func (d *demo) fault(rule string) api.Fault {
	d.Helper()
	w := d.administer("POST", "/faults", rule)
	var made api.Fault
	if err := json.Unmarshal(w.Body.Bytes(), &made); w.Code != 201 || err != nil {
		d.Fatalf("%s: %d %s", rule, w.Code, w.Body)
	}
	return made
}

func (d *demo) faults() []api.Fault {
	d.Helper()
	w := d.administer("GET", "/faults", "")
	var found api.FaultList
	if err := json.Unmarshal(w.Body.Bytes(), &found); w.Code != 200 || err != nil {
		d.Fatalf("%d %s", w.Code, w.Body)
	}
	return found.Value
}

// create creates a partner and returns the status, 0 if the connection was cut.
func (d *demo) create(name string) int {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), "POST", d.URL()+partners, strings.NewReader(`{"displayName":"`+name+`"}`))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+d.token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

func (d *demo) names() string {
	d.Helper()
	_, body := call(d.T, "GET", d.URL()+partners+"?$select=displayName&$orderby=displayName", d.token, "")
	var list struct {
		Value []struct{ DisplayName string }
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		d.Fatalf("%v: %s", err, body)
	}
	var names []string
	for _, p := range list.Value {
		names = append(names, p.DisplayName)
	}
	return strings.Join(names, " ")
}

// send calls Graph with additional headers. The answer is nil if the connection was cut
// before it began, and the body ends where it was cut.
func (d *demo) send(method, path, body string, header ...string) (*http.Response, string) {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.URL()+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, ""
	}
	defer func() { _ = response.Body.Close() }()
	read, _ := io.ReadAll(response.Body)
	return response, string(read)
}

// A rule throttles the third create for a second. The answer names the rule, and the rule
// counts the request. Other requests and tenants are unaffected.
func TestFaultThrottlesThird(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	rule := d.fault(`{"match":{"method":"POST","path":"/v1.0/devicemanagement/*"},"schedule":{"after":2,"times":1},"effect":{"status":429,"retryAfterSeconds":1}}`)
	for i := range 6 {
		r, body := d.send("POST", partners, `{}`, "x-mocktenant-fault", "?")
		want := 201
		if i == 2 {
			want = 429
			if r.Header.Get("Retry-After") != "1" || r.Header.Get("x-mocktenant-fault") != rule.Id.String() || !strings.Contains(body, `"code":"TooManyRequests"`) || !strings.Contains(body, "innerError") {
				t.Errorf("%v %s", r.Header, body)
			}
		}
		if r.StatusCode != want {
			t.Errorf("create %d: %d %s", i, r.StatusCode, body)
		}
		if r, _ := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 200 {
			t.Errorf("list %d: %d", i, r.StatusCode)
		}
	}
	if got := d.faults(); len(got) != 1 || got[0].Matched != 6 || got[0].Fired != 1 || got[0].Id != rule.Id {
		t.Errorf("%+v", got)
	}
	if w := d.administer("DELETE", "/faults/"+rule.Id.String(), ""); w.Code != 204 || len(d.faults()) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := d.administer("DELETE", "/faults/"+rule.Id.String(), ""); w.Code != 404 {
		t.Errorf("deleted twice: %d", w.Code)
	}
}

// Schedules decide exactly which of the matching requests fail.
func TestFaultSchedules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		schedule string
		fails    []int
	}{
		{`{"times":2}`, []int{0, 1}},
		{`{"after":7}`, []int{7, 8, 9}},
		{`{"every":4}`, []int{0, 4, 8}},
		{`{"after":1,"every":3,"times":2}`, []int{1, 4}},
		{`{"probability":0.5,"seed":7}`, nil},
		{`{"probability":0.5,"seed":7}`, nil}, // like the previous one, in another tenant
		{`{"probability":0.5,"seed":8}`, nil},
	} {
		t.Run(tt.schedule, func(t *testing.T) {
			t.Parallel()
			d := newDemo(t)
			d.fault(`{"match":{"method":"POST"},"schedule":` + tt.schedule + `,"effect":{"status":500}}`)
			var fails []int
			for i := range 10 {
				if d.create("x") == 500 {
					fails = append(fails, i)
				}
			}
			if tt.fails != nil && !slices.Equal(fails, tt.fails) {
				t.Errorf("%v fail, want %v", fails, tt.fails)
			}
			if tt.fails == nil {
				before, loaded := seeded.LoadOrStore(tt.schedule, fmt.Sprint(fails))
				if loaded && before != fmt.Sprint(fails) {
					t.Errorf("%v fail, and %v in another tenant", fails, before)
				}
				if len(fails) == 0 || len(fails) == 10 {
					t.Errorf("%v fail", fails)
				}
			}
		})
	}
}

// seeded records which requests fail with a schedule and a seed.
var seeded sync.Map

// A rule for the first n fires n times, with many clients on two replicas.
func TestFaultFiresExactly(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	second := start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now})
	d.fault(`{"match":{"method":"POST"},"schedule":{"times":17},"effect":{"status":503}}`)
	var failed atomic.Int64
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			at := []string{d.URL(), second.URL()}[i%2]
			for range 2 {
				if r, _ := call(t, "POST", at+partners, d.token, `{}`); r.StatusCode == 503 {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := d.faults()[0]; failed.Load() != 17 || got.Fired != 17 || got.Matched != 128 {
		t.Errorf("%d requests failed, want 17; %+v", failed.Load(), got)
	}
}

// A connection is cut before or after a change, also by a request in a batch. The service keeps
// running.
func TestFaultResets(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.fault(`{"match":{"method":"POST","path":"/v1.0/*/*"},"schedule":{"times":1},"effect":{"reset":"before"}}`)
	d.fault(`{"match":{"method":"POST","path":"/v1.0/*/*"},"schedule":{"times":1},"effect":{"reset":"after"}}`)
	if before, after, then := d.create("a"), d.create("b"), d.create("c"); before != 0 || after != 0 || then != 201 {
		t.Errorf("%d %d %d", before, after, then)
	}
	if got := d.names(); got != "b c" {
		t.Errorf("there are %s, want b c", got)
	}
	d.fault(`{"match":{"method":"POST","path":"/v1.0/*/*"},"schedule":{"times":1},"effect":{"reset":"after"}}`)
	batch := `{"requests":[{"id":"1","method":"POST","url":"/deviceManagement/remoteAssistancePartners","headers":{"Content-Type":"application/json"},"body":{"displayName":"d"}}]}`
	r, err := http.NewRequestWithContext(t.Context(), "POST", d.URL()+"/v1.0/$batch", strings.NewReader(batch))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+d.token)
	if response, err := http.DefaultClient.Do(r); err == nil {
		_ = response.Body.Close()
		t.Errorf("the batch is answered: %s", response.Status)
	}
	if got := d.names(); got != "b c d" {
		t.Errorf("there are %s, want b c d", got)
	}
}

// A rule determines the answer: an error in the form of each front, a gateway's page, an empty
// answer, a part of a document, a late answer.
func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	once := func(match, effect string) {
		d.fault(`{"match":` + match + `,"schedule":{"times":1},"effect":` + effect + `}`)
	}
	once(`{"method":"GET"}`, `{"status":502,"body":"<html>Bad Gateway</html>"}`)
	if r, body := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 502 || body != "<html>Bad Gateway</html>" || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("a gateway: %d %v %s", r.StatusCode, r.Header, body)
	}
	once(`{"method":"GET"}`, `{"status":200,"body":"{\"value\":[","contentType":"application/json"}`)
	if r, body := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 200 || body != `{"value":[` || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("broken off: %d %v %s", r.StatusCode, r.Header, body)
	}
	once(`{"method":"GET"}`, `{"status":503,"body":""}`)
	if r, body := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 503 || body != "" {
		t.Errorf("nothing: %d %s", r.StatusCode, body)
	}
	once(`{"method":"GET"}`, `{"status":403,"code":"accessDenied","message":"No."}`)
	if r, body := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 403 || !strings.Contains(body, `"code":"accessDenied"`) || !strings.Contains(body, "No. - Operation ID") {
		t.Errorf("refused: %d %s", r.StatusCode, body)
	}
	once(`{"method":"GET","application":"`+server.DemoPublicClientID.String()+`","user":"`+server.DemoUserID.String()+`"}`, `{"delayMilliseconds":50,"status":401}`)
	begun := time.Now()
	if r, body := call(t, "GET", d.URL()+partners, d.token, ""); r.StatusCode != 401 || !strings.Contains(r.Header.Get("WWW-Authenticate"), "Bearer") || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("late: %d %v %s", r.StatusCode, r.Header, body)
	}
	once(`{"path":"/v1.0/*/*/*"}`, `{"status":423}`)
	_, body := call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners('8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44')"}]}`)
	if !strings.Contains(body, `"status":423`) || !strings.Contains(body, `"code":"Locked"`) {
		t.Errorf("in a batch: %s", body)
	}
	once(`{"front":"authority"}`, `{"status":503,"retryAfterSeconds":3}`)
	if status, header, body := signIn(t, d.Server, server.DemoTenantID.String(), server.DemoPassword); status != 503 || header.Get("Retry-After") != "3" || !strings.Contains(body, "AADSTS90033") || !strings.Contains(body, `"error":"temporarily_unavailable"`) {
		t.Errorf("the authority: %d %v %s", status, header, body)
	}
	once(`{"front":"authority"}`, `{"status":502,"body":"<html>"}`)
	if r, body := call(t, "GET", d.URL()+"/"+server.DemoTenantID.String()+"/oauth2/v2.0/authorize?client_id=x", "", ""); r.StatusCode != 502 || body != "<html>" {
		t.Errorf("a page of the authority: %d %s", r.StatusCode, body)
	}
	for _, f := range d.faults() {
		if f.Fired != 1 {
			t.Errorf("%+v", f)
		}
	}
}

// A rule that makes no sense is refused with the reason. So is one above the maximum number.
func TestFaultRefuses(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for rule, want := range map[string]string{
		`{}`:                                 "effect",
		`{"effect":{}}`:                      "/effect",
		`{"effect":{"status":200}}`:          "/effect/status: 200 isn't the status of an error: want 400 to 599, or a body.",
		`{"effect":{"status":600}}`:          "/effect/status",
		`{"effect":{"retryAfterSeconds":1}}`: "/effect: an answer needs a status or an error.",
		`{"effect":{"reset":"before","status":500}}`:                                                                   "/effect/reset: can't be combined with an answer.",
		`{"effect":{"status":500,"body":"","code":"x"}}`:                                                               "/effect/body: can't be combined with the code and message of an error.",
		`{"effect":{"delayMilliseconds":3600000}}`:                                                                     "/effect/delayMilliseconds",
		`{"effect":{"status":500},"schedule":{"probability":1.5}}`:                                                     "/schedule/probability",
		`{"effect":{"status":500},"schedule":{"probability":0}}`:                                                       "/schedule/probability",
		`{"effect":{"status":500},"schedule":{"times":0}}`:                                                             "/schedule/times",
		`{"effect":{"status":500},"match":{"path":"/v1.0/["}}`:                                                         `/match/path: "/v1.0/[" isn't a pattern`,
		`{"effect":{"status":500},"match":{"path":"/v1.0/**/x"}}`:                                                      `/match/path: "/v1.0/**/x" isn't a pattern: ** must be the last segment.`,
		`{"effect":{"status":500},"match":{"query":"` + strings.Repeat("*a", 21) + `"}}`:                               "has more than 20 *",
		`{"effect":{"status":500},"match":{"route":"/v1.0/nowhere"}}`:                                                  "isn't a route",
		`{"effect":{"status":500},"match":{"method":"PUT","route":"/v1.0/deviceManagement/remoteAssistancePartners"}}`: "isn't a route with that method",
		`{"effect":{"status":500},"match":{"method":"GET","member":{"name":"displayName"}}}`:                           "a GET has no body, so the rule would never match",
		`{"effect":{"status":500},"match":{"header":{"name":"Authorization","value":"Bearer x"}}}`:                     "contains secrets, which rules don't store",
		`{"effect":{"status":500},"match":{"front":"authority","member":{"name":"password","value":"x"}}}`:             "is a secret, which rules don't store",
		`{"effect":{"error":"noSuch"}}`:                                                                                `/effect/error: "noSuch" isn't a documented error: want one of AADSTS50000, `,
		`{"effect":{"error":"throttled","status":429}}`:                                                                "/effect/error: can't be combined with a status",
		`{"effect":{"error":"AADSTS50126"},"match":{"front":"graph"}}`:                                                 "AADSTS50126 is an error of the front authority",
		`{"effect":{"error":"AADSTS50126"},"match":{"user":"8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44"}}`:                   "would never match",
		`{"effect":{"status":429,"retryAfterForm":"date"}}`:                                                            "/effect/retryAfterForm: needs retryAfterSeconds.",
		`{"effect":{"delayForm":"normal","delayMilliseconds":5}}`:                                                      "/effect/delaySpreadMilliseconds",
		`{"effect":{"delaySpreadMilliseconds":5}}`:                                                                     "/effect: a delay needs delayMilliseconds.",
		`{"effect":{"discard":true},"match":{"method":"GET"}}`:                                                         "/effect/discard: a GET changes nothing.",
		`{"effect":{"staleSeconds":5},"match":{"method":"POST"}}`:                                                      "/effect/staleSeconds: a POST reads nothing",
		`{"effect":{"staleSeconds":5,"status":500}}`:                                                                   "a request that isn't served has nothing to discard, show late or page.",
		`{"effect":{"pageSize":5},"match":{"front":"authority"}}`:                                                      "the authority has no entities",
		`{"effect":{"change":["upsideDown"]}}`:                                                                         "/effect/change/0",
		`{"effect":{"status":500},"schedule":{"from":"2030-01-02T00:00:00Z","until":"2030-01-02T00:00:00Z"}}`:          "/schedule/until: 2030-01-02T00:00:00Z isn't after from",
		`{"effect":{"status":500},"schedule":{"until":"2020-01-02T00:00:00Z"}}`:                                        "/schedule/until: 2020-01-02T00:00:00Z is past",
		`{"effect":{"status":500},"schedule":{"until":"12000-01-02T00:00:00Z"}}`:                                       "/schedule/until",
		`{"effect":{"status":500},"match":{"path":"v1.0"}}`:                                                            "/match/path",
		`{"effect":{"status":500},"match":{"front":"authority","user":"8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44"}}`:        "would never match",
		`{"effect":{"status":500},"match":{"colour":"red"}}`:                                                           "/match/colour",
	} {
		if w := d.administer("POST", "/faults", rule); w.Code != 400 || !strings.Contains(w.Body.String(), strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %d %s, want %s", rule, w.Code, w.Body, want)
		}
	}
	for range fault.MaxRules - len(d.faults()) {
		d.fault(`{"match":{"path":"/nowhere"},"effect":{"status":500}}`)
	}
	if w := d.administer("POST", "/faults", `{"effect":{"status":500}}`); w.Code != 409 || !strings.Contains(w.Body.String(), "The tenant has 1000 rules and may have 1000") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := d.create("x"); got != 201 {
		t.Errorf("%d", got)
	}
}
