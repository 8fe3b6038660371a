package console_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/signin"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// company is a service whose console signs people in at another service's authority, in which
// the company is a tenant.
type company struct {
	testing.TB
	owner   *browser // of the identity provider
	console *server.Server
	made    api.TenantCreated
	config  signin.Config

	mu    sync.Mutex
	later time.Duration // how much the console's clock is ahead
}

const peoplesPassword = "Correct-horse-9"

// newCompany starts a service whose console takes owner@, manager@ and reader@ the company's
// domain for people with these roles.
func newCompany(t testing.TB) *company {
	t.Helper()
	c := &company{TB: t, owner: setup(t), config: signin.Defaults()}
	c.made = must(client.Read[api.TenantCreated](c.owner.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: "Company"})))(t)
	k := c.made.Credentials
	c.config.Issuer = c.owner.server.URL() + "/" + c.made.Tenant.Id.String() + "/v2.0"
	c.config.ClientID, c.config.ClientSecret = k.ClientId.String(), k.ClientSecret
	c.config.RoleClaim, c.config.Roles = "preferred_username", nil
	for _, role := range []string{"owner", "manager", "reader"} {
		c.addUser(role)
		c.config.Roles = append(c.config.Roles, role+"="+c.upn(role))
	}
	c.config.ManagerClaim = "name"
	c.console = startConsole(t, server.Config{OIDC: c.config, Now: c.now})
	redirect := []string{c.console.ConsoleURL() + "/sign-in/callback"}
	must(client.Read[api.Application](c.owner.api().UpdateApplication(t.Context(), c.made.Tenant.Id, k.ClientId, api.ApplicationUpdate{RedirectUris: &redirect})))(t)
	return c
}

// startConsole starts another service on the tests' database.
func startConsole(t testing.TB, config server.Config) *server.Server {
	t.Helper()
	config.HTTPAddr, config.AdminAddr, config.DatabaseURL, config.Log, config.TrustedHops = "127.0.0.1:0", "127.0.0.1:0", dbtest.URL(t), testenv.Log(), 1
	config.JournalRate = server.DefaultJournalRate
	s := must(server.Start(t.Context(), config))(t)
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	return s
}

func (c *company) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.later)
}

func (c *company) wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later += d
}

func (c *company) upn(name string) string { return name + "@" + c.made.Tenant.Domains[0] }

// addUser makes a user whose display name is NAME of COMPANY.
func (c *company) addUser(name string) {
	c.Helper()
	must(client.Read[api.UserCreated](c.owner.api().CreateUser(c.Context(), c.made.Tenant.Id, nil, api.UserCreate{
		UserPrincipalName: c.upn(name), DisplayName: ptr(c.manager(name)), Password: ptr(peoplesPassword),
	})))(c)
}

// manager is the name under which somebody acts who has the role manager.
func (c *company) manager(name string) string { return name + " of " + c.made.Tenant.Domains[0] }

// browser returns a browser at the company's console.
func (c *company) browser() *browser { return &browser{TB: c.TB, server: c.console} }

// signIn signs somebody in and returns the browser, as it is on the way to the page to.
func (c *company) signIn(name, to string) (*browser, page) {
	c.Helper()
	b := c.browser()
	return b, b.comeBack(b.atAuthority(b.begin(to), c.upn(name)))
}

// begin begins to sign in, and returns the identity provider's address.
func (b *browser) begin(to string) string {
	b.Helper()
	p := b.do("GET", "/console/sign-in/begin?to="+url.QueryEscape(to), nil)
	if p.status != 303 || b.attempt == nil {
		b.Fatalf("begin to sign in: %d %q %s", p.status, p.byTestID("alert"), p.text)
	}
	return p.header.Get("Location")
}

// atAuthority signs in at mocktenant's authority, and returns the address to which it leads.
func (b *browser) atAuthority(address, user string) string {
	b.Helper()
	form := url.Values{"user": {user}, "password": {peoplesPassword}}
	r := must(http.NewRequestWithContext(b.Context(), "POST", address, strings.NewReader(form.Encode())))(b)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response := must(http.DefaultTransport.RoundTrip(r))(b)
	_ = response.Body.Close()
	if response.StatusCode != 302 {
		b.Fatalf("the authority answers %d", response.StatusCode)
	}
	return response.Header.Get("Location")
}

