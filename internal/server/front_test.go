package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/server"
)

// passwordForm signs the demo user in.
func passwordForm(password string) string {
	return url.Values{
		"grant_type": {"password"}, "client_id": {server.DemoPublicClientID.String()}, "scope": {"https://graph.microsoft.com/.default"},
		"username": {server.DemoUserName}, "password": {password},
	}.Encode()
}

var tokenPath = "/" + server.DemoTenantID.String() + "/oauth2/v2.0/token"

// addressIn returns the address in an access token.
func addressIn(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Token string `json:"access_token"`
	}
	var claims struct{ IPAddr string }
	err := json.Unmarshal(body, &answer)
	parts := strings.Split(answer.Token, ".")
	if err == nil && len(parts) == 3 {
		var raw []byte
		if raw, err = base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			err = json.Unmarshal(raw, &claims)
		}
	}
	if err != nil || len(parts) != 3 {
		t.Fatalf("%v: %s", err, body)
	}
	return claims.IPAddr
}

// Only what the trusted proxies added to X-Forwarded-For is believed.
func TestTrustedHops(t *testing.T) {
	t.Parallel()
	services := make([]*server.Server, 3)
	for hops := range services {
		services[hops] = start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", AdminKey: adminKey, Demo: true, TrustedHops: hops})
	}
	const peer = "192.0.2.1" // httptest's
	for _, tt := range []struct {
		hops      int
		forwarded []string
		want      string
	}{
		{0, nil, peer},
		{0, []string{"203.0.113.9"}, peer},
		{1, nil, peer},
		{1, []string{"203.0.113.9"}, "203.0.113.9"},
		{1, []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{1, []string{"203.0.113.9,"}, "203.0.113.9"},
		{1, []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		{1, []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{1, []string{"2001:db8::1"}, "2001:db8::1"},
		{1, []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{1, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{1, []string{"198.51.100.1, unknown"}, peer},
		{1, []string{""}, peer},
		{2, []string{"203.0.113.9"}, peer},
		{2, []string{"198.51.100.1, 203.0.113.9, 10.0.0.1"}, "203.0.113.9"},
	} {
		s := services[tt.hops]
		r, w := httptest.NewRequestWithContext(t.Context(), "POST", tokenPath, strings.NewReader(passwordForm(server.DemoPassword))), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Host = "localhost"
		r.Header["X-Forwarded-For"] = tt.forwarded
		s.Handler().ServeHTTP(w, r)
		if got := addressIn(t, w.Body.Bytes()); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
		change, w := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/keys", strings.NewReader(`{"name":"x","role":"reader"}`)), httptest.NewRecorder()
		change.Header = http.Header{"Authorization": {"Bearer " + adminKey}, "Content-Type": {"application/json"}, "X-Forwarded-For": tt.forwarded}
		s.AdminHandler().ServeHTTP(w, change)
		if got := lastAudited(t, s, "done"); w.Code != 201 || got != tt.want {
			t.Errorf("%+v: %d, the audit log has %s", tt, w.Code, got)
		}
	}
}

// lastAudited returns the address of the last audited call to the administration with an
// outcome.
func lastAudited(t *testing.T, s *server.Server, outcome string) (address string) {
	t.Helper()
	if err := s.Pool().QueryRow(t.Context(), "SELECT address FROM audit_entries WHERE outcome = $1::audit_outcome ORDER BY at DESC, id DESC LIMIT 1", outcome).Scan(&address); err != nil {
		t.Fatal(err)
	}
	return address
}

// Links follow what the trusted proxy says that the client requested, also in a batch.
func TestForwardedLinks(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	for _, tt := range []struct {
		hops        int
		proto, host string
		want        string
	}{
		{proto: "https", host: "graph.example.test", want: "http://mock.test"},
		{hops: 1, proto: "https", host: "graph.example.test:444", want: "https://graph.example.test:444"},
		{hops: 1, proto: "HTTPS", want: "https://mock.test"},
		{hops: 1, host: "graph.example.test", want: "http://graph.example.test"},
		{hops: 1, proto: "http, https", host: "a.test, graph.example.test", want: "https://graph.example.test"},
		{hops: 2, proto: "https, http", host: "graph.example.test, b.test", want: "https://graph.example.test"},
		{hops: 2, proto: "https", host: "graph.example.test", want: "https://graph.example.test"}, // the inner proxy didn't change it
		{hops: 1, proto: "gopher", want: "http://mock.test"},
	} {
		s := start(t, server.Config{DatabaseURL: dbtest.URL(t), TrustedHops: tt.hops})
		ask := func(method, path, body string) string {
			r, w := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
			r.Host = "mock.test"
			r.Header = http.Header{"Authorization": {"Bearer " + token(t, s, tenant)}, "Content-Type": {"application/json"}}
			if tt.proto != "" {
				r.Header.Set("X-Forwarded-Proto", tt.proto)
			}
			if tt.host != "" {
				r.Header.Set("X-Forwarded-Host", tt.host)
			}
			s.Handler().ServeHTTP(w, r)
			return w.Body.String()
		}
		for what, got := range map[string]string{
			"discovery": ask("GET", "/common/v2.0/.well-known/openid-configuration", ""),
			"list":      ask("GET", partners, ""),
			"batch":     ask("POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners"}]}`),
		} {
			if !strings.Contains(got, `"`+tt.want+`/`) {
				t.Errorf("%+v %s: %s", tt, what, got)
			}
		}
	}
}

// The links in a batch sent over HTTPS lead to HTTPS.
func TestBatchLinksByHTTPS(t *testing.T) {
	t.Parallel()
	tenant := dbtest.NewTenant(t)
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t)})
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.SecureURL()+"/v1.0/$batch", strings.NewReader(`{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token(t, s, tenant)}, "Content-Type": {"application/json"}}
	response, err := trusting(t, s.CA(), true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `"@odata.context":"`+s.SecureURL()+"/v1.0/") {
		t.Errorf("%s", body)
	}
}

