package graph_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// route is a route with a valid request.
type route struct{ method, path, body string }

// routes are all routes of both versions with an item, and a path without a route: 401
// comes before every other error.
func routes(id string) []route {
	var all []route
	for _, v := range []string{"/v1.0", "/beta"} {
		item := v + partners + "/" + id
		all = append(all,
			route{"GET", v + partners, ""},
			route{"POST", v + partners, seedExample},
			route{"GET", v + partners + "/$count", ""},
			route{"GET", item, ""},
			route{"GET", item + "/displayName", ""},
			route{"GET", item + "/onboardingUrl/$value", ""},
			route{"PATCH", item, `{"displayName":"x"}`},
			route{"DELETE", item, ""},
			route{"POST", item + "/beginOnboarding", ""},
			route{"POST", item + "/disconnect", ""},
			route{"POST", v + partners + "('" + id + "')/microsoft.graph.disconnect", ""},
		)
	}
	return append(all, route{"POST", "/v1.0/$batch", `{"requests":[]}`}, route{"POST", "/beta/$batch", ""}, route{"GET", "/v1.0/nowhere", ""}, route{"PUT", "/v1.0" + partners, "{}"}, route{"GET", "/v9.9/x", ""})
}

func (r route) writes() bool { return r.method != "GET" }

