// Package proxy is a forward proxy (RFC 9110 section 3.7) for applications whose
// hosts can't be changed. Microsoft's hosts lead to the service, all others are
// refused, or passed on, as set.
//
//	CONNECT graph.microsoft.com:443    to the service
//	CONNECT graph.microsoft.com:8443   403
//	CONNECT example.com:443            403, or to example.com
//	GET http://example.com/            403, or to example.com
//	GET http://graph.microsoft.com/    403: Graph is not served without TLS
//
// It ends no TLS: what goes through a tunnel goes as it is, to the service's own
// listener, whose certificate has to name these hosts. So the protocol, the headers
// and the bodies are the application's and the service's alone.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/listener"
)

// Pass is the setting of Others that lets all through.
const Pass = "pass"

// Config is what goes where.
type Config struct {
	// Addr is where to listen, HOST:PORT; port 0 picks a free one.
	Addr string

	// Others says what happens to hosts that aren't Microsoft's: Pass, else they
	// are refused.
	Others string

	// Pass are hosts to let through, whatever Others says: names, addresses, or
	// *.NAME for all below a name. Where others than this machine reach the proxy, none
	// leads to this machine: see refusesTo.
	Pass []string

	// Clients bounds who connects: its PROXY protocol is not used here.
	Clients listener.Config
}

// Validate says which setting is wrong, and how.
func (c *Config) Validate() error {
	var errs []error
	for _, host := range c.Pass {
		name := strings.TrimPrefix(host, "*.")
		switch {
		case name == "" || net.ParseIP(name) == nil && strings.ContainsAny(name, "/:* "):
			errs = append(errs, fmt.Errorf("MOCKTENANT_PROXY_PASS %q: want a host's name or address, or *.NAME, with no scheme and no port", host))
		case slices.Contains(certs.MicrosoftHosts, tidy(host)):
			errs = append(errs, fmt.Errorf("MOCKTENANT_PROXY_PASS %q: that one leads to the service, and can't be passed", host))
		}
	}
	return errors.Join(errs...)
}

// limits are such that only tests need others.
type limits struct {
	Refused time.Duration // to take the words of a refused CONNECT
	Connect time.Duration
	Idle    time.Duration // of a tunnel through which nothing goes
	Quiet   time.Duration // the same, while the proxy shuts down
	Tunnels int

	Resolver *net.Resolver // nil is the system's
}

func defaultLimits() limits {
	return limits{Refused: 10 * time.Second, Connect: 10 * time.Second, Idle: 5 * time.Minute, Quiet: 5 * time.Second, Tunnels: 1000}
}

// keepAlive is how long a connection to another host is kept for the next request.
const keepAlive = 2 * time.Minute

// Proxy is a proxy that listens.
type Proxy struct {
	config   Config
	service  string // HOST:PORT
	log      *slog.Logger
	limits   limits
	listener net.Listener
	server   *http.Server
	others   net.Dialer            // to all but the service
	forward  httputil.ReverseProxy // of requests without TLS

	mu      sync.Mutex
	closing bool
	tunnels map[*tunnel]bool
	ended   sync.Cond // a tunnel did
}

// Listen opens the proxy's listener; Serve serves on it. service is where the
// service listens for HTTPS, HOST:PORT. It fails if a setting is wrong or the
// address is taken, and rather than let everybody through to everywhere.
func Listen(ctx context.Context, c Config, service string, log *slog.Logger) (*Proxy, error) {
	return listen(ctx, c, service, log, defaultLimits())
}

func listen(ctx context.Context, c Config, service string, log *slog.Logger, most limits) (*Proxy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Clients.ProxyProtocol = false
	l, err := c.Clients.Listen(ctx, c.Addr)
	if err != nil {
		return nil, fmt.Errorf("MOCKTENANT_PROXY_ADDR %q: %w", c.Addr, err)
	}
	alone := address(l).IP.IsLoopback() // nobody but this machine reaches it
	if err := c.checkReach(alone); err != nil {
		_ = l.Close()
		return nil, err
	}
	p := &Proxy{config: c, service: service, log: log, limits: most, listener: l, tunnels: map[*tunnel]bool{}}
	p.ended.L = &p.mu
	p.server = c.Clients.Timeouts.LongServer(p, log)
	p.others.Timeout, p.others.Resolver = most.Connect, most.Resolver
	if !alone {
		p.others.Control = refuseThisMachine
	}
	p.forward = p.newForward()
	return p, nil
}

// checkReach returns an error if others than this machine reach the proxy, and would get
// by it to where they must not.
func (c *Config) checkReach(alone bool) error {
	if alone {
		return nil
	}
	if c.Others == Pass {
		return fmt.Errorf("MOCKTENANT_PROXY_OTHERS %q: others than this machine reach MOCKTENANT_PROXY_ADDR %q, and would get anywhere from here: name the hosts in MOCKTENANT_PROXY_PASS, or listen on 127.0.0.1", c.Others, c.Addr)
	}
	for _, host := range c.Pass {
		ip, err := netip.ParseAddr(host)
		if tidy(host) == "localhost" || err == nil && refusesTo(ip) != "" {
			return fmt.Errorf("MOCKTENANT_PROXY_PASS %q: others than this machine reach MOCKTENANT_PROXY_ADDR %q, and would get to what is for this machine alone: leave it out, or listen on 127.0.0.1", host, c.Addr)
		}
	}
	return nil
}

func address(l net.Listener) *net.TCPAddr { return l.Addr().(*net.TCPAddr) }

// URL is what applications set HTTPS_PROXY to.
func (p *Proxy) URL() string {
	a := address(p.listener)
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(a.Port))
}

// Serve serves until Shutdown, and returns http.ErrServerClosed then.
func (p *Proxy) Serve() error { return p.server.Serve(p.listener) }

// Shutdown stops listening, and returns when no tunnel is open. It closes those
// through which nothing goes for five seconds, and all when ctx ends; it returns the
// error of ctx then.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	for t := range p.tunnels {
		t.idle.Reset(p.limits.Quiet)
	}
	p.mu.Unlock()
	inTime := context.AfterFunc(ctx, p.cut)
	err := p.server.Shutdown(ctx)
	if err != nil {
		_ = p.server.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.tunnels) > 0 {
		p.ended.Wait()
	}
	if !inTime() && err == nil {
		err = ctx.Err()
	}
	return err
}

// cut closes every tunnel.
func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.tunnels {
		t.close()
	}
}

// ServeHTTP serves one request to the proxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	if err := p.permitForward(r); err != nil {
		p.logRefusal(r, err)
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	p.forward.ServeHTTP(w, r)
}