// comeBack follows the identity provider's redirect, which comes from another site, and the
// page that continues from this site.
func (b *browser) comeBack(address string) page {
	b.Helper()
	u := must(url.Parse(address))(b)
	return b.do("GET", u.RequestURI(), nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
}

// continues returns the address to which a page leads by itself, or "".
func (p page) continues() string {
	for _, n := range p.find(func(n *html.Node) bool { return attr(n, "http-equiv") == "refresh" }) {
		return strings.TrimPrefix(attr(n, "content"), "0; url=")
	}
	return ""
}

// People sign in at mocktenant's authority and get the role that their claims give. A manager
// acts as the manager that a claim names, and the audit log names the person.
func TestPeople(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	if p := c.browser().do("GET", "/console/keys", nil); p.status != 401 || !strings.Contains(p.text, `href="/console/sign-in/begin?to=%2Fconsole%2Fkeys"`) || p.byTestID("alert") != "" {
		t.Errorf("a stranger gets %d %s", p.status, p.text)
	}
	for role, want := range map[string]string{"owner": c.upn("owner") + ", owner", "manager": c.upn("manager") + ", manager of " + c.manager("manager"), "reader": c.upn("reader") + ", reader"} {
		b, p := c.signIn(role, "/console/tenants?top=7")
		if p.status != 200 || p.continues() != "/console/tenants?top=7" || b.attempt != nil {
			t.Fatalf("%s: %d %q %v %q", role, p.status, p.continues(), b.attempt, p.byTestID("alert"))
		}
		if k := b.cookie; !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/console" || k.MaxAge != 3600 {
			t.Errorf("cookie: %v", k)
		}
		if p := b.get(p.continues()); p.byTestID("caller") != want || p.byTestID("sign-out") == "" {
			t.Errorf("%s: %q", role, p.byTestID("caller"))
		}
	}
	b, _ := c.signIn("manager", "/console/tenants")
	made := b.submit(b.get("/console/form/createTenant"), "createTenant", "/displayName", "made by a person")
	if made.status != 200 {
		t.Fatalf("create: %d %s", made.status, made.main())
	}
	audit := must(client.Read[api.AuditList](c.owner.api().ListAudit(t.Context(), &api.ListAuditParams{Who: ptr(c.upn("manager"))})))(t)
	audit.Value = slices.DeleteFunc(audit.Value, func(e api.AuditEntry) bool { return e.TenantId == nil || *e.TenantId == c.made.Tenant.Id }) // where an owner made the user
	if len(audit.Value) != 1 || audit.Value[0].Action != "createTenant" || *audit.Value[0].KeyName != c.upn("manager") || audit.Value[0].KeyId == nil {
		t.Fatalf("audit log: %+v", audit.Value)
	}
	for search, want := range map[string]bool{c.upn("manager"): true, c.upn("reader"): false} {
		p := c.owner.get("/console/audit?tenantId=" + audit.Value[0].TenantId.String() + "&search=" + url.QueryEscape(search))
		if strings.Contains(p.byTestID("audit"), "createTenant") != want {
			t.Errorf("the audit log by %s: %s", search, p.main())
		}
	}
	key := c.owner.as(api.AdminRoleManager, c.manager("manager"))
	other := c.owner.as(api.AdminRoleManager, "another "+c.manager("manager"))
	if tenants := key.get("/console/tenants").byTestID("tenants"); !strings.Contains(tenants, "made by a person") {
		t.Errorf("a key of the manager's name shows %q", tenants)
	}
	if tenants := other.get("/console/tenants").byTestID("tenants"); tenants != "" {
		t.Errorf("another manager sees %q", tenants)
	}
}

