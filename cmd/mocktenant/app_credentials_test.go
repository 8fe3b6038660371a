package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// workload is an application that signs in with a key.
type workload struct {
	*testing.T
	url            string // of the service
	tenant, client string
	key            *rsa.PrivateKey
}

// signIn sends a client assertion, and returns the answer.
func (w workload) signIn(header map[jose.HeaderKey]any, claims jwt.Claims) string {
	w.Helper()
	claims.Expiry, claims.ID = jwt.NewNumericDate(time.Now().Add(5*time.Minute)), uuid.NewString()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: w.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		w.Fatal(err)
	}
	assertion, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		w.Fatal(err)
	}
	answer, err := http.PostForm(w.url+"/"+w.tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}, "client_id": {w.client},
		"client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

func (w workload) byCertificate(thumbprint string) string {
	w.Helper()
	return w.signIn(map[jose.HeaderKey]any{"kid": thumbprint}, jwt.Claims{
		Issuer: w.client, Subject: w.client, Audience: jwt.Audience{w.url + "/" + w.tenant + "/oauth2/v2.0/token"},
	})
}

func (w workload) byIssuer() string {
	w.Helper()
	return w.signIn(map[jose.HeaderKey]any{"kid": "k1"}, jwt.Claims{
		Issuer: "https://issuer.example", Subject: "workload", Audience: jwt.Audience{"api://AzureADTokenExchange"},
	})
}

// files writes the files that tools make from the key: its certificate, the key, both in one
// file, and its key set.
func (w workload) files() (certificate, key, both, set string) {
	w.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, w.key.Public(), w.key)
	if err != nil {
		w.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(w.key)})
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k1", Key: w.key.Public()}}})
	if err != nil {
		w.Fatal(err)
	}
	dir := w.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			w.Fatal(err)
		}
		return path
	}
	return write("certificate.pem", public), write("key.pem", private), write("both.pem", append(private, public...)), write("keys.json", keys)
}

// setUpWorkload starts a service with a tenant whose application has a new key.
func setUpWorkload(t *testing.T) (administration, workload) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, []string{"DATABASE_URL=" + dbtest.NewDatabase(t)})
	_, rest, _ := strings.Cut(p.text, "  admin  ")
	at, _, _ := strings.Cut(rest, "\n")
	a := administration{t, []string{"MOCKTENANT_ADMIN_URL=" + at}}
	made := parse[map[string]string](t, a.run("tenant", "create", "--display-name", "Contoso", "-o", "json"))
	a.settings = append(a.settings, "AZURE_TENANT_ID="+made["tenantId"])
	return a, workload{t, p.url, made["tenantId"], made["clientId"], key}
}

// An application signs in with a certificate registered on the command line, until the
// certificate is removed. The command never sends a private key.
func TestAppCertificate(t *testing.T) {
	t.Parallel()
	a, w := setUpWorkload(t)
	certificate, key, both, set := w.files()
	const nobody = "00000000-0000-4000-8000-000000000000"
	a.fails(exitFailure, "key.pem: has a private key, which is not sent", "app", "certificate", "add", w.client, key)
	a.fails(exitFailure, "keys.json: has no certificate: want PEM", "app", "certificate", "add", w.client, set)
	a.fails(exitFailure, "none.pem: no such file", "app", "certificate", "add", w.client, "none.pem")
	a.fails(exitNotFound, `There is no application "nobody"`, "app", "certificate", "add", "nobody", certificate)
	a.fails(exitNotFound, nobody, "app", "certificate", "add", nobody, certificate)
	a.fails(exitNotFound, nobody, "app", "certificate", "delete", w.client, nobody)
	for _, file := range []string{certificate, both} {
		made := parse[api.ApplicationCertificate](t, a.run("app", "certificate", "add", w.client, file, "-o", "json"))
		if answer := w.byCertificate(made.Thumbprint); !strings.Contains(answer, `"access_token"`) {
			t.Errorf("%s: %s", file, answer)
		}
		a.run("app", "certificate", "delete", w.client, made.Id.String())
		if answer := w.byCertificate(made.Thumbprint); !strings.Contains(answer, "AADSTS700027") {
			t.Errorf("after its removal: %s", answer)
		}
	}
}

// An application signs in with a key and certificate made on the command line. The command
// overwrites no file, and leaves none if the service refuses the certificate.
func TestAppCertificateCreate(t *testing.T) {
	t.Parallel()
	a, w := setUpWorkload(t)
	file := filepath.Join(t.TempDir(), "app.pem")
	a.fails(exitNotFound, "There is no application", "app", "certificate", "create", "nobody", file)
	a.fails(exitNotFound, "00000000-0000-4000-8000-000000000000", "app", "certificate", "create", "00000000-0000-4000-8000-000000000000", file)
	made := parse[api.ApplicationCertificate](t, a.run("app", "certificate", "create", w.client, file, "--ttl", "2h", "-o", "json"))
	if left := time.Until(made.ExpiresDateTime); left < time.Hour || left > 2*time.Hour {
		t.Errorf("it is good for %s", left)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	block, rest := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !strings.Contains(string(rest), "BEGIN CERTIFICATE") {
		t.Fatalf("%v\n%s", err, text)
	}
	w.key = key.(*rsa.PrivateKey)
	if answer := w.byCertificate(made.Thumbprint); !strings.Contains(answer, `"access_token"`) {
		t.Error(answer)
	}
	a.fails(exitFailure, "file exists", "app", "certificate", "create", w.client, file)
	if again, err := os.ReadFile(file); err != nil || string(again) != string(text) {
		t.Errorf("it was written over: %v", err)
	}
}

// The same with a token of another issuer.
func TestAppFederatedCredential(t *testing.T) {
	t.Parallel()
	a, w := setUpWorkload(t)
	certificate, _, _, set := w.files()
	const nobody = "00000000-0000-4000-8000-000000000000"
	create := func(client, name, issuer, file string) []string {
		return []string{"app", "federated-credential", "create", client, name, "--issuer", issuer, "--subject", "workload", "--key-set", file, "-o", "json"}
	}
	a.fails(exitUsage, "issuer", "app", "federated-credential", "create", w.client, "ci", "--subject", "workload")
	a.fails(exitFailure, "certificate.pem: want a JSON Web Key Set", create(w.client, "ci", "https://issuer.example", certificate)...)
	a.fails(exitFailure, `"http://issuer.example"`, create(w.client, "ci", "http://issuer.example", set)...)
	a.fails(exitNotFound, nobody, create(nobody, "ci", "https://issuer.example", set)...)
	a.fails(exitNotFound, nobody, "app", "federated-credential", "delete", w.client, nobody)
	made := parse[api.FederatedCredential](t, a.run(create(w.client, "ci", "https://issuer.example", set)...))
	a.fails(exitConflict, `"ci"`, create(w.client, "ci", "https://issuer.example", set)...)
	if answer := w.byIssuer(); !strings.Contains(answer, `"access_token"`) {
		t.Error(answer)
	}
	a.run("app", "federated-credential", "delete", w.client, made.Id.String())
	if answer := w.byIssuer(); !strings.Contains(answer, "AADSTS70025") {
		t.Errorf("after its removal: %s", answer)
	}
}
