package admin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// testKey returns the key that all tests share.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newCertificate returns a new certificate of the key, as DER in base64.
func newCertificate() string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, testKey().Public(), testKey())
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// keySet returns a set with the key.
func keySet() *map[string]any {
	key := testKey().PublicKey
	return &map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": "k1", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}}
}

// assert signs in with an assertion.
func (c *client) assert(tenant, app uuid.UUID, header map[jose.HeaderKey]any, claims jwt.Claims) reply {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: testKey()}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		panic(err)
	}
	claims.Expiry = jwt.NewNumericDate(time.Now().Add(5 * time.Minute))
	assertion, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return c.token(tenant, url.Values{
		"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}, "client_id": {app.String()},
		"client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}

// An application signs in with a registered credential until that is removed. It can also
// sign in to a tenant made from an export.
func TestApplicationCredentials(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	app := made.Credentials.ClientId
	one := tenantPath(made.Tenant.Id, "/applications/"+app.String())
	byCertificate := func(tenant uuid.UUID, thumbprint string) reply {
		return c.assert(tenant, app, map[jose.HeaderKey]any{"kid": thumbprint}, jwt.Claims{
			Issuer: app.String(), Subject: app.String(), Audience: jwt.Audience{"https://sts.windows.net/" + tenant.String() + "/"},
		})
	}
	byIssuer := func(tenant uuid.UUID) reply {
		return c.assert(tenant, app, map[jose.HeaderKey]any{"kid": "k1"}, jwt.Claims{
			Issuer: "https://issuer.example", Subject: "workload", Audience: jwt.Audience{"api://AzureADTokenExchange"},
		})
	}
	der := newCertificate()
	raw, err := base64.StdEncoding.DecodeString(der)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	certificate := decode[api.ApplicationCertificate](t, c.want(201, c.do("POST", one+"/certificates", api.ApplicationCertificateCreate{Certificate: text})))
	c.want(200, byCertificate(made.Tenant.Id, certificate.Thumbprint))
	create := api.FederatedCredentialCreate{Name: "ci", Issuer: "https://issuer.example", Subject: "workload", KeySet: keySet()}
	credential := decode[api.FederatedCredential](t, c.want(201, c.do("POST", one+"/federatedCredentials", create)))
	c.want(200, byIssuer(made.Tenant.Id))
	c.refused(409, "", c.do("POST", one+"/federatedCredentials", create))
	if got := decode[api.Application](t, c.want(200, c.do("GET", one, nil))); len(got.Certificates) != 1 || len(got.FederatedCredentials) != 1 || got.FederatedCredentials[0].Audiences[0] != "api://AzureADTokenExchange" {
		t.Errorf("%+v", got)
	}

	c.refused(400, "/certificate", c.do("POST", one+"/certificates", api.ApplicationCertificateCreate{Certificate: "x"}))
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})
	if r := c.do("POST", one+"/certificates", api.ApplicationCertificateCreate{Certificate: string(key)}); r.status != 400 || !strings.Contains(r.body, "this is a private key") || strings.Contains(r.body, "BEGIN") {
		t.Errorf("a private key: %d %s", r.status, r.body)
	}
	for at, bad := range map[string]api.FederatedCredentialCreate{
		"/issuer": {Name: "a", Issuer: "http://issuer.example", Subject: "x"},
		"/keySet": {Name: "b", Issuer: "https://issuer.example", Subject: "x", KeySet: &map[string]any{"keys": []any{}}},
	} {
		c.refused(400, at, c.do("POST", one+"/federatedCredentials", bad))
	}

	source := made.Tenant.Id
	copied := c.newTenant(api.TenantCreate{Source: &api.TenantSource{TenantId: &source}}).Tenant.Id
	c.want(200, byCertificate(copied, certificate.Thumbprint))
	c.want(200, byIssuer(copied))

	exported := json.RawMessage(c.want(200, c.do("GET", tenantPath(made.Tenant.Id, "/state"), nil)).body)
	imported := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Document: &exported}}).Tenant.Id
	c.want(200, byCertificate(imported, certificate.Thumbprint))
	c.want(200, byIssuer(imported))
	path := tenantPath(imported, "/state")
	for document, at := range map[string]string{
		`{"name":"a","issuer":"http://issuer.example","subject":"x"}`:                                                     "/applications/0/federatedCredentials/0/issuer",
		`{"name":"a","issuer":"https://issuer.example","subject":"x","keySet":{}}`:                                        "/applications/0/federatedCredentials/0/keySet",
		`{"name":"a","issuer":"https://a.example","subject":"x"},{"name":"a","issuer":"https://b.example","subject":"x"}`: "/applications/0/federatedCredentials/1/name",
	} {
		c.refused(400, at, c.do("PUT", path, `{"version":1,"applications":[{"displayName":"x","federatedCredentials":[`+document+`]}]}`))
	}

	for _, path := range []string{"/certificates/" + certificate.Id.String(), "/federatedCredentials/" + credential.Id.String()} {
		c.want(204, c.do("DELETE", one+path, nil))
		c.refused(404, "", c.do("DELETE", one+path, nil))
	}
	if r := byCertificate(made.Tenant.Id, certificate.Thumbprint); !strings.Contains(r.body, "AADSTS700027") {
		t.Errorf("%s", r.body)
	}
	if r := byIssuer(made.Tenant.Id); !strings.Contains(r.body, "AADSTS70025") {
		t.Errorf("%s", r.body)
	}
}
