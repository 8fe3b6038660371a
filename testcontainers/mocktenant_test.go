package mocktenant_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	mocktenant "github.com/mocktenant/mocktenant/testcontainers"
)

// Links in an answer have the address that the client used, with the published port, which
// the service itself doesn't know.
func TestLinks(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	for _, base := range []string{ctr.URL(), ctr.HTTPURL(), "https://graph.microsoft.com"} {
		if strings.HasSuffix(base, ":8080") || strings.HasSuffix(base, ":8443") {
			t.Errorf("%s: want a port on the host", base)
		}
		tenant := ctr.NewTenant(t, mocktenant.WithPageSize(1))
		id, location := create(t, tenant, base, "A")
		create(t, tenant, base, "B")
		if want := base + partners + "('" + id + "')"; location != want {
			t.Errorf("Location: %s, want %s", location, want)
		}
		if a := call(t, tenant.Client(), "GET", location, ""); a.status != 200 || !strings.Contains(a.body, `"@odata.context":"`+base+`/v1.0/$metadata#`) {
			t.Errorf("%s: %d %s", location, a.status, a.body)
		}
		all, links := names(t, tenant, base)
		if !slices.Equal(all, []string{"A", "B"}) || len(links) != 1 || !strings.HasPrefix(links[0], base+partners+"?") {
			t.Errorf("%s: got %q by %q", base, all, links)
		}
	}
	for _, base := range []string{ctr.URL(), "https://login.microsoftonline.com"} {
		tenant := ctr.NewTenant(t)
		var discovered map[string]any
		a := call(t, ctr.Client(), "GET", base+"/"+tenant.ID.String()+"/v2.0/.well-known/openid-configuration", "")
		if err := json.Unmarshal([]byte(a.body), &discovered); err != nil || a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "device_authorization_endpoint"} {
			if got, _ := discovered[name].(string); !strings.HasPrefix(got, base+"/") {
				t.Errorf("%s is %s, want it below %s", name, got, base)
			}
		}
	}
}

// A user signs in at the container's URL and at the host built into clients.
func TestSignIn(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	tenant := ctr.NewTenant(t)
	for _, authority := range []string{tenant.AuthorityURL, "https://login.microsoftonline.com/" + tenant.Domain} {
		response, err := ctr.Client().PostForm(authority+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {tenant.ClientID.String()}, "client_secret": {tenant.ClientSecret},
			"username": {tenant.UserName}, "password": {tenant.Password}, "scope": {"https://graph.microsoft.com/.default"},
		})
		if err != nil {
			t.Fatal(err)
		}
		var token struct {
			AccessToken string `json:"access_token"`
		}
		err = json.NewDecoder(response.Body).Decode(&token)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %s %v", authority, response.Status, err)
		}
		for _, token := range []string{token.AccessToken, tenant.AccessToken} {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", ctr.URL()+partners, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+token)
			response, err := ctr.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != 200 {
				t.Errorf("with the token of %s: %s", authority, response.Status)
			}
		}
	}
	if a := call(t, ctr.Client(), "GET", ctr.URL()+partners, ""); a.status != 401 {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
}

// A client with the authority trusts the service's certificate, which names all hosts for
// which Client connects to the service.
func TestCertificate(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	response, err := http.Get(ctr.URL()) //nolint:noctx // a client that doesn't trust the authority can't connect
	if err == nil {
		_ = response.Body.Close()
		t.Error("a client without the authority trusts the service")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ctr.CA()) || !pool.Equal(ctr.CertPool()) {
		t.Error("CertPool has another authority than CA")
	}
	for _, host := range mocktenant.MicrosoftHosts {
		handshake(t, ctr, host)
	}
}

// handshake checks that the service's certificate names host.
func handshake(t *testing.T, ctr *mocktenant.Container, host string) {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: ctr.CertPool(), ServerName: host}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(ctr.URL(), "https://"))
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
}

// Client connects to the service for every name that the service puts into its certificate
// for unmodified clients; the two lists are in different modules.
func TestMicrosoftHosts(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: ctr.CertPool()}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(ctr.URL(), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	inspect, err := ctr.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range conn.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames {
		if name != "localhost" && name != inspect.Config.Hostname && !slices.Contains(mocktenant.MicrosoftHosts, name) {
			t.Errorf("Client doesn't lead %s to the service", name)
		}
	}
}

