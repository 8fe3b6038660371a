package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

// A bugCase is a request that this or another service once answered incorrectly.
type bugCase struct {
	ID      string
	Source  string // public reports of the symptom
	Request struct {
		Method   string
		Path     string
		Headers  map[string]string
		Body     string
		Listener string // "admin", or "" for the public one
	}
	Expect struct {
		Status       []int
		BodyContains []string          `json:"body_contains"`
		BodyLacks    []string          `json:"body_lacks"`
		Header       map[string]string // what each holds; "" wants any value
	}
}

// TestBugCases sends each request of testdata/cases.jsonl to the demo tenant.
func TestBugCases(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true})
	fill := casePlaceholders(t, s)
	for _, c := range readBugCases(t) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			a, body := sendCase(t, s, c, fill)
			checkCase(t, c, fill, a, body)
		})
	}
}

func readBugCases(t *testing.T) (cases []bugCase) {
	t.Helper()
	file, err := os.Open("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c bugCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	return cases
}

// casePlaceholders returns the values for the names in braces.
func casePlaceholders(t *testing.T, s *server.Server) *strings.Replacer {
	t.Helper()
	writer, err := s.Identity().IssueAccessToken(identity.AccessToken{
		TenantID: server.DemoTenantID, ObjectID: server.DemoUserID, AppID: server.DemoPublicClientID, UserName: server.DemoUserName,
		Lifetime: time.Hour, Scopes: []string{"DeviceManagementServiceConfig.ReadWrite.All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, body := call(t, "POST", s.URL()+partners, writer, `{"displayName": "Case"}`)
	var partner struct{ ID string }
	if err := json.Unmarshal([]byte(body), &partner); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s: %v", a.StatusCode, body, err)
	}
	return strings.NewReplacer("{TOKEN}", writer, "{ID}", partner.ID, "{RUN}", "1")
}

func sendCase(t *testing.T, s *server.Server, c bugCase, fill *strings.Replacer) (answer, string) {
	t.Helper()
	base := s.URL()
	if c.Request.Listener == "admin" {
		base = s.AdminURL()
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), c.Request.Method, base, strings.NewReader(fill.Replace(c.Request.Body)))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = "//" + r.URL.Host + fill.Replace(c.Request.Path) // byte for byte
	for name, value := range c.Request.Headers {
		r.Header.Set(name, fill.Replace(value))
	}
	response, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(body)
}

func checkCase(t *testing.T, c bugCase, fill *strings.Replacer, a answer, body string) {
	t.Helper()
	if !slices.Contains(c.Expect.Status, a.StatusCode) {
		t.Errorf("status %d, want %v", a.StatusCode, c.Expect.Status)
	}
	for _, part := range c.Expect.BodyContains {
		if !strings.Contains(body, fill.Replace(part)) {
			t.Errorf("the body lacks %q", part)
		}
	}
	for _, part := range c.Expect.BodyLacks {
		if strings.Contains(body, fill.Replace(part)) {
			t.Errorf("the body contains %q", part)
		}
	}
	for name, want := range c.Expect.Header {
		if got := a.Header.Get(name); got == "" || !strings.Contains(got, want) {
			t.Errorf("header %s: %q, want %q in it", name, got, want)
		}
	}
	if t.Failed() {
		t.Logf("see %s; the answer was\n%.600s", c.Source, body)
	}
}
