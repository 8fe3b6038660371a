// Package server is the running program: it opens and migrates the database, loads the keys,
// and serves Graph, the identity platform and the probes over HTTP and HTTPS. The binary and
// the tests start it in the same way.
//
//	s, err := server.Start(ctx, server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: url})
//	…
//	err = s.Shutdown(ctx)
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/fault"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/journal"
	"github.com/mocktenant/mocktenant/internal/odata"
	"github.com/mocktenant/mocktenant/internal/portal"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/replicas"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/telemetry"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Pauses between two rounds of maintenance, and between two searches for expired tenants.
const (
	maintenancePause = time.Hour
	sweepPause       = 30 * time.Second
)

// Server is a running service.
type Server struct {
	config    Config
	log       *slog.Logger
	pool      *db.Pool
	prober    prober
	telemetry *telemetry.Telemetry
	faults    *fault.Faults
	throttle  *fault.Throttle
	journal   *journal.Journal
	replicas  *replicas.Replicas
	identity  *identity.Provider
	admin     *admin.API
	reports   *reporting.Logins
	gathering db.Gathering
	workers   watch
	own       map[string]http.HandlerFunc // by its path: what is neither Graph's nor the authority's
	hosts     []string                    // names that clients use
	http      *http.Server
	adminHTTP *http.Server
	proxy     *proxy.Proxy // nil if the service has none
	failed    chan error
	stopping  atomic.Bool

	distributed bool // the tables, over a cluster

	url       string
	adminURL  string
	secureURL string
	tls       *tls.Config // nil without HTTPS
	ca        []byte      // PEM
	pageKey   []byte

	stopMaintenance func()
}

// Start starts the service and returns when it serves. It fails, leaving nothing behind, if
// a setting is invalid, the database can't be used or an address is taken.
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
	if err := s.lookForCluster(ctx); err != nil {
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
	s.faults, s.throttle = fault.New(db.New(s.pool)), fault.NewThrottle(db.New(s.pool))
	s.journal = journal.New(journal.Config{
		DB: s.pool, Log: s.log, Now: s.config.Now, Rate: s.config.JournalRate,
		Memory: int64(cmp.Or(s.config.JournalMegabytes, 32)) << 20, MaxBody: cmp.Or(s.config.JournalBodyKilobytes, 16) << 10,
	})
	publicURL := strings.TrimSuffix(s.config.PublicURL, "/")
	networks, err := s.config.issuerNetworks()
	if err != nil {
		return err
	}
	if s.identity, err = identity.New(ctx, identity.Config{
		DB: s.pool, Now: s.config.Now, Log: s.log, PublicURL: publicURL, RefreshTokenLeeway: s.config.RefreshTokenLeeway,
		OneTimeAssertions: s.config.OneTimeAssertions, IssuerNetworks: networks,
		Hooks: s.clientHooks(),
	}); err != nil {
		return err
	}
	if s.replicas, err = replicas.Join(ctx, db.New(s.pool), s.log, s.heed); err != nil {
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
	go s.journal.Run()
	go s.replicas.Run()
	go s.reports.Guard(maintain)
	return nil
}

// maintain runs until ctx ends: it rotates signing keys and deletes expired rows.
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
			err = errors.Join(s.identity.RotateKeys(ctx), s.identity.Sweep(ctx), s.expireOnboardings(ctx))
		case <-often.C:
			err = errors.Join(s.identity.SweepOften(ctx), s.admin.Sweep(ctx))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("maintenance", "error", err)
		}
	}
}