// routed reports whether the path has a route.
func (r route) routed() bool { return strings.Contains(r.path, partners) && r.method != "PUT" }

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	other := setup(t)
	key := c.signingKey()
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := c.claims()
	with := func(name string, value any) map[string]any {
		m := maps.Clone(claims)
		m[name] = value
		if value == nil {
			delete(m, name)
		}
		return m
	}
	now := time.Now()
	const (
		signature = "Access token validation failure. Invalid signature."
		audience  = "Access token validation failure. Invalid audience."
		issuer    = "Access token validation failure. Invalid issuer."
		expired   = "Lifetime validation failed, the token is expired."
		early     = "Lifetime validation failed, the token is not yet valid."
		malformed = "IDX14100: JWT is not well formed"
		invalid   = "Access token validation failure."
	)
	for _, tt := range []struct{ name, authorization, message string }{
		{"none", "", "Access token is empty."},
		{"empty", "Bearer ", "Access token is empty."},
		{"basic", "Basic dXNlcjpwYXNz", "Access token is empty."},
		{"junk", "Bearer junk", malformed},
		{"dots", "Bearer a.b.c", malformed},
		{"two tokens", "Bearer " + c.token + " " + c.token, malformed},
		{"too long", "Bearer " + strings.Repeat("a", 20<<10), malformed},
		{"encrypted form", "Bearer a.b.c.d.e", malformed},
		{"tampered payload", "Bearer " + tamper(t, c.token), signature},
		{"tampered signature", "Bearer " + c.token[:len(c.token)-8] + "AAAAAAAA", signature},
		{"no signature", "Bearer " + c.token[:strings.LastIndex(c.token, ".")+1], signature},
		{"none algorithm", "Bearer " + unsigned(t, key.kid, claims), signature},
		{"HS256 with the public key", "Bearer " + sign(t, jose.HS256, publicPEM(t, key.private), key.kid, claims), signature},
		{"PS256", "Bearer " + sign(t, jose.PS256, key.private, key.kid, claims), signature},
		{"RS384", "Bearer " + sign(t, jose.RS384, key.private, key.kid, claims), signature},
		{"foreign key, our kid", "Bearer " + sign(t, jose.RS256, foreign, key.kid, claims), signature},
		{"foreign kid", "Bearer " + sign(t, jose.RS256, foreign, "foreign", claims), signature},
		{"no kid", "Bearer " + sign(t, jose.RS256, key.private, "", claims), signature},
		{"expired", "Bearer " + key.sign(t, with("exp", now.Add(-time.Second).Unix())), expired},
		{"no exp", "Bearer " + key.sign(t, with("exp", nil)), invalid},
		{"exp is text", "Bearer " + key.sign(t, with("exp", "tomorrow")), invalid},
		{"not yet valid", "Bearer " + key.sign(t, with("nbf", now.Add(time.Hour).Unix())), early},
		{"wrong audience", "Bearer " + key.sign(t, with("aud", "https://management.azure.com")), audience},
		{"audience that starts alike", "Bearer " + key.sign(t, with("aud", "https://graph.microsoft.com.example.test")), audience},
		{"two audiences", "Bearer " + key.sign(t, with("aud", []string{"https://graph.microsoft.com", "x"})), audience},
		{"missing audience", "Bearer " + key.sign(t, with("aud", nil)), audience},
		{"wrong issuer", "Bearer " + key.sign(t, with("iss", "https://login.example.test/")), issuer},
		{"issuer of another tenant", "Bearer " + key.sign(t, with("iss", "https://sts.windows.net/"+other.tenant.ID.String()+"/")), issuer},
		{"missing issuer", "Bearer " + key.sign(t, with("iss", nil)), issuer},
		{"another tenant's tid", "Bearer " + key.sign(t, with("tid", other.tenant.ID.String())), issuer},
		{"tid isn't a GUID", "Bearer " + key.sign(t, with("tid", "contoso")), invalid},
		{"missing tid", "Bearer " + key.sign(t, with("tid", nil)), invalid},
		{"missing oid", "Bearer " + key.sign(t, with("oid", nil)), invalid},
		{"unknown tenant", "Bearer " + c.unknownTenant(), "Access token validation failure. The tenant does not exist."},
		{"claims are a list", "Bearer " + key.sign(t, []string{"a"}), invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range routes(id) {
				a := c.do(r.method, r.path, r.body, "Authorization", tt.authorization)
				if a.status != http.StatusUnauthorized {
					t.Errorf("%s %s: status %d, want 401: %s", r.method, r.path, a.status, a.body)
					continue
				}
				got := decode[errorDocument](c, a)
				if got.Error.Code != "InvalidAuthenticationToken" || !strings.HasPrefix(got.Error.Message, tt.message) {
					t.Errorf("%s %s: %s: %s", r.method, r.path, got.Error.Code, got.Error.Message)
				}
				if tt.message == invalid && got.Error.Message != invalid {
					t.Errorf("%s %s: %s", r.method, r.path, got.Error.Message)
				}
				want := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`, c.server.URL())
				if got := a.header.Get("WWW-Authenticate"); got != want {
					t.Errorf("WWW-Authenticate: %s\nwant %s", got, want)
				}
			}
		})
	}
	t.Cleanup(func() { c.unchanged(id) })
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	appOnly := c.userToken()
	appOnly.UserName, appOnly.Roles = "", []string{readWrite}
	personal := c.userToken(readWrite)
	personal.TenantID = bearer.ConsumersTenantID
	const (
		lacksApp   = "Application is not authorized to perform this operation as called in app only context but does not have application permissions configured. - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000 - Activity ID: 11111111-2222-3333-4444-555555555555 - Url: https://fef."
		lacksRead  = "Application is not authorized to perform this operation. Application must have one of the following scopes: DeviceManagementServiceConfiguration.Read.All, DeviceManagementServiceConfig.Read.All, DeviceManagementServiceConfiguration.ReadWrite.All, DeviceManagementServiceConfig.ReadWrite.All - Operation ID "
		lacksWrite = "Application is not authorized to perform this operation. Application must have one of the following scopes: DeviceManagementServiceConfiguration.ReadWrite.All, DeviceManagementServiceConfig.ReadWrite.All - Operation ID "
		noUser     = "User is not authorized to perform this operation. Personal Microsoft accounts are not supported - Operation ID "
	)
	for _, tt := range []struct {
		name        string
		token       identity.AccessToken
		read, write string // "" means allowed
	}{
		{name: "app-only", token: appOnly, read: lacksApp, write: lacksApp},
		{name: "personal account", token: personal, read: noUser, write: noUser},
		{name: "other scope", token: c.userToken("User.Read"), read: lacksRead, write: lacksWrite},
		{name: "no scope", token: c.userToken(), read: lacksApp, write: lacksApp},
		{name: "scope that starts alike", token: c.userToken(readWrite + ".x"), read: lacksRead, write: lacksWrite},
		{name: "reader", token: c.userToken("openid", readOnly), write: lacksWrite},
		{name: "another letter case", token: c.userToken(strings.ToLower(readOnly)), write: lacksWrite},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := "Bearer " + c.issue(tt.token)
			for _, r := range routes(id) {
				want := tt.read
				if r.writes() {
					want = tt.write
				}
				if !r.routed() || want == "" {
					continue
				}
				// 403 comes before a missing partner and a bad body.
				for _, path := range []string{r.path, strings.ReplaceAll(r.path, id, uuid.NewString())} {
					a := c.do(r.method, path, "not JSON", "Authorization", token, "client-request-id", "11111111-2222-3333-4444-555555555555")
					if a.status != http.StatusForbidden {
						t.Errorf("%s %s: status %d, want 403: %s", r.method, path, a.status, a.body)
						continue
					}
					got := decode[errorDocument](c, a)
					if message := unwrap(t, got.Error.Message); got.Error.Code != "Forbidden" || !strings.HasPrefix(message, want) {
						t.Errorf("%s %s: %s: %s", r.method, path, got.Error.Code, message)
					}
				}
			}
		})
	}
	t.Cleanup(func() { c.unchanged(id) })
}

// unchanged fails the test unless the tenant has exactly the partner it began with,
// unchanged.
func (c *client) unchanged(id string) {
	got := decode[list](c, c.doAfter("GET", "/v1.0"+partners))
	if len(got.Value) != 1 || got.Value[0].ID != id || *got.Value[0].DisplayName != "Display Name value" || got.Value[0].OnboardingStatus != "onboarding" {
		c.Errorf("something was changed: %+v", got.Value)
	}
}

// doAfter is do for clean-ups, which run after the test's context has ended.
func (c *client) doAfter(method, path string) answer {
	r, err := http.NewRequest(method, c.server.URL()+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	return c.send(r)
}

// unwrap returns the text that Intune wraps in a JSON document in a string, and checks that
// document's form.
func unwrap(t *testing.T, message string) string {
	t.Helper()
	var document struct{ Message string }
	if err := json.Unmarshal([]byte(message), &document); err != nil {
		t.Fatalf("not wrapped: %s", message)
	}
	want := "{\r\n  \"_version\": 3,\r\n  \"Message\": " + string(mustJSON(t, document.Message)) +
		",\r\n  \"CustomApiErrorPhrase\": \"\",\r\n  \"RetryAfter\": null,\r\n  \"ErrorSourceService\": \"\",\r\n  \"HttpHeaders\": \"{}\"\r\n}"
	if message != want {
		t.Errorf("wrapped as\n%q, want\n%q", message, want)
	}
	return document.Message
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testKey is the service's signing key, read from its database.
type testKey struct {
	kid     string
	private *rsa.PrivateKey
}

func (c *client) signingKey() testKey {
	c.Helper()
	rows, err := db.New(dbtest.Pool(c)).ListSigningKeys(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(rows[0].PrivateKey)
	if err != nil {
		c.Fatal(err)
	}
	return testKey{rows[0].Kid, key.(*rsa.PrivateKey)}
}

func (k testKey) sign(t *testing.T, claims any) string {
	t.Helper()
	return sign(t, jose.RS256, k.private, k.kid, claims)
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options.WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(mustJSON(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func unsigned(t *testing.T, kid string, claims any) string {
	t.Helper()
	head := mustJSON(t, map[string]string{"alg": "none", "typ": "JWT", "kid": kid})
	return base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(mustJSON(t, claims)) + "."
}

// tamper changes the user in the token and keeps the signature.
func tamper(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(payload), `"oid":"`, `"oid":"f`, 1)
	if changed == string(payload) {
		t.Fatal("nothing to tamper with")
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(changed))
	return strings.Join(parts, ".")
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// claims returns the claims of the client's own valid token.
func (c *client) claims() map[string]any {
	c.Helper()
	token, err := jwt.ParseSigned(c.token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		c.Fatal(err)
	}
	var claims map[string]any
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		c.Fatal(err)
	}
	return claims
}

func (c *client) unknownTenant() string {
	c.Helper()
	token := c.userToken(readWrite)
	token.TenantID = uuid.New()
	return c.issue(token)
}

// A revoked token gets a claims challenge on every route.
func TestRevoked(t *testing.T) {
	t.Parallel()
	const message = "Continuous access evaluation resulted in claims challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"
	for name, change := range map[string]string{
		"signed out":          "UPDATE users SET tokens_valid_from = now() + interval '1 second' WHERE tenant_id = $1",
		"disabled":            "UPDATE users SET enabled = false WHERE tenant_id = $1",
		"deleted":             "DELETE FROM users WHERE tenant_id = $1",
		"consent removed":     "UPDATE applications SET tokens_valid_from = now() + interval '1 second' WHERE tenant_id = $1",
		"application deleted": "DELETE FROM applications WHERE tenant_id = $1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			if _, err := c.server.Pool().Exec(t.Context(), change, c.tenant.ID); err != nil {
				t.Fatal(err)
			}
			for _, r := range routes(uuid.NewString()) {
				a := c.do(r.method, r.path, r.body)
				got := decode[errorDocument](c, a)
				if a.status != http.StatusUnauthorized || got.Error.Code != "InvalidAuthenticationToken" || got.Error.Message != message {
					t.Errorf("%s %s: %d %s: %s", r.method, r.path, a.status, got.Error.Code, got.Error.Message)
				}
				want := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="`, c.server.URL())
				if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, want) || strings.Count(got, ",") != 4 {
					t.Errorf("WWW-Authenticate: %s", got)
				}
			}
		})
	}
}

