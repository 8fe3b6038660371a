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
)

// certified is a key with its certificate.
type certified struct {
	key *rsa.PrivateKey
	der []byte
}

func newCertificate(t *testing.T) certified {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
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

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	c := setup(t)
	ours, foreign := newCertificate(t), newCertificate(t)
	c.must(c.queries().CreateApplicationCertificate(t.Context(), db.CreateApplicationCertificateParams{
		TenantID: c.id, ClientID: c.app, ID: uuid.New(), Certificate: ours.der, CreatedAt: time.Now(),
	}))
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
	for _, tt := range []struct {
		name      string
		assertion string
		number    int // 0 is let in
	}{
		{"PS256, x5t#S256", ours.sign(t, jose.PS256, header, claims(nil)), 0},
		{"as MSAL for Go writes it", ours.sign(t, jose.PS256, map[jose.HeaderKey]any{"x5t#S256": base64.StdEncoding.EncodeToString(sum256[:])}, claims(nil)), 0},
		{"RS256, x5t", ours.sign(t, jose.RS256, map[jose.HeaderKey]any{"x5t": base64.URLEncoding.EncodeToString(sum1[:])}, claims(nil)), 0},
		{"kid", ours.sign(t, jose.RS256, map[jose.HeaderKey]any{"kid": fmt.Sprintf("%X", sum1)}, claims(nil)), 0},
		{"for the issuer", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience[0] = c.server.URL() + "/" + c.id.String() + "/v2.0" })), 0},
		{"for v1.0", ours.sign(t, jose.PS256, header, claims(func(v *jwt.Claims) { v.Audience[0] = c.server.URL() + "/" + c.domain + "/oauth2/token" })), 0},
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
			a := c.token(with(c.secretForm(), "client_secret", "", "client_assertion", tt.assertion,
				"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
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
