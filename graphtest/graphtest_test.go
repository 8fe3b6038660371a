package graphtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/graphtest"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

const partners = "/v1.0/deviceManagement/remoteAssistancePartners"

// holdEnv makes the test binary start a server, print its database URL and the time that
// took, and wait until it is killed or, if the value is "exit", exit.
const holdEnv = "GRAPHTEST_HOLD"

func TestMain(m *testing.M) {
	if how, ok := os.LookupEnv(holdEnv); ok {
		start := time.Now()
		s := graphtest.NewServer(&fakeTB{})
		fmt.Println(s.DatabaseURL, time.Since(start))
		if how != "exit" {
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		os.Exit(0)
	}
	testenv.Clean()
	os.Exit(m.Run())
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

func call(t testing.TB, c *http.Client, method, url, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// create creates a partner and returns its id.
func create(t testing.TB, tenant *graphtest.Tenant, base, name string) string {
	t.Helper()
	a := call(t, tenant.Client(), "POST", base+partners, fmt.Sprintf(`{"displayName":%q}`, name))
	var created struct{ ID, DisplayName string }
	if err := json.Unmarshal([]byte(a.body), &created); err != nil || a.status != 201 || created.DisplayName != name {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	return created.ID
}

// names lists the partners' names, page by page.
func names(t testing.TB, tenant *graphtest.Tenant, base string) (all []string, pages int) {
	t.Helper()
	for next := base + partners + "?$orderby=displayName"; next != ""; pages++ {
		a := call(t, tenant.Client(), "GET", next, "")
		var page struct {
			Value    []struct{ DisplayName string }
			NextLink string `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Fatalf("list: %d %s", a.status, a.body)
		}
		for _, p := range page.Value {
			all = append(all, p.DisplayName)
		}
		next = page.NextLink
	}
	return all, pages
}

// rows returns the single column that a query selects.
func rows(t testing.TB, url, query string, args ...any) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	found, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not so: " + what)
		}
	}
}

// Every address of the service leads to the same tenant, and so does SQL.
func TestServer(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	bases := []string{s.URL, s.HTTPURL, "https://graph.microsoft.com"}
	for _, base := range bases {
		id := create(t, s.Tenant, base, base)
		if a := call(t, s.Tenant.Client(), "GET", base+partners+"/"+id, ""); a.status != 200 || !strings.Contains(a.body, `"@odata.context":"`+base+`/v1.0/$metadata#`) {
			t.Errorf("%s: %d %s", base, a.status, a.body)
		}
	}
	want := slices.Sorted(slices.Values(bases))
	if got, _ := names(t, s.Tenant, s.URL); !slices.Equal(got, want) {
		t.Errorf("Graph has %q, want %q", got, want)
	}
	if got := rows(t, s.DatabaseURL, "SELECT display_name FROM remote_assistance_partners WHERE created_by = $1 ORDER BY 1", s.Tenant.UserID); !slices.Equal(got, want) {
		t.Errorf("SQL has %q, want %q", got, want)
	}
	if a := call(t, s.Client(), "GET", s.URL+partners, ""); a.status != 401 {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	response, err := http.Get(s.URL) //nolint:noctx // a client that doesn't trust the authority can't connect
	if err == nil {
		_ = response.Body.Close()
		t.Error("a client without the authority trusts the service")
	}
}

// A user signs in at the service's URL and at the hosts built into clients.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	tenant := s.Tenant
	for _, authority := range []string{tenant.AuthorityURL, "https://login.microsoftonline.com/" + tenant.Domain} {
		response, err := s.Client().PostForm(authority+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {tenant.ClientID.String()}, "client_secret": {tenant.ClientSecret},
			"username": {tenant.UserName}, "password": {tenant.Password}, "scope": {"https://graph.microsoft.com/.default"},
		})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 200 || !bytes.Contains(text, []byte(`"access_token":"`)) {
			t.Errorf("%s: %d %s", authority, response.StatusCode, text)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+partners, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("by AccessToken: %s", response.Status)
	}
}

// Servers share nothing visible: no tenants, tokens, rows or keys.
func TestServersAreApart(t *testing.T) {
	t.Parallel()
	a, b := graphtest.NewServer(t), graphtest.NewServer(t)
	create(t, a.Tenant, a.URL, "of a")
	if got, _ := names(t, b.Tenant, b.URL); len(got) != 0 {
		t.Errorf("b has %q", got)
	}
	for _, s := range []*graphtest.Server{a, b} {
		list, err := client.Read[api.TenantList](s.Admin.ListTenants(t.Context(), nil))
		if err != nil || len(list.Value) != 1 || list.Value[0].Id != s.Tenant.ID {
			t.Errorf("tenants %+v %v, want %s alone", list.Value, err, s.Tenant.ID)
		}
		keys, err := client.Read[api.KeyList](s.Admin.ListKeys(t.Context(), nil))
		if err != nil || len(keys.Value) != 1 {
			t.Errorf("keys %+v %v, want one", keys.Value, err)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", b.URL+partners, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+a.Tenant.AccessToken)
	response, err := b.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 401 {
		t.Errorf("b accepts a's token: %s", response.Status)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			s := graphtest.NewServer(t)
			want := fmt.Sprint(i)
			create(t, s.Tenant, s.URL, want)
			if got, _ := names(t, s.Tenant, s.URL); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
	wg.Wait()
}

// The service ends with the test, even if requests are pending.
func TestServerGoesWithTheTest(t *testing.T) {
	t.Parallel()
	var s *graphtest.Server
	held := make(chan error, 1)
	t.Run("test", func(t *testing.T) {
		s = graphtest.NewServer(t)
		sending, body := io.Pipe()
		t.Cleanup(func() {
			if _, err := body.Write([]byte(" ")); err != nil {
				t.Errorf("the service ended before the test: %v", err)
			}
		})
		r, _ := http.NewRequest("POST", s.URL+partners, sending) //nolint:noctx // it must outlive the test
		r.Header.Set("Content-Type", "application/json")
		go func() {
			response, err := s.Tenant.Client().Do(r)
			if err == nil {
				_ = response.Body.Close()
			}
			held <- err
		}()
		_, _ = body.Write([]byte("{"))
	})
	if err := <-held; err == nil {
		t.Error("a request whose body never arrived was answered")
	}
	if _, err := s.Client().Get(s.URL + "/livez"); err == nil { //nolint:noctx // there is no answer
		t.Error("the service still serves")
	}
}

func TestNewTenant(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	s := graphtest.NewServer(t)
	t.Run("tenants", func(t *testing.T) {
		for i := range 3 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				tenant := s.NewTenant(t)
				create(t, tenant, s.URL, t.Name())
				if got, _ := names(t, tenant, s.URL); !slices.Equal(got, []string{t.Name()}) {
					t.Errorf("got %q", got)
				}
			})
		}
	})
	if got := rows(t, s.DatabaseURL, "SELECT id::text FROM tenants WHERE kind = 'tenant'"); !slices.Equal(got, []string{s.Tenant.ID.String()}) {
		t.Errorf("got tenants %q after their tests, want only the first", got)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	create(t, s.Tenant, s.URL, "before")
	if err := s.Tenant.Snapshot(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	create(t, s.Tenant, s.URL, "after")
	if err := s.Tenant.Restore(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	if got, _ := names(t, s.Tenant, s.URL); !slices.Equal(got, []string{"before"}) {
		t.Errorf("got %q", got)
	}
	if err := s.Tenant.Restore(t.Context(), "none"); err == nil || !strings.HasPrefix(err.Error(), `restore snapshot "none": `) {
		t.Errorf("missing snapshot: %v", err)
	}
	if err := s.Tenant.Snapshot(t.Context(), "it"); err == nil || !strings.HasPrefix(err.Error(), `snapshot "it": `) {
		t.Errorf("snapshot with the same name: %v", err)
	}
}

// A report login sees only its tenant.
func TestReportURL(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	for _, tenant := range []*graphtest.Tenant{s.Tenant, s.NewTenant(t)} {
		create(t, tenant, s.URL, tenant.Domain)
		login, err := tenant.ReportURL(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := rows(t, login, "SELECT display_name FROM reporting.remote_assistance_partners"); !slices.Equal(got, []string{tenant.Domain}) {
			t.Errorf("%s sees %q", tenant.Domain, got)
		}
	}
}

// The service uses the test's clock, from before its keys were made to long after they were
// rotated.
func TestWithClock(t *testing.T) {
	t.Parallel()
	for _, year := range []int{2016, 2060} {
		var now atomic.Pointer[time.Time]
		set := func(at time.Time) { now.Store(&at) }
		set(time.Date(year, 12, 31, 23, 58, 36, 0, time.UTC))
		s := graphtest.NewServer(t, graphtest.WithClock(func() time.Time { return *now.Load() }))
		id := create(t, s.Tenant, s.URL, "x")
		if got := rows(t, s.DatabaseURL, "SELECT to_char(created_at, 'YYYY-MM-DD HH24:MI:SS') FROM remote_assistance_partners WHERE id = $1", id); got[0] != fmt.Sprint(year, "-12-31 23:58:36") && got[0] != fmt.Sprintf("%d-12-31 23:58:36", year) {
			t.Errorf("created at %s", got)
		}
		first, expires, err := s.Tenant.Token(t.Context())
		if err != nil || first != s.Tenant.AccessToken || !expires.Equal(now.Load().Add(75*time.Minute)) {
			t.Errorf("token until %s %v, want AccessToken", expires, err)
		}
		set(now.Load().Add(71 * time.Minute))
		if second, expires, err := s.Tenant.Token(t.Context()); err != nil || second == first || !expires.Equal(now.Load().Add(75*time.Minute)) {
			t.Errorf("token until %s %v, want another one", expires, err)
		}
		set(now.Load().Add(24 * time.Hour))
		create(t, s.Tenant, s.URL, "by a token of that day")
	}
}

const stateJSON = `{"version":1,"remoteAssistancePartners":[{"displayName":"A","onboardingStatus":"onboarded"},{"displayName":"B"}]}`

const stateYAML = `version: 1
remoteAssistancePartners:
  - {displayName: A, onboardingStatus: onboarded}
  - displayName: B
`

func TestWithState(t *testing.T) {
	t.Parallel()
	for _, document := range []string{stateJSON, stateYAML} {
		s := graphtest.NewServer(t, graphtest.WithState([]byte(document)))
		create(t, s.Tenant, s.URL, "C")
		if got, _ := names(t, s.Tenant, s.URL); !slices.Equal(got, []string{"A", "B", "C"}) {
			t.Errorf("got %q", got)
		}
		if err := client.Done(s.Admin.ResetTenant(t.Context(), s.Tenant.ID)); err != nil {
			t.Error(err)
		}
		if got, _ := names(t, s.Tenant, s.URL); !slices.Equal(got, []string{"A", "B"}) {
			t.Errorf("after a reset: got %q", got)
		}
	}
}

// A tenant's clock ends its tokens; its client gets new ones.
func TestAdvance(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	other := s.NewTenant(t)
	before, _, err := s.Tenant.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock := s.Tenant.Clock().Advance(t, 3*time.Hour)
	if !clock.Moved || time.Until(clock.Now) < 2*time.Hour {
		t.Fatalf("%+v", clock)
	}
	frozen := s.Tenant.Clock().Set(t, api.ClockSet{Rate: new(0.0)})
	if later := s.Tenant.Clock().Advance(t, time.Second); later.Now.Sub(frozen.Now) != time.Second {
		t.Errorf("a frozen clock moved from %s to %s", frozen.Now, later.Now)
	}
	create(t, s.Tenant, s.URL, "later")
	after, expires, err := s.Tenant.Token(t.Context())
	if err != nil || after == before || expires.Before(clock.Now) {
		t.Errorf("the token is new: %t, it expires at %s: %v", after != before, expires, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1.0/deviceManagement/remoteAssistancePartners", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+before)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token of before: %s", response.Status)
	}
	create(t, other, s.URL, "another tenant's")
}

func TestTenantOptions(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t, graphtest.WithPageSize(2), graphtest.TenantOption(func(c *api.TenantCreate) { c.Domain = new("contoso.example") }))
	if s.Tenant.Domain != "contoso.example" || s.Tenant.UserName != "user@contoso.example" {
		t.Errorf("domain %s, user %s", s.Tenant.Domain, s.Tenant.UserName)
	}
	for _, name := range []string{"a", "b", "c"} {
		create(t, s.Tenant, s.URL, name)
	}
	if got, pages := names(t, s.Tenant, s.URL); !slices.Equal(got, []string{"a", "b", "c"}) || pages != 2 {
		t.Errorf("got %q on %d pages, want 2", got, pages)
	}

	full := s.NewTenant(t, graphtest.WithEntityQuota(1))
	create(t, full, s.URL, "only")
	if a := call(t, full.Client(), "POST", s.URL+partners, `{}`); a.status != 507 {
		t.Errorf("beyond the quota: %d %s", a.status, a.body)
	}

	hurried := s.NewTenant(t, graphtest.WithRequestRate(1))
	throttled := false
	for range 20 {
		a := call(t, hurried.Client(), "GET", s.URL+partners, "")
		throttled = throttled || a.status == 429 && a.header.Get("Retry-After") != ""
	}
	if !throttled {
		t.Error("20 concurrent requests were all answered, want a 429")
	}

	current := s.NewTenant(t, graphtest.WithPermissionRule(api.PermissionRuleCurrent))
	for _, tenant := range []*graphtest.Tenant{s.Tenant, current} {
		token, err := client.Read[api.Token](s.Admin.IssueToken(t.Context(), tenant.ID, api.TokenRequest{ClientId: tenant.ClientID}))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+partners, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token.AccessToken)
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if want := map[bool]int{false: 403, true: 200}[tenant == current]; response.StatusCode != want {
			t.Errorf("an application without a user: %s, want %d", response.Status, want)
		}
	}
}

func TestWithIDSeed(t *testing.T) {
	t.Parallel()
	var ids [3]string
	for i, seed := range []string{"same", "same", "other"} {
		s := graphtest.NewServer(t, graphtest.WithIDSeed(seed))
		ids[i] = create(t, s.Tenant, s.URL, "x") + s.Tenant.UserID.String() + s.Tenant.ClientID.String()
	}
	if ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("ids %q", ids)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWithLogger(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := graphtest.NewServer(t, graphtest.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	create(t, s.Tenant, s.URL, "x")
	eventually(t, "the log contains the request", func() bool { return strings.Contains(log.String(), partners) })
}

// The user's own Postgres gets a template that stays and a database for each server that is
// dropped; databases that killed test binaries left long ago are dropped too.
func TestWithDatabaseURL(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	users, err := embeddedpg.Start(t.Context(), embeddedpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = users.Stop() })
	config, err := pgx.ParseConfig(users.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	keywords := fmt.Sprintf("host=%s user=%s dbname=%s", config.Host, config.User, config.Database)
	asURL := users.DatabaseURL() + "&dbname=template1"
	for _, statement := range []string{
		"CREATE DATABASE mocktenant_test_20250101000000_x", "CREATE DATABASE mocktenant_test_29990101000000_x",
		"CREATE DATABASE mocktenant_template_20250101_x IS_TEMPLATE true",
	} {
		rows(t, keywords, statement)
	}
	const ours = `SELECT datname FROM pg_database WHERE datname ~ '^mocktenant_(test|template)_' ORDER BY 1`
	for i, given := range []string{keywords, asURL} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					s := graphtest.NewServer(t, graphtest.WithDatabaseURL(given))
					create(t, s.Tenant, s.URL, "x")
					if got := rows(t, s.DatabaseURL, "SELECT display_name || current_database() FROM remote_assistance_partners"); len(got) != 1 || !strings.HasPrefix(got[0], "xmocktenant_test_2") {
						t.Errorf("SQL has %q", got)
					}
				})
			}
			wg.Wait()
			if got := rows(t, given, ours); len(got) != 5 {
				t.Errorf("got %q, want a template, 3 test databases and what isn't old", got)
			}
		})
		got := rows(t, given, ours)
		if len(got) != 2 || !regexp.MustCompile(`^mocktenant_template_2\d{7}_[0-9a-f]{16}$`).MatchString(got[0]) || got[1] != "mocktenant_test_29990101000000_x" {
			t.Errorf("after the tests got %q, want a template and what isn't old", got)
		}
	}
}

// fakeTB is the test that is passed to NewServer. It records why it failed.
type fakeTB struct {
	testing.TB
	cleanups []func()
	failure  string
}

func (f *fakeTB) Helper()                           {}
func (f *fakeTB) Name() string                      { return "TestFake" }
func (f *fakeTB) Context() context.Context          { return context.Background() }
func (f *fakeTB) Output() io.Writer                 { return io.Discard }
func (f *fakeTB) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Errorf(format string, args ...any) { f.failure = fmt.Sprintf(format, args...) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// run runs a test that may fail, then its cleanups.
func (f *fakeTB) run(test func(testing.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.end()
		test(f)
	}()
	<-done
}

func (f *fakeTB) end() {
	for _, c := range slices.Backward(f.cleanups) {
		c()
	}
	f.cleanups = nil
}

// A failure fails the test, with the reason and a remedy.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		option graphtest.Option
		want   string
	}{
		"nobody listens": {graphtest.WithDatabaseURL("postgres://nobody@127.0.0.1:1/none"), "graphtest: use the Postgres of WithDatabaseURL: reach the database: "},
		"no URL":         {graphtest.WithDatabaseURL("host=127.0.0.1 port=x"), "graphtest: use the Postgres of WithDatabaseURL: read the database URL: "},
		"out of range":   {graphtest.WithPageSize(0), "graphtest: make a tenant: line 1: /settings/pageSize: want at least 1"},
		"no YAML":        {graphtest.WithState([]byte("version: 1\nremoteAssistancePartners: [}\n")), "graphtest: read the state: line 2"},
		"no state":       {graphtest.WithState([]byte(`{"version":1,"remoteAssistancePartners":[{"displayNam":"A"}]}`)), "graphtest: make a tenant: line 1: /source/document/remoteAssistancePartners/0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTB{}
			f.run(func(tb testing.TB) { graphtest.NewServer(tb, tt.option) })
			if !strings.HasPrefix(f.failure, tt.want) {
				t.Errorf("failed with %q, want %q", f.failure, tt.want)
			}
		})
	}
}