// When a token was issued follows from its aio, or else from its iat, and a token without
// either is older than its tenant. A token has at most 16 KiB. Graph is an audience by its URL and by its
// application id.
func TestTokensOfOthers(t *testing.T) {
	t.Parallel()
	c := setup(t)
	key, given := c.signingKey(), c.claims()
	sealed := func(change map[string]any) string {
		claims := maps.Clone(given)
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
		return key.sign(t, claims)
	}
	padded := func(size int) string {
		for pad := (size-len(sealed(map[string]any{"pad": ""})))*3/4 + 3; ; pad-- {
			if token := sealed(map[string]any{"pad": strings.Repeat("x", pad)}); len(token) <= size {
				return token
			}
		}
	}
	now, long := time.Now().Unix()+1, 16<<10
	if got := len(padded(long)); got != long {
		t.Fatalf("a token has %d bytes", got)
	}
	for name, tt := range map[string]struct {
		token string
		want  int
	}{
		"as issued":            {sealed(nil), 200},
		"no aio":               {sealed(map[string]any{"aio": nil, "iat": now}), 200},
		"no aio, issued early": {sealed(map[string]any{"aio": nil, "iat": 1}), 401},
		"short aio":            {sealed(map[string]any{"aio": "AAAA", "iat": now}), 200},
		"aio isn't base64":     {sealed(map[string]any{"aio": strings.Repeat("!", 32), "iat": now}), 200},
		"neither aio nor iat":  {sealed(map[string]any{"aio": nil, "iat": nil}), 401},
		"no nbf":               {sealed(map[string]any{"nbf": nil}), 200},
		"application id":       {sealed(map[string]any{"aud": bearer.GraphAppID}), 200},
		"URL with a slash":     {sealed(map[string]any{"aud": "https://graph.microsoft.com/"}), 200},
		"longest":              {padded(long), 200},
		"too long":             {padded(long) + "A", 401},
	} {
		if a := c.do("GET", "/v1.0"+partners, "", "Authorization", "Bearer "+tt.token); a.status != tt.want {
			t.Errorf("%s, %d bytes: %d %s", name, len(tt.token), a.status, a.body)
		}
	}
}

// A tenant may allow application permissions, as Microsoft does today.
func TestApplicationPermissions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if _, err := c.server.Pool().Exec(t.Context(), "UPDATE tenants SET permission_rule = 'current' WHERE id = $1", c.tenant.ID); err != nil {
		t.Fatal(err)
	}
	as := func(roles ...string) string {
		token := c.userToken()
		token.UserName, token.Roles = "", roles
		return "Bearer " + c.issue(token)
	}
	id := decode[partner](c, c.want(http.StatusCreated, c.do("POST", "/v1.0"+partners, seedExample, "Authorization", as(readWrite)))).ID
	for _, r := range routes(id) {
		if !r.routed() {
			continue
		}
		for _, tt := range []struct {
			roles []string
			want  bool
		}{{nil, false}, {[]string{"User.Read.All"}, false}, {[]string{readOnly}, !r.writes()}} {
			a := c.do(r.method, r.path, r.body, "Authorization", as(tt.roles...))
			if (a.status == http.StatusForbidden) == tt.want || a.status == http.StatusUnauthorized {
				t.Errorf("%s %s with %q: %d %s", r.method, r.path, tt.roles, a.status, a.body)
			}
		}
	}
}
