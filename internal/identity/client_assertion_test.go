package identity_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is by definition one
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// certified is a key and its certificate.
type certified struct {
	key *rsa.PrivateKey
	der []byte
}

func newCertificate(t *testing.T) certified {
	t.Helper()
	return newCertificateFor(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func newCertificateFor(t *testing.T, from, until time.Time) certified {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return certified{key, der}
}

// sign makes a client assertion, whose header names the certificate.
func (k certified) sign(t *testing.T, algorithm jose.SignatureAlgorithm, header map[jose.HeaderKey]any, claims jwt.Claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: k.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// header returns the header that names the certificate.
func (k certified) header() map[jose.HeaderKey]any {
	sum := sha256.Sum256(k.der)
	return map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
}

func (c *tenant) addCertificate(k certified) {
	c.Helper()
	c.must(c.queries().CreateApplicationCertificate(c.Context(), db.CreateApplicationCertificateParams{
		TenantID: c.id, ClientID: c.app, ID: uuid.New(), Certificate: k.der, CreatedAt: time.Now(),
	}))
}

// assert calls the token endpoint with an assertion.
func (c *tenant) assert(assertion string) answer {
	c.Helper()
	return c.token(with(c.secretForm(), "client_secret", "", "client_assertion", assertion,
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	c := setup(t)
	ours, foreign, other := newCertificate(t), newCertificate(t), setup(t)
	expired := newCertificateFor(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute))
	early := newCertificateFor(t, time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
	for _, k := range []certified{ours, expired, early} {
		c.addCertificate(k)
	}
	sum256, sum1 := sha256.Sum256(ours.der), sha1.Sum(ours.der) //nolint:gosec // see above
	header := map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum256[:])}
	now := time.Now()
	endpoint := c.server.URL() + "/" + c.id.String() + "/oauth2/v2.0/token"
	claims := func(change func(*jwt.Claims)) jwt.Claims {
		v := jwt.Claims{
			Issuer: c.app.String(), Subject: c.app.String(), Audience: jwt.Audience{endpoint}, ID: uuid.NewString(),
			NotBefore: jwt.NewNumericDate(now.Add(-time.Minute)), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
		}
		if change != nil {
			change(&v)
		}
		return v
	}
	audience := func(to string) func(*jwt.Claims) { return func(v *jwt.Claims) { v.Audience[0] = to } }
	for _, tt := range []struct {
		name      string
		assertion string
		number    int // 0 means accepted
	}{
		{"PS256, x5t#S256", ours.sign(t, jose.PS256, header, claims(nil)), 0},
		{"as MSAL for Go writes it", ours.sign(t, jose.PS256, map[jose.HeaderKey]any{"x5t#S256": base64.StdEncoding.EncodeToString(sum256[:])}, claims(nil)), 0},
		{"RS256, x5t", ours.sign(t, jose.RS256, map[jose.HeaderKey]any{"x5t": base64.URLEncoding.EncodeToString(sum1[:])}, claims(nil)), 0},
		{"kid", ours.sign(t, jose.RS256, map[jose.HeaderKey]any{"kid": fmt.Sprintf("%X", sum1)}, claims(nil)), 0},
		{"for the issuer", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience[0] = c.server.URL() + "/" + c.id.String() + "/v2.0" })), 0},
		{"for v1.0", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience[0] = c.server.URL() + "/" + c.domain + "/oauth2/token" })), 0},
		{"for the issuer of v1.0", ours.sign(t, jose.PS256, header, claims(audience("https://sts.windows.net/"+c.id.String()+"/"))), 0},
		{"for more than this authority", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience = append(v.Audience, "api://other") })), 0},
		{"for another tenant", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+"/"+other.id.String()+"/oauth2/v2.0/token"))), 700023},
		{"for another tenant's domain", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+"/"+other.domain+"/v2.0"))), 700023},
		{"for another tenant's issuer", ours.sign(t, jose.PS256, header, claims(audience("https://sts.windows.net/"+other.id.String()+"/"))), 700023},
		{"for all tenants", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+"/common/oauth2/v2.0/token"))), 700023},
		{"for nobody's tenant", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+"/nobody.example.test/v2.0"))), 700023},
		{"for another endpoint", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+"/"+c.id.String()+"/oauth2/v2.0/authorize"))), 700023},
		{"for a name with the same prefix", ours.sign(t, jose.PS256, header, claims(audience(endpoint+"/x"))), 700023},
		{"for a host with the same prefix", ours.sign(t, jose.PS256, header, claims(audience(c.server.URL()+".example.test/"+c.id.String()+"/v2.0"))), 700023},
		{"expires in ten years", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Expiry = jwt.NewNumericDate(now.AddDate(10, 0, 0)) })), 700024},
		{"issued in an hour", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.IssuedAt = jwt.NewNumericDate(now.Add(time.Hour)) })), 700024},
		{"expired certificate", expired.sign(t, jose.PS256, expired.header(), claims(nil)), 700027},
		{"certificate of tomorrow", early.sign(t, jose.PS256, early.header(), claims(nil)), 700027},
		{"names no certificate", ours.sign(t, jose.PS256, nil, claims(nil)), 700027},
		{"foreign key", foreign.sign(t, jose.PS256, header, claims(nil)), 700027},
		{"RS512", ours.sign(t, jose.RS512, header, claims(nil)), 50027},
		{"other issuer", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Issuer = "x" })), 700021},
		{"other subject", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Subject = c.public.String() })), 700021},
		{"expired", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Expiry = jwt.NewNumericDate(now.Add(-time.Hour)) })), 700024},
		{"never expires", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Expiry = nil })), 700024},
		{"not yet valid", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.NotBefore = jwt.NewNumericDate(now.Add(time.Hour)) })), 700024},
		{"other audience", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience[0] = "https://login.example.test/oauth2/v2.0/token" })), 700023},
		{"no audience", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience = nil })), 700023},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
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
}