// A test binary leaves nothing behind, whether it exits or is killed.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"exit", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			binary := exec.CommandContext(t.Context(), os.Args[0])
			binary.Env = append(os.Environ(), holdEnv+"="+how)
			binary.Stderr = os.Stderr
			if _, err := binary.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			out, err := binary.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := binary.Start(); err != nil {
				t.Fatal(err)
			}
			var databaseURL string
			_, err = fmt.Fscan(out, &databaseURL)
			config, parseErr := pgx.ParseConfig(databaseURL)
			if err != nil || parseErr != nil {
				t.Fatalf("it printed %q: %v %v", databaseURL, err, parseErr)
			}
			if how == "kill" {
				_ = binary.Process.Signal(syscall.SIGKILL)
			}
			_ = binary.Wait()

			home := filepath.Dir(config.Host)
			eventually(t, home+" is gone", func() bool {
				_, err := os.Stat(home)
				_, connErr := pgx.Connect(t.Context(), databaseURL)
				return os.IsNotExist(err) && connErr != nil
			})
		})
	}
}

// BenchmarkNewServer measures NewServer: the first call in a test binary with an existing
// template, and later calls, in tests that take 50 ms each and in tests that do nothing.
func BenchmarkNewServer(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		var total time.Duration
		for b.Loop() {
			binary := exec.CommandContext(b.Context(), os.Args[0])
			binary.Env = append(os.Environ(), holdEnv+"=exit")
			out, err := binary.Output()
			words := strings.Fields(string(out))
			if err != nil || len(words) != 2 {
				b.Fatalf("%v %s", err, out)
			}
			took, err := time.ParseDuration(words[1])
			if err != nil {
				b.Fatal(err)
			}
			total += took
		}
		b.ReportMetric(0, "ns/op") // the duration of a process
		b.ReportMetric(float64(total.Microseconds())/1000/float64(b.N), "ms/server")
	})
	for name, test := range map[string]time.Duration{"next": 50 * time.Millisecond, "next-at-once": 0} {
		b.Run(name, func(b *testing.B) {
			f := &fakeTB{}
			var total time.Duration
			for b.Loop() {
				start := time.Now()
				graphtest.NewServer(f)
				total += time.Since(start)
				time.Sleep(test)
				f.end()
			}
			b.ReportMetric(0, "ns/op") // includes the test's own time
			b.ReportMetric(float64(total.Microseconds())/1000/float64(b.N), "ms/server")
		})
	}
}
