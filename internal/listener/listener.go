// Package listener opens the service's listeners and bounds what one client can hold of
// them: connections per address, and how long the client may pause. Only this package reads
// the PROXY protocol, with which a reverse proxy passes on its client's address.
//
//	l, err := c.Listen(ctx, "127.0.0.1:8080")
//	s := c.Timeouts.Server(handler, log)
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

// Timeouts are how long a client may pause; a zero field means its default.
type Timeouts struct {
	Header time.Duration // for a TLS handshake, a PROXY header, and a request's header; 10 seconds
	Read   time.Duration // for a body: the whole after the header or, with LongServer, each pause; 30 seconds
	Write  time.Duration // for the client to take an answer: the whole or, with LongServer, each part; 60 seconds
	Idle   time.Duration // between two requests; 2 minutes
}

// WithDefaults returns t with its zero fields set to their defaults.
func (t Timeouts) WithDefaults() Timeouts {
	return Timeouts{
		Header: cmp.Or(t.Header, 10*time.Second), Read: cmp.Or(t.Read, 30*time.Second),
		Write: cmp.Or(t.Write, time.Minute), Idle: cmp.Or(t.Idle, 2*time.Minute),
	}
}

const maxHeaderBytes = 64 << 10

// Server returns a server for short requests: Read and Write bound each request as a whole.
func (t Timeouts) Server(h http.Handler, log *slog.Logger) *http.Server {
	t = t.WithDefaults()
	s := t.LongServer(h, log)
	s.Handler, s.ReadTimeout, s.WriteTimeout = h, t.Read, t.Write
	// HTTP/2 deadlines apply to streams. This one applies to the connection: without it, a
	// client that never reads keeps the connection open forever.
	s.HTTP2 = &http.HTTP2Config{WriteByteTimeout: t.Write}
	return s
}

// LongServer returns a server for long requests: Read and Write bound each pause of the
// client.
func (t Timeouts) LongServer(h http.Handler, log *slog.Logger) *http.Server {
	t = t.WithDefaults()
	return &http.Server{
		Handler: paced(t, h), ReadHeaderTimeout: t.Header, IdleTimeout: t.Idle, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Config says how a listener treats its clients.
type Config struct {
	Timeouts Timeouts

	// PerAddress is how many connections one address may have open; 0 is unlimited. An IPv6
	// /64 network counts as one address. Loopback is unlimited, because this machine's own
	// proxies connect from there.
	PerAddress int

	// ProxyProtocol gives connections that begin with a PROXY header, version 1 or 2, the
	// address that the header names. Any client can send one, so set it only for listeners
	// that others reach only through proxies.
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

// bounded is a listener that limits the connections per address.
type bounded struct {
	net.Listener
	config Config
	often  rate.Sometimes // limits how often the log reports it

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// Accept returns the next connection. Since a PROXY header may come late, the connection is
// counted, and closed if it is one too many, when it is first used.
func (b *bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, of: b}, nil
}

// take counts a connection from an address, and returns a function that uncounts it. ok is
// false if the address already has PerAddress connections.
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

// networkOf returns what counts as one client: an IPv4 address, or an IPv6 /64, all of
// whose addresses a single client may have.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // bits is in range
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
	drop   func() // nil until it is counted
}

// RemoteAddr returns the client's address. It waits for a PROXY header, and closes the
// connection if it is one too many.
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

// Read counts the connection, then reads.
func (c *conn) Read(b []byte) (int, error) {
	c.RemoteAddr()
	return c.Conn.Read(b)
}

// Close closes the connection and uncounts it.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closed && c.drop != nil {
		c.drop()
	}
	c.closed = true
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite shuts down the writing side, like that of *net.TCPConn.
func (c *conn) CloseWrite() error {
	under := c.Conn
	if p, ok := under.(*proxyproto.Conn); ok {
		under = p.Raw()
	}
	return under.(*net.TCPConn).CloseWrite()
}
