package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/fault"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/server"
)

// once adds a rule that fires only once.
func (d *demo) once(match, effect string) {
	d.Helper()
	d.fault(`{"match":` + match + `,"schedule":{"times":1},"effect":` + effect + `}`)
}

// make creates a partner with a name and returns its id.
func (d *demo) make(name string) string {
	d.Helper()
	r, body := d.send("POST", partners, `{"displayName":"`+name+`"}`)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); r == nil || r.StatusCode != 201 || err != nil {
		d.Fatalf("%v %s", r, body)
	}
	return made.ID
}

// Each matcher limits a rule to some requests, also in a batch.
func TestFaultMatchers(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	id := d.make("a")
	for _, tt := range []struct {
		match  string
		method string
		path   string
		body   string
		header []string
		misses string // replaces the path, the body or the header's value
	}{
		{match: `{"route":"/v1.0/deviceManagement/remoteAssistancePartners/:id"}`, method: "GET", path: partners + "/" + id, misses: partners},
		{match: `{"path":"/v1.0/deviceManagement/**"}`, method: "GET", path: partners + "('" + id + "')", misses: "/beta/deviceManagement/remoteAssistancePartners"},
		{match: `{"path":"/*/devicemanagement/remote*partners"}`, method: "GET", path: partners, misses: partners + "/" + id},
		{match: `{"query":"*top=1*"}`, method: "GET", path: partners + "?$top=1", misses: partners + "?$top=2"},
		{match: `{"header":{"name":"prefer"}}`, method: "GET", path: partners, header: []string{"Prefer", "x"}, misses: partners},
		{match: `{"header":{"name":"X-Run","value":"blue-*"}}`, method: "GET", path: partners, header: []string{"x-run", "blue-7"}, misses: "red-7"},
		{match: `{"member":{"name":"displayName","value":"Team*"}}`, method: "PATCH", path: partners + "/" + id, body: `{"displayName":"TeamViewer"}`, misses: `{"displayName":"viewer"}`},
		{match: `{"member":{"name":"onboardingUrl"}}`, method: "PATCH", path: partners + "/" + id, body: `{"onboardingUrl":null}`, misses: `{"displayName":"onboardingUrl"}`},
	} {
		t.Run(tt.match, func(t *testing.T) {
			rule := d.fault(`{"match":` + tt.match + `,"effect":{"status":423}}`)
			hit, _ := d.send(tt.method, tt.path, tt.body, tt.header...)
			path, body, header := tt.path, tt.body, slices.Clone(tt.header)
			switch {
			case strings.HasPrefix(tt.misses, "/"):
				path, header = tt.misses, nil
			case tt.body != "":
				body = tt.misses
			default:
				header[1] = tt.misses
			}
			miss, _ := d.send(tt.method, path, body, header...)
			if hit.StatusCode != 423 || miss.StatusCode != 200 {
				t.Errorf("%d and %d, want 423 and 200", hit.StatusCode, miss.StatusCode)
			}
			item := `{"id":"1","method":"` + tt.method + `","url":"` + strings.TrimPrefix(tt.path, "/v1.0") + `"`
			if tt.body != "" {
				item += `,"headers":{"Content-Type":"application/json"},"body":` + tt.body
			}
			if tt.header != nil {
				item += `,"headers":{"` + tt.header[0] + `":"` + tt.header[1] + `"}`
			}
			if _, answer := d.send("POST", "/v1.0/$batch", `{"requests":[`+item+`}]}`); !strings.Contains(answer, `"status":423`) {
				t.Errorf("in a batch: %s", answer)
			}
			if w := d.administer("DELETE", "/faults/"+rule.Id.String(), ""); w.Code != 204 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	d.fault(`{"match":{"front":"authority","member":{"name":"grant_type","value":"password"}},"effect":{"status":503}}`)
	if status, _, _ := signIn(t, d.Server, server.DemoTenantID.String(), server.DemoPassword); status != 503 {
		t.Errorf("the member of a form: %d", status)
	}
}

// Every documented error has its exact documented form.
func TestFaultDocumentedErrors(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for name, e := range fault.Errors {
		d.once(`{}`, `{"error":"`+name+`"}`)
		if name == "gatewayPage" {
			if r, body := d.send("GET", partners, ""); r.StatusCode != 502 || !strings.Contains(r.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(body, "<!DOCTYPE") {
				t.Errorf("%s: %d %v %s", name, r.StatusCode, r.Header, body)
			}
			continue
		}
		if strings.HasPrefix(name, "AADSTS") {
			status, _, body := signIn(t, d.Server, server.DemoTenantID.String(), server.DemoPassword)
			var got struct {
				Error, Suberror string
				Codes           []int  `json:"error_codes"`
				Description     string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != e.Status {
				t.Errorf("%s: %d %s", name, status, body)
			}
			if got.Error != e.Code || !slices.Equal(got.Codes, []int{e.AADSTS}) || got.Suberror != e.Suberror {
				t.Errorf("%s: %s", name, body)
			}
			if want := name + ": " + e.Message + " Trace ID: "; !strings.HasPrefix(got.Description, want) {
				t.Errorf("%s: %s, want %s", name, got.Description, want)
			}
			continue
		}
		r, body := d.send("GET", partners, "")
		if e.Form != front.Plain && !strings.Contains(body, "/RemoteAssistance/deviceManagement/remoteAssistancePartners?api-version=2") {
			t.Errorf("%s: the message has no URL of Intune: %s", name, body)
		}
		var got struct {
			Error struct {
				Code, Message string
				InnerError    struct{ Date string }
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || r.StatusCode != e.Status || got.Error.Code != e.Code || len(got.Error.InnerError.Date) != 19 || !strings.Contains(got.Error.Message, e.Message) {
			t.Errorf("%s: %d %s", name, r.StatusCode, body)
		}
	}
}

// The two kinds of 401: a claims challenge, which SDKs answer, and Intune's doubly wrapped
// error.
func TestFaultUnauthorized(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.once(`{}`, `{"error":"claimsChallenge"}`)
	r, _ := d.send("GET", partners, "")
	_, claims, _ := strings.Cut(r.Header.Get("WWW-Authenticate"), `claims="`)
	claims, _, _ = strings.Cut(claims, `"`)
	if plain, err := base64.StdEncoding.DecodeString(claims); err != nil || !json.Valid(plain) || !strings.Contains(string(plain), `"nbf"`) {
		t.Errorf("%s: %v", r.Header.Get("WWW-Authenticate"), err)
	}
	d.once(`{}`, `{"error":"unlicensed"}`)
	_, body := d.send("GET", partners, "")
	var got struct {
		Error struct{ Code, Message string }
	}
	var outer struct{ ErrorCode, Message string }
	var inner struct {
		Version int `json:"_version"`
	}
	if json.Unmarshal([]byte(body), &got) != nil || json.Unmarshal([]byte(got.Error.Message), &outer) != nil || json.Unmarshal([]byte(outer.Message), &inner) != nil ||
		got.Error.Code != "UnknownError" || outer.ErrorCode != "Forbidden" || inner.Version != 3 {
		t.Errorf("%s", body)
	}
}

// Retry-After is in seconds, a date by the tenant's clock, or missing.
func TestFaultRetryAfterForms(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:08:09Z","rate":0}`)
	d.token = d.signIn()
	for effect, want := range map[string]string{
		`{"error":"throttled","retryAfterSeconds":7}`:                                "7",
		`{"error":"unavailable","retryAfterSeconds":7,"retryAfterForm":"date"}`:      "Tue, 06 May 2031 07:08:16 GMT",
		`{"error":"throttled"}`:                                                      "",
		`{"status":503,"body":"x","retryAfterSeconds":1,"retryAfterForm":"seconds"}`: "1",
	} {
		d.once(`{}`, effect)
		if r, _ := d.send("GET", partners, ""); r.Header.Get("Retry-After") != want {
			t.Errorf("%s: %q, want %q", effect, r.Header.Get("Retry-After"), want)
		}
	}
}

// A discarded change is answered as if it had been made, alone and in a batch.
func TestFaultDiscards(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	id := d.make("a")
	d.fault(`{"match":{"path":"/v1.0/deviceManagement/**"},"effect":{"discard":true}}`)
	item := partners + "/" + id
	if r, body := d.send("POST", partners, `{"displayName":"b"}`); r.StatusCode != 201 || !strings.Contains(body, `"displayName":"b"`) || r.Header.Get("Location") == "" {
		t.Errorf("create: %d %s", r.StatusCode, body)
	}
	if r, body := d.send("PATCH", item, `{"displayName":"c"}`); r.StatusCode != 200 || !strings.Contains(body, `"displayName":"c"`) {
		t.Errorf("update: %d %s", r.StatusCode, body)
	}
	if r, body := d.send("POST", item+"/beginOnboarding", ""); r.StatusCode != 204 {
		t.Errorf("act: %d %s", r.StatusCode, body)
	}
	if r, body := d.send("DELETE", partners+"/"+uuid.NewString(), ""); r.StatusCode != 404 {
		t.Errorf("delete what isn't there: %d %s", r.StatusCode, body)
	}
	if _, body := d.send("POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"DELETE","url":"/deviceManagement/remoteAssistancePartners/`+id+`"}]}`); !strings.Contains(body, `"status":204`) {
		t.Errorf("in a batch: %s", body)
	}
	if _, body := d.send("GET", item, ""); d.names() != "a" || !strings.Contains(body, `"onboardingStatus":"notOnboarded"`) {
		t.Errorf("there are %s: %s", d.names(), body)
	}
}

// Reads show creates, updates and deletes late by exactly the given time, and support
// filters, orders and counts.
func TestFaultStaleReads(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	kept, gone := d.make("a"), d.make("b")
	d.setClock(`{"advanceSeconds":10}`)
	if r, body := d.send("PATCH", partners+"/"+kept, `{"displayName":"a2"}`); r.StatusCode != 200 {
		t.Fatal(body)
	}
	d.setClock(`{"advanceSeconds":10}`)
	d.send("PATCH", partners+"/"+kept, `{"displayName":"a3"}`)
	d.send("DELETE", partners+"/"+gone, "")
	late := d.make("c")
	rule := d.fault(`{"match":{"path":"/v1.0/**"},"effect":{"staleSeconds":5}}`)
	for _, tt := range []struct {
		seconds                 int
		names, kept, gone, late string
	}{
		{names: "a2 b", kept: "a2", gone: "b", late: "404"},             // as of 15 s
		{seconds: 4, names: "a2 b", kept: "a2", gone: "b", late: "404"}, // as of 19 s
		{seconds: 1, names: "a3 c", kept: "a3", gone: "404", late: "c"}, // as of 20 s
	} {
		d.setClock(fmt.Sprintf(`{"advanceSeconds":%d}`, tt.seconds))
		if got := d.names(); got != tt.names {
			t.Errorf("%+v: there are %s", tt, got)
		}
		_, body := d.send("GET", partners+"?$filter="+url.QueryEscape("startswith(displayName,'a') or displayName eq 'b'")+"&$orderby=tolower(displayName)&$count=true&$top=1", "")
		if first := strings.Fields(tt.names)[0]; !strings.Contains(body, `"displayName":"`+first+`"`) || strings.Contains(body, "nextLink") != (tt.gone != "404") {
			t.Errorf("%+v: %s", tt, body)
		}
		if _, body := d.send("GET", partners+"/$count", ""); body != "2" {
			t.Errorf("%+v: %s entities", tt, body)
		}
		for id, want := range map[string]string{kept: tt.kept, gone: tt.gone, late: tt.late} {
			r, body := d.send("GET", partners+"/"+id, "")
			if want == "404" && r.StatusCode != 404 || want != "404" && !strings.Contains(body, `"displayName":"`+want+`"`) {
				t.Errorf("%+v: %d %s", tt, r.StatusCode, body)
			}
		}
	}
	d.administer("DELETE", "/faults/"+rule.Id.String(), "")
	if got := d.names(); got != "a3 c" {
		t.Errorf("there are %s", got)
	}
}

// Each kind of change changes answers.
func TestFaultChanges(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, name := range []string{"a", "b", "c"} {
		d.make(name)
	}
	page := partners + "?$top=2&$orderby=displayName"
	get := func(ways string) string {
		t.Helper()
		d.once(`{"method":"GET"}`, `{"change":[`+ways+`],"pageSize":2}`)
		r, body := d.send("GET", page, "", "Accept-Encoding", "identity")
		if r == nil || r.StatusCode != 200 {
			t.Fatalf("%s: %v %s", ways, r, body)
		}
		return body
	}
	if got := get(`"empty"`); got != "" {
		t.Errorf("empty: %s", got)
	}
	if got := get(`"malformedJson"`); json.Valid([]byte(got)) || !strings.HasPrefix(got, `{"@odata.context"`) {
		t.Errorf("malformed: %s", got)
	}
	if got := get(`"duplicateNextLink"`); strings.Count(got, `"@odata.nextLink":`) != 2 {
		t.Errorf("duplicate link: %s", got)
	}
	link := func(body string) (link string, names []string) {
		var p struct {
			NextLink string `json:"@odata.nextLink"`
			Value    []struct{ DisplayName string }
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for _, v := range p.Value {
			names = append(names, v.DisplayName)
		}
		return strings.TrimPrefix(p.NextLink, d.URL()), names
	}
	for _, way := range []string{"loopNextLink", "emptyPage"} {
		next, names := link(get(`"` + way + `"`))
		if want := map[string]int{"loopNextLink": 2, "emptyPage": 0}[way]; len(names) != want {
			t.Errorf("%s: %v", way, names)
		}
		_, again := d.send("GET", next, "")
		if _, names := link(again); !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("%s: the link leads to %s", way, again)
		}
	}
	got := get(`"shuffleProperties","extraProperties","upperCaseIds"`)
	if _, names := link(got); !slices.Equal(names, []string{"a", "b"}) || strings.Count(got, `"futureProperty":`) != 2 || !strings.HasPrefix(got, `{"@odata.context"`) {
		t.Errorf("disguised: %s", got)
	}
	d.once(`{"method":"GET"}`, `{"contentType":"text/plain"}`)
	if r, body := d.send("GET", page, ""); r.Header.Get("Content-Type") != "text/plain" || !json.Valid([]byte(body)) {
		t.Errorf("type: %v %s", r.Header, body)
	}
	d.fault(`{"match":{"path":"/v1.0/$batch"},"schedule":{"seed":3},"effect":{"change":["shuffleResponses"]}}`)
	_, body := d.send("POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/"},{"id":"2","method":"GET","url":"/"},{"id":"3","method":"GET","url":"/"},{"id":"4","method":"GET","url":"/"}]}`)
	var batch struct{ Responses []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &batch); err != nil || len(batch.Responses) != 4 {
		t.Fatalf("%v %s", err, body)
	}
	var ids string
	for _, r := range batch.Responses {
		ids += r.ID
	}
	if ids == "1234" {
		t.Errorf("in order: %s", body)
	}
}

// A body is cut at the rule's position, although the answer announces its whole length, or is
// sent slowly. That includes small and compressed bodies.
func TestFaultBodies(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for range 30 {
		d.make(strings.Repeat("a", 200))
	}
	for _, path := range []string{partners, partners + "/$count"} {
		for _, cut := range []int{0, 1} {
			d.once(`{"method":"GET"}`, fmt.Sprintf(`{"cutAfterBytes":%d}`, cut))
			r, body := d.send("GET", path, "")
			if r == nil || r.StatusCode != 200 || len(body) != cut || r.ContentLength <= int64(cut) {
				t.Errorf("%s cut after %d: %v %q", path, cut, r, body)
			}
		}
	}
	d.once(`{"method":"GET"}`, `{"bytesPerSecond":50000}`) // ten parts a second, without a pause after the last one
	begun := time.Now()
	if r, body := d.send("GET", partners, ""); r.StatusCode != 200 || !json.Valid([]byte(body)) || time.Since(begun) < time.Duration(len(body)-5000)*time.Second/50000 {
		t.Errorf("%d bytes took %s", len(body), time.Since(begun))
	}
}

// Delays have their distributions, and depend only on the seed.
func TestFaultDelays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		effect    string
		least, to time.Duration
	}{
		{`{"delayMilliseconds":60}`, 60 * time.Millisecond, time.Second},
		{`{"delayMilliseconds":40,"delayForm":"uniform","delaySpreadMilliseconds":30}`, 40 * time.Millisecond, time.Second},
		{`{"delayMilliseconds":60,"delayForm":"longTail","delaySpreadMilliseconds":5}`, 60 * time.Millisecond, 2 * time.Second},
		{`{"delayMilliseconds":60,"delayForm":"normal","delaySpreadMilliseconds":1}`, 50 * time.Millisecond, time.Second},
	} {
		t.Run(tt.effect, func(t *testing.T) {
			t.Parallel()
			d := newDemo(t)
			d.fault(`{"match":{"method":"GET"},"effect":` + tt.effect + `}`)
			for range 3 {
				begun := time.Now()
				r, _ := d.send("GET", partners, "")
				if took := time.Since(begun); r.StatusCode != http.StatusOK || took < tt.least || took > 10*tt.to {
					t.Errorf("%s, want %s to %s", took, tt.least, tt.to)
				}
			}
		})
	}
}

// A rule can be updated. Its counts and unnamed members stay, and updates that make no sense
// are refused.
func TestFaultUpdate(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	rule := d.fault(`{"match":{"method":"POST"},"schedule":{"times":1},"effect":{"status":500}}`)
	path := "/faults/" + rule.Id.String()
	if a, b := d.create("a"), d.create("b"); a != 500 || b != 201 {
		t.Fatalf("%d %d", a, b)
	}
	w := d.administer("PATCH", path, `{"schedule":{"times":2},"effect":{"status":503}}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"fired":1`) || !strings.Contains(w.Body.String(), `"method":"POST"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if a, b := d.create("a"), d.create("b"); a != 503 || b != 201 {
		t.Errorf("%d %d", a, b)
	}
	if got := d.faults()[0]; got.Matched != 4 || got.Fired != 2 {
		t.Errorf("%+v", got)
	}
	for body, want := range map[string]string{
		`{}`:                       "",
		`{"match":{"path":"/a["}}`: "/match/path",
		`{"effect":{"discard":true,"status":500}}`: "/effect",
		`{"schedule":{"probability":1.5}}`:         "/schedule/probability",
	} {
		if w := d.administer("PATCH", path, body); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := d.administer("PATCH", "/faults/"+uuid.NewString(), `{"match":{}}`); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A rule with a start and an end, by the tenant's clock, counts only requests between them.
func TestFaultWindow(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	d.fault(`{"match":{"method":"POST"},"schedule":{"from":"2031-05-06T07:00:10Z","until":"2031-05-06T07:00:20Z"},"effect":{"status":503}}`)
	for _, want := range []int{201, 503, 201} {
		if got := d.create("a"); got != want {
			t.Errorf("%d, want %d", got, want)
		}
		d.setClock(`{"advanceSeconds":10}`)
	}
	if got := d.faults()[0]; got.Matched != 1 || got.Fired != 1 {
		t.Errorf("%+v", got)
	}
}