// expireOnboardings ends onboardings of tenants to which no request came since, for the
// reports.
func (s *Server) expireOnboardings(ctx context.Context) error {
	q := db.New(s.pool)
	rows, err := q.ListTenantsWithOnboardings(ctx)
	for _, row := range rows {
		if now := tenant.SettingsOf(&row.Tenant).Clock.Now(s.config.Now()); odata.Ticks(now) >= row.Ticks && err == nil {
			err = db.ExpireOnboardings(ctx, q, row.Tenant.ID, now)
		}
	}
	return err
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

// reachable returns an address at which this machine reaches a listener.
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

// heed does what another replica waits for: what it changed holds here from now on, and
// what was answered here is in its journal.
func (s *Server) heed(ctx context.Context) error {
	s.identity.ForgetCallers()
	return s.journal.Flush(ctx)
}

// hooks returns the hooks of each front.
func (s *Server) hooks() []front.Hook {
	return append([]front.Hook{s.telemetry.Hook()}, s.config.Hooks...)
}

// clientHooks returns the hooks of the fronts that tenants' clients call.
func (s *Server) clientHooks() []front.Hook {
	return slices.Concat([]front.Hook{s.telemetry.Hook(), s.journal.Hook()}, s.config.Hooks, []front.Hook{s.faults.Hook(), s.throttle.Hook()})
}

// lookForCluster lets only calls of the same tenant share a statement where tables are
// distributed, because a cluster refuses changes of several tenants.
func (s *Server) lookForCluster(ctx context.Context) error {
	s.gathering = db.AcrossTenants
	var err error
	s.distributed, err = db.Distributed(ctx, s.pool)
	if s.distributed {
		s.gathering = db.PerTenant
		s.pool = s.pool.OnCluster()
		s.log.Warn("the tables are distributed over a cluster: only calls of one tenant share statements, and reports and schema reporting don't work (docs/scaling.md)")
	}
	if s.config.NoGathering {
		s.gathering = db.NoGathering
	}
	return err
}

func (s *Server) handler() http.Handler {
	s.own = map[string]http.HandlerFunc{"/livez": s.live, "/readyz": s.ready, caPath: s.serveCA}
	s.hosts = s.config.hosts()
	authority := s.identity.Handler()
	store := db.NewStore(s.pool, s.gathering, s.telemetry.Gathered)
	store.LimitTenants(s.config.TenantConnections)
	graph := graph.New(graph.Config{
		Store:     store,
		Tokens:    s.identity,
		PageKey:   s.pageKey,
		Now:       s.config.Now,
		Log:       s.log,
		PublicURL: strings.TrimSuffix(s.config.PublicURL, "/"),
		Hooks:     s.clientHooks(),

		RequestTimeout: s.config.RequestTimeout,
	})
	partner := portal.New(portal.Config{DB: s.pool, Now: s.config.Now, Log: s.log, Hooks: s.hooks()})
	// Exact paths, because http.ServeMux redirects paths that it considers unclean.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close") // in HTTP/2: no more requests on this one
		}
		switch own := s.own[r.URL.Path]; {
		case own != nil:
			serveOwn(own, w, r)
		case wantsPage(r):
			s.welcome(w, r)
		case portal.Serves(r.URL.Path):
			partner.ServeHTTP(w, r)
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

// URL returns the address for HTTP: scheme, host and port, without a trailing slash.
func (s *Server) URL() string { return s.url }

// SecureURL returns the address for HTTPS, or "".
func (s *Server) SecureURL() string { return s.secureURL }

// AdminURL returns the administration's address, or "".
func (s *Server) AdminURL() string { return s.adminURL }

// ProxyURL returns the forward proxy's address, or "".
func (s *Server) ProxyURL() string {
	if s.proxy == nil {
		return ""
	}
	return s.proxy.URL()
}

// CA returns the certificate authority for clients to trust, in PEM; nil without TLS, or
// with the user's own certificate.
func (s *Server) CA() []byte { return s.ca }

// Identity returns the authority of the service's tenants.
func (s *Server) Identity() *identity.Provider { return s.identity }

// Handler returns the service's handler.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Pool returns the service's database.
func (s *Server) Pool() *db.Pool { return s.pool }

// Failed receives the error if the service ends by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Shutdown makes /readyz answer that the service isn't ready, keeps serving for
// Config.ShutdownDelay while closing each connection after an answer, and stops listening.
// Until ctx ends it answers pending requests. Then it sends pending metrics and traces and
// closes the database's connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	select {
	case <-time.After(s.config.ShutdownDelay):
	case <-ctx.Done():
	}
	s.stopMaintenance()
	s.journal.Interrupt()
	var errs []error
	for _, server := range []*http.Server{s.http, s.adminHTTP} {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, err)
			_ = server.Close()
		}
	}
	// The proxy comes last. It can't distinguish a silent tunnel from one that waits for an
	// answer, but the tunnels that led here have ended with their connections.
	if s.proxy != nil {
		errs = append(errs, s.proxy.Shutdown(ctx))
	}
	if err := errors.Join(s.journal.Close(ctx), s.replicas.Leave(ctx)); err != nil {
		s.log.Warn("stop", "error", err)
	}
	s.telemetry.Shutdown(ctx) // while the database can still be measured
	s.prober.close(ctx)
	s.pool.Close()
	return errors.Join(errs...)
}
