package proxy_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/listener"
	"github.com/mocktenant/mocktenant/internal/proxy"
)

// echo answers with the request's path through the proxy, headers and body.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Saw", fmt.Sprint(r.Proto, " ", r.Method, " ", r.Host, " ", r.URL))
	for name, values := range r.Header {
		w.Header()["X-Had-"+name] = values
	}
	_, _ = io.Copy(w, r.Body)
}

// newService starts the TLS listener to which Microsoft's hosts lead.
func newService(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func start(t *testing.T, c proxy.Config, service string) *proxy.Proxy {
	t.Helper()
	return startWith(t, c, service, slog.New(slog.DiscardHandler), proxy.DefaultLimits())
}

func startWith(t *testing.T, c proxy.Config, service string, log *slog.Logger, l proxy.Limits) *proxy.Proxy {
	t.Helper()
	c.Addr = cmp.Or(c.Addr, "127.0.0.1:0")
	p, err := proxy.ListenWith(t.Context(), c, service, log, l)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		_ = p.Shutdown(ctx)
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return p
}

// through returns a client that uses the proxy and trusts any certificate.
func through(t *testing.T, p *proxy.Proxy, h2 bool) *http.Client {
	t.Helper()
	at, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2,
		DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// raw is a connection to the proxy for sending arbitrary bytes.
type raw struct {
	*net.TCPConn
	r *bufio.Reader
}

func dial(t *testing.T, p *proxy.Proxy) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // so that no test hangs
	return &raw{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// ask sends text, and returns the status line and the body of the answer. An opened tunnel
// has no body.
func (c *raw) ask(t *testing.T, text string) (status, body string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.r, &http.Request{Method: method(text)})
	if err != nil {
		t.Fatalf("%.100q: %v", text, err)
	}
	if response.StatusCode == http.StatusOK && method(text) == http.MethodConnect {
		return response.Status, ""
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Status, string(b)
}

func method(text string) string {
	m, _, _ := strings.Cut(text, " ")
	return m
}

// The answers to CONNECT.
func TestConnect(t *testing.T) {
	t.Parallel()
	p := start(t, proxy.Config{}, newService(t, echo))
	type test struct{ authority, status, body string }
	tests := []test{
		{"GRAPH.Microsoft.COM:443", "200 Connection established", ""},
		{"graph.microsoft.com.:443", "200 Connection established", ""},
		{"graph.microsoft.com:80", "403 Forbidden: only port 443 leads to the service", "graph.microsoft.com:80 is refused"},
		{"graph.microsoft.com:8443", "403 Forbidden: only port 443 leads to the service", "graph.microsoft.com:8443 is refused"},
		{"example.com:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", "example.com is refused: it isn't a host of Microsoft Graph or of its sign-in. To let it through, name it in MOCKTENANT_PROXY_PASS; to let all through, set MOCKTENANT_PROXY_OTHERS=pass.\n"},
		{"127.0.0.1:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", "127.0.0.1 is refused"},
		{"[::1]:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", "::1 is refused"},
		{"graph.microsoft.com.example.com:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", ""},
		{"xgraph.microsoft.com:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", ""},
		{"graph.microsoft.com..:443", "403 Forbidden: not in MOCKTENANT_PROXY_PASS", ""},
		{"graph.microsoft.com", "400 Bad Request: want HOST:PORT", `CONNECT "graph.microsoft.com": want HOST:PORT`},
		{"graph.microsoft.com:", "400 Bad Request: want HOST:PORT", ""},
		{"graph.microsoft.com:0", "400 Bad Request: want HOST:PORT", ""},
		{"graph.microsoft.com:99999", "400 Bad Request: want HOST:PORT", ""},
		{"graph.microsoft.com:https", "400 Bad Request", ""},
		{":443", "400 Bad Request: want HOST:PORT", ""},
		{"/x", "400 Bad Request: want HOST:PORT", ""},
		{"http://graph.microsoft.com:443", "400 Bad Request: want HOST:PORT", ""},
		{"graph.microsoft.com:443 x", "400 Bad Request", ""},
		{"[::1:443", "400 Bad Request", ""},
		{"", "400 Bad Request", ""},
	}
	for _, host := range certs.MicrosoftHosts {
		tests = append(tests, test{host + ":443", "200 Connection established", ""})
	}
	for _, tt := range tests {
		status, body := dial(t, p).ask(t, "CONNECT "+tt.authority+" HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\n")
		refused := tt.status[:3] != "200" && tt.status != "400 Bad Request" // net/http itself answers these
		if !strings.HasPrefix(status, tt.status) || !strings.Contains(body, tt.body) || refused && !strings.HasPrefix(body, "mocktenant proxy: ") {
			t.Errorf("%q: %s, %q; want %s", tt.authority, status, body, tt.status)
		}
	}
}

// Requests without a tunnel never reach the service, and reach other hosts only if those
// are let through.
func TestForwardRefused(t *testing.T) {
	t.Parallel()
	p := start(t, proxy.Config{}, newService(t, echo))
	for _, tt := range []struct{ target, status, body string }{
		{"http://login.microsoftonline.com/common/oauth2", "403 Forbidden", "lead to the service only over https. Ask for https://login.microsoftonline.com.\n"},
		{"http://graph.microsoft.com:443/v1.0", "403 Forbidden", "only over https"},
		{"https://graph.microsoft.com/v1.0", "400 Bad Request", "https://graph.microsoft.com was requested without a tunnel (CONNECT)"},
		{"http://example.com/", "403 Forbidden", "example.com is refused"},
		{"ftp://example.com/", "400 Bad Request", "ftp://example.com: want http"},
		{"/v1.0/deviceManagement", "400 Bad Request", "this is a forward proxy: set HTTPS_PROXY"},
		{"*", "400 Bad Request", ""},
	} {
		status, body := dial(t, p).ask(t, "GET "+tt.target+" HTTP/1.1\r\nHost: graph.microsoft.com\r\n\r\n")
		if status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %s, %q", tt.target, status, body)
		}
	}
}

// Tunnels don't change what they carry, in HTTP/1.1 and HTTP/2, and many work concurrently.
func TestTunnels(t *testing.T) {
	t.Parallel()
	p := start(t, proxy.Config{}, newService(t, echo))
	body := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MB, more than the buffers' size
	for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		client := through(t, p, h2)
		var wg sync.WaitGroup
		for i := range 40 {
			host := certs.MicrosoftHosts[i%len(certs.MicrosoftHosts)]
			wg.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("https://%s/v1.0/x?i=%d", host, i), bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header = http.Header{"User-Agent": {"app/1"}, "Authorization": {"Bearer x"}, "X-Forwarded-For": {"me"}}
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = response.Body.Close() }()
				got, err := io.ReadAll(response.Body)
				if want := fmt.Sprintf("%s POST %s /v1.0/x?i=%d", protocol, host, i); err != nil || sha256.Sum256(got) != sha256.Sum256(body) || response.Header.Get("X-Saw") != want {
					t.Errorf("%d bytes, %v: saw %q, want %q", len(got), err, response.Header.Get("X-Saw"), want)
				}
				for name := range response.Header {
					if had, ok := strings.CutPrefix(name, "X-Had-"); ok && !slices.Contains([]string{"User-Agent", "Authorization", "X-Forwarded-For", "Content-Length"}, had) {
						t.Errorf("the proxy added %s", had)
					}
				}
			})
		}
		wg.Wait()
	}
}

