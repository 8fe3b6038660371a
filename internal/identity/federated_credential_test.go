package identity_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

const subject = "system:serviceaccount:default:app"

// fakeIssuer publishes a key and signs with it.
type fakeIssuer struct {
	*httptest.Server
	key     *rsa.PrivateKey
	fetches atomic.Int32
	answers map[string]string // overrides, by path
}

func newIssuer(t *testing.T) *fakeIssuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &fakeIssuer{key: key, answers: map[string]string{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *fakeIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.fetches.Add(1)
	answer, ok := i.answers[r.URL.Path]
	switch {
	case strings.HasPrefix(answer, "http"):
		http.Redirect(w, r, answer, http.StatusFound)
		return
	case ok:
	case r.URL.Path == "/.well-known/openid-configuration":
		answer = `{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`
	case r.URL.Path == "/keys":
		answer = i.keySet()
	default:
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(answer))
}

func (i *fakeIssuer) keySet() string {
	text, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	return string(text)
}

// token returns a token for the subject, after change.
func (i *fakeIssuer) token(t *testing.T, change func(*jwt.Claims)) string {
	t.Helper()
	claims := jwt.Claims{Issuer: i.URL, Subject: subject, Audience: jwt.Audience{identity.FederatedAudience}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}
	if change != nil {
		change(&claims)
	}
	return certified{key: i.key}.sign(t, jose.RS256, map[jose.HeaderKey]any{"kid": "k1"}, claims)
}

func (c *tenant) federate(issuer, keySet string) {
	c.Helper()
	p := db.CreateFederatedCredentialParams{
		TenantID: c.id, ClientID: c.app, ID: uuid.New(), Name: uuid.NewString(), Issuer: issuer, Subject: subject,
		Audiences: []string{identity.FederatedAudience}, CreatedAt: time.Now(),
	}
	if keySet != "" {
		p.KeySet = []byte(keySet)
	}
	must1(c)(c.queries().CreateFederatedCredential(c.Context(), p))
}

func setupFederation(t *testing.T) *tenant {
	t.Helper()
	return newTenant(t, startServer(t, server.Config{
		HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), IssuerNetworks: []string{"127.0.0.0/8"},
	}))
}

func TestFederatedCredential(t *testing.T) {
	t.Parallel()
	c, i, foreign := setupFederation(t), newIssuer(t), newIssuer(t)
	c.wantError(c.assert(i.token(t, nil)), 401, "invalid_client", 70025)
	c.federate(i.URL, "")
	for _, tt := range []struct {
		name      string
		assertion string
		number    int // 0 means accepted
	}{
		{"good", i.token(t, nil), 0},
		{"good again", i.token(t, nil), 0},
		{"for others too", i.token(t, func(v *jwt.Claims) { v.Audience = append(v.Audience, "other") }), 0},
		{"other issuer", foreign.token(t, nil), 700211},
		{"issuer with a slash", i.token(t, func(v *jwt.Claims) { v.Issuer += "/" }), 700211},
		{"other subject", i.token(t, func(v *jwt.Claims) { v.Subject = "system:serviceaccount:default:other" }), 700213},
		{"subject in another letter case", i.token(t, func(v *jwt.Claims) { v.Subject = strings.ToUpper(subject) }), 7002138},
		{"other audience", i.token(t, func(v *jwt.Claims) { v.Audience = jwt.Audience{"api://other"} }), 700212},
		{"no audience", i.token(t, func(v *jwt.Claims) { v.Audience = nil }), 700212},
		{"foreign key", foreign.token(t, func(v *jwt.Claims) { v.Issuer = i.URL }), 700027},
		{"unknown key", certified{key: i.key}.sign(t, jose.RS256, map[jose.HeaderKey]any{"kid": "k2"}, jwt.Claims{Issuer: i.URL, Subject: subject, Audience: jwt.Audience{identity.FederatedAudience}}), 700027},
		{"PS256", certified{key: i.key}.sign(t, jose.PS256, map[jose.HeaderKey]any{"kid": "k1"}, jwt.Claims{Issuer: i.URL, Subject: subject, Audience: jwt.Audience{identity.FederatedAudience}}), 50027},
		{"expired", i.token(t, func(v *jwt.Claims) { v.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }), 700024},
		{"never expires", i.token(t, func(v *jwt.Claims) { v.Expiry = nil }), 700024},
		{"not yet valid", i.token(t, func(v *jwt.Claims) { v.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Hour)) }), 700024},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &tenant{TB: t, server: c.server, id: c.id, app: c.app}
			a := c.assert(tt.assertion)
			if tt.number != 0 {
				c.wantError(a, 401, "invalid_client", tt.number)
				return
			}
			c.want(200, a)
			if got := c.claims(decode[tokens](c, a).AccessToken)["appidacr"]; got != "2" {
				t.Errorf("appidacr %v", got)
			}
		})
	}
	if n := foreign.fetches.Load(); n != 0 {
		t.Errorf("an issuer that nobody configured was asked %d times", n)
	}
}

