package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/listener"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/server"
)

// impatient starts a service with short timeouts and all listeners.
func impatient(t *testing.T) *server.Server {
	t.Helper()
	const pause = 100 * time.Millisecond
	return start(t, server.Config{
		HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminKey: adminKey, DatabaseURL: dbtest.NewDatabase(t),
		Proxy:    proxy.Config{Addr: "127.0.0.1:0", Others: proxy.Pass},
		Timeouts: listener.Timeouts{Header: pause, Read: pause, Write: pause, Idle: pause},
		// With one connection per address, a test whose client reads nothing can see that
		// the service has closed the connection.
		AcceptProxyProtocol: true, ConnectionsPerAddress: 1,
	})
}

const adminKey = "an-administrators-key-of-the-tests"

// patience is far more than any of these takes: the service never closes a connection that
// is still open then.
const patience = 2 * time.Minute

// slowClient describes what a slow client sends before it stops.
type slowClient struct {
	name, says string
	trickles   bool // it continues, byte by byte
}

// Whatever a client does slowly, on any listener, its connection ends.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := impatient(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
		}
	}))
	t.Cleanup(elsewhere.Close)
	const hostAnd = "\r\nHost: localhost\r\n"
	key := "Authorization: Bearer " + adminKey + "\r\nContent-Type: application/json\r\n"
	public := targets{
		refused: "POST /v1.0/deviceManagement/remoteAssistancePartners HTTP/1.1" + hostAnd,
		wanted:  "POST /common/oauth2/v2.0/token HTTP/1.1" + hostAnd + "Content-Type: application/x-www-form-urlencoded\r\n",
		read:    "GET /v1.0/$metadata HTTP/1.1" + hostAnd,
	}
	for name, l := range map[string]struct {
		url string
		targets
	}{
		"http":  {s.URL(), public},
		"https": {s.SecureURL(), public},
		"admin": {s.AdminURL(), targets{
			refused: "POST /v1/tenants HTTP/1.1" + hostAnd,
			wanted:  "POST /v1/tenants HTTP/1.1" + hostAnd + key,
			read:    "GET /openapi.yaml HTTP/1.1" + hostAnd,
		}},
		"admin, a document": {s.AdminURL(), targets{
			refused: "POST /v1/seeds?name=x HTTP/1.1" + hostAnd,
			wanted:  "POST /v1/seeds?name=x HTTP/1.1" + hostAnd + key,
			read:    "GET /metrics HTTP/1.1" + hostAnd + key,
		}},
		"proxy": {s.ProxyURL(), targets{
			refused: "POST http://graph.microsoft.com/ HTTP/1.1\r\nHost: graph.microsoft.com\r\n",
			wanted:  "POST " + elsewhere.URL + "/ HTTP/1.1" + hostAnd,
			read:    "GET " + elsewhere.URL + "/ HTTP/1.1" + hostAnd,
		}},
	} {
		for _, client := range l.slow() {
			t.Run(name+", "+client.name, func(t *testing.T) {
				t.Parallel()
				client.outlast(t, dialSlow(t, l.url, "", client.says != ""))
			})
		}
		t.Run(name+", who never reads", func(t *testing.T) {
			t.Parallel()
			pipeline(t, l.url, l.read+"\r\n")
		})
	}
}

// pipeline sends requests repeatedly without reading until the service closes the
// connection.
func pipeline(t *testing.T, base, request string) {
	t.Helper()
	from := newAddress()
	c := dialSlow(t, base, from, true)
	_, _ = io.WriteString(c, request)
	_, _ = io.ReadFull(c, make([]byte, 1)) // it is counted
	written := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = io.WriteString(c, request)
		}
		written <- err
	}()
	if strings.HasPrefix(request, "GET http:") { // the forward proxy knows no other addresses
		if err := <-written; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection is still open after %s", patience)
		}
		return
	}
	waitForRoom(t, base, from)
}

var addresses atomic.Uint32

// newAddress returns a client address that no other has.
func newAddress() string { return fmt.Sprintf("2001:db8:0:%x::1", addresses.Add(1)) }

// waitForRoom waits until an address has no open connection.
func waitForRoom(t *testing.T, base, from string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c := dialAs(t, base, 2, from)
		status, _ := ask(t, c, "GET", "/livez", "", "")
		_ = c.Close()
		if status != 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the connection is still open after %s", patience)
		}
	}
}