// What a client sends together with its CONNECT isn't lost, and a client that has finished
// sending still receives.
func TestEarlyAndHalfClosed(t *testing.T) {
	t.Parallel()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	go func() {
		conn, err := far.Accept()
		if err != nil {
			return
		}
		heard, _ := io.ReadAll(conn) // to the end
		_, _ = fmt.Fprintf(conn, "heard %s", heard)
		_ = conn.Close()
	}()
	c := dial(t, start(t, proxy.Config{}, far.Addr().String()))
	if status, _ := c.ask(t, "CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\nearly "); status != "200 Connection established" {
		t.Fatal(status)
	}
	_, _ = io.WriteString(c, "late")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.r); err != nil || string(got) != "heard early late" {
		t.Errorf("%q, %v", got, err)
	}
}

// Named hosts, or all, are let through, with and without a tunnel.
func TestPass(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(other.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(secure.Close)
	localhost := func(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }
	for _, tt := range []struct {
		config proxy.Config
		url    string
		passes bool
	}{
		{proxy.Config{Others: proxy.Pass}, other.URL, true},
		{proxy.Config{Others: proxy.Pass}, secure.URL, true},
		{proxy.Config{Others: "refuse"}, other.URL, false},
		{proxy.Config{Pass: []string{"127.0.0.1"}}, other.URL, true},
		{proxy.Config{Pass: []string{"127.0.0.1"}}, secure.URL, true},
		{proxy.Config{Pass: []string{"127.0.0.1"}}, localhost(other.URL), false},
		{proxy.Config{Pass: []string{"127.0.0.1"}}, localhost(secure.URL), false},
		{proxy.Config{Pass: []string{"example.com", "LocalHost."}}, localhost(secure.URL), true},
		{proxy.Config{Pass: []string{"*.0.0.1"}}, secure.URL, false},
		{proxy.Config{Pass: []string{"*.localhost"}}, localhost(secure.URL), false},
	} {
		p := start(t, tt.config, newService(t, echo))
		r, err := http.NewRequestWithContext(t.Context(), "PUT", tt.url+"/a%2Fb?c=d;e", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("X-Forwarded-For", "me")
		response, err := through(t, p, false).Do(r)
		if !tt.passes {
			if strings.HasPrefix(tt.url, "https") {
				if err == nil || !strings.Contains(err.Error(), "not in MOCKTENANT_PROXY_PASS") { // as Go's client shows it
					t.Errorf("%+v %s: %v", tt.config, tt.url, err)
				}
				continue
			}
			if err != nil || response.StatusCode != http.StatusForbidden {
				t.Errorf("%+v %s: %v %v", tt.config, tt.url, response, err)
			}
			_ = response.Body.Close()
			continue
		}
		if err != nil {
			t.Errorf("%+v %s: %v", tt.config, tt.url, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "body" {
			t.Errorf("%+v %s: body %q", tt.config, tt.url, body)
		}
		for name, want := range map[string]string{
			"X-Saw": "HTTP/1.1 PUT " + r.URL.Host + " /a%2Fb?c=d;e", "X-Had-Authorization": "Bearer x", "X-Had-X-Forwarded-For": "me",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%+v %s: %s is %q, want %q", tt.config, tt.url, name, got, want)
			}
		}
	}
}

func TestPassBelow(t *testing.T) {
	t.Parallel()
	p := start(t, proxy.Config{Pass: []string{"*.example.com"}}, "service:1")
	for authority, passes := range map[string]bool{
		"a.example.com:22": true, "A.B.Example.Com.:443": true, "example.com:443": false, "xexample.com:443": false, "a.example.com.evil.test:443": false,
	} {
		if to, err := p.Route(authority); (err == nil) != passes || passes && to != authority {
			t.Errorf("%s: %s, %v", authority, to, err)
		}
	}
}

// A name that is let through never leads other machines to an address that only this
// machine may reach, whatever it resolves to. Microsoft's hosts still lead to the service.
func TestPassLeadsOutside(t *testing.T) {
	t.Parallel()
	keyless := httptest.NewServer(http.HandlerFunc(echo)) // like an administration on loopback
	t.Cleanup(keyless.Close)
	_, port, err := net.SplitHostPort(keyless.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const name = "inside.example.com"
	l := proxy.DefaultLimits()
	l.Resolver = allOnLoopback()
	p := startWith(t, proxy.Config{Addr: "0.0.0.0:0", Pass: []string{"*.example.com"}}, newService(t, echo), slog.New(slog.DiscardHandler), l)
	at := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(p.URL()) }}}
	response, err := at.Get("http://" + net.JoinHostPort(name, port) + "/v1/whoami")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "is refused: it is a loopback address") {
		t.Errorf("%s, %q", response.Status, body)
	}
	if status, body := dial(t, p).ask(t, "CONNECT "+net.JoinHostPort(name, port)+" HTTP/1.1\r\n\r\n"); status != "403 Forbidden: it leads to this machine" {
		t.Errorf("%s, %q", status, body)
	}
	if status, _ := dial(t, p).ask(t, connect); status != established {
		t.Errorf("the service: %s", status)
	}
}

