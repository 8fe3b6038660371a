// Package admin is the administration API: tenants and what they hold, seeds and
// snapshots, reports, keys and the audit log. openapi.yaml is its contract; the
// types, the routes and package client are made from it, and every request is
// held against it before a handler sees it.
//
// A request goes through who (401), may (403), the tenant (404), the contract
// (400), and then to the one handler that its operation is named after. Changes
// are one transaction each, their entry in the audit log included.
package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/gather"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/journal"
	"github.com/mocktenant/mocktenant/internal/replicas"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/spool"
	"github.com/mocktenant/mocktenant/internal/state"
)

// Config configures an API. DB, Identity, Reports, Metrics and Portal are required.
type Config struct {
	DB       *db.Pool
	Identity *identity.Provider
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil discards

	// Open lets every caller in as an owner as long as no key exists. It is for listeners
	// that only this machine can reach.
	Open bool

	// Metrics serves /metrics to callers with the role reader.
	Metrics http.Handler

	Hooks []front.Hook // see every request

	// Routes lists the routes of Graph and the authority as METHOD PATH.
	Routes func() []string

	// Journal records the requests of clients; nil records none.
	Journal *journal.Journal

	// Replicas finds the other replicas. A change returns after all of them have applied it. If
	// Replicas is nil, this service runs alone.
	Replicas *replicas.Replicas

	// Reports manages the service's report logins.
	Reports *reporting.Logins

	// Portal returns the scheme and host of links to the partner's page.
	Portal func() string

	// Patience is how long a client may pause within a body or an export, and how long an
	// import or an export waits for its turn; 0 means 30 seconds.
	Patience time.Duration

	// Spool bounds the temporary files of all imports and exports together, in bytes; 0
	// means 4 GiB.
	Spool int64
}

// API is the administration of one service.
type API struct {
	pool      *db.Pool
	queries   *db.Queries
	identity  *identity.Provider
	now       func() time.Time
	log       *slog.Logger
	open      bool
	journal   *journal.Journal
	replicas  *replicas.Replicas
	reports   *reporting.Logins
	metrics   http.Handler
	hooks     []front.Hook
	routes    func() []string
	rules     func(rule []byte) (pointer, message string) // checkRule, which reads the contract, of which operations are a part
	portal    func() string
	observers observers
	denials   denials

	measuring sync.Mutex // locked while a profile is taken

	turns       gather.Turns[uuid.UUID] // queues changes of a tenant
	patience    time.Duration
	spool       *spool.Room // temporary files of documents
	documents   spool.Slots // bounds documents in temporary files
	conversions spool.Slots // bounds conversions of YAML
	transfers   spool.Slots // bounds imports and exports at the database
	copies      spool.Slots // bounds copies within the database

	sameOrigin *http.CrossOriginProtection
}

// New returns the API.
func New(c Config) *API {
	a := &API{
		pool: c.DB, queries: db.New(c.DB), identity: c.Identity, now: c.Now, log: c.Log, open: c.Open, reports: c.Reports,
		metrics: c.Metrics, hooks: c.Hooks, routes: c.Routes, portal: c.Portal, journal: c.Journal, replicas: c.Replicas,
		patience: cmp.Or(c.Patience, patience), spool: spool.NewRoom(cmp.Or(c.Spool, defaultSpool)),
		documents:   spool.NewSlots(maxDocuments, "imports and exports"),
		conversions: spool.NewSlots(1, "conversions of YAML"),
		transfers:   spool.NewSlots(int(c.DB.Config().MaxConns)/4, "imports and exports"),
		copies:      spool.NewSlots(int(c.DB.Config().MaxConns)/2, "copies of tenant data"),
		sameOrigin:  http.NewCrossOriginProtection(),
	}
	a.rules = a.checkRule
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a
}

// Handler serves the API.
func (a *API) Handler() http.Handler {
	engine := sync.OnceValue(a.engine) // reading the contract for the routes takes a while
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine().ServeHTTP(w, r) })
}

func (a *API) engine() *gin.Engine {
	engine, adapt := front.New(front.Config[*call]{Name: "administration", Now: a.now, Log: a.log, Hooks: a.hooks, Open: a.begin, Fail: a.fail})
	engine.UseRawPath = true
	engine.Use(adapt(end), adapt(a.admit))
	engine.NoRoute(adapt(func(*call) error { return errNotFound("There is no such path; see /openapi.yaml.") }))
	engine.NoMethod(adapt(func(*call) error {
		return &problem{status: http.StatusMethodNotAllowed, detail: "The path has no such method; see /openapi.yaml."}
	}))
	for _, e := range contract() {
		engine.Handle(e.route.Method, e.path, adapt(answering(e.run)))
	}
	return engine
}

