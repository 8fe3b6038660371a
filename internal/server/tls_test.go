package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// trusting returns a client that trusts only the service's authority.
func trusting(t *testing.T, ca []byte, h2 bool) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate in %q", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: h2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// The service answers the same over HTTPS, in HTTP/1.1 and HTTP/2, and its links have the
// address that the client used.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), TLSHosts: []string{"mock.example.test"}})
	token := token(t, s, tenant)
	a, ca := call(t, "GET", s.URL()+"/.well-known/mocktenant/ca.pem", "", "")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/x-pem-file" || ca != string(s.CA()) {
		t.Fatalf("ca.pem: %d %s", a.StatusCode, ca)
	}
	for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		for _, base := range []string{s.SecureURL(), strings.Replace(s.SecureURL(), "127.0.0.1", "localhost", 1)} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", base+partners, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			response, err := trusting(t, []byte(ca), h2).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != 201 || response.Proto != protocol || !strings.HasPrefix(response.Header.Get("Location"), base+"/v1.0/") || !strings.Contains(string(body), `"@odata.context":"`+base+`/v1.0/`) {
				t.Errorf("%s %s: %s %v %s", response.Proto, base, response.Status, response.Header, body)
			}
		}
	}
	untrusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	if response, err := untrusting.Get(s.SecureURL()); err == nil {
		_ = response.Body.Close()
		t.Error("a client without the authority connected")
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.SecureURL(), "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if err := leaf.VerifyHostname("mock.example.test"); err != nil {
		t.Error(err)
	}
	if err := leaf.VerifyHostname("graph.microsoft.com"); err == nil {
		t.Error("Microsoft's hosts are named without the setting")
	}
}

// HTTP/2 works whichever listener serves first; earlier, that depended on chance.
func TestHTTP2EveryTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t)})
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.SecureURL()+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := trusting(t, s.CA(), true).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.ProtoMajor != 2 {
			t.Errorf("%s", response.Proto)
		}
	}
}

func TestMicrosoftHosts(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), MicrosoftHosts: true})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA())
	for _, host := range []string{"graph.microsoft.com", "login.microsoftonline.com", "graph.microsoft.us", "login.partner.microsoftonline.cn"} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.SecureURL(), "https://"), &tls.Config{RootCAs: roots, ServerName: host})
		if err != nil {
			t.Error(err)
			continue
		}
		_ = conn.Close()
	}
}

// The authority stays the same when the service restarts.
func TestAuthorityStays(t *testing.T) {
	t.Parallel()
	url := dbtest.NewDatabase(t)
	first := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: url})
	if err := first.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if second := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: url}); string(second.CA()) != string(first.CA()) {
		t.Error("another authority")
	}
}

func TestNoHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.URL(t)})
	if s.SecureURL() != "" || s.CA() != nil {
		t.Errorf("%s %s", s.SecureURL(), s.CA())
	}
	if a, _ := call(t, "GET", s.URL()+"/.well-known/mocktenant/ca.pem", "", ""); a.StatusCode != 404 {
		t.Errorf("ca.pem: %d", a.StatusCode)
	}
}

func TestBadTLSSettings(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere.pem")
	for _, tt := range []struct {
		config server.Config
		want   string
	}{
		{server.Config{HTTPSAddr: "8443"}, `MOCKTENANT_HTTPS_ADDR "8443"`},
		{server.Config{HTTPSAddr: strings.TrimPrefix(start(t, server.Config{DatabaseURL: dbtest.URL(t)}).URL(), "http://")}, "address already in use"},
		{server.Config{TLSHosts: []string{"https://x"}}, `MOCKTENANT_TLS_HOSTS "https://x"`},
		{server.Config{HTTPSAddr: "127.0.0.1:0", TLSCertFile: nowhere}, "want MOCKTENANT_TLS_KEY_FILE with it"},
		{server.Config{HTTPSAddr: "127.0.0.1:0", TLSKeyFile: nowhere}, "want MOCKTENANT_TLS_CERT_FILE with it"},
		{server.Config{TLSCertFile: nowhere, TLSKeyFile: nowhere}, "want MOCKTENANT_HTTPS_ADDR with it"},
		{server.Config{HTTPSAddr: "127.0.0.1:0", TLSCertFile: nowhere, TLSKeyFile: nowhere}, "nowhere.pem"},
	} {
		tt.config.HTTPAddr, tt.config.DatabaseURL = "127.0.0.1:0", dbtest.URL(t)
		s, err := server.Start(t.Context(), tt.config)
		if err == nil {
			_ = s.Shutdown(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.config, err, tt.want)
		}
	}
}
