package clients_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"
)

// An application of a tenant that, like Microsoft today, lets applications manage partners,
// and the key with which it proves its identity.
type application struct {
	*testing.T
	TenantID string
	ClientID string
	key      *rsa.PrivateKey
}

func newApplication(t *testing.T) application {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a := application{T: t, key: key}
	made := mocktenant(t.Context(), t, "tenant", "create", "--display-name", t.Name(), "--permission-rule", "current", "-o", "json")
	if err := json.Unmarshal([]byte(made), &a); err != nil || a.ClientID == "" {
		t.Fatalf("%v: %s", err, made)
	}
	return a
}

// A certificate registered on the command line.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	a := newApplication(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	mocktenant(t.Context(), t, "app", "certificate", "add", "--tenant", a.TenantID, a.ClientID, file(t, t.TempDir(), "certificate.pem", string(text)))
	certificates, key, err := azidentity.ParseCertificates(append(text, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(a.key)})...), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range []bool{false, true} {
		credential, err := azidentity.NewClientCertificateCredential(a.TenantID, a.ClientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true, SendCertificateChain: chain})
		if err != nil {
			t.Fatal(err)
		}
		lifecycle(t, credential)
	}
}

// federate makes the application trust an issuer, and returns a token from that.
func (a application) federate() string {
	a.Helper()
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": base64.RawURLEncoding.EncodeToString(a.key.N.Bytes()), "e": "AQAB",
	}}})
	if err != nil {
		a.Fatal(err)
	}
	const issuer, subject = "https://kubernetes.default.svc.cluster.local", "system:serviceaccount:default:portal"
	mocktenant(a.Context(), a.T, "app", "federated-credential", "create", "--tenant", a.TenantID, a.ClientID, "cluster",
		"--issuer", issuer, "--subject", subject, "--key-set", file(a.T, a.TempDir(), "keys.json", string(keys)))
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: issuer, Subject: subject, Audience: jwt.ClaimStrings{"api://AzureADTokenExchange"},
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	})
	token.Header["kid"] = "k1"
	signed, err := token.SignedString(a.key)
	if err != nil {
		a.Fatal(err)
	}
	return signed
}

// An application sends another issuer's token itself.
func TestClientAssertion(t *testing.T) {
	t.Parallel()
	a := newApplication(t)
	assertion := a.federate()
	credential, err := azidentity.NewClientAssertionCredential(a.TenantID, a.ClientID, func(context.Context) (string, error) { return assertion, nil },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	lifecycle(t, credential)
}

// The same from a file, as Kubernetes mounts it for a workload.
func TestWorkloadIdentity(t *testing.T) {
	t.Parallel()
	a := newApplication(t)
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		TenantID: a.TenantID, ClientID: a.ClientID, TokenFilePath: file(t, t.TempDir(), "token", a.federate()),
		ClientOptions: options(), DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	lifecycle(t, credential)
}