// A person can do exactly what a key of the same role can do, on every page and with every
// operation.
func TestPeoplesRights(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	mine, theirs := c.owner.sample("of the manager"), c.owner.sample("of nobody")
	must(client.Read[api.Tenant](c.owner.api().UpdateTenant(t.Context(), uuid.MustParse(mine.id), api.TenantUpdate{Manager: map[bool]string{true: c.manager("manager")}, KeepCredentials: ptr(true)})))(t)
	statuses := map[int]int{}
	for _, role := range []api.AdminRole{api.AdminRoleReader, api.AdminRoleManager, api.AdminRoleOwner} {
		person, _ := c.signIn(string(role), "/console")
		key := c.owner.as(role, c.manager(string(role)))
		same := func(what string, a, b page) {
			statuses[a.status]++
			if a.status != b.status || a.byTestID("alert") != b.byTestID("alert") {
				t.Errorf("%s, %s: a person gets %d %q, a key %d %q", role, what, a.status, a.byTestID("alert"), b.status, b.byTestID("alert"))
			}
		}
		for _, path := range slices.Concat(mine.pages(), theirs.pages()) {
			same(path, person.do("GET", path, nil), key.do("GET", path, nil))
		}
		missing := uuid.NewString()
		for _, operation := range slices.Sorted(maps.Keys(operations(t))) {
			send := func(b *browser) page {
				values := url.Values{"csrf": {b.formToken()}}
				for _, name := range []string{"tenantId", "userId", "clientId", "name", "keyId", "login", "entityId", "faultId"} {
					values.Set("parameter:"+name, missing)
				}
				return b.do("POST", "/console/call/"+operation, values)
			}
			same(operation, send(person), send(key))
		}
	}
	if statuses[200] < 50 || statuses[403] < 50 || statuses[404] < 50 {
		t.Errorf("the comparison saw %v", statuses)
	}
}

// formToken returns the CSRF token of the browser's forms.
func (b *browser) formToken() string {
	b.Helper()
	return attr(b.get("/console/help").find(func(n *html.Node) bool { return attr(n, "name") == "csrf" })[0], "value")
}

// With an identity provider, everybody else needs a key, even on loopback; a key still signs in.
func TestPeopleAndKeys(t *testing.T) {
	t.Parallel()
	s := startConsole(t, server.Config{OIDC: oidcOf("https://127.0.0.1:1")})
	r := must(http.NewRequestWithContext(t.Context(), "GET", s.AdminURL()+"/v1/whoami", nil))(t)
	response := must(http.DefaultClient.Do(r))(t)
	_ = response.Body.Close()
	if response.StatusCode != 401 {
		t.Errorf("without a key: %d", response.StatusCode)
	}
	b := &browser{TB: t, server: s, key: setup(t).key}
	b.signIn()
	if got := b.get("/console/tenants").byTestID("caller"); got != "owner of the tests, owner" {
		t.Errorf("with a key: %q", got)
	}
}

func oidcOf(issuer string) signin.Config {
	c := signin.Defaults()
	c.Issuer, c.ClientID, c.ClientSecret = issuer, "the-console", "secret"
	return c
}

// The service starts without its identity provider. The sign-in page says what is wrong with
// it, and works as soon as it does.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for issuer, want := range map[string]string{
		down.URL:             "connection refused",
		i.URL + "/elsewhere": "404 Not Found",
		i.URL + "/":          `issuer URL provided to client ("` + i.URL + `/") did not match the issuer URL returned by provider ("` + i.URL + `")`,
	} {
		b := &browser{TB: t, server: startConsole(t, server.Config{OIDC: oidcOf(issuer)})}
		for path, status := range map[string]int{"/console/sign-in": 200, "/console/sign-in/begin": 502, "/console/tenants": 401} {
			p := b.do("GET", path, nil)
			if got := p.byTestID("alert"); p.status != status || !strings.Contains(got, "The identity provider "+issuer+" (MOCKTENANT_OIDC_ISSUER) doesn't answer as it should: ") || !strings.Contains(got, want) {
				t.Errorf("%s, %s: %d %q", issuer, path, p.status, got)
			}
			if alerts := p.find(func(n *html.Node) bool { return attr(n, "data-testid") == "alert" }); len(alerts) != 1 {
				t.Errorf("%s, %s: %d alerts", issuer, path, len(alerts))
			}
		}
	}
	var clock company
	i.set(func(i *issuer) { i.down = true })
	b := &browser{TB: t, server: startConsole(t, server.Config{OIDC: oidcOf(i.URL), Now: clock.now})}
	if p := b.do("GET", "/console/sign-in", nil); !strings.Contains(p.byTestID("alert"), "503 Service Unavailable: maintenance") {
		t.Errorf("while it is down: %q", p.byTestID("alert"))
	}
	i.set(func(i *issuer) { i.down = false })
	clock.wait(10 * time.Second)
	if p := b.do("GET", "/console/sign-in", nil); p.byTestID("alert") != "" {
		t.Errorf("after it came back: %q", p.byTestID("alert"))
	}
	if p := i.answer(b, nil); p.continues() != "/console" {
		t.Errorf("after it came back: %d %q", p.status, p.byTestID("alert"))
	}
}

