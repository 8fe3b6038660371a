package certs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// However many processes open it at once, they get one authority.
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
			a, err := certs.Open(t.Context(), q, time.Now())
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

// The certificate is good for every host at any time, since it is renewed, and
// is as the strictest clients want it.
func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := certs.Open(t.Context(), database(t), now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.PEM()) {
		t.Fatalf("no certificate in %s", a.PEM())
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, certs.MicrosoftHosts...)
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
			if err := leaf.VerifyHostname(host); err != nil {
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
		if missing := certs.MissingHosts(leaf, append([]string{"x.test"}, hosts...)); !slices.Equal(missing, []string{"x.test"}) {
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
	if err != nil || !ca.IsCA || len(ca.SubjectKeyId) == 0 || !ca.MaxPathLenZero || ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Errorf("authority %+v: %v", ca, err)
	}
}

func TestFromFiles(t *testing.T) {
	t.Parallel()
	a, err := certs.Open(t.Context(), database(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	var failures []error
	if _, err := certs.FromFiles(certificate, key, nil); err == nil {
		t.Error("files that aren't there were read")
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
	serves(first) // it doesn't look at each handshake
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

// write makes a certificate and puts it into files of this age.
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
