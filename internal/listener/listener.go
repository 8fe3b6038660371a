// Package listener opens the service's listeners and bounds what one client can hold of
// them: connections per address, and the time that a client may pause. It is the fence
// around the PROXY protocol, by which a reverse proxy tells the client's address.
//
//	l, err := c.Listen(ctx, "127.0.0.1:8080")
//	s := c.Timeouts.Server(c.Timeouts.Paced(handler), log)
//	err = s.Serve(l)
package listener

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/time/rate"
)

// Timeouts are how long a client may pause; a zero field is its default.
type Timeouts struct {
	Header time.Duration // for a TLS handshake, for a PROXY header, and for a request's header; 10 seconds
	Read   time.Duration // for a body, from the header on or, where bodies are long, from its last bytes on; 30 seconds
	Write  time.Duration // for the client to take an answer or, where answers are long, the next part of it; 60 seconds
	Idle   time.Duration // between two requests; 2 minutes
}

// WithDefaults fills the fields that are zero.
func (t Timeouts) WithDefaults() Timeouts {
	return Timeouts{
		Header: cmp.Or(t.Header, 10*time.Second), Read: cmp.Or(t.Read, 30*time.Second),
		Write: cmp.Or(t.Write, time.Minute), Idle: cmp.Or(t.Idle, 2*time.Minute),
	}
}

const maxHeaderBytes = 64 << 10

// Server is a server whose requests are short: Read and Write bound each as a whole.
func (t Timeouts) Server(h http.Handler, log *slog.Logger) *http.Server {
	t = t.WithDefaults()
	s := t.LongServer(h, log)
	s.Handler, s.ReadTimeout, s.WriteTimeout = h, t.Read, t.Write
	// The deadlines of HTTP/2 are of its streams. This one is of the connection: without
	// it, a client that never reads keeps the connection for ever.
	s.HTTP2 = &http.HTTP2Config{WriteByteTimeout: t.Write}
	return s
}

// LongServer is a server whose requests may take long: Read and Write bound each pause
// of the client.
func (t Timeouts) LongServer(h http.Handler, log *slog.Logger) *http.Server {
	t = t.WithDefaults()
	return &http.Server{
		Handler: paced(t, h), ReadHeaderTimeout: t.Header, IdleTimeout: t.Idle, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Config is how a listener treats who connects.
type Config struct {
	Timeouts Timeouts

	// PerAddress is how many connections one address may have open; 0 is any number. For
	// IPv6 a /64 network is one address, and loopback, where this machine's own proxies
	// come from, may have any number.
	PerAddress int

	// ProxyProtocol has connections that begin with a PROXY header, version 1 or 2, come
	// from the address that it names. Whoever connects may send one: it is for listeners
	// that others reach only through proxies that do.
	// https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
	ProxyProtocol bool

	Log *slog.Logger // nil discards
}

// Listen opens a listener.
func (c Config) Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	b := &bounded{Listener: l, config: c, open: map[netip.Prefix]int{}, often: rate.Sometimes{Interval: time.Minute}}
	if c.ProxyProtocol {
		b.Listener = &proxyproto.Listener{
			Listener: l, ReadHeaderTimeout: c.Timeouts.WithDefaults().Header,
			ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.USE, nil },
		}
	}
	return b, nil
}

// bounded is a listener with a most of connections per address.
type bounded struct {
	net.Listener
	config Config
	often  rate.Sometimes // the log says it

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// Accept returns the next connection; whether it is one too many shows when it is first
// used, since a PROXY header may come late.
func (b *bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, of: b}, nil
}

// take counts a connection in, and returns what counts it out. It is false if there are
// enough from where it comes.
func (b *bounded) take(from netip.Addr) (func(), bool) {
	if b.config.PerAddress == 0 || from.IsLoopback() || !from.IsValid() {
		return func() {}, true
	}
	network := networkOf(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[network] >= b.config.PerAddress {
		b.often.Do(func() {
			b.config.Log.Warn("connections are refused: too many from one address", "address", network, "most", b.config.PerAddress, "setting", "MOCKTENANT_CONNECTIONS_PER_ADDRESS")
		})
		return nil, false
	}
	b.open[network]++
	return func() { b.drop(network) }, true
}

func (b *bounded) drop(network netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[network]--; b.open[network] == 0 {
		delete(b.open, network)
	}
}

// networkOf is what counts as one client: an IPv4 address, or an IPv6 /64, of which a
// client has all addresses.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the bits fit
	return p
}

// conn is a connection that is counted once its client's address is known.
type conn struct {
	net.Conn
	of *bounded

	once sync.Once
	addr net.Addr

	mu     sync.Mutex
	closed bool
	drop   func() // nil before it is counted
}

// RemoteAddr is the client's address. It waits for a PROXY header, and closes a
// connection that is one too many.
func (c *conn) RemoteAddr() net.Addr {
	c.once.Do(func() {
		c.addr = c.Conn.RemoteAddr()
		drop, ok := c.of.take(addressOf(c.addr))
		if !ok {
			_ = c.Conn.Close()
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.drop = drop; c.closed {
			drop()
		}
	})
	return c.addr
}

func addressOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}

// Read counts the connection first.
func (c *conn) Read(b []byte) (int, error) {
	c.RemoteAddr()
	return c.Conn.Read(b)
}

// Close counts the connection out.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closed && c.drop != nil {
		c.drop()
	}
	c.closed = true
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what is sent, as that of *net.TCPConn.
func (c *conn) CloseWrite() error {
	under := c.Conn
	if p, ok := under.(*proxyproto.Conn); ok {
		under = p.Raw()
	}
	return under.(*net.TCPConn).CloseWrite()
}
