package identity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

const (
	readWrite    = "DeviceManagementServiceConfig.ReadWrite.All"
	graphScope   = "https://graph.microsoft.com/.default"
	signInScopes = graphScope + " openid profile offline_access"
	partners     = "/v1.0/deviceManagement/remoteAssistancePartners"
	password     = "correct horse battery staple"
	secret       = "a-client-secret-of-the-tests"
	redirectURI  = "https://app.example.test/signed-in?x=1"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(dbtest.Run(m))
}

// clock is a clock that a test can move and stop.
type clock struct {
	mu      sync.Mutex
	offset  time.Duration
	stopped time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped
	}
	return time.Now().Add(c.offset)
}

func (c *clock) stop() {
	now := c.now().Truncate(time.Microsecond) // Postgres's precision
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	if !c.stopped.IsZero() {
		c.stopped = c.stopped.Add(d)
	}
}

// shared is the service shared by all tests that don't move the clock.
var shared struct {
	once   sync.Once
	server *server.Server
	err    error
}

// tenant is a test's own tenant, with a user and two applications.
type tenant struct {
	testing.TB
	server *server.Server
	id     uuid.UUID
	domain string
	user   db.CreateUserParams
	app    uuid.UUID // confidential
	public uuid.UUID
}

func setup(t testing.TB) *tenant {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = server.Start(context.Background(), server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), Log: testenv.Log()})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return newTenant(t, shared.server)
}

// setupClock starts a service for a single test, with a clock that can be moved.
func setupClock(t testing.TB) (*tenant, *clock) {
	t.Helper()
	c := &clock{}
	return newTenant(t, startServer(t, server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: c.now})), c
}

func startServer(t testing.TB, config server.Config) *server.Server {
	t.Helper()
	s, err := server.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	return s
}

func newTenant(t testing.TB, s *server.Server) *tenant {
	t.Helper()
	c := &tenant{TB: t, server: s, id: uuid.New(), app: uuid.New(), public: uuid.New()}
	c.domain = c.id.String()[:8] + ".example.test"
	q, ctx := db.New(s.Pool()), t.Context()
	hash, err := identity.HashPassword(password)
	c.must(err)
	must1(c)(q.CreateTenant(ctx, db.CreateTenantParams{TenantID: c.id, DisplayName: "Contoso", CreatedAt: time.Now()}))
	must1(c)(q.CreateDomain(ctx, db.CreateDomainParams{Name: c.domain, TenantID: c.id, CreatedAt: time.Now()}))
	given, surname := "Adele", "Vance"
	c.user = db.CreateUserParams{
		TenantID: c.id, ID: uuid.New(), UserPrincipalName: "AdeleV@" + c.domain, DisplayName: "Adele Vance", GivenName: &given, Surname: &surname,
		PasswordHash: &hash, Enabled: true, CreatedAt: time.Now(),
	}
	must1(c)(q.CreateUser(ctx, c.user))
	for _, a := range []db.CreateApplicationParams{
		{ClientID: c.app, DisplayName: "Daemon", RedirectUris: []string{redirectURI}, ExposedScopes: []string{"access_as_user"}, RequiredScopes: []string{readWrite}},
		{ClientID: c.public, DisplayName: "Tool", RedirectUris: []string{"http://localhost", redirectURI}, PublicClient: true},
	} {
		a.TenantID, a.ServicePrincipalID, a.CreatedAt = c.id, uuid.New(), time.Now()
		must1(c)(q.CreateApplication(ctx, a))
		c.must(q.GrantScopes(ctx, db.GrantScopesParams{TenantID: c.id, ClientID: a.ClientID, Scopes: []string{"User.Read", readWrite}, CreatedAt: time.Now()}))
	}
	c.must(q.GrantRoles(ctx, db.GrantRolesParams{TenantID: c.id, ClientID: c.app, Roles: []string{readWrite}, CreatedAt: time.Now()}))
	c.addSecret(secret, time.Now().Add(time.Hour))
	return c
}

func (c *tenant) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func must1(c *tenant) func(int64, error) {
	return func(_ int64, err error) { c.Helper(); c.must(err) }
}

// exec changes the database; the tenant's id is $1.
func (c *tenant) exec(sql string, args ...any) {
	c.Helper()
	_, err := c.server.Pool().Exec(c.Context(), sql, append([]any{c.id}, args...)...)
	c.must(err)
}

func (c *tenant) queries() *db.Queries { return db.New(c.server.Pool()) }

func (c *tenant) addSecret(value string, until time.Time) {
	c.Helper()
	hash := sha256.Sum256([]byte(value))
	c.must(c.queries().CreateApplicationSecret(c.Context(), db.CreateApplicationSecretParams{
		TenantID: c.id, ClientID: c.app, ID: uuid.New(), SecretHash: hash[:], Hint: value[:3], CreatedAt: time.Now(), ExpiresAt: until,
	}))
}