// If so configured, an assertion is accepted once across all replicas. The number of
// remembered assertions is bounded, and expired ones are swept.
func TestOneTimeAssertions(t *testing.T) {
	t.Parallel()
	config := server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), OneTimeAssertions: true}
	c := newTenant(t, startServer(t, config))
	at := *c
	at.server = startServer(t, config)
	key := newCertificate(t)
	c.addCertificate(key)
	assertion := func(id string) string {
		return key.sign(t, jose.PS256, key.header(), jwt.Claims{
			Issuer: c.app.String(), Subject: c.app.String(), ID: id, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
			Audience: jwt.Audience{"https://sts.windows.net/" + c.id.String() + "/"},
		})
	}
	first := assertion("one")
	c.want(200, c.assert(first))
	c.wantError(c.assert(first), 401, "invalid_client", 50013)
	at.wantError(at.assert(first), 401, "invalid_client", 50013)
	at.want(200, at.assert(assertion("two")))
	c.wantError(c.assert(assertion("")), 401, "invalid_client", 50013)

	hash := sha256.Sum256([]byte("three"))
	c.exec(`INSERT INTO client_assertions (tenant_id, client_id, hash, expires_at)
		SELECT $1, $2, $3::bytea || int4send(n), now() + interval '1 hour' FROM generate_series(1, 512) AS n`, c.app, hash[:1])
	a := c.assert(assertion("three"))
	c.wantError(a, 429, "invalid_request", 90055)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", a.header)
	}
	c.exec("UPDATE client_assertions SET expires_at = now() - interval '1 second' WHERE tenant_id = $1 AND length(hash) < 32")
	c.must(c.server.Identity().SweepOften(t.Context()))
	c.want(200, c.assert(assertion("three")))
	c.wantError(c.assert(first), 401, "invalid_client", 50013)
}