// call is one request.
type call struct {
	*front.Exchange
	admin  *API
	op     *endpoint // nil without an operation
	caller caller
	tenant db.Tenant // the tenant in the path

	parameters map[string]any // from path and query
	target     string         // the last path parameter that isn't the tenant
	body       []byte         // read if the contract checks it
	copied     uuid.UUID      // the tenant that the change copies, or zero

	document *spool.Document // of an import or an export, or a body that may contain one
	state    state.Document  // the document in it, or zero
	slots    spool.Slots     // bounds concurrent changes of its kind
	end      func()          // called after the call; may be nil
}

// begin finds the operation, and sets the headers that every answer has.
func (a *API) begin(e *front.Exchange) *call {
	e.Arrived = e.Arrived.Truncate(time.Microsecond) // Postgres's precision
	e.Now = e.Arrived
	x := &call{Exchange: e, admin: a, op: contract().find(e.Request.Method, e.FullPath())}
	x.Quiet = x.op != nil && x.op.name == "getMetrics" // scrapes come every few seconds
	x.Attrs = append(x.Attrs, slog.String("path", x.Request.URL.Path))
	x.Header("Cache-Control", "no-store") // answers may contain secrets
	x.Header("X-Content-Type-Options", "nosniff")
	x.Header("request-id", x.ID)
	return x
}

// end releases what a call used, after its answer.
func end(x *call) error {
	defer func() {
		if x.end != nil {
			x.end()
		}
	}()
	x.Next()
	return nil
}

// admit checks the caller, the role, the tenant in the path, and the request against the
// contract, in this order.
func (a *API) admit(x *call) error {
	for _, step := range []func(*call) error{a.checkOrigin, a.authenticate, a.authorize, a.findTenant, a.keepDocument, a.validate} {
		if err := step(x); err != nil {
			return err
		}
	}
	return nil
}

// answer is the status and the value for the client. The zero answer means that the answer
// is already written.
type answer struct {
	status int
	value  any // nil without a body
}

// answering makes a handler from an operation's function.
func answering(f func(*call) (answer, error)) func(*call) error {
	return func(x *call) error {
		result, err := f(x)
		if err != nil {
			return err
		}
		return x.write(result)
	}
}

func (x *call) write(result answer) error {
	if result.status == 0 {
		return nil
	}
	switch value := result.value.(type) {
	case nil:
		x.Status(result.status)
		x.Writer.WriteHeaderNow()
	case []byte: // stored, and answered again
		x.Data(result.status, jsonType, value)
	default:
		text, err := marshal(value)
		if err != nil {
			return err
		}
		x.Data(result.status, jsonType, text)
	}
	return nil
}

// Sweep removes expired tenants, unused states, stored answers, and old entries of the
// audit log.
func (a *API) Sweep(ctx context.Context) error {
	now := a.now()
	expired, err := a.queries.ListExpiredTenants(ctx, db.ListExpiredTenantsParams{Now: &now, RowLimit: sweepLimit})
	if err != nil {
		return fmt.Errorf("find expired tenants: %w", err)
	}
	var errs []error
	for _, tenant := range expired {
		if err := a.purge(ctx, tenant); err != nil {
			errs = append(errs, fmt.Errorf("remove tenant %s: %w", tenant, err))
		}
	}
	states, err := a.queries.ListUnusedStates(ctx, db.ListUnusedStatesParams{MadeBefore: now.Add(-time.Hour), RowLimit: sweepLimit})
	if err == nil {
		_, err = a.queries.DeleteUnusedStates(ctx, states)
	}
	reports := a.reports.Sweep(ctx)
	_, idempotency := a.queries.DeleteOldIdempotencyKeys(ctx, now.Add(-idempotencyLifetime))
	_, repeatable := a.queries.DeleteOldRepeatableRequests(ctx, db.DeleteOldRepeatableRequestsParams{Now: now, Seconds: repeatabilityLifetime.Seconds()})
	_, audit := a.queries.DeleteOldAuditEntries(ctx, now.Add(-auditLifetime))
	_, sessions := a.queries.DeleteOldConsoleSessions(ctx, now)
	denials := a.sweepDenials(ctx, now)
	if a.journal != nil {
		errs = append(errs, a.journal.Sweep(ctx))
	}
	return errors.Join(append(errs, err, reports, idempotency, repeatable, audit, sessions, denials)...)
}

const (
	// sweepLimit is how many tenants one sweep removes at most.
	sweepLimit = 1000

	auditLifetime = 365 * 24 * time.Hour

	// repeatabilityLifetime is the maximum that a tenant may set.
	repeatabilityLifetime = time.Hour
)

// loopbackHost reports whether a Host header names this machine. A page on a foreign name
// that resolves to 127.0.0.1 sends a different one.
func loopbackHost(header string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
