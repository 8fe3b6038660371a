package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/server"
)

// witness records what a hook sees.
type witness struct {
	mu     sync.Mutex
	events []string
}

func (w *witness) add(event string, x *front.Exchange, rest ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tenant := "nobody"
	if x.Tenant != nil {
		tenant = x.Tenant.ID.String()
	}
	w.events = append(w.events, fmt.Sprintln(append([]any{event, x.Front, x.Request.Method, x.FullPath(), tenant}, rest...)...))
}

// take returns what was recorded since the last call, sorted, because requests in a batch
// run concurrently.
func (w *witness) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	slices.Sort(events)
	return events
}

func (w *witness) hook() front.Hook {
	return front.Hook{
		Begin:  func(x *front.Exchange) { w.add("begin", x) },
		Before: func(x *front.Exchange) *front.Refusal { w.add("before", x); return nil },
		After: func(x *front.Exchange, a front.Answer) {
			w.add("after", x, a.Status, a.Err != nil, x.Grant, x.AADSTS)
		},
	}
}

// administer calls the administration from this machine.
func administer(t *testing.T, s *server.Server, path string) *httptest.ResponseRecorder {
	t.Helper()
	r, w := httptest.NewRequestWithContext(t.Context(), "GET", path, nil), httptest.NewRecorder()
	r.Host = "127.0.0.1"
	s.AdminHandler().ServeHTTP(w, r)
	return w
}

// signIn requests a token of the demo tenant from the authority.
func signIn(t *testing.T, s *server.Server, tenant, password string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(url.Values{
		"grant_type": {"password"}, "client_id": {server.DemoPublicClientID.String()}, "scope": {"https://graph.microsoft.com/.default"},
		"username": {server.DemoUserName}, "password": {password},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// A hook sees each request of each front, including each in a batch, and its tenant.
func TestHookSeesRequests(t *testing.T) {
	t.Parallel()
	w := &witness{}
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true, Hooks: []front.Hook{w.hook()}})
	demo := server.DemoTenantID.String()
	const token = "/:tenant/oauth2/v2.0/token"
	status, _, body := signIn(t, s, "organizations", server.DemoPassword)
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil {
		t.Fatalf("%d %s", status, body)
	}
	want := func(what string, events ...string) {
		t.Helper()
		for i := range events {
			events[i] += "\n"
		}
		slices.Sort(events)
		if diff := cmp.Diff(events, w.take()); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	want("a token", "begin authority POST "+token+" nobody", "before authority POST "+token+" "+demo, "after authority POST "+token+" "+demo+" 200 false password 0")
	signIn(t, s, demo, "wrong")
	want("a wrong password", "begin authority POST "+token+" nobody", "before authority POST "+token+" "+demo, "after authority POST "+token+" "+demo+" 400 true  50126")
	call(t, "GET", s.URL()+partners, "no token", "")
	want("no token", "begin graph GET "+partners+" nobody", "after graph GET "+partners+" nobody 401 true  0")
	call(t, "POST", s.URL()+"/v1.0/$batch", got.Token, `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners"},{"id":"2","method":"GET","url":"/deviceManagement/remoteAssistancePartners/`+uuid.NewString()+`"}]}`)
	want("a batch",
		"begin graph POST /v1.0/$batch nobody", "before graph POST /v1.0/$batch "+demo, "after graph POST /v1.0/$batch "+demo+" 200 false  0",
		"begin graph GET "+partners+" nobody", "before graph GET "+partners+" "+demo, "after graph GET "+partners+" "+demo+" 200 false  0",
		"begin graph GET "+partners+"/:id nobody", "before graph GET "+partners+"/:id "+demo, "after graph GET "+partners+"/:id "+demo+" 404 true  0",
	)
	administer(t, s, "/v1/tenants/"+demo)
	administer(t, s, "/v1/tenants/"+uuid.NewString())
	const path = "administration GET /v1/tenants/:tenantId"
	want("two tenants", "begin "+path+" nobody", "begin "+path+" nobody", "before "+path+" "+demo, "after "+path+" "+demo+" 200 false  0", "after "+path+" nobody 404 true  0")
}

// When a hook refuses, each front answers in its own words, also in a batch.
func TestHookRefuses(t *testing.T) {
	t.Parallel()
	refuse := front.Hook{Before: func(*front.Exchange) *front.Refusal {
		return &front.Refusal{Status: 503, Code: "serviceNotAvailable", Message: "Come back later.", RetryAfter: 7 * time.Second}
	}}
	seen := &witness{}
	config := server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true, Hooks: []front.Hook{seen.hook(), refuse}}
	s := start(t, config)
	tenant := dbtest.Tenant{ID: server.DemoTenantID, UserID: server.DemoUserID, ClientID: server.DemoClientID}

	r, body := call(t, "POST", s.URL()+partners, token(t, s, tenant), `{}`)
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "7" || !strings.Contains(body, `"code":"serviceNotAvailable"`) || !strings.Contains(body, "Come back later. - Operation ID") {
		t.Errorf("graph: %d %v %s", r.StatusCode, r.Header, body)
	}
	status, header, body := signIn(t, s, tenant.ID.String(), server.DemoPassword)
	if status != 503 || header.Get("Retry-After") != "7" || !strings.Contains(body, `"error":"serviceNotAvailable"`) || !strings.Contains(body, "AADSTS90033: Come back later. Trace ID: ") {
		t.Errorf("authority: %d %v %s", status, header, body)
	}
	w := administer(t, s, "/v1/tenants/"+tenant.ID.String())
	if w.Code != 503 || w.Header().Get("Retry-After") != "7" || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"detail":"Come back later."`) {
		t.Errorf("administration: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if got := len(seen.take()); got != 9 {
		t.Errorf("the hook before saw %d events, want 3 of 3 requests", got)
	}
}

// shout sends the body in capital letters.
type shout struct{ gin.ResponseWriter }

// Write implements http.ResponseWriter.
func (s shout) Write(b []byte) (int, error) {
	return s.ResponseWriter.Write([]byte(strings.ToUpper(string(b))))
}

// A hook can replace what is sent, also for a single request in a batch.
func TestHookReplacesAnswer(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	replace := front.Hook{Before: func(x *front.Exchange) *front.Refusal {
		if x.FullPath() == partners+"/:id" {
			x.Writer = shout{x.Writer}
		}
		return nil
	}}
	s := start(t, server.Config{DatabaseURL: dbtest.URL(t), Hooks: []front.Hook{replace}})
	token := token(t, s, tenant)
	item := "/deviceManagement/remoteAssistancePartners/" + uuid.NewString()

	if _, body := call(t, "GET", s.URL()+"/v1.0"+item, token, ""); !strings.Contains(body, `"CODE":"RESOURCENOTFOUND"`) {
		t.Errorf("%s", body)
	}
	if _, body := call(t, "POST", s.URL()+"/v1.0/$batch", token, `{"requests":[{"id":"1","method":"GET","url":"`+item+`"}]}`); !strings.Contains(body, `"id":"1"`) || !strings.Contains(body, `"CODE":"RESOURCENOTFOUND"`) {
		t.Errorf("%s", body)
	}
}