// allOnLoopback resolves every name to 127.0.0.1, like an attacker's DNS.
func allOnLoopback() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe() // no packets: a message follows its length (RFC 1035 section 4.2.2)
		go func() {
			defer func() { _ = ours.Close() }()
			query := make([]byte, 2)
			if _, err := io.ReadFull(ours, query); err != nil {
				return
			}
			query = make([]byte, binary.BigEndian.Uint16(query))
			if _, err := io.ReadFull(ours, query); err != nil {
				return
			}
			const header = 12
			question := query[header : header+bytes.IndexByte(query[header:], 0)+5]
			answer := append(query[:2:2], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
			answer = append(answer, question...)
			if question[len(question)-3] == 1 { // A
				answer[7] = 1
				answer = append(answer, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
			}
			_, _ = ours.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}()
		return theirs, nil
	}}
}

// Addresses that other machines can't reach through the proxy.
func TestRefusesTo(t *testing.T) {
	t.Parallel()
	for address, refused := range map[string]bool{
		"127.0.0.1": true, "127.8.7.6": true, "::1": true, "::ffff:127.0.0.1": true, "0.0.0.0": true, "0.1.2.3": true, "::": true,
		"169.254.169.254": true, "fe80::1": true, "fe80::1%lo": true, "::ffff:169.254.169.254": true, "224.0.0.1": true, "ff02::1": true,
		"192.0.2.1": false, "10.255.255.254": false, "2001:db8::1": false, "fd00::1": false,
	} {
		if got := proxy.RefusesTo(netip.MustParseAddr(address)); (got != "") != refused {
			t.Errorf("%s: %q", address, got)
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		if ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP); proxy.RefusesTo(ip) == "" {
			t.Errorf("%s is this machine's own", ip)
		}
	}
}