func TestNewTenant(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	ids := make([]string, 3)
	t.Run("tenants", func(t *testing.T) {
		for i := range ids {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				tenant := ctr.NewTenant(t)
				ids[i] = tenant.ID.String()
				create(t, tenant, ctr.URL(), t.Name())
				if got, _ := names(t, tenant, ctr.URL()); !slices.Equal(got, []string{t.Name()}) {
					t.Errorf("got %q", got)
				}
			})
		}
	})
	list, err := client.Read[api.TenantList](ctr.Admin().ListTenants(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range list.Value {
		if slices.Contains(ids, tenant.Id.String()) {
			t.Errorf("%s still exists after its test", tenant.DisplayName)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tenant := sharedContainer(t).NewTenantAt(t, func() time.Time { return now })
	first, expires, err := tenant.Token(t.Context())
	if err != nil || first != tenant.AccessToken || time.Until(expires) < time.Hour {
		t.Errorf("token until %s %v, want AccessToken", expires, err)
	}
	now = expires
	second, expires, err := tenant.Token(t.Context())
	if err != nil || second == first || time.Until(expires) < time.Hour {
		t.Errorf("token until %s %v, want another one", expires, err)
	}
}

const stateYAML = `version: 1
remoteAssistancePartners:
  - {displayName: A, onboardingStatus: onboarded}
  - displayName: B
`

func TestWithState(t *testing.T) {
	t.Parallel()
	ctr := run(t, standalone, mocktenant.WithDemo(false))
	for _, document := range []string{stateYAML, `{"version":1,"remoteAssistancePartners":[{"displayName":"A","onboardingStatus":"onboarded"},{"displayName":"B"}]}`} {
		tenant := ctr.NewTenant(t, mocktenant.WithState([]byte(document)))
		create(t, tenant, ctr.URL(), "C")
		if got, _ := names(t, tenant, ctr.URL()); !slices.Equal(got, []string{"A", "B", "C"}) {
			t.Errorf("got %q", got)
		}
		if err := client.Done(ctr.Admin().ResetTenant(t.Context(), tenant.ID)); err != nil {
			t.Error(err)
		}
		if got, _ := names(t, tenant, ctr.URL()); !slices.Equal(got, []string{"A", "B"}) {
			t.Errorf("after a reset: got %q", got)
		}
	}
	if seeds, err := client.Read[api.SeedList](ctr.Admin().ListSeeds(t.Context(), nil)); err != nil || len(seeds.Value) != 0 {
		t.Errorf("seeds are left: %+v %v", seeds, err)
	}
}

func TestTenantOptions(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	var ids [2]string
	for i := range ids {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			domain := fmt.Sprintf("contoso%d.example", i)
			tenant := ctr.NewTenant(t, mocktenant.WithIDSeed("same"), mocktenant.TenantOption(func(c *api.TenantCreate) { c.Domain = &domain }))
			if tenant.Domain != domain || tenant.UserName != "user@"+domain {
				t.Errorf("domain %s, user %s", tenant.Domain, tenant.UserName)
			}
			ids[i], _ = create(t, tenant, ctr.URL(), "x")
		})
	}
	if ids[0] != ids[1] {
		t.Errorf("ids %q, want the same", ids)
	}

	full := ctr.NewTenant(t, mocktenant.WithEntityQuota(1))
	create(t, full, ctr.URL(), "only")
	if a := call(t, full.Client(), "POST", ctr.URL()+partners, `{}`); a.status != 507 {
		t.Errorf("beyond the quota: %d %s", a.status, a.body)
	}

	hurried := ctr.NewTenant(t, mocktenant.WithRequestRate(1))
	throttled := false
	for range 20 {
		a := call(t, hurried.Client(), "GET", ctr.URL()+partners, "")
		throttled = throttled || a.status == 429 && a.header.Get("Retry-After") != ""
	}
	if !throttled {
		t.Error("20 concurrent requests were all answered, want a 429")
	}

	for rule, want := range map[api.PermissionRule]int{api.PermissionRuleSeed: 403, api.PermissionRuleCurrent: 200} {
		tenant := ctr.NewTenant(t, mocktenant.WithPermissionRule(rule))
		token, err := client.Read[api.Token](ctr.Admin().IssueToken(t.Context(), tenant.ID, api.TokenRequest{ClientId: tenant.ClientID}))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), "GET", ctr.URL()+partners, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token.AccessToken)
		response, err := ctr.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("an application without a user, with the rule %s: %s, want %d", rule, response.Status, want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	tenant, other := ctr.NewTenant(t), ctr.NewTenant(t)
	create(t, tenant, ctr.URL(), "before")
	if err := tenant.Snapshot(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	create(t, tenant, ctr.URL(), "after")
	create(t, other, ctr.URL(), "of another")
	if err := tenant.Restore(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[*mocktenant.Tenant]string{tenant: "before", other: "of another"} {
		if got, _ := names(t, tenant, ctr.URL()); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	if err := tenant.Restore(t.Context(), "none"); err == nil || !strings.HasPrefix(err.Error(), `restore snapshot "none": `) {
		t.Errorf("missing snapshot: %v", err)
	}
	if err := tenant.Snapshot(t.Context(), "it"); err == nil || !strings.HasPrefix(err.Error(), `snapshot "it": `) {
		t.Errorf("snapshot with the same name: %v", err)
	}
}

// A test makes requests fail, moves the clock, and checks what was sent. Other tenants of the
// container don't notice.
func TestControl(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	tenant, other := ctr.NewTenant(t), ctr.NewTenant(t)
	tenant.Fault(t, api.FaultCreate{
		Match: &api.FaultMatch{Method: new("GET")}, Schedule: &api.FaultSchedule{Times: new(int64(1))},
		Effect: api.FaultEffect{Error: new("throttled"), RetryAfterSeconds: new(int32(1))},
	})
	for _, tt := range []struct {
		tenant *mocktenant.Tenant
		status int
	}{{other, 200}, {tenant, 429}, {tenant, 200}} {
		if a := call(t, tt.tenant.Client(), "GET", ctr.URL()+partners, ""); a.status != tt.status {
			t.Errorf("%d, want %d", a.status, tt.status)
		}
	}
	if clock := tenant.Clock().Advance(t, 3*time.Hour); time.Until(clock.Now) < 2*time.Hour {
		t.Errorf("the clock shows %s", clock.Now)
	}
	create(t, tenant, ctr.URL(), "later") // with a new token
	tenant.Verify(t, api.RequestVerify{NoExpiredToken: new(true), Counts: &[]api.RequestCount{{Match: api.RequestMatch{Method: new("GET")}, Exactly: new(int64(2))}}})
	if got := tenant.Requests(t, api.ListRequestsParams{Status: new("429")}); len(got) != 1 || got[0].Rule == nil {
		t.Errorf("%+v", got)
	}
}

// The URLs for SQL have the published port. examples/go tests that they work.
func TestReportURL(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	login, err := ctr.NewTenant(t).ReportURL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sql, err := ctr.PortEndpoint(t.Context(), "5432/tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	database, err := url.Parse(ctr.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := database.User.Password()
	if want := "postgres://mocktenant:" + password + "@" + sql + "/mocktenant?sslmode=disable"; ctr.DatabaseURL() != want || len(password) < 20 {
		t.Errorf("DatabaseURL is %s, want %s with a random password", ctr.DatabaseURL(), want)
	}
	if !strings.HasPrefix(login, "postgres://mocktenant_report_") || !strings.HasSuffix(login, "@"+sql+"/mocktenant?sslmode=disable") {
		t.Errorf("ReportURL is %s", login)
	}
}

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Seeds are kept and made into tenants, and more tenants can be made from them. A file that
// only its owner can read works too.
func TestWithSeeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctr := run(t, standalone, mocktenant.WithDemo(false), mocktenant.WithSeeds(
		write(t, dir, "contoso.yaml", []byte(stateYAML)), write(t, dir, "empty.json", []byte(`{"version":1}`))))

	list, err := client.Read[api.TenantList](ctr.Admin().ListTenants(t.Context(), nil))
	if err != nil || len(list.Value) != 2 {
		t.Fatalf("tenants %+v %v, want one of each seed and no demo", list.Value, err)
	}
	tenant := ctr.NewTenant(t, mocktenant.WithSeed("contoso"))
	if got, _ := names(t, tenant, ctr.URL()); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("got %q", got)
	}
}

func TestWithDemo(t *testing.T) {
	t.Parallel()
	const demo = "a8990e1f-ff32-408a-9f8e-78d3b9139b95"
	list, err := client.Read[api.TenantList](sharedContainer(t).Admin().ListTenants(t.Context(), nil))
	if err != nil || !slices.ContainsFunc(list.Value, func(t api.Tenant) bool { return t.Id.String() == demo }) {
		t.Errorf("there is no demo tenant by default: %+v %v", list.Value, err)
	}
	list, err = client.Read[api.TenantList](run(t, standalone, mocktenant.WithDemo(false)).Admin().ListTenants(t.Context(), nil))
	if err != nil || len(list.Value) != 0 {
		t.Errorf("tenants %+v %v, want none", list.Value, err)
	}
}

// ownCertificate writes a certificate for localhost and its key to files.
func ownCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "of the test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return write(t, dir, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func TestWithCertificate(t *testing.T) {
	t.Parallel()
	certFile, keyFile := ownCertificate(t)
	ctr := run(t, standalone, mocktenant.WithCertificate(certFile, keyFile))
	create(t, ctr.NewTenant(t), ctr.URL(), "x")
	if want, err := os.ReadFile(certFile); err != nil || string(ctr.CA()) != string(want) {
		t.Errorf("CA is %s", ctr.CA())
	}
}

func TestWithAdminKey(t *testing.T) {
	t.Parallel()
	const key = "a-key-that-the-test-knows"
	ctr := run(t, standalone, mocktenant.WithAdminKey(key))
	endpoint, err := ctr.PortEndpoint(t.Context(), "8081/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{key: 200, "another-key-which-is-wrong": 401} {
		other, err := client.New(endpoint, key)
		if err != nil {
			t.Fatal(err)
		}
		response, err := other.ListTenants(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("by %s: %s, want %d", key, response.Status, want)
		}
	}
	create(t, ctr.NewTenant(t), ctr.URL(), "x")
}

// The small image stores its data in the given Postgres. Other containers on the network
// reach it under its aliases, also over HTTPS.
func TestWithDatabaseURL(t *testing.T) {
	t.Parallel()
	nw, err := network.New(t.Context())
	testcontainers.CleanupNetwork(t, nw)
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := testcontainers.Run(t.Context(), postgresImage,
		network.WithNetwork([]string{"database"}, nw),
		testcontainers.WithEnv(map[string]string{"POSTGRES_PASSWORD": "secret"}),
		testcontainers.WithWaitStrategy(wait.ForLog("database system is ready to accept connections").WithOccurrence(2)))
	testcontainers.CleanupContainer(t, postgres)
	if err != nil {
		t.Fatal(err)
	}
	const database = "postgres://postgres:secret@database/postgres"
	ctr := run(t, slim, mocktenant.WithDatabaseURL(database), network.WithNetwork([]string{"graph"}, nw),
		testcontainers.WithEnv(map[string]string{"MOCKTENANT_TLS_HOSTS": "another.example,192.0.2.1"}))

	tenant := ctr.NewTenant(t)
	create(t, tenant, ctr.URL(), "there")
	if got := ctr.DatabaseURL(); got != database {
		t.Errorf("DatabaseURL is %s", got)
	}
	code, out, err := postgres.Exec(t.Context(), []string{"psql", "-U", "postgres", "-tAc", "SELECT display_name FROM remote_assistance_partners"})
	if err != nil || code != 0 {
		t.Fatal(code, err)
	}
	text := new(strings.Builder)
	if _, err := fmt.Fprint(text, readAll(t, out)); err != nil || !strings.Contains(text.String(), "there\n") {
		t.Errorf("the database has %q", text)
	}
	for _, host := range []string{"graph", "another.example", "192.0.2.1", "localhost"} {
		handshake(t, ctr, host)
	}
}

// A restart changes the ports and nothing else.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctr := run(t, standalone)
	now := time.Now()
	tenant := ctr.NewTenantAt(t, func() time.Time { return now })
	create(t, tenant, ctr.URL(), "before")
	if err := ctr.Stop(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Client().Get("https://graph.microsoft.com" + partners); err == nil { //nolint:noctx // no answer is expected
		t.Error("a service that was stopped answered")
	}
	if err := ctr.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{ctr.URL(), ctr.HTTPURL(), "https://graph.microsoft.com"} {
		if got, _ := names(t, tenant, base); !slices.Equal(got, []string{"before"}) {
			t.Errorf("%s: got %q", base, got)
		}
	}
	if err := client.Done(ctr.Admin().ResetTenant(t.Context(), tenant.ID)); err != nil {
		t.Errorf("the administration isn't at the new address: %v", err)
	}
	now = now.Add(2 * time.Hour)
	create(t, tenant, ctr.URL(), "by another token")
}

// A test that has terminated the container itself doesn't fail because its tenants can't be
// removed.
func TestTerminatedByTheTest(t *testing.T) {
	t.Parallel()
	ctr := run(t, standalone)
	ctr.NewTenant(t)
	if err := ctr.Terminate(t.Context()); err != nil {
		t.Error(err)
	}
}

// A reused container keeps its key and its authority.
func TestReuse(t *testing.T) {
	t.Parallel()
	name := "mocktenant-test-" + strings.ToLower(rand.Text())
	first := run(t, standalone, testcontainers.WithReuseByName(name))
	second, err := mocktenant.Run(t.Context(), standalone, testcontainers.WithReuseByName(name))
	if err != nil {
		t.Fatal(err)
	}
	if first.GetContainerID() != second.GetContainerID() || first.URL() != second.URL() {
		t.Errorf("%s at %s isn't %s at %s", second.GetContainerID(), second.URL(), first.GetContainerID(), first.URL())
	}
	create(t, second.NewTenant(t), second.URL(), "x")
}

func TestWithNoStart(t *testing.T) {
	t.Parallel()
	ctr := run(t, standalone, testcontainers.WithNoStart())
	if ctr.IsRunning() {
		t.Fatal("it runs")
	}
	if err := ctr.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	create(t, ctr.NewTenant(t), ctr.URL(), "x")
}

// A failure gives the reason in the service's own words.
func TestFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		image string
		opts  []testcontainers.ContainerCustomizer
		want  string // prefix
		says  string // substring
	}{
		"no image": {image: "mocktenant:there-is-none", want: "run mocktenant: ", says: "create container"},
		"bad setting": {
			image: standalone,
			opts:  []testcontainers.ContainerCustomizer{testcontainers.WithEnv(map[string]string{"MOCKTENANT_PUBLIC_URL": "nowhere"})},
			want:  "run mocktenant: ", says: `exited with code 2: MOCKTENANT_PUBLIC_URL "nowhere"`,
		},
		"short key": {image: standalone, opts: []testcontainers.ContainerCustomizer{mocktenant.WithAdminKey("short")}, want: "run mocktenant: ", says: "MOCKTENANT_ADMIN_KEY"},
		"no database": {
			image: slim,
			opts:  []testcontainers.ContainerCustomizer{mocktenant.WithDatabaseURL("postgres://127.0.0.1:1/none"), testcontainers.WithEnv(map[string]string{"MOCKTENANT_DATABASE_WAIT": "1s"})},
			want:  "run mocktenant: ", says: "reach the database",
		},
		"bad seed": {
			image: standalone,
			opts:  []testcontainers.ContainerCustomizer{mocktenant.WithSeeds(write(t, dir, "bad.json", []byte(`{"version":2}`)))},
			want:  "run mocktenant: ", says: "/seed/bad.json",
		},
		"no seed":     {image: standalone, opts: []testcontainers.ContainerCustomizer{mocktenant.WithSeeds(filepath.Join(dir, "none.json"))}, want: "run mocktenant: ", says: "none.json"},
		"not a seed":  {image: standalone, opts: []testcontainers.ContainerCustomizer{mocktenant.WithSeeds("seeds/notes.txt")}, want: `run mocktenant: customize: seed "seeds/notes.txt": want a file *.json, *.yaml or *.yml`, says: ""},
		"seeds twice": {image: standalone, opts: []testcontainers.ContainerCustomizer{mocktenant.WithSeeds("a/x.json", "b/x.json")}, want: `run mocktenant: customize: "a/x.json" and "b/x.json" would both be /seed/x.json in the container`, says: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctr, err := mocktenant.Run(t.Context(), tt.image, tt.opts...)
			testcontainers.CleanupContainer(t, ctr)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %s … %s", err, tt.want, tt.says)
			}
		})
	}
}

// If NewTenant fails, it fails the test, as in graphtest.
func TestNewTenantFailures(t *testing.T) {
	t.Parallel()
	ctr := sharedContainer(t)
	for name, tt := range map[string]struct {
		option mocktenant.TenantOption
		want   string
	}{
		"out of range": {mocktenant.WithPageSize(0), "mocktenant: make a tenant: line 1: /settings/pageSize: want at least 1"},
		"no YAML":      {mocktenant.WithState([]byte("version: 1\nremoteAssistancePartners: [}\n")), "mocktenant: make a tenant: read the state: line 2"},
		"no state":     {mocktenant.WithState([]byte(`{"version":1,"remoteAssistancePartners":[{"displayNam":"A"}]}`)), "mocktenant: make a tenant: line 1: /source/document/remoteAssistancePartners/0"},
		"no seed":      {mocktenant.WithSeed("none"), "mocktenant: make a tenant: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTB{}
			f.run(func(tb testing.TB) { ctr.NewTenant(tb, tt.option) })
			if !strings.HasPrefix(f.failure, tt.want) {
				t.Errorf("failed with %q, want %q", f.failure, tt.want)
			}
		})
	}
}
