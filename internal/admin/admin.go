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
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/state"
)

// Config is what New needs: DB, Identity and Metrics; the rest may be left out.
type Config struct {
	DB       *db.Pool
	Identity *identity.Provider
	Now      func() time.Time // the clock; nil means time.Now
	Log      *slog.Logger     // nil discards

	// Open lets everybody in as an owner as long as there is no key. It is for
	// listeners that only this machine reaches.
	Open bool

	// Metrics serves /metrics to those who may read.
	Metrics http.Handler

	// Observe comes before the handlers of every request. The id of the tenant that
	// the path names is in Gin's context as "tenant" when they are done.
	Observe []gin.HandlerFunc

	// ReportURL is where report logins connect; "" is the service's own database.
	ReportURL string

	// Patience is how long a client may pause within a body or an export, and how
	// long an import or an export waits for its turn; 0 means 30 seconds.
	Patience time.Duration

	// Spool is how many bytes the temporary files of all imports and exports may have
	// together; 0 means 4 GiB.
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
	report    string
	metrics   http.Handler
	observe   []gin.HandlerFunc
	observers observers
	denials   denials

	measuring sync.Mutex // held by who takes a profile

	turns       db.Turns // of changes to a tenant
	patience    time.Duration
	spool       *room // for documents
	documents   slots // those that are kept
	conversions slots // of YAML
	transfers   slots // of documents into the database or out of it
	copies      slots // within the database

	guard *guard

	sameOrigin *http.CrossOriginProtection
}

// New returns the API.
func New(c Config) *API {
	a := &API{
		pool: c.DB, queries: db.New(c.DB), identity: c.Identity, now: c.Now, log: c.Log, open: c.Open, report: c.ReportURL,
		metrics: c.Metrics, observe: c.Observe,
		patience: cmp.Or(c.Patience, patience), spool: &room{most: cmp.Or(c.Spool, defaultSpool)},
		documents:   newSlots(maxDocuments, "imports and exports"),
		conversions: newSlots(1, "conversions of YAML"),
		transfers:   newSlots(int(c.DB.Config().MaxConns)/4, "imports and exports"),
		copies:      newSlots(int(c.DB.Config().MaxConns)/2, "copies of what tenants hold"),
		sameOrigin:  http.NewCrossOriginProtection(),
	}
	a.guard = newGuard(a)
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
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.UseRawPath = true
	engine.ForwardedByClientIP = false // the audit log believes nobody's word for an address
	engine.Use(append(slices.Clip(a.observe), a.begin, a.admit)...)
	engine.NoRoute(a.handle(func(*call) (answer, error) { return answer{}, errNotFound("There is no such path; see /openapi.yaml.") }))
	engine.NoMethod(a.handle(func(*call) (answer, error) {
		return answer{}, &problem{status: http.StatusMethodNotAllowed, detail: "The path has no such method; see /openapi.yaml."}
	}))
	RegisterHandlersWithOptions(engine, a, GinServerOptions{ErrorHandler: func(c *gin.Context, err error, _ int) {
		a.fail(callOf(c), errBadRequest("%v", err)) // the contract was checked before: this is never reached
	}})
	return engine
}

// call is one request.
type call struct {
	*gin.Context
	id     string
	now    time.Time  // to the microsecond, as Postgres keeps it
	op     *operation // nil where no operation is
	caller caller
	tenant db.Tenant // that the path names
	body   []byte    // read, where the contract holds it

	document *spool         // of an import or an export, or a body that may bring one
	state    state.Document // that it is, or has in it; zero: none
	slots    slots          // in which the change is made
	end      func()         // after the call; may be nil
}

const callKey = "call"

func callOf(c *gin.Context) *call { return c.MustGet(callKey).(*call) }

// begin is the first middleware: it finds the operation and logs the outcome.
func (a *API) begin(c *gin.Context) {
	x := &call{Context: c, id: uuid.NewString(), now: a.now().Truncate(time.Microsecond), op: contract().find(c.Request.Method, c.FullPath())}
	c.Set(callKey, x)
	c.Header("Cache-Control", "no-store") // answers hold secrets
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("request-id", x.id)
	start := time.Now()
	defer func() {
		if x.end != nil {
			x.end()
		}
	}()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // a value, not a chain
			panic(p)
		} else if p != nil {
			a.fail(x, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		level := slog.LevelInfo
		if x.op != nil && x.op.name == "getMetrics" {
			level = slog.LevelDebug // it comes every few seconds
		}
		if c.Writer.Status() >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		a.log.Log(c.Request.Context(), level, "administration", "method", c.Request.Method, "path", c.Request.URL.Path,
			"status", c.Writer.Status(), "took", time.Since(start), "key", x.caller.name, "id", x.id, "error", c.Errors.String())
	}()
	c.Next()
}

// admit decides who calls from where, whether they may, which tenant it is about, and
// whether the request is what the contract says.
func (a *API) admit(c *gin.Context) {
	x := callOf(c)
	for _, step := range []func(*call) error{a.checkOrigin, a.authenticate, a.authorize, a.findTenant, a.keepDocument, a.validate} {
		if err := step(x); err != nil {
			a.fail(x, err)
			c.Abort()
			return
		}
	}
}

// answer is what a call is answered.
type answer struct {
	status int
	value  any // nil: nothing
}

func ok(value any) answer      { return answer{http.StatusOK, value} }
func created(value any) answer { return answer{http.StatusCreated, value} }
func done() answer             { return answer{status: http.StatusNoContent} }

// handle adapts a handler to Gin.
func (a *API) handle(f func(*call) (answer, error)) gin.HandlerFunc {
	return func(c *gin.Context) { a.answer(c, f) }
}

func (a *API) answer(c *gin.Context, f func(*call) (answer, error)) {
	x := callOf(c)
	result, err := f(x)
	if err == nil {
		err = x.write(result)
	}
	if err != nil {
		a.fail(x, err)
	}
}

func (x *call) write(result answer) error {
	switch value := result.value.(type) {
	case nil:
		x.Status(result.status)
		x.Writer.WriteHeaderNow()
	case []byte: // written before, and answered again
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

// Sweep removes what has expired: tenants, states that nothing names, answers
// kept for retries, and old entries of the audit log.
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
	reports := a.sweepReports(ctx)
	_, idempotency := a.queries.DeleteOldIdempotencyKeys(ctx, now.Add(-idempotencyLifetime))
	_, repeatable := a.queries.DeleteOldRepeatableRequests(ctx, now.Add(-repeatabilityLifetime))
	_, audit := a.queries.DeleteOldAuditEntries(ctx, now.Add(-auditLifetime))
	denials := a.sweepDenials(ctx, now)
	return errors.Join(append(errs, err, reports, idempotency, repeatable, audit, denials)...)
}

const (
	// sweepLimit is how many tenants one sweep removes at most.
	sweepLimit = 1000

	auditLifetime = 365 * 24 * time.Hour

	// repeatabilityLifetime is the longest that a tenant may set.
	repeatabilityLifetime = time.Hour
)

// loopbackHost tells whether a Host header names this machine: a page of
// elsewhere that a name was bound to 127.0.0.1 for has another.
func loopbackHost(header string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
