package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// samples are the result of a scrape: a number for each series, by its line.
type samples map[string]float64

// scrape reads the metrics from this machine, with a key or "".
func scrape(t *testing.T, s *server.Server) (samples, int) {
	t.Helper()
	r, w := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil), httptest.NewRecorder()
	r.Host = "127.0.0.1"
	s.AdminHandler().ServeHTTP(w, r)
	all := samples{}
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		series, number, ok := cutLast(line)
		if !ok || strings.HasPrefix(line, "#") || w.Code != http.StatusOK {
			continue
		}
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[series] = value
	}
	return all, w.Code
}

func cutLast(line string) (before, after string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

// since returns how much each series has grown since an earlier scrape.
func (s samples) since(before samples) samples {
	added := maps.Clone(s)
	for series, value := range before {
		added[series] -= value
	}
	return added
}

// has reports whether the series have these numbers.
func (s samples) has(want samples) bool {
	for series, value := range want {
		if got, ok := s[series]; !ok || got != value {
			return false
		}
	}
	return true
}

func requests(method, status, route string) string {
	return fmt.Sprintf(`http_server_request_duration_seconds_count{http_request_method=%q,http_response_status_code=%q,http_route=%q}`, method, status, route)
}

func queries(name string) string {
	return fmt.Sprintf(`db_client_operation_duration_seconds_count{db_query_summary=%q,db_system_name="postgresql"}`, name)
}

// The metrics show what requests do, with names that don't depend on what clients send.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true, Version: "v1.2.3", Commit: "abc"})
	authority := s.URL() + "/" + server.DemoTenantID.String() + "/oauth2/v2.0/token"
	signIn := func(password string) string {
		r, err := http.PostForm(authority, url.Values{
			"grant_type": {"password"}, "client_id": {server.DemoPublicClientID.String()}, "scope": {"https://graph.microsoft.com/.default"},
			"username": {server.DemoUserName}, "password": {password},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		var got struct {
			Token string `json:"access_token"`
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return got.Token
	}
	before, status := scrape(t, s)
	if status != 200 {
		t.Fatalf("%d", status)
	}

	token := signIn(server.DemoPassword)
	signIn("wrong")
	for range 3 {
		call(t, "POST", s.URL()+partners, token, `{"displayName":"x"}`)
	}
	call(t, "GET", s.URL()+partners+"?$filter=displayName%20eq%20'x'", token, "")
	call(t, "GET", s.URL()+partners+"/$count", token, "")
	call(t, "GET", s.URL()+partners+"/"+uuid.NewString(), token, "")
	call(t, "POST", s.URL()+"/v1.0/$batch", token, `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners/$count"},{"id":"2","method":"GET","url":"/deviceManagement/remoteAssistancePartners/`+uuid.NewString()+`"}]}`)
	for range 30 {
		call(t, "GET", s.URL()+"/"+uuid.NewString(), token, "")
		call(t, strings.ToUpper("x"+uuid.NewString()[:8]), s.URL()+partners, token, "")
	}
	call(t, "GET", s.URL()+"/livez", "", "")
	made := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/tenants/"+server.DemoTenantID.String()+"/applications", strings.NewReader(`{"displayName":"x"}`))
	made.Host = "127.0.0.1"
	made.Header.Set("Content-Type", "application/json")
	s.AdminHandler().ServeHTTP(httptest.NewRecorder(), made)
	after, _ := scrape(t, s)

	added := after.since(before)
	for series, want := range (samples{
		requests("POST", "201", partners):                     3,
		requests("GET", "200", partners):                      1,
		requests("GET", "200", partners+"/$count"):            2, // one of them in the batch
		requests("GET", "404", partners+"/:id"):               2,
		requests("POST", "200", "/v1.0/$batch"):               1,
		requests("GET", "404", "unknown"):                     30,
		requests("_OTHER", "400", "unknown"):                  30,
		requests("POST", "200", "/:tenant/oauth2/v2.0/token"): 1,
		requests("POST", "400", "/:tenant/oauth2/v2.0/token"): 1,
		requests("GET", "200", "/metrics"):                    1,
		queries("BATCH"):                                      1, // the application, its secret and consents
		queries("CreateAuditEntry"):                           1,
		queries("CreateRemoteAssistancePartner"):              3,
		queries("ListRemoteAssistancePartners"):               1,
		queries("CountRemoteAssistancePartners"):              2,
		queries("GetRemoteAssistancePartner"):                 2,
		`mocktenant_gathered_rows_count{db_query_summary="CreateRemoteAssistancePartner",db_system_name="postgresql"}`:         3,
		`mocktenant_gathered_rows_sum{db_query_summary="CreateRemoteAssistancePartner",db_system_name="postgresql"}`:           3,
		`mocktenant_gathered_rows_bucket{db_query_summary="CreateRemoteAssistancePartner",db_system_name="postgresql",le="1"}`: 3,
		`mocktenant_gathered_rows_count{db_query_summary="GetRemoteAssistancePartner",db_system_name="postgresql"}`:            2,
		`mocktenant_tokens_issued_total{grant="password"}`:                                                                     1,
		`mocktenant_sign_in_refusals_total{aadsts="50126"}`:                                                                    1,
		`http_server_active_requests`: 0, // this scrape, as the one before
	}) {
		if got, ok := added[series]; !ok || got != want {
			t.Errorf("%s rose by %v (there: %t), want %v", series, got, ok, want)
		}
	}
	for series, want := range (samples{
		`http_server_active_requests`: 1,
		`mocktenant_tenants`:          1,
		`pgxpool_max_connections{db_client_connection_pool_name="mocktenant",db_system_name="postgresql"}`: 32,
		`promhttp_metric_handler_errors_total{cause="gathering"}`:                                          0,
	}) {
		if got := after[series]; got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	for _, there := range []string{"go_goroutines", "process_resident_memory_bytes", `mocktenant_build_info{commit="abc",go_version="` + runtime.Version() + `",version="v1.2.3"}`} {
		found := false
		for series, value := range after {
			found = found || strings.HasPrefix(series, there) && value > 0
		}
		if !found {
			t.Errorf("no %s", there)
		}
	}
	if diff := cmp.Diff(documented(t), names(after)); diff != "" {
		t.Errorf("docs/observability.md lists other metrics:\n%s", diff)
	}
	for series := range after {
		if strings.Contains(series, server.DemoTenantID.String()) {
			t.Errorf("a label shows a tenant: %s", series)
		}
	}
}

var (
	ours   = regexp.MustCompile(`^(?:db|http|mocktenant|pgxpool)_\w+`)
	listed = regexp.MustCompile("`((?:db|http|mocktenant|pgxpool)_\\w+)`")
	part   = regexp.MustCompile(`_(?:bucket|sum|count)$`)
)

// documented returns the metrics in the first column of the documentation's table, sorted.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		column, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range listed.FindAllStringSubmatch(column, -1) {
			all = append(all, m[1])
		}
	}
	slices.Sort(all)
	return all
}

// names are the metrics that a scrape shows, except Go's and the process's.
func names(s samples) []string {
	var all []string
	for series := range s {
		if name := ours.FindString(series); name != "" {
			all = append(all, part.ReplaceAllString(name, ""))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The metrics and profiles are on the administration's listener alone.
func TestNoMetricsInPublic(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.URL(t)})
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if r, body := call(t, "GET", s.URL()+path, "", ""); r.StatusCode != 401 || !strings.Contains(body, "InvalidAuthenticationToken") {
			t.Errorf("%s: %d %s", path, r.StatusCode, body)
		}
	}
}