// If the service doesn't answer, the error names it in words that clients show.
func TestServiceAway(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	p := start(t, proxy.Config{Others: proxy.Pass}, gone.Addr().String())
	status, body := dial(t, p).ask(t, "CONNECT graph.microsoft.com:443 HTTP/1.1\r\n\r\n")
	if status != "502 Bad Gateway: the service does not answer" || !strings.HasPrefix(body, "mocktenant proxy: the service does not answer at "+gone.Addr().String()+": ") {
		t.Errorf("%s, %q", status, body)
	}
	if response, err := through(t, p, true).Get("https://graph.microsoft.com/"); err == nil {
		_ = response.Body.Close()
		t.Error(response.Status)
	} else if !strings.Contains(err.Error(), "the service does not answer") {
		t.Errorf("Go shows %v", err)
	}
	other := gone.Addr().String()
	if status, _ := dial(t, p).ask(t, "CONNECT "+other+" HTTP/1.1\r\n\r\n"); status != "502 Bad Gateway: the service does not answer" {
		t.Errorf("by its address: %s", status)
	}
	if status, body := dial(t, p).ask(t, "GET http://"+other+"/?secret HTTP/1.1\r\nHost: x\r\n\r\n"); status != "502 Bad Gateway" || !strings.Contains(body, other+" does not answer: ") || strings.Contains(body, "secret") {
		t.Errorf("without a tunnel: %s, %q", status, body)
	}
}

// A slow client delays nobody, and its connection is closed.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	quick := listener.Config{Timeouts: listener.Timeouts{Header: 200 * time.Millisecond}}
	p := start(t, proxy.Config{Clients: quick}, newService(t, echo))
	var slow []*raw
	for range 50 {
		c := dial(t, p)
		_, _ = io.WriteString(c, "CONNECT graph.microsoft.com:443 HTTP/1.1\r\nX-")
		slow = append(slow, c)
	}
	response, err := through(t, p, true).Get("https://graph.microsoft.com/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for _, c := range slow {
		if text, err := io.ReadAll(c.r); err != nil || strings.HasPrefix(string(text), "HTTP/1.1 200") {
			t.Fatalf("%q, %v", text, err)
		}
	}
}

func TestHugeHeaders(t *testing.T) {
	t.Parallel()
	p := start(t, proxy.Config{}, newService(t, echo))
	status, _ := dial(t, p).ask(t, "CONNECT graph.microsoft.com:443 HTTP/1.1\r\nX: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	if status != "431 Request Header Fields Too Large" {
		t.Error(status)
	}
}