// issuer is an identity provider that answers with any ID token.
type issuer struct {
	*httptest.Server
	testing.TB
	key *ecdsa.PrivateKey

	mu        sync.Mutex
	down      bool
	token     string // the answer of the token endpoint, JSON
	challenge string // the hash of the verifier that it requires
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{TB: t, key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", i.redeem)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) set(f func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f(i)
}

func (i *issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256"}, "scopes_supported": []string{"openid", "email", "roles"},
	})
}

// redeem checks the client, the verifier and the redirect URI as a provider does.
func (i *issuer) redeem(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	hash := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if id != "the-console" || secret != "secret" || base64.RawURLEncoding.EncodeToString(hash[:]) != i.challenge || !strings.HasSuffix(r.FormValue("redirect_uri"), "/console/sign-in/callback") || r.FormValue("code") != "good" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error": "invalid_grant", "error_description": "bad code %s"}`, r.FormValue("code"))
		return
	}
	_, _ = fmt.Fprint(w, i.token)
}

// answer signs in at the issuer, whose ID token has the claims of an owner as changed.
func (i *issuer) answer(b *browser, change func(claims map[string]any)) page {
	b.Helper()
	return i.answerTo(b, func(claims map[string]any, query url.Values) string {
		if change != nil {
			change(claims)
		}
		return `{"access_token": "a", "token_type": "Bearer", "id_token": "` + i.sign(i.key, claims) + `"}`
	})
}

// answerTo lets a test write the answer of the token endpoint and the query of the redirect.
func (i *issuer) answerTo(b *browser, write func(claims map[string]any, query url.Values) string) page {
	b.Helper()
	asked := must(url.Parse(b.begin("/console")))(b).Query()
	if asked.Get("response_type") != "code" || asked.Get("client_id") != "the-console" || asked.Get("code_challenge_method") != "S256" || asked.Get("scope") != "openid email roles" {
		b.Errorf("asks for %v", asked)
	}
	query := url.Values{"code": {"good"}, "state": {asked.Get("state")}}
	claims := map[string]any{
		"iss": i.URL, "aud": "the-console", "sub": "1", "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"email": "ada@example.com", "roles": []string{"owner"},
	}
	token := write(claims, query)
	i.set(func(i *issuer) { i.token, i.challenge = token, asked.Get("code_challenge") })
	return b.comeBack("/console/sign-in/callback?" + query.Encode())
}

func (i *issuer) sign(key *ecdsa.PrivateKey, claims map[string]any) string {
	i.Helper()
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil))(i)
	signed := must(signer.Sign(must(json.Marshal(claims))(i)))(i)
	return must(signed.CompactSerialize())(i)
}