// proxyHeader returns the header that a reverse proxy sends first on a connection.
func proxyHeader(t *testing.T, version byte, from string) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.ParseIP(from), Port: 4711}, &net.TCPAddr{IP: net.ParseIP(from), Port: 443})
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dialAs connects like a reverse proxy for a client; "" sends no header.
func dialAs(t *testing.T, base string, version byte, from string) net.Conn {
	t.Helper()
	scheme, addr, _ := strings.Cut(base, "://")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if from != "" {
		_, _ = c.Write(proxyHeader(t, version, from))
	}
	if scheme == "https" {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	return c
}

// ask sends a request over a connection, and returns the answer's status and body; 0
// without an answer.
func ask(t *testing.T, c net.Conn, method, path, contentType, body string) (int, []byte) {
	t.Helper()
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, contentType, len(body), body)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body) // one that is cut off shows in what is compared
	return response.StatusCode, text
}

// behindProxy starts a service that accepts PROXY headers.
func behindProxy(t *testing.T, most int, now func() time.Time) *server.Server {
	t.Helper()
	return start(t, server.Config{
		HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminKey: adminKey, DatabaseURL: dbtest.NewDatabase(t), Demo: true,
		Proxy: proxy.Config{Addr: "127.0.0.1:0"}, AcceptProxyProtocol: true, ConnectionsPerAddress: most, Now: now,
	})
}

// A PROXY header tells the client's address; without the setting it isn't valid HTTP.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	s := behindProxy(t, 0, nil)
	const form = "application/x-www-form-urlencoded"
	for _, from := range []string{"203.0.113.9", "2001:db8::1", ""} {
		want := from
		if from == "" {
			want = "127.0.0.1" // its own
		}
		for _, version := range []byte{1, 2} {
			for _, base := range []string{s.URL(), s.SecureURL()} {
				status, body := ask(t, dialAs(t, base, version, from), "POST", tokenPath, form, passwordForm(server.DemoPassword))
				if status != 200 || addressIn(t, body) != want {
					t.Errorf("%s by version %d from %q: %d %s", base, version, from, status, body)
				}
			}
			if status, body := ask(t, dialAs(t, s.AdminURL(), version, from), "GET", "/v1/tenants", "", ""); status != 401 || lastAudited(t, s, "denied") != want {
				t.Errorf("the administration, version %d from %q: %d %s, audited %s", version, from, status, body, lastAudited(t, s, "denied"))
			}
		}
	}
	off := start(t, server.Config{AdminAddr: "127.0.0.1:0", AdminKey: adminKey, DatabaseURL: dbtest.NewDatabase(t)})
	for _, base := range []string{off.URL(), off.AdminURL(), s.ProxyURL()} {
		if status, body := ask(t, dialAs(t, base, 1, "203.0.113.9"), "GET", "/livez", "", ""); status != 400 && status != 0 {
			t.Errorf("%s, unasked: %d %s", base, status, body)
		}
	}
}

