package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

const partners = "/v1.0/deviceManagement/remoteAssistancePartners"

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(dbtest.Run(m))
}

func start(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	c.HTTPAddr = "127.0.0.1:0"
	if c.Log == nil {
		c.Log = testenv.Log()
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = time.Minute // a busy machine may take more than ten seconds
	}
	s, err := server.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	return s
}

func token(t *testing.T, s *server.Server, tenant dbtest.Tenant) string {
	t.Helper()
	token, err := s.Identity().IssueAccessToken(identity.AccessToken{
		TenantID: tenant.ID, ObjectID: tenant.UserID, AppID: tenant.ClientID, UserName: "u@example.test", Lifetime: time.Hour,
		Scopes: []string{"DeviceManagementServiceConfig.ReadWrite.All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is a response without its body.
type answer struct {
	StatusCode int
	Header     http.Header
}

func call(t *testing.T, method, url, token, body string) (answer, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(text)
}

// gate forwards connections to a database until it is shut.
type gate struct {
	listener net.Listener
	network  string
	address  string

	// forgetful makes the gate cut one connection instead of passing on that a COPY was committed.
	forgetful atomic.Bool

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, host string, port uint16) *gate {
	t.Helper()
	g := &gate{network: "tcp", address: net.JoinHostPort(host, fmt.Sprint(port)), conns: map[net.Conn]bool{}}
	if strings.HasPrefix(host, "/") {
		g.network, g.address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", host, port)
	}
	var err error
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.set(true); _ = g.listener.Close() })
	go g.accept()
	return g
}

func (g *gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		go g.pass(client)
	}
}

func (g *gate) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	backend, err := net.Dial(g.network, g.address)
	if err != nil {
		return
	}
	defer func() { _ = backend.Close() }()
	if !g.add(client) {
		return
	}
	go func() { _, _ = io.Copy(backend, client); _ = backend.Close() }()
	_, _ = io.Copy(client, &answers{Conn: backend, gate: g})
}

// answers are what a database sends on a connection.
type answers struct {
	net.Conn
	gate   *gate
	copied bool
}

func (a *answers) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	a.copied = a.copied || bytes.Contains(p[:n], []byte("COPY "))
	if a.copied && bytes.Contains(p[:n], []byte("COMMIT\x00")) && a.gate.forgetful.CompareAndSwap(true, false) {
		return 0, io.EOF
	}
	return n, err
}

// url returns the URL with which a service reaches the database through the gate.
func (g *gate) url(to *pgx.ConnConfig) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user='%s' password='%s' dbname='%s' sslmode=disable",
		g.listener.Addr().(*net.TCPAddr).Port, to.User, to.Password, to.Database)
}

func (g *gate) add(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
	return !g.shut
}

// set shuts the gate, cutting its connections, or opens it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for c := range g.conns {
		if shut {
			_ = c.Close()
			delete(g.conns, c)
		}
	}
}

// measure requests the metrics and the profiles, and returns the statuses.
func measure(t *testing.T, s *server.Server, key string) map[string]int {
	t.Helper()
	statuses := map[string]int{}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/goroutine"} {
		r, _ := call(t, "GET", s.AdminURL()+path, key, "")
		statuses[path] = r.StatusCode
	}
	return statuses
}