// Concurrent calls fetch keys once, and an unknown key doesn't make the service fetch them
// again.
func TestIssuerKeysAreKept(t *testing.T) {
	t.Parallel()
	c, i := setupFederation(t), newIssuer(t)
	c.federate(i.URL, "")
	ask := func() answer { return c.assert(i.token(t, nil)) }
	for _, a := range together(ask, ask, ask, ask) {
		c.want(200, a)
	}
	unknown := certified{key: i.key}.sign(t, jose.RS256, map[jose.HeaderKey]any{"kid": "k2"}, jwt.Claims{Issuer: i.URL, Subject: subject, Audience: jwt.Audience{identity.FederatedAudience}})
	c.wantError(c.assert(unknown), 401, "invalid_client", 700027)
	if n := i.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want the configuration and the keys", n)
	}
}

// An issuer that answers with anything but its keys, or from a forbidden place, admits
// nobody.
func TestBadIssuers(t *testing.T) {
	t.Parallel()
	c, other := setupFederation(t), newIssuer(t)
	const configuration = "/.well-known/openid-configuration"
	for name, answers := range map[string]func(self string) map[string]string{
		"another issuer": func(self string) map[string]string {
			return map[string]string{configuration: `{"issuer":"` + self + `/","jwks_uri":"` + self + `/keys"}`}
		},
		"keys by plain http": func(self string) map[string]string {
			return map[string]string{configuration: `{"issuer":"` + self + `","jwks_uri":"http://keys.example.test/"}`}
		},
		"keys in a file": func(self string) map[string]string {
			return map[string]string{configuration: `{"issuer":"` + self + `","jwks_uri":"file:///etc/passwd"}`}
		},
		"keys nowhere": func(self string) map[string]string {
			return map[string]string{configuration: `{"issuer":"` + self + `","jwks_uri":"` + self + `/nowhere"}`}
		},
		"a redirect": func(string) map[string]string { return map[string]string{configuration: other.URL + configuration} },
		"no JSON":    func(string) map[string]string { return map[string]string{configuration: "{"} },
		"no keys":    func(string) map[string]string { return map[string]string{"/keys": `{"keys":[]}`} },
		"an endless answer": func(string) map[string]string {
			return map[string]string{"/keys": strings.Repeat(" ", 1<<20) + other.keySet()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, i := newTenant(t, c.server), newIssuer(t)
			i.answers = answers(i.URL)
			c.federate(i.URL, "")
			c.wantError(c.assert(i.token(t, nil)), 400, "invalid_request", 50166)
		})
	}
	if n := other.fetches.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// Unless the operator permits a network, keys are fetched only from public addresses, and
// never from the machine itself, by whatever name. Configured keys need no fetching.
func TestIssuerNetworks(t *testing.T) {
	t.Parallel()
	c, i := setup(t), newIssuer(t)
	c.federate(i.URL, "")
	c.wantError(c.assert(i.token(t, nil)), 400, "invalid_request", 50166)
	local := strings.Replace(i.URL, "127.0.0.1", "localhost", 1)
	c.federate(local, "")
	c.wantError(c.assert(i.token(t, func(v *jwt.Claims) { v.Issuer = local })), 400, "invalid_request", 50166)
	if n := i.fetches.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	given := "https://issuer.example.test"
	c.federate(given, i.keySet())
	c.want(200, c.assert(i.token(t, func(v *jwt.Claims) { v.Issuer = given })))
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.215.14:443": true, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443": true, "10.1.2.3:443": true, // permitted
		"127.0.0.1:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false, "169.254.169.254:80": false, "192.168.0.1:443": false,
		"100.64.0.1:443": false, "0.0.0.0:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false,
		"[fe80::1%eth0]:80": false, "[fd00::1]:80": false, "[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[::]:80": false, "[ff02::1]:80": false,
		"x": false,
	} {
		if err := identity.CheckIssuerAddress([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
