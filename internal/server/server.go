// Package server is the running program: it opens the database, migrates it,
// loads the keys and serves Graph, the identity platform and the probes, all of
// them by HTTP and by HTTPS. The binary and the tests start the same.
//
//	s, err := server.Start(ctx, server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: url})
//	…
//	err = s.Shutdown(ctx)
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// The time between two rounds of maintenance, and between two looks for tenants
// whose time is over.
const (
	maintenancePause = time.Hour
	sweepPause       = 30 * time.Second
)

// Server is a service that runs.
type Server struct {
	config    Config
	log       *slog.Logger
	pool      *db.Pool
	prober    prober
	telemetry *telemetry.Telemetry
	identity  *identity.Provider
	admin     *admin.API
	own       map[string]http.HandlerFunc // by its path: what is neither Graph's nor the authority's
	hosts     []string                    // names by which clients come
	http      *http.Server
	adminHTTP *http.Server
	proxy     *proxy.Proxy // nil if there is none
	failed    chan error
	stopping  atomic.Bool

	url       string
	adminURL  string
	secureURL string
	tls       *tls.Config // nil without HTTPS
	ca        []byte      // PEM
	pageKey   []byte

	stopMaintenance func()
}

// Start starts the service and returns when it serves. It fails, with nothing
// left behind, if a setting is wrong, the database can't be used or the address
// is taken.
func Start(ctx context.Context, c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Log, failed: make(chan error, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.config.Now == nil {
		s.config.Now = time.Now
	}
	var err error
	if s.telemetry, err = telemetry.New(ctx, telemetry.Config{Exporters: c.OpenTelemetry, Version: c.Version, Commit: c.Commit, Log: s.log}); err != nil {
		return nil, err
	}
	if s.pool, err = db.Open(ctx, c.DatabaseURL, c.DatabaseWait, s.log, s.telemetry.Queries()); err != nil {
		s.telemetry.Shutdown(ctx)
		return nil, err
	}
	s.prober.pool = s.pool
	if err := s.start(ctx); err != nil {
		s.telemetry.Shutdown(ctx)
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := db.MigrateUp(ctx, s.pool, s.log); err != nil {
		return err
	}
	if s.config.SQLRole != "" {
		if err := db.ShareTables(ctx, s.pool, s.config.SQLRole); err != nil {
			return err
		}
	}
	err := s.telemetry.ObserveDatabase(s.pool.Pool, db.New(s.pool).CountTenants)
	if err != nil {
		return err
	}
	publicURL := strings.TrimSuffix(s.config.PublicURL, "/")
	networks, err := s.config.issuerNetworks()
	if err != nil {
		return err
	}
	if s.identity, err = identity.New(ctx, identity.Config{
		DB: s.pool, Now: s.config.Now, Log: s.log, PublicURL: publicURL, RefreshTokenLeeway: s.config.RefreshTokenLeeway,
		OneTimeAssertions: s.config.OneTimeAssertions, IssuerNetworks: networks,
		Observe: []gin.HandlerFunc{s.telemetry.Request, s.telemetry.SignIn},
	}); err != nil {
		return err
	}
	if s.config.Demo {
		if err := createDemo(ctx, s.pool, s.config.Now()); err != nil {
			return err
		}
	}
	if err := s.secure(ctx); err != nil {
		return err
	}
	if s.pageKey, err = db.New(s.pool).ServiceSecret(ctx, pageKeyName, s.config.Now()); err != nil {
		return err
	}
	if err := s.administer(ctx); err != nil {
		return err
	}
	if err := s.admin.ReadSeeds(ctx, s.config.SeedDir); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.readiness(ctx) // which keeps a connection, while the server has room for it
	maintain, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopMaintenance = stop
	go s.maintain(maintain)
	go s.admin.GuardReports(maintain)
	return nil
}

// maintain keeps the house as long as ctx lives: signing keys change, what
// expired goes.
func (s *Server) maintain(ctx context.Context) {
	hourly, often := time.NewTicker(maintenancePause), time.NewTicker(sweepPause)
	defer hourly.Stop()
	defer often.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
			err = errors.Join(s.identity.RotateKeys(ctx), s.identity.Sweep(ctx))
		case <-often.C:
			err = errors.Join(s.identity.SweepOften(ctx), s.admin.Sweep(ctx))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("maintenance", "error", err)
		}
	}
}