// A password guesser behind a reverse proxy locks nobody else out.
func TestLockoutBehindProxy(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := behindProxy(t, 0, func() time.Time { return now }) // otherwise a slow machine might fail no faster than failures are forgiven
	const form = "application/x-www-form-urlencoded"
	signIn := func(c net.Conn, user, password string) string {
		_, body := ask(t, c, "POST", tokenPath, form, strings.Replace(passwordForm(password), url.QueryEscape(server.DemoUserName), url.QueryEscape(user), 1))
		return string(body)
	}
	attacker := dialAs(t, s.URL(), 2, "203.0.113.9")
	for tries := 0; ; tries++ {
		if body := signIn(attacker, "nobody-of-this-name@"+server.DemoDomain, "x"); strings.Contains(body, "50053") {
			break
		} else if tries > 500 { // more than the limit
			t.Fatalf("still let in: %s", body)
		}
	}
	if body := signIn(dialAs(t, s.URL(), 1, "203.0.113.9"), server.DemoUserName, server.DemoPassword); !strings.Contains(body, "50053") {
		t.Errorf("the attacker on another connection: %s", body)
	}
	for _, from := range []string{"203.0.113.10", ""} {
		if body := signIn(dialAs(t, s.URL(), 2, from), server.DemoUserName, server.DemoPassword); !strings.Contains(body, "access_token") {
			t.Errorf("from %q: %s", from, body)
		}
	}
}

// The number of connections from an address is limited on each listener; when one ends,
// another can open.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	s := behindProxy(t, 2, nil)
	for name, base := range map[string]string{"http": s.URL(), "https": s.SecureURL(), "admin": s.AdminURL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gets := func(c net.Conn) bool {
				status, _ := ask(t, c, "GET", "/openapi.yaml", "", "")
				return status != 0
			}
			first, second := dialAs(t, base, 2, "203.0.113.9"), dialAs(t, base, 1, "203.0.113.9")
			for _, c := range []net.Conn{first, second} {
				if !gets(c) {
					t.Fatal("no answer")
				}
			}
			if gets(dialAs(t, base, 2, "203.0.113.9")) {
				t.Error("a third one is answered")
			}
			for _, from := range []string{"203.0.113.10", "2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1"} {
				if !gets(dialAs(t, base, 2, from)) {
					t.Errorf("%s isn't answered", from)
				}
			}
			if gets(dialAs(t, base, 2, "2001:db8::3")) {
				t.Error("a third one of a /64 is answered")
			}
			for range 5 { // on loopback, without a header
				if !gets(dialAs(t, base, 0, "")) {
					t.Error("this machine isn't answered")
				}
			}
			_ = first.Close()
			for deadline := time.Now().Add(patience); !gets(dialAs(t, base, 2, "203.0.113.9")); {
				if time.Now().After(deadline) {
					t.Fatal("closing a connection makes no room")
				}
			}
		})
	}
}

// Host, and :authority, which net/http passes on unchecked, are a host or empty.
func TestBadHosts(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminKey: adminKey, DatabaseURL: dbtest.NewDatabase(t)})
	for host, good := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "a.b-c_d.example.": true, "127.0.0.1:1": true, "[::1]": true, "[::1]:8443": true, "localhost:": true,
		"": false, ":80": false, "a b": false, `a"b`: false, "a/b": false, "a\\b": false, "a@b": false, "a?b": false, "a#b": false, "a%b": false, "a,b": false,
		"<a>": false, "a:b": false, "a:99999": false, "a:-1": false, "[::1": false, "::1": false, "[fe80::1%25lo]": false, "[127.0.0.1]": false, "ü": false,
		strings.Repeat("a", 254): false,
	} {
		for name, handler := range map[string]http.Handler{"public": s.Handler(), "administration": s.AdminHandler()} {
			for _, path := range []string{"/livez", "/common/v2.0/.well-known/openid-configuration", "/openapi.yaml"} {
				r, w := httptest.NewRequestWithContext(t.Context(), "GET", path, nil), httptest.NewRecorder()
				r.Host = host
				handler.ServeHTTP(w, r)
				if (w.Code == http.StatusBadRequest) == good || !good && !strings.Contains(w.Body.String(), "malformed Host") {
					t.Errorf("%s %q %s: %d %s", name, host, path, w.Code, w.Body)
				}
			}
		}
	}
	r, w := httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil), httptest.NewRecorder()
	if r.Proto, r.ProtoMinor, r.Host = "HTTP/1.0", 0, ""; true { // as HAProxy's checks
		s.Handler().ServeHTTP(w, r)
	}
	if w.Code != http.StatusOK {
		t.Errorf("HTTP/1.0: %d %s", w.Code, w.Body)
	}
	_, f := dialHTTP2(t, s, "")
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headerOf(`evil.example"/x`, "GET", "/livez"), EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if answer, ok := frame.(*http2.MetaHeadersFrame); ok {
			if status := answer.PseudoValue("status"); status != "400" {
				t.Errorf("by HTTP/2: %s", status)
			}
			return
		}
	}
}