// targets are the beginnings of requests to a listener.
type targets struct{ refused, wanted, read string }

func (t targets) slow() []slowClient {
	const sized, chunked = "Content-Length: 100000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
	return []slowClient{
		{name: "who says nothing"},
		{name: "stops within the header", says: "GET /livez HTTP/1.1\r\nHost: local"},
		{name: "who trickles a header", says: "GET /livez HTTP/1.1\r\nX: ", trickles: true},
		{name: "stops within a refused body", says: t.refused + sized},
		{name: "stops within refused chunks", says: t.refused + chunked},
		{name: "trickles a refused body", says: t.refused + sized, trickles: true},
		{name: "stops within an accepted body", says: t.wanted + sized},
		{name: "stops within accepted chunks", says: t.wanted + chunked},
		{name: "is idle after an answer", says: t.read + "\r\n"},
	}
}

// dialSlow connects, with little room for what the service sends.
func dialSlow(t *testing.T, url, from string, handshake bool) net.Conn {
	t.Helper()
	scheme, addr, _ := strings.Cut(url, "://")
	c := dialAs(t, "tcp://"+addr, 2, from)
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if scheme != "https" || !handshake {
		return c
	}
	return shake(t, c, "http/1.1", func() net.Conn { return dialSlow(t, url, from, false) })
}

// shake makes a TLS connection over c or, if the service closed that because it took too
// long, over the next connection.
func shake(t *testing.T, c net.Conn, protocol string, next func() net.Conn) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(patience); ; c = next() {
		secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		err := secure.HandshakeContext(t.Context())
		if err == nil {
			return secure
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// outlast does what the slow client does until the service closes the connection.
func (s slowClient) outlast(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := io.WriteString(c, s.says)
	if s.trickles {
		stop := trickle(c)
		defer stop()
	}
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open after %s", patience)
	}
}

// trickle sends a byte now and then.
func trickle(c net.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		often := time.NewTicker(5 * time.Millisecond)
		defer often.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-often.C:
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// The same in HTTP/2, where deadlines apply to streams.
func TestSlowClientsOfHTTP2(t *testing.T) {
	t.Parallel()
	s := impatient(t)
	for name, behave := range map[string]func(*http2.Framer, io.Writer){
		"who says nothing": func(*http2.Framer, io.Writer) {},
		"stops within a frame": func(_ *http2.Framer, w io.Writer) {
			_, _ = w.Write([]byte{0, 0, 100, 1})
		},
		"stops within a header": func(f *http2.Framer, _ io.Writer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header("GET", "/livez")})
		},
		"stops within a refused body": func(f *http2.Framer, _ io.Writer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header("POST", partners), EndHeaders: true})
			_ = f.WriteData(1, false, []byte("{"))
		},
		"stops within an accepted body": func(f *http2.Framer, _ io.Writer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header("POST", "/common/oauth2/v2.0/token"), EndHeaders: true})
			_ = f.WriteData(1, false, []byte("x"))
		},
		"lets nothing through": func(f *http2.Framer, _ io.Writer) { // by HTTP/2's own flow control
			_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header("GET", "/v1.0/$metadata"), EndHeaders: true, EndStream: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f := dialHTTP2(t, s, "")
			behave(f, c)
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is still open after %s", patience)
			}
		})
	}
	t.Run("who never reads", func(t *testing.T) {
		t.Parallel()
		from := newAddress()
		_, f := dialHTTP2(t, s, from)
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		_ = f.WriteWindowUpdate(0, 1<<30)
		// More answers than any buffer can hold.
		for stream := uint32(1); stream < 4000; stream += 2 {
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: header("GET", "/v1.0/$metadata"), EndHeaders: true, EndStream: true}) != nil {
				break // it ended already
			}
		}
		waitForRoom(t, s.SecureURL(), from)
	})
}

func header(method, path string) []byte { return headerOf("localhost", method, path) }

func headerOf(authority, method, path string) []byte {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	for _, field := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", authority}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	return []byte(b.String())
}

func dialHTTP2(t *testing.T, s *server.Server, from string) (net.Conn, *http2.Framer) {
	t.Helper()
	under := func() net.Conn { return dialSlow(t, s.SecureURL(), from, false) }
	c := shake(t, under(), "h2", under)
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	return c, f
}