// listen opens the listeners, all or none, and serves on them.
func (s *Server) listen(ctx context.Context) error {
	clients := s.config.clients(s.log)
	open := func(setting, addr string) (net.Listener, error) {
		l, err := clients.Listen(ctx, addr)
		if err != nil {
			err = fmt.Errorf("%s %q: %w", setting, addr, err)
		}
		return l, err
	}
	s.http = s.config.Timeouts.Server(s.front(s.handler()), s.log)
	s.http.TLSConfig = s.tls
	plain, err := open("MOCKTENANT_HTTP_ADDR", s.config.HTTPAddr)
	if err != nil {
		return err
	}
	s.url = "http://" + reachable(plain.Addr())
	if s.tls != nil {
		secure, err := open("MOCKTENANT_HTTPS_ADDR", s.config.HTTPSAddr)
		if err != nil {
			_ = plain.Close()
			return err
		}
		s.secureURL = "https://" + reachable(secure.Addr())
		go s.serve(func() error { return s.http.ServeTLS(secure, "", "") })
	}
	if s.config.AdminAddr != "" {
		administration, err := open("MOCKTENANT_ADMIN_ADDR", s.config.AdminAddr)
		if err != nil {
			_ = plain.Close()
			_ = s.http.Close()
			return err
		}
		s.adminURL = "http://" + reachable(administration.Addr())
		go s.serve(func() error { return s.adminHTTP.Serve(administration) })
	}
	if s.config.Proxy.Addr != "" {
		s.config.Proxy.Clients = clients
		if s.proxy, err = proxy.Listen(ctx, s.config.Proxy, strings.TrimPrefix(s.secureURL, "https://"), s.log); err != nil {
			_ = plain.Close()
			_ = s.http.Close()
			_ = s.adminHTTP.Close()
			return err
		}
		go s.serve(s.proxy.Serve)
	}
	go s.serve(func() error { return s.http.Serve(plain) })
	return nil
}

// reachable is an address by which this machine gets to a listener.
func reachable(a net.Addr) string {
	host, port, _ := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) serve(serve func() error) {
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		select {
		case s.failed <- err:
		default: // the other listener failed before
		}
	}
}

func (s *Server) handler() http.Handler {
	s.own = map[string]http.HandlerFunc{"/livez": s.live, "/readyz": s.ready, caPath: s.serveCA}
	s.hosts = s.config.hosts()
	authority := s.identity.Handler()
	store := db.NewStore(s.pool, !s.config.NoGathering, s.telemetry.Gathered)
	store.LimitTenants(s.config.TenantConnections)
	graph := graph.New(graph.Config{
		Store:     store,
		Tokens:    s.identity,
		PageKey:   s.pageKey,
		Now:       s.config.Now,
		Log:       s.log,
		PublicURL: strings.TrimSuffix(s.config.PublicURL, "/"),
		Observe:   []gin.HandlerFunc{s.telemetry.Request},

		RequestTimeout: s.config.RequestTimeout,
	})
	// By exact paths: http.ServeMux redirects those that it finds unclean.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close") // in HTTP/2: no more requests on this one
		}
		switch own := s.own[r.URL.Path]; {
		case own != nil:
			serveOwn(own, w, r)
		case identity.Serves(r.URL.Path):
			authority.ServeHTTP(w, r)
		default:
			graph.ServeHTTP(w, r)
		}
	})
}

// serveOwn answers a GET, or a HEAD, whose body net/http drops.
func serveOwn(own http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	own(w, r)
}

// URL is where the service listens for HTTP: scheme, host and port, no slash
// behind.
func (s *Server) URL() string { return s.url }

// SecureURL is where the service listens for HTTPS, or "".
func (s *Server) SecureURL() string { return s.secureURL }

// AdminURL is where the administration listens, or "".
func (s *Server) AdminURL() string { return s.adminURL }

// ProxyURL is where the forward proxy listens, or "".
func (s *Server) ProxyURL() string {
	if s.proxy == nil {
		return ""
	}
	return s.proxy.URL()
}

// CA is the certificate authority that clients are to trust, in PEM; nil if the
// service speaks no TLS, or by a certificate of the user's own.
func (s *Server) CA() []byte { return s.ca }

// Identity is the authority of the service's tenants.
func (s *Server) Identity() *identity.Provider { return s.identity }

// Handler is what the service serves.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Pool is the service's database.
func (s *Server) Pool() *db.Pool { return s.pool }

// Failed receives the error that ends the service by itself, if one does.
func (s *Server) Failed() <-chan error { return s.failed }

// Shutdown says by /readyz that the service isn't ready, goes on for as long as
// Config.ShutdownDelay, each answer being its connection's last, stops listening,
// answers the requests that are under way for as long as ctx lives, sends what was
// measured and traced, and closes the database's connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	select {
	case <-time.After(s.config.ShutdownDelay):
	case <-ctx.Done():
	}
	s.stopMaintenance()
	var errs []error
	for _, server := range []*http.Server{s.http, s.adminHTTP} {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, err)
			_ = server.Close()
		}
	}
	// The proxy last: it can't tell a tunnel that is silent from one that waits for an
	// answer, but those that led here have ended with their connections.
	if s.proxy != nil {
		errs = append(errs, s.proxy.Shutdown(ctx))
	}
	s.telemetry.Shutdown(ctx) // while the database can still be measured
	s.prober.close(ctx)
	s.pool.Close()
	return errors.Join(errs...)
}