// addUser adds another user, after change.
func (c *tenant) addUser(name string, change func(*db.CreateUserParams)) db.CreateUserParams {
	c.Helper()
	u := c.user
	u.ID, u.UserPrincipalName = uuid.New(), name+"@"+c.domain
	if change != nil {
		change(&u)
	}
	must1(c)(c.queries().CreateUser(c.Context(), u))
	return u
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

// fields are a form's parameters, given in pairs.
func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// with returns a copy of v with some parameters set, or removed if "".
func with(v url.Values, pairs ...string) url.Values {
	v = maps.Clone(v)
	for i := 0; i < len(pairs); i += 2 {
		v[pairs[i]] = []string{pairs[i+1]}
		if pairs[i+1] == "" {
			delete(v, pairs[i])
		}
	}
	return v
}

func (c *tenant) do(method, path string, body io.Reader, header ...string) answer {
	c.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = c.server.URL() + path
	}
	r, err := http.NewRequestWithContext(c.Context(), method, target, body)
	c.must(err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	c.must(err)
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	c.must(err)
	return answer{response.StatusCode, response.Header, text.String()}
}

func (c *tenant) get(path string, header ...string) answer {
	c.Helper()
	return c.do("GET", path, nil, header...)
}

func (c *tenant) post(path string, form url.Values, header ...string) answer {
	c.Helper()
	return c.do("POST", path, strings.NewReader(form.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// token calls the tenant's token endpoint.
func (c *tenant) token(form url.Values, header ...string) answer {
	c.Helper()
	return c.post("/"+c.id.String()+"/oauth2/v2.0/token", form, header...)
}

// tokens is the token endpoint's answer.
type tokens struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	ExpiresIn    int    `json:"expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ClientInfo   string `json:"client_info"`
}

// redeem calls the token endpoint and expects tokens.
func (c *tenant) redeem(form url.Values) tokens {
	c.Helper()
	return decode[tokens](c, c.want(http.StatusOK, c.token(form)))
}

func (c *tenant) want(status int, a answer) answer {
	c.Helper()
	if a.status != status {
		c.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func decode[T any](c *tenant, a answer) T {
	c.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		c.Fatalf("not JSON: %v\n%s", err, a.body)
	}
	return v
}

// wantError expects an error with this status, OAuth code and AADSTS number.
func (c *tenant) wantError(a answer, status int, code string, number int) {
	c.Helper()
	var e struct {
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
		ErrorCodes       []int  `json:"error_codes"`
		Timestamp        string `json:"timestamp"`
		TraceID          string `json:"trace_id"`
		CorrelationID    string `json:"correlation_id"`
		ErrorURI         string `json:"error_uri"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		c.Errorf("not JSON: %s", a.body)
		return
	}
	if a.status != status || e.Error != code || !slices.Equal(e.ErrorCodes, []int{number}) {
		c.Errorf("got %d %s %v (%s), want %d %s %d", a.status, e.Error, e.ErrorCodes, e.ErrorDescription, status, code, number)
	}
	if e.TraceID == "" || e.CorrelationID == "" || e.Timestamp == "" || e.ErrorURI == "" {
		c.Errorf("incomplete: %s", a.body)
	}
	if want := " Trace ID: " + e.TraceID + " Correlation ID: " + e.CorrelationID + " Timestamp: " + e.Timestamp; !strings.HasSuffix(e.ErrorDescription, want) {
		c.Errorf("description %q does not end in %q", e.ErrorDescription, want)
	}
	if strings.Contains(a.body, secret) || strings.Contains(a.body, password) {
		c.Errorf("the answer shows a secret: %s", a.body)
	}
}

// passwordForm signs the user in through the public application.
func (c *tenant) passwordForm() url.Values {
	return fields("grant_type", "password", "client_id", c.public.String(), "username", c.user.UserPrincipalName, "password", password,
		"scope", signInScopes, "client_info", "1")
}

func (c *tenant) secretForm() url.Values {
	return fields("grant_type", "client_credentials", "client_id", c.app.String(), "client_secret", secret, "scope", graphScope)
}

// claims returns a token's payload, after checking its signature with the published keys.
func (c *tenant) claims(raw string) map[string]any {
	c.Helper()
	keys := decode[jose.JSONWebKeySet](c, c.want(http.StatusOK, c.get("/"+c.id.String()+"/discovery/v2.0/keys")))
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	c.must(err)
	found := keys.Key(token.Headers[0].KeyID)
	if len(found) != 1 {
		c.Fatalf("%d keys named %q are published", len(found), token.Headers[0].KeyID)
	}
	claims := map[string]any{}
	c.must(token.Claims(found[0].Key, &claims))
	return claims
}

// graph calls Graph with an access token.
func (c *tenant) graph(method, token string) answer {
	c.Helper()
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("{}")
	}
	return c.do(method, partners, body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func challengeOf(verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