// A tunnel that carries nothing is closed.
func TestIdle(t *testing.T) {
	t.Parallel()
	l := proxy.DefaultLimits()
	l.Idle = 100 * time.Millisecond
	p := startWith(t, proxy.Config{}, newService(t, echo), slog.New(slog.DiscardHandler), l)
	c := dial(t, p)
	if status, _ := c.ask(t, connect); status != established {
		t.Fatal(status)
	}
	if n, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
}

const (
	connect     = "CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\n"
	established = "200 Connection established"
)

// The number of tunnels is limited; when one ends, another can open.
func TestTooMany(t *testing.T) {
	t.Parallel()
	l := proxy.DefaultLimits()
	l.Tunnels = 2
	p := startWith(t, proxy.Config{}, newService(t, echo), slog.New(slog.DiscardHandler), l)
	first := dial(t, p)
	for _, c := range []*raw{first, dial(t, p)} {
		if status, _ := c.ask(t, connect); status != established {
			t.Fatal(status)
		}
	}
	if status, body := dial(t, p).ask(t, connect); status != "503 Service Unavailable: too many tunnels" || !strings.Contains(body, "2 tunnels are open") {
		t.Errorf("%s, %q", status, body)
	}
	_ = first.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		status, _ := dial(t, p).ask(t, connect)
		if status == established {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %s", status)
		}
	}
}

// While the proxy shuts down, pending requests in a tunnel get their answers, and a quiet
// tunnel is closed.
func TestShutdown(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan bool), make(chan bool)
	service := newService(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-release
		echo(w, r)
	})
	l := proxy.DefaultLimits()
	l.Quiet = 3 * time.Second
	p := startWith(t, proxy.Config{}, service, slog.New(slog.DiscardHandler), l)
	quiet := dial(t, p)
	if status, _ := quiet.ask(t, connect); status != established {
		t.Fatal(status)
	}
	answered := make(chan error, 1)
	go func() {
		response, err := through(t, p, false).Post("https://graph.microsoft.com/x", "text/plain", strings.NewReader("under way"))
		if err == nil {
			var body []byte
			body, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
			if string(body) != "under way" {
				err = errors.Join(err, fmt.Errorf("answer %q", body))
			}
		}
		answered <- err
	}()
	<-arrived
	ended := make(chan error, 1)
	go func() { ended <- p.Shutdown(context.WithoutCancel(t.Context())) }()
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
		if err != nil {
			break // it no longer listens
		}
		_ = conn.Close()
		time.Sleep(time.Millisecond)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("pending request: %v", err)
	}
	if n, err := quiet.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the quiet one: %d, %v", n, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// When ctx ends, Shutdown closes all tunnels and says so.
func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	l := proxy.DefaultLimits()
	l.Quiet = time.Hour
	p := startWith(t, proxy.Config{}, newService(t, echo), slog.New(slog.DiscardHandler), l)
	c := dial(t, p)
	if status, _ := c.ask(t, connect); status != established {
		t.Fatal(status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if n, err := c.r.ReadByte(); err == nil {
		t.Errorf("got %d", n)
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	taken := start(t, proxy.Config{}, "service:1")
	for _, tt := range []struct {
		config proxy.Config
		want   string
	}{
		{proxy.Config{Addr: "8888"}, `MOCKTENANT_PROXY_ADDR "8888"`},
		{proxy.Config{Addr: strings.TrimPrefix(taken.URL(), "http://")}, "address already in use"},
		{proxy.Config{Addr: "0.0.0.0:0", Pass: []string{"example.com", "127.0.0.1"}}, `MOCKTENANT_PROXY_PASS "127.0.0.1": other machines can reach`},
		{proxy.Config{Addr: "[::]:0", Pass: []string{"LocalHost."}}, `MOCKTENANT_PROXY_PASS "LocalHost."`},
		{proxy.Config{Addr: "0.0.0.0:0", Pass: []string{"169.254.169.254"}}, `MOCKTENANT_PROXY_PASS "169.254.169.254"`},
		{proxy.Config{Addr: "0.0.0.0:0", Others: proxy.Pass}, "name the hosts in MOCKTENANT_PROXY_PASS, or listen on 127.0.0.1"},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"https://example.com"}}, `MOCKTENANT_PROXY_PASS "https://example.com": want a host's name`},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"example.com:443"}}, `MOCKTENANT_PROXY_PASS "example.com:443"`},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"*"}}, `MOCKTENANT_PROXY_PASS "*"`},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"*."}}, `MOCKTENANT_PROXY_PASS "*."`},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"a.*.com"}}, `MOCKTENANT_PROXY_PASS "a.*.com"`},
		{proxy.Config{Addr: "127.0.0.1:0", Pass: []string{"Graph.Microsoft.com"}}, `MOCKTENANT_PROXY_PASS "Graph.Microsoft.com": that host leads to the service`},
	} {
		p, err := proxy.Listen(t.Context(), tt.config, "service:1", slog.New(slog.DiscardHandler))
		if err == nil {
			_ = p.Shutdown(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.config, err, tt.want)
		}
	}
	if p, err := proxy.Listen(t.Context(), proxy.Config{Addr: "0.0.0.0:0", Pass: []string{"example.com"}}, "service:1", slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	} else if _ = p.Shutdown(t.Context()); !strings.HasPrefix(p.URL(), "http://localhost:") {
		t.Error(p.URL())
	}
}

