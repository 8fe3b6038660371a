// Package proxy is a forward proxy (RFC 9110 section 3.7) for applications whose hosts
// can't be changed. Microsoft's hosts lead to the service; depending on the settings, all
// others are refused or passed on.
//
//	CONNECT graph.microsoft.com:443    to the service
//	CONNECT graph.microsoft.com:8443   403
//	CONNECT example.com:443            403, or to example.com
//	GET http://example.com/            403, or to example.com
//	GET http://graph.microsoft.com/    403: Graph requires TLS
//
// It doesn't terminate TLS: a tunnel carries bytes unchanged to the service's own listener,
// whose certificate must name these hosts. So protocol, headers and bodies are exactly
// those of the application and the service.
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

// Pass is the value of Others that lets all hosts through.
const Pass = "pass"

// Config says where the proxy listens and what it lets through.
type Config struct {
	// Addr is the address to listen on, HOST:PORT; port 0 picks a free one.
	Addr string

	// Others says what happens to hosts that aren't Microsoft's: Pass lets them through,
	// any other value refuses them.
	Others string

	// Pass lists hosts to let through whatever Others says: names, addresses, or *.NAME for
	// everything below a name. If other machines can reach the proxy, these hosts must not
	// lead to this machine; see refusesTo.
	Pass []string

	// Clients bounds the connections; its PROXY protocol isn't used here.
	Clients listener.Config
}

// Validate returns an error that names the invalid setting and how to correct it.
func (c *Config) Validate() error {
	var errs []error
	for _, host := range c.Pass {
		name := strings.TrimPrefix(host, "*.")
		switch {
		case name == "" || net.ParseIP(name) == nil && strings.ContainsAny(name, "/:* "):
			errs = append(errs, fmt.Errorf("MOCKTENANT_PROXY_PASS %q: want a host's name or address, or *.NAME, with no scheme and no port", host))
		case slices.Contains(certs.MicrosoftHosts, tidy(host)):
			errs = append(errs, fmt.Errorf("MOCKTENANT_PROXY_PASS %q: that host leads to the service and can't be passed on", host))
		}
	}
	return errors.Join(errs...)
}

// limits are the same for every proxy; only tests change them.
type limits struct {
	Refused time.Duration // to read a refused CONNECT's answer
	Connect time.Duration
	Idle    time.Duration // of a tunnel that carries nothing
	Quiet   time.Duration // the same, while the proxy shuts down
	Tunnels int

	Resolver *net.Resolver // nil uses the system's
}

func defaultLimits() limits {
	return limits{Refused: 10 * time.Second, Connect: 10 * time.Second, Idle: 5 * time.Minute, Quiet: 5 * time.Second, Tunnels: 1000}
}

// keepAlive is how long an idle connection to another host is kept for the next request.
const keepAlive = 2 * time.Minute

// Proxy is a listening proxy.
type Proxy struct {
	config   Config
	service  string // HOST:PORT
	log      *slog.Logger
	limits   limits
	listener net.Listener
	server   *http.Server
	others   net.Dialer            // to all hosts but the service's
	forward  httputil.ReverseProxy // for requests without TLS

	mu      sync.Mutex
	closing bool
	tunnels map[*tunnel]bool
	ended   sync.Cond // signalled when a tunnel has ended
}

// Listen opens the proxy's listener; Serve serves on it. service is the HOST:PORT at which
// the service listens for HTTPS. Listen fails if a setting is invalid, if the address is
// taken, or if the settings would let other machines reach any host through the proxy.
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
	alone := address(l).IP.IsLoopback() // only this machine reaches it
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

// checkReach returns an error if other machines can reach the proxy and the settings would
// let them through to forbidden hosts.
func (c *Config) checkReach(alone bool) error {
	if alone {
		return nil
	}
	if c.Others == Pass {
		return fmt.Errorf("MOCKTENANT_PROXY_OTHERS %q: other machines can reach MOCKTENANT_PROXY_ADDR %q, and through it any host: name the hosts in MOCKTENANT_PROXY_PASS, or listen on 127.0.0.1", c.Others, c.Addr)
	}
	for _, host := range c.Pass {
		ip, err := netip.ParseAddr(host)
		if tidy(host) == "localhost" || err == nil && refusesTo(ip) != "" {
			return fmt.Errorf("MOCKTENANT_PROXY_PASS %q: other machines can reach MOCKTENANT_PROXY_ADDR %q, and through it what only this machine may reach: remove the host, or listen on 127.0.0.1", host, c.Addr)
		}
	}
	return nil
}

func address(l net.Listener) *net.TCPAddr { return l.Addr().(*net.TCPAddr) }

// URL returns the value for applications' HTTPS_PROXY.
func (p *Proxy) URL() string {
	a := address(p.listener)
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(a.Port))
}

// Serve serves until Shutdown, then returns http.ErrServerClosed.
func (p *Proxy) Serve() error { return p.server.Serve(p.listener) }

// Shutdown stops listening and returns when no tunnel is open. It closes tunnels that have
// been quiet for five seconds. When ctx ends, it closes all and returns ctx's error.
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