// Every ID token that isn't for this sign-in, or gives no role, is refused with the reason.
func TestRefusedIDTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	b := &browser{TB: t, server: startConsole(t, server.Config{OIDC: oidcOf(i.URL)})}
	for want, change := range map[string]func(claims map[string]any){
		"isn't valid: token is expired (Token Expiry: ":                                                                            func(c map[string]any) { c["exp"] = time.Now().Add(-time.Second).Unix() },
		"isn't valid: current time ":                                                                                               func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() },
		`isn't valid: expected audience "the-console" got ["other"]`:                                                               func(c map[string]any) { c["aud"] = "other" },
		`isn't valid: id token issued by a different provider, expected "` + i.URL + `"`:                                           func(c map[string]any) { c["iss"] = "https://other.example" },
		"isn't valid: its nonce belongs to another sign-in.":                                                                       func(c map[string]any) { c["nonce"] = "other" },
		"isn't valid: its nonce belongs to another sign-in":                                                                        func(c map[string]any) { delete(c, "nonce") },
		`ada@example.com has no role here. About the claim "roles" (MOCKTENANT_OIDC_ROLE_CLAIM) of the ID token: it is missing.`:   func(c map[string]any) { delete(c, "roles") },
		`none of its values "admin", "Owner" is among MOCKTENANT_OIDC_ROLES.`:                                                      func(c map[string]any) { c["roles"] = []string{"admin", "Owner"} },
		"of the ID token: want texts, 7 isn't one.":                                                                                func(c map[string]any) { c["roles"] = []any{"owner", 7} },
		"of the ID token: want a text or a list of texts, it is map[owner:true].":                                                  func(c map[string]any) { c["roles"] = map[string]bool{"owner": true} },
		`About the claim "sub" (MOCKTENANT_OIDC_MANAGER_CLAIM) of the ID token: want names of 1 to 100 characters, one is "a\nb".`: func(c map[string]any) { c["roles"], c["sub"] = "manager", "a\nb" },
	} {
		p := i.answer(b, change)
		if got := p.byTestID("alert"); p.status != 403 || !strings.Contains(got, want) || b.cookie != nil {
			t.Errorf("want %q:\n%d %q %v", want, p.status, got, b.cookie)
		}
	}
	foreign := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	for want, token := range map[string]func(claims map[string]any) string{
		"isn't valid: failed to verify": func(c map[string]any) string {
			return `{"access_token": "a", "id_token": "` + i.sign(foreign, c) + `"}`
		},
		"isn't valid: ": func(c map[string]any) string {
			text := base64.RawURLEncoding.EncodeToString(must(json.Marshal(c))(t))
			return `{"access_token": "a", "id_token": "eyJhbGciOiJub25lIn0.` + text + `."}`
		},
		"answered without an ID token.": func(map[string]any) string { return `{"access_token": "a"}` },
	} {
		p := i.answerTo(b, func(c map[string]any, _ url.Values) string { return token(c) })
		if got := p.byTestID("alert"); p.status < 400 || !strings.Contains(got, want) || b.cookie != nil {
			t.Errorf("want %q:\n%d %q %v", want, p.status, got, b.cookie)
		}
	}
	for role, values := range map[string]any{"owner": []string{"x", "reader", "owner", "manager"}, "manager of 1": "manager", "reader": "reader"} { // the highest role wins
		p := i.answer(b, func(c map[string]any) { c["roles"] = values })
		if got := b.get(p.continues() + "/help").byTestID("caller"); got != "ada@example.com, "+role {
			t.Errorf("%v: %q", values, got)
		}
		b.cookie = nil
	}
}

// A sign-in ends only in the browser that began it, once, in time, and on a page of the console.
func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	var clock company
	b := &browser{TB: t, server: startConsole(t, server.Config{OIDC: oidcOf(i.URL), Now: clock.now})}
	answer := func(change func(query url.Values)) page {
		return i.answerTo(b, func(c map[string]any, query url.Values) string {
			change(query)
			return `{"access_token": "a", "id_token": "` + i.sign(i.key, c) + `"}`
		})
	}
	for want, change := range map[string]func(query url.Values){
		"its state differs":                                func(q url.Values) { q.Set("state", q.Get("state")+"x") },
		"the sign-in that this browser began last":         func(q url.Values) { q.Del("state") },
		"invalid_grant bad code stolen":                    func(q url.Values) { q.Set("code", "stolen") },
		`refused the code or the client "the-console"`:     func(q url.Values) { q.Del("code") },
		"refused to sign you in: access_denied <b>no</b>":  func(q url.Values) { q.Set("error", "access_denied"); q.Set("error_description", "<b>no</b>") },
		"hasn't begun to sign in":                          func(url.Values) { b.attempt = nil },
		"hasn't begun to sign in, or took longer than ten": func(url.Values) { b.attempt.Value = b.attempt.Value[:40] },
		"took longer than ten minutes":                     func(url.Values) { clock.wait(10 * time.Minute) },
	} {
		p := answer(change)
		if got := p.byTestID("alert"); p.status < 400 || !strings.Contains(got, want) || b.cookie != nil || b.attempt != nil {
			t.Errorf("want %q:\n%d %q %v %v", want, p.status, got, b.cookie, b.attempt)
		}
		clock.wait(-clock.later)
	}
	b.begin("/console")
	sealed := b.attempt.Value
	if p := b.do("GET", "/console/tenants", nil, "Cookie", strings.TrimSuffix(b.attempt.Name, "_sign_in")+"="+sealed); p.status != 401 {
		t.Errorf("a sign-in that has begun is a session: %d", p.status)
	}
	for to, want := range map[string]string{"https://evil.example/console": "/console", "//evil.example/console": "/console", "/console/keys": "/console/keys"} {
		asked := must(url.Parse(b.begin(to)))(t).Query()
		if at := asked.Get("redirect_uri"); at != b.server.ConsoleURL()+"/sign-in/callback" {
			t.Errorf("leads back to %s", at)
		}
		claims := map[string]any{"iss": i.URL, "aud": []string{"the-console"}, "sub": "1", "nonce": asked.Get("nonce"), "exp": time.Now().Add(time.Minute).Unix(), "roles": "owner"}
		i.set(func(o *issuer) {
			o.token, o.challenge = `{"access_token": "a", "id_token": "`+i.sign(i.key, claims)+`"}`, asked.Get("code_challenge")
		})
		if p := b.comeBack("/console/sign-in/callback?code=good&state=" + asked.Get("state")); p.continues() != want {
			t.Errorf("to %q: leads to %q, %q", to, p.continues(), p.byTestID("alert"))
		}
		b.cookie = nil
	}
	if p := b.do("GET", "/console/sign-in/begin", nil, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "mock.example.com"); !strings.Contains(p.header.Get("Location"), url.QueryEscape("https://mock.example.com/console/sign-in/callback")) || !b.attempt.Secure || !b.attempt.HttpOnly || b.attempt.SameSite != http.SameSiteLaxMode || b.attempt.Path != "/console/sign-in" {
		t.Errorf("through a proxy: %s, %v", p.header.Get("Location"), b.attempt)
	}
}