// While the database is unavailable, requests get 503 with Retry-After, and the probes say
// what is missing; then the service recovers by itself.
func TestDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	to := dbtest.Pool(t).Config().ConnConfig
	g := newGate(t, to.Host, to.Port)
	s := start(t, server.Config{AdminAddr: "127.0.0.1:0", DatabaseURL: g.url(to)})
	token := token(t, s, tenant)
	if r, body := call(t, "POST", s.URL()+partners, token, `{}`); r.StatusCode != 201 {
		t.Fatalf("before: %d %s", r.StatusCode, body)
	}

	if _, status := scrape(t, s); status != 200 {
		t.Fatalf("/metrics before: %d", status)
	}
	owner := measure(t, s, "") // no key, on loopback
	for path := range owner {
		owner[path] = 200
	}
	if diff := cmp.Diff(owner, measure(t, s, "")); diff != "" {
		t.Fatalf("before (-want +got):\n%s", diff)
	}

	g.set(true)
	for _, method := range []string{"GET", "POST"} {
		r, body := call(t, method, s.URL()+partners, token, `{}`)
		var got struct {
			Error struct{ Code string }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Error.Code != "serviceNotAvailable" ||
			r.StatusCode != 503 || r.Header.Get("Retry-After") != "2" {
			t.Errorf("%s while away: %d, Retry-After %q: %s", method, r.StatusCode, r.Header.Get("Retry-After"), body)
		}
		if strings.Contains(body, g.listener.Addr().String()) {
			t.Errorf("the answer shows the database's address: %s", body)
		}
	}
	signIn, err := http.PostForm(s.URL()+"/"+tenant.ID.String()+"/oauth2/v2.0/token", url.Values{"grant_type": {"password"}, "username": {"x"}, "password": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = signIn.Body.Close()
	if signIn.StatusCode != 503 || signIn.Header.Get("Retry-After") != "2" {
		t.Errorf("sign-in while away: %s", signIn.Status)
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 503 || body != `{"ready":false,"checks":{"database":"not available","keys":"ok","migrations":"not known"}}`+"\n" {
		t.Errorf("/readyz while away: %d %s", r.StatusCode, body)
	}
	if r, _ := call(t, "GET", s.URL()+"/livez", "", ""); r.StatusCode != 200 {
		t.Errorf("/livez while away: %d", r.StatusCode)
	}
	away := samples{`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="503",http_route="` + partners + `"}`: 1}
	if got, status := scrape(t, s); status != 200 || !got.has(away) {
		t.Errorf("/metrics while away, to a known caller: %d, want %v", status, away)
	}
	if diff := cmp.Diff(owner, measure(t, s, "")); diff != "" {
		t.Errorf("while away, to a known caller (-want +got):\n%s", diff)
	}
	for path, status := range measure(t, s, "never seen before") {
		if status != 503 {
			t.Errorf("%s while away, to a stranger: %d", path, status)
		}
	}

	g.set(false)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		r, body := call(t, "GET", s.URL()+partners+"/$count", token, "")
		if r.StatusCode == 200 && body == "1" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("does not heal: %d %s", r.StatusCode, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 || !strings.HasPrefix(body, `{"ready":true,"checks":{"database":"ok","keys":"ok","migrations":"ok"`) { // a cluster's has more
		t.Errorf("/readyz after: %d %s", r.StatusCode, body)
	}
}

func TestReadyWantsTheMigrations(t *testing.T) {
	t.Parallel()
	dbtest.SkipOnCluster(t, "its database lacks the views of reports, which a migration reverts")
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t)})
	if _, err := db.MigrateDown(t.Context(), s.Pool(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r, body := call(t, "GET", s.URL()+"/readyz", "", "")
	if r.StatusCode != 503 || !strings.Contains(body, "this program wants") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}

// While a newer version rolls out, it has migrated the database, and this version keeps
// serving; after a rollback, this version starts on what the newer one left.
func TestReadyOnANewerSchema(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	s := start(t, server.Config{DatabaseURL: url})
	if _, err := s.Pool().Exec(t.Context(), "INSERT INTO mocktenant_schema_versions (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*server.Server{s, start(t, server.Config{DatabaseURL: url})} {
		if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
			t.Errorf("%d %s", r.StatusCode, body)
		}
	}
}

// Replicas accept each other's tokens, even if signed with a key that one hasn't seen.
func TestReplicasAcceptEachOthersTokens(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	a, b := start(t, server.Config{DatabaseURL: url, Demo: true}), start(t, server.Config{DatabaseURL: url, Demo: true})
	for _, s := range []*server.Server{a, b} {
		token, err := s.Identity().IssueAccessToken(server.DemoAccessToken([]string{"DeviceManagementServiceConfig.ReadWrite.All"}, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []*server.Server{a, b} {
			if r, body := call(t, "POST", other.URL()+partners, token, `{}`); r.StatusCode != 201 {
				t.Errorf("%d %s", r.StatusCode, body)
			}
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config server.Config
		want   string
	}{
		{server.Config{HTTPAddr: "8080"}, `MOCKTENANT_HTTP_ADDR "8080"`},
		{server.Config{HTTPAddr: "localhost:port"}, `MOCKTENANT_HTTP_ADDR "localhost:port"`},
		{server.Config{HTTPAddr: "127.0.0.1:0", PublicURL: "graph.example.test"}, `MOCKTENANT_PUBLIC_URL "graph.example.test"`},
		{server.Config{HTTPAddr: "127.0.0.1:0", PublicURL: "https://example.test/v1.0"}, `MOCKTENANT_PUBLIC_URL "https://example.test/v1.0"`},
		{server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: "host=127.0.0.1 port=1"}, "reach the database"},
		{server.Config{HTTPAddr: strings.TrimPrefix(start(t, server.Config{DatabaseURL: dbtest.URL(t)}).URL(), "http://"), DatabaseURL: dbtest.URL(t)}, "address already in use"},
	} {
		s, err := server.Start(t.Context(), tt.config)
		if err == nil {
			_ = s.Shutdown(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	s := start(t, server.Config{DatabaseURL: dbtest.URL(t), PublicURL: "https://graph.example.test:444/"})
	r, body := call(t, "POST", s.URL()+partners, token(t, s, tenant), `{}`)
	if !strings.HasPrefix(body, `{"@odata.context":"https://graph.example.test:444/v1.0/$metadata#`) {
		t.Errorf("body %s", body)
	}
	if got := r.Header.Get("Location"); !strings.HasPrefix(got, "https://graph.example.test:444/v1.0/deviceManagement/") {
		t.Errorf("location %s", got)
	}
}

// The log has who, what and the outcome for each request, and no secret.
func TestLog(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	var log lockedBuffer
	s := start(t, server.Config{DatabaseURL: dbtest.URL(t), Log: slog.New(slog.NewJSONHandler(&log, nil))})
	token := token(t, s, tenant)
	r, _ := call(t, "GET", s.URL()+partners+"/"+uuid.NewString()+"?$select=id", token, "")
	call(t, "GET", s.URL()+partners, token+"x", "")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Method, Route, Tenant string
		Status                int
		RequestID             string `json:"request-id"`
	}
	for text := range strings.SplitSeq(log.String(), "\n") {
		if strings.Contains(text, r.Header.Get("request-id")) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Method != "GET" || line.Route != partners+"/:id" || line.Tenant != tenant.ID.String() || line.Status != 404 {
		t.Errorf("logged %+v in\n%s", line, log.String())
	}
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(log.String(), part) {
			t.Errorf("the log shows a part of the token: %s", part)
		}
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
