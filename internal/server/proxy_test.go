package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/server"
)

// proxied returns a client that uses the proxy and trusts the service's authority, but
// knows nothing else about the service.
func proxied(t *testing.T, s *server.Server, h2 bool) *http.Client {
	t.Helper()
	at, err := url.Parse(s.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, s.CA(), h2)
	client.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
	return client
}

// Through the proxy, Microsoft's hosts are the service: each by its name, in HTTP/1.1 and
// HTTP/2, and links lead back there.
func TestProxy(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), Proxy: proxy.Config{Addr: "127.0.0.1:0"}})
	token := token(t, s, tenant)
	for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		client := proxied(t, s, h2)
		for _, host := range certs.MicrosoftHosts {
			base := "https://" + host
			r, err := http.NewRequestWithContext(t.Context(), "POST", base+partners, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			response, err := client.Do(r)
			if err != nil {
				t.Error(err)
				continue
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != 201 || response.Proto != protocol || !strings.HasPrefix(response.Header.Get("Location"), base+"/v1.0/") || !strings.Contains(string(body), `"@odata.context":"`+base+`/v1.0/`) {
				t.Errorf("%s %s: %s %v %s", response.Proto, base, response.Status, response.Header, body)
			}
		}
		response, err := client.Get("https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		var found struct {
			TokenEndpoint string `json:"token_endpoint"`
		}
		if err := json.NewDecoder(response.Body).Decode(&found); err != nil || found.TokenEndpoint != "https://login.microsoftonline.com/common/oauth2/v2.0/token" {
			t.Errorf("sign in at %s, %v", found.TokenEndpoint, err)
		}
		_ = response.Body.Close()
	}
	if response, err := proxied(t, s, true).Get("https://example.com"); err == nil {
		_ = response.Body.Close()
		t.Errorf("example.com: %s", response.Status)
	} else if !strings.Contains(err.Error(), "not in MOCKTENANT_PROXY_PASS") {
		t.Errorf("example.com: %v", err)
	}
}

// Shutdown ends tunnels like connections: an idle one at once, one with a pending request
// after its answer.
func TestProxyShutdown(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), Proxy: proxy.Config{Addr: "127.0.0.1:0"}})
	for _, h2 := range []bool{false, true} {
		response, err := proxied(t, s, h2).Get("https://graph.microsoft.com/livez")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body) // the connection is kept
		_ = response.Body.Close()
	}
	body, rest := io.Pipe()
	answered := make(chan error, 1)
	client := proxied(t, s, false)
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	request, err := http.NewRequestWithContext(t.Context(), "POST", "https://login.microsoftonline.com/common/oauth2/v2.0/token", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Expect", "100-continue")
	go func() {
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusBadRequest { // in the authority's words
				err = errors.New(response.Status)
			}
		}
		answered <- err
	}()
	_, _ = io.WriteString(rest, "grant_type=") // once the service has asked for the body
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	go func() { ended <- s.Shutdown(ctx) }()
	time.Sleep(6 * time.Second) // longer than the proxy by itself lets a tunnel be silent
	_, _ = io.WriteString(rest, "nonsense")
	_ = rest.Close()
	if err := <-answered; err != nil {
		t.Errorf("pending request: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestManyThroughTheProxy(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), Proxy: proxy.Config{Addr: "127.0.0.1:0"}})
	token := token(t, s, tenant)
	var wg sync.WaitGroup
	for range 30 { // applications
		client := proxied(t, s, true)
		wg.Go(func() {
			for range 10 {
				r, err := http.NewRequestWithContext(t.Context(), "POST", "https://graph.microsoft.com"+partners, strings.NewReader("{}"))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("Content-Type", "application/json")
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
				if response.StatusCode != 201 {
					t.Error(response.Status)
				}
			}
		})
	}
	wg.Wait()
}

func TestBadProxySettings(t *testing.T) {
	t.Parallel()
	q, url := db.New(dbtest.Pool(t)), dbtest.URL(t)
	certificate, key := ownCertificate(t, q, []string{"localhost", "graph.microsoft.com"})
	whole, wholeKey := ownCertificate(t, q, append([]string{"localhost"}, certs.MicrosoftHosts...))
	taken := strings.TrimPrefix(start(t, server.Config{DatabaseURL: url}).URL(), "http://")
	on := proxy.Config{Addr: "127.0.0.1:0"}
	for _, tt := range []struct {
		config server.Config
		want   string // "" if it starts
	}{
		{server.Config{Proxy: on}, `MOCKTENANT_PROXY_ADDR "127.0.0.1:0": want MOCKTENANT_HTTPS_ADDR with it`},
		{server.Config{Proxy: on, HTTPSAddr: "127.0.0.1:0", PublicURL: "https://mock.example.test"}, "want no MOCKTENANT_PUBLIC_URL with it"},
		{server.Config{Proxy: proxy.Config{Addr: "8888"}, HTTPSAddr: "127.0.0.1:0"}, `MOCKTENANT_PROXY_ADDR "8888": want HOST:PORT`},
		{server.Config{Proxy: proxy.Config{Addr: taken}, HTTPSAddr: "127.0.0.1:0"}, "address already in use"},
		{server.Config{Proxy: proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"a/b"}}, HTTPSAddr: "127.0.0.1:0"}, `MOCKTENANT_PROXY_PASS "a/b"`},
		{server.Config{Proxy: proxy.Config{Addr: "0.0.0.0:0", Others: proxy.Pass}, HTTPSAddr: "127.0.0.1:0"}, "MOCKTENANT_PROXY_OTHERS"},
		{server.Config{Proxy: on, HTTPSAddr: "127.0.0.1:0", TLSCertFile: certificate, TLSKeyFile: key}, "does not name login.microsoftonline.com, "},
		{server.Config{MicrosoftHosts: true, HTTPSAddr: "127.0.0.1:0", TLSCertFile: certificate, TLSKeyFile: key}, "does not name login.microsoftonline.com, "},
		{server.Config{HTTPSAddr: "127.0.0.1:0", TLSCertFile: certificate, TLSKeyFile: key}, ""},
		{server.Config{Proxy: on, HTTPSAddr: "127.0.0.1:0", TLSCertFile: whole, TLSKeyFile: wholeKey}, ""},
	} {
		tt.config.HTTPAddr, tt.config.DatabaseURL = "127.0.0.1:0", url
		s, err := server.Start(t.Context(), tt.config)
		if err == nil {
			_ = s.Shutdown(context.WithoutCancel(t.Context()))
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.config, err, tt.want)
		}
	}
}

// ownCertificate writes a certificate that names these hosts.
func ownCertificate(t *testing.T, q *db.Queries, hosts []string) (certificate, key string) {
	t.Helper()
	a, err := certs.Open(t.Context(), q, nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	get, err := a.Certificates(hosts, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