// While the demo tenant exists, a page whose name was rebound to this machine gets nothing.
func TestRebinding(t *testing.T) {
	t.Parallel()
	demo := server.Config{DatabaseURL: dbtest.NewDatabase(t), Demo: true, TLSHosts: []string{"mock.contoso.com", "*.fabrikam.com"}, PublicURL: "https://public.contoso.com"}
	s, none := start(t, demo), start(t, server.Config{DatabaseURL: dbtest.URL(t)})
	hopped := demo
	hopped.TrustedHops = 1
	behind := start(t, hopped)
	for host, ours := range map[string]bool{
		"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "192.0.2.7": true, "mocktenant:8080": true, "a.localhost": true,
		"mocktenant.ns.svc.cluster.local": true, "host.docker.internal": true, "graph.example": true, "GRAPH.Microsoft.com": true,
		"login.microsoftonline.com.": true, "mock.contoso.com": true, "a.fabrikam.com": true, "public.contoso.com:444": true,
		"evil.com": false, "evil.com:8080": false, "localhost.evil.com": false, "127.0.0.1.evil.com": false, "a.b.fabrikam.com": false,
		"fabrikam.com": false, "graph.microsoft.com.evil.com": false, "xlocalhost.com": false, "mock.contoso.com.evil.com": false,
	} {
		for _, path := range []string{partners, tokenPath, "/v1.0/$metadata", "/nowhere"} {
			get := func(s *server.Server, host, forwarded string) int {
				r, w := httptest.NewRequestWithContext(t.Context(), "GET", path, nil), httptest.NewRecorder()
				if r.Host = host; forwarded != "" {
					r.Header.Set("X-Forwarded-Host", forwarded)
				}
				s.Handler().ServeHTTP(w, r)
				return w.Code
			}
			if status := get(s, host, ""); (status != http.StatusMisdirectedRequest) != ours {
				t.Errorf("%s%s: %d", host, path, status)
			}
			if status := get(none, host, ""); status == http.StatusMisdirectedRequest {
				t.Errorf("without the demo tenant, %s%s: %d", host, path, status)
			}
			// A page can send X-Forwarded-Host, which doesn't make its own name acceptable.
			if status := get(behind, host, "localhost"); (status != http.StatusMisdirectedRequest) != ours {
				t.Errorf("behind a proxy, %s%s: %d", host, path, status)
			}
		}
		r, w := httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil), httptest.NewRecorder()
		r.Host = host
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("%s/readyz: %d", host, w.Code)
		}
	}
}

// Redirect URIs in the log lack their queries, in which applications keep secrets.
func TestLogOfRedirects(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), Demo: true, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	const uri = "https://user:sesame@app.example.test/back?code='sesame' sesame#sesame"
	query := url.Values{"client_id": {server.DemoPublicClientID.String()}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {uri}}
	_, page := call(t, "GET", s.URL()+"/"+server.DemoTenantID.String()+"/oauth2/v2.0/authorize?"+query.Encode(), "", "")
	if !strings.Contains(page, "sesame") {
		t.Errorf("the page doesn't show the redirect URI: %s", page)
	}
	if text := log.String(); strings.Contains(text, "sesame") || !strings.Contains(text, "The redirect URI 'https://app.example.test/back' specified") {
		t.Errorf("the log has %s", text)
	}
}
