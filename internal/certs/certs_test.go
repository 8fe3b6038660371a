package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

func database(t *testing.T) *db.Queries {
	t.Helper()
	pool, err := db.Open(t.Context(), dbtest.NewDatabase(t), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := db.MigrateUp(t.Context(), pool, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return db.New(pool)
}

// Any number of processes that open the authority concurrently get the same one.
func TestOneAuthority(t *testing.T) {
	t.Parallel()
	q := database(t)
	if _, err := certs.Find(t.Context(), q); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("found before it was made: %v", err)
	}
	const processes = 8
	var wg sync.WaitGroup
	pems := make([][]byte, processes)
	for i := range processes {
		wg.Go(func() {
			a, err := certs.Open(t.Context(), q, nil, nil, time.Now())
			if err != nil {
				t.Error(err)
				return
			}
			pems[i] = a.PEM()
		})
	}
	wg.Wait()
	found, err := certs.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, pem := range pems {
		if !bytes.Equal(pem, found.PEM()) {
			t.Error("another authority")
		}
	}
}

// The certificate is valid for every host at any time, because it is renewed, and satisfies
// the strictest clients.
func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hosts := append([]string{"localhost", "127.0.0.1", "::1", "graph", "192.0.2.7", "2001:db8::7", "*.Contoso.com"}, certs.MicrosoftHosts...)
	a, err := certs.Open(t.Context(), database(t), hosts, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.PEM()) {
		t.Fatalf("no certificate in %s", a.PEM())
	}
	get, err := a.Certificates(hosts, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	for day := range 365 {
		c, err := get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf := c.Leaf
		for _, host := range hosts {
			if err := leaf.VerifyHostname(strings.Replace(host, "*", "any", 1)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
			t.Fatalf("on day %d: %v", day, err)
		}
		if left := leaf.NotAfter.Sub(now); left < 29*24*time.Hour || leaf.NotAfter.Sub(leaf.NotBefore) > 398*24*time.Hour {
			t.Fatalf("on day %d: %s left of %s", day, left, leaf.NotAfter.Sub(leaf.NotBefore))
		}
		if len(leaf.AuthorityKeyId) == 0 || leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Fatalf("%+v", leaf)
		}
		if missing := certs.MissingHosts(leaf, append([]string{"x.test"}, hosts[:4]...)); !slices.Equal(missing, []string{"x.test"}) {
			t.Fatalf("missing are %q", missing)
		}
		serials[leaf.SerialNumber.String()] = true
		now = now.AddDate(0, 0, 1)
	}
	if len(serials) < 6 || len(serials) > 8 {
		t.Errorf("%d certificates in a year", len(serials))
	}
	block, _ := pem.Decode(a.PEM())
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !ca.IsCA || !ca.MaxPathLenZero || ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Errorf("the authority may sign other than leaves: %+v", ca)
	}
	if len(ca.SubjectKeyId) == 0 {
		t.Errorf("the authority has no key id: %+v", ca)
	}
}

// A thief of the authority's key can name only the service's configured hosts and private
// ones.
func TestNameConstraints(t *testing.T) {
	t.Parallel()
	q := database(t)
	a, err := certs.Open(t.Context(), q, []string{"localhost", "graph", "192.0.2.7"}, []string{"laptop"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	for host, want := range map[string]bool{
		"localhost": true, "a.localhost": true, "graph": true, "GRAPH": true, "laptop": true, "x.test": true, "mock.internal": true,
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.31.0.1": true, "192.168.1.1": true, "192.0.2.7": true, "fd00::1": true,
		"login.microsoftonline.com": false, "example.com": false, "notgraph": false, "graph.com": false, "192.0.2.8": false, "172.32.0.1": false, "2001:db8::1": false,
	} {
		if got := a.Permits(host); got != want {
			t.Errorf("permits %s: %v", host, got)
		}
		get, err := a.Certificates([]string{host}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		c, err := get(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Leaf.Verify(x509.VerifyOptions{Roots: roots})
		var invalid x509.CertificateInvalidError
		unauthorized := errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName
		if want && err != nil || !want && !unauthorized {
			t.Errorf("%s: %v, want permitted %v", host, err, want)
		}
	}
}

// An authority stays as long as it can name all the requested hosts. Its replacement may
// also name the hosts of the previous one. An authority from an earlier version is
// unconstrained, and stays.
func TestRenewedAuthority(t *testing.T) {
	t.Parallel()
	q := database(t)
	open := func(hosts, wanted []string) *certs.Authority {
		t.Helper()
		a, err := certs.Open(t.Context(), q, hosts, wanted, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := open([]string{"localhost"}, []string{"container-1"})
	if first.Renewed || !first.Permits("container-1") {
		t.Error("the first authority is renewed, or may not name its machine")
	}
	if again := open([]string{"localhost", "10.0.0.1", "new.test"}, []string{"container-2"}); again.Renewed || again.Permits("container-2") || !bytes.Equal(again.PEM(), first.PEM()) {
		t.Error("another machine has another authority")
	}
	second := open([]string{"graph.microsoft.com"}, []string{"container-3"})
	if !second.Renewed || bytes.Equal(second.PEM(), first.PEM()) {
		t.Error("the authority isn't renewed")
	}
	for _, host := range []string{"graph.microsoft.com", "container-1", "container-3"} {
		if !second.Permits(host) {
			t.Errorf("the renewed authority doesn't permit %s", host)
		}
	}
	if again := open([]string{"localhost", "graph.microsoft.com"}, nil); again.Renewed || !bytes.Equal(again.PEM(), second.PEM()) {
		t.Error("the renewed authority doesn't stay")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	free, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(second.PEM())
	if err := q.RenewCertificateAuthority(t.Context(), db.RenewCertificateAuthorityParams{Name: "tls", Former: block.Bytes, Certificate: free, PrivateKey: private, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if a := open([]string{"anything.com"}, nil); a.Renewed || !a.Permits("192.0.2.1") {
		t.Error("an authority without constraints is renewed")
	}
}

func TestFromFiles(t *testing.T) {
	t.Parallel()
	a, err := certs.Open(t.Context(), database(t), nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	var failures []error
	if _, err := certs.FromFiles(certificate, key, nil); err == nil {
		t.Error("missing files were read")
	}
	first := write(t, a, certificate, key, time.Now().Add(-time.Hour))
	get, err := certs.FromFiles(certificate, key, func(err error) { failures = append(failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	serves := func(want []byte) {
		t.Helper()
		c, err := get(nil)
		if err != nil || !bytes.Equal(c.Certificate[0], want) {
			t.Errorf("another certificate serves: %v", err)
		}
	}
	serves(first)
	second := write(t, a, certificate, key, time.Now())
	serves(first) // it doesn't check at every handshake
	time.Sleep(1100 * time.Millisecond)
	serves(second)
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	serves(second)
	if len(failures) != 1 {
		t.Errorf("told of %v", failures)
	}
}

// write issues a certificate and writes it to files with this modification time.
func write(t *testing.T, a *certs.Authority, certificate, key string, at time.Time) []byte {
	t.Helper()
	get, err := a.Certificates([]string{"localhost"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := get(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return c.Certificate[0]
}