// The log names the hosts that clients reached, but no secrets.
func TestLog(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	p := startWith(t, proxy.Config{}, newService(t, echo), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), proxy.DefaultLimits())
	client := through(t, p, false)
	response, err := client.Post("https://graph.microsoft.com/secret-path?secret-query", "text/plain", strings.NewReader("secret-body"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	client.CloseIdleConnections()
	for _, text := range []string{
		"CONNECT secret-user:secret-password@example.com:443 HTTP/1.1\r\nProxy-Authorization: Basic secret\r\n\r\n",
		"GET http://secret-user:secret-password@example.com/secret-path?secret-query HTTP/1.1\r\nHost: example.com\r\nAuthorization: secret\r\n\r\n",
	} {
		if status, body := dial(t, p).ask(t, text); !strings.HasPrefix(status, "403") || strings.Contains(body, "secret") {
			t.Errorf("%s %q", status, body)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(log.String(), "msg=tunnel host=graph.microsoft.com:443") && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	text := log.String()
	if strings.Contains(text, "secret") || strings.Count(text, `msg="proxy refuses" host=example.com`) != 2 || !strings.Contains(text, "msg=tunnel host=graph.microsoft.com:443") {
		t.Error(text)
	}
}

// safeBuffer is a buffer safe for concurrent use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Whatever a client asks for, only Microsoft's hosts at port 443 lead to the service; if
// all others are refused, nothing leads anywhere else.
func FuzzRoute(f *testing.F) {
	p, err := proxy.Listen(f.Context(), proxy.Config{Addr: "127.0.0.1:0"}, "service:1", slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	for _, seed := range []string{"graph.microsoft.com:443", "GRAPH.microsoft.com.:0443", "example.com:443", "[::1]:443", "a", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		to, err := p.Route(authority)
		if err != nil {
			return
		}
		host, port, _ := strings.Cut(authority, ":")
		if to != "service:1" || strings.TrimLeft(port, "0") != "443" || !slices.Contains(certs.MicrosoftHosts, strings.ToLower(strings.TrimSuffix(host, "."))) {
			t.Errorf("%q leads to %q", authority, to)
		}
	})
}

// The cost of a tunnel, compared with direct requests to the same service, both for
// requests on a kept connection and for one on a new connection.
func BenchmarkRequest(b *testing.B) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	b.Cleanup(s.Close)
	p, err := proxy.Listen(b.Context(), proxy.Config{Addr: "127.0.0.1:0"}, s.Listener.Addr().String(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = p.Serve() }()
	b.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	at, _ := url.Parse(p.URL())
	for _, by := range []struct {
		name, url string
		proxy     func(*http.Request) (*url.URL, error)
	}{{"direct", s.URL, nil}, {"proxy", "https://graph.microsoft.com", http.ProxyURL(at)}} {
		for _, kept := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/kept=%t", by.name, kept), func(b *testing.B) {
				transport := &http.Transport{Proxy: by.proxy, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: !kept}
				defer transport.CloseIdleConnections()
				client := &http.Client{Transport: transport}
				for b.Loop() {
					response, err := client.Get(by.url)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			})
		}
	}
}