// The authority sends nobody to an address that isn't the console's.
func TestForeignRedirect(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	b := c.browser()
	p := b.do("GET", "/console/sign-in/begin", nil, "X-Forwarded-Host", "evil.example")
	at := p.header.Get("Location")
	if !strings.Contains(at, "evil.example") {
		t.Fatalf("leads to %s", at)
	}
	r := must(http.NewRequestWithContext(t.Context(), "GET", at, nil))(t)
	response := must(http.DefaultTransport.RoundTrip(r))(t)
	_ = response.Body.Close()
	if response.StatusCode != 400 {
		t.Errorf("the authority answers %d", response.StatusCode)
	}
}

// A person's session ends after an hour and with the settings by which they got their role.
// Somebody who lost the role at the identity provider doesn't get another session.
func TestPeoplesSessionsEnd(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	b, _ := c.signIn("owner", "/console")
	token, kept := b.formToken(), b.cookie
	c.wait(59 * time.Minute)
	b.get("/console/tenants")
	c.wait(time.Minute)
	if p := b.do("GET", "/console/tenants", nil); p.status != 401 {
		t.Errorf("after an hour: %d", p.status)
	}
	if p := b.do("POST", "/console/call/createTenant", url.Values{"csrf": {token}, "/displayName": {"late"}}); p.status != 403 {
		t.Errorf("a change after an hour: %d", p.status)
	}
	c.wait(-time.Hour)
	b.cookie = kept
	b.get("/console/tenants")
	for name, config := range map[string]server.Config{"other roles": {OIDC: oidcOf(c.config.Issuer)}, "none": {}} {
		other := &browser{TB: t, server: startConsole(t, config), cookie: ptr(*kept)}
		other.cookie.Name = "mocktenant_console_" + other.server.AdminURL()[strings.LastIndex(other.server.AdminURL(), ":")+1:]
		if p := other.do("GET", "/console/tenants", nil); p.status != 401 {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	same := &browser{TB: t, server: startConsole(t, server.Config{OIDC: c.config}), cookie: ptr(*kept)} // a replica
	same.cookie.Name = "mocktenant_console_" + same.server.AdminURL()[strings.LastIndex(same.server.AdminURL(), ":")+1:]
	same.get("/console/tenants")

	c.addUser("newcomer")
	if _, p := c.signIn("newcomer", "/console"); p.status != 403 || !strings.Contains(p.byTestID("alert"), c.upn("newcomer")+" has no role here.") {
		t.Errorf("without a role: %d %q", p.status, p.byTestID("alert"))
	}
}

// A person whose claim has several managers' names acts under one at a time, and chooses which. The
// administration has the tenants of that name alone.
func TestPeopleOfSeveralManagers(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	config := oidcOf(i.URL)
	config.ManagerClaim = "teams"
	b := &browser{TB: t, server: startConsole(t, server.Config{OIDC: config})}
	teams := []string{"payments " + uuid.NewString(), "<b>search</b> " + uuid.NewString()}
	if p := i.answer(b, func(c map[string]any) { c["roles"], c["teams"] = "manager", append(teams, teams[0]) }); p.continues() == "" {
		t.Fatalf("%d %q", p.status, p.byTestID("alert"))
	}
	for want, names := range map[string][]string{
		`About the claim "teams" (MOCKTENANT_OIDC_MANAGER_CLAIM) of the ID token: want at least one name, it has none.`: {},
		"want at most 1400 bytes of names, because a cookie keeps them; its 3 names have 1810 as JSON.":                 {strings.Repeat("<", 100), strings.Repeat(">", 100), strings.Repeat("&", 100)},
	} {
		if p := i.answer(&browser{TB: t, server: b.server}, func(c map[string]any) { c["roles"], c["teams"] = "manager", names }); p.status != 403 || !strings.Contains(p.byTestID("alert"), want) {
			t.Errorf("want %q:\n%d %q", want, p.status, p.byTestID("alert"))
		}
	}
	until := b.cookie.MaxAge
	for n, team := range []string{teams[0], teams[1], teams[0]} {
		if n > 0 {
			if p := b.actAs(b.formToken(), team); p.status != 303 || b.cookie.MaxAge > until || b.cookie.MaxAge < until-60 {
				t.Fatalf("act as %s: %d %s, for %d s", team, p.status, p.main(), b.cookie.MaxAge)
			}
		}
		home := b.get("/console/tenants")
		if got := home.byTestID("caller"); got != "ada@example.com, manager of "+team {
			t.Errorf("the caller is %q", got)
		}
		if shown := home.withTestID("tenants-row"); len(shown) != n/2 { // the first team's tenant, which the first turn makes
			t.Errorf("as %s, in turn %d: %d tenants", team, n, len(shown))
		}
		if n == 0 {
			b.submit(b.get("/console/form/createTenant"), "createTenant", "/displayName", "of the first team")
		}
	}
	key := setup(t).as(api.AdminRoleManager, teams[0])
	if list := must(client.Read[api.TenantList](key.api().ListTenants(t.Context(), nil)))(t); len(list.Value) != 1 || *list.Value[0].Manager != teams[0] {
		t.Errorf("the first team has %+v", list.Value)
	}
	for token, manager := range map[string]string{b.formToken(): "somebody else's", "forged": teams[1]} {
		if p := b.actAs(token, manager); p.status != 403 {
			t.Errorf("act as %q: %d", manager, p.status)
		}
	}
	if p := key.actAs(key.formToken(), teams[0]); p.status != 403 {
		t.Errorf("with a key: %d", p.status)
	}
}

func (b *browser) actAs(token, manager string) page {
	b.Helper()
	return b.do("POST", "/console/act-as", url.Values{"csrf": {token}, "manager": {manager}})
}

// An owner ends a single session of a person at once, on every replica. Signing out ends a session
// too, even for somebody who kept its cookie.
func TestPeoplesSessionsAreEnded(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	first, _ := c.signIn("manager", "/console")
	second, _ := c.signIn("manager", "/console")
	list := "/console/console-sessions?search=" + url.QueryEscape(c.upn("manager"))
	shown := c.owner.get(list)
	rows := shown.withTestID("console-sessions-row")
	if len(rows) != 2 || !strings.Contains(inner(rows[0]), c.upn("manager")) || !strings.Contains(inner(rows[0]), c.manager("manager")) || !strings.Contains(inner(rows[0]), "192.0.2.1") {
		t.Fatalf("the list of people shows %q", shown.main())
	}
	if p := c.owner.submit(shown, "endConsoleSession"); p.status != 303 {
		t.Fatalf("end a session: %d %s", p.status, p.main())
	}
	if p := first.do("GET", "/console/tenants", nil); p.status != 401 || !strings.Contains(p.byTestID("alert"), "The session has expired, or an owner ended it") {
		t.Errorf("the ended session: %d %q", p.status, p.byTestID("alert"))
	}
	second.get("/console/tenants")
	kept := *second.cookie
	if p := second.do("POST", "/console/sign-out", url.Values{"csrf": {second.formToken()}}); p.status != 303 || second.cookie != nil {
		t.Errorf("sign out: %d", p.status)
	}
	second.cookie = &kept
	if p := second.do("GET", "/console/tenants", nil); p.status != 401 {
		t.Errorf("with the cookie after signing out: %d", p.status)
	}
	if p := c.owner.get(list); p.byTestID("empty") == "" {
		t.Errorf("the list still shows %s", p.byTestID("console-sessions"))
	}
	if p := c.owner.as(api.AdminRoleReader, "a reader of "+uuid.NewString()).do("GET", list, nil); p.status != 403 {
		t.Errorf("a reader gets %d", p.status)
	}
}
