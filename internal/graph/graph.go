// Package graph is the wire of Microsoft Graph: the routes of v1.0 and beta,
// how a call is authorized, what bodies hold, and the exact form of answers and
// errors. Handlers check the request and call a generated query; nothing stands
// between the two.
//
//	GET    /{version}/deviceManagement/remoteAssistancePartners
//	POST   /{version}/deviceManagement/remoteAssistancePartners
//	GET    /{version}/deviceManagement/remoteAssistancePartners/$count
//	GET    /{version}/deviceManagement/remoteAssistancePartners/{id}
//	PATCH  /{version}/deviceManagement/remoteAssistancePartners/{id}
//	DELETE /{version}/deviceManagement/remoteAssistancePartners/{id}
//	POST   /{version}/deviceManagement/remoteAssistancePartners/{id}/beginOnboarding
//	POST   /{version}/deviceManagement/remoteAssistancePartners/{id}/disconnect
//	GET    /{version}/deviceManagement/remoteAssistancePartners/{id}/{property}
//	GET    /{version}/deviceManagement/remoteAssistancePartners/{id}/{property}/$value
//	POST   /{version}/$batch
//	GET    /{version}, /{version}/$metadata
//
// Keys may stand in parentheses, actions may carry their namespace. Where it
// differs from the real service on purpose is listed in docs/divergences.md.
package graph

import (
	"cmp"
	"compress/gzip"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"github.com/mocktenant/mocktenant/internal/cors"
	"github.com/mocktenant/mocktenant/internal/db"
)

// requestTimeout bounds the work on one request, unless Config says otherwise; then
// the answer is 503.
const requestTimeout = 10 * time.Second

// Config is what New needs; Store, Tokens and PageKey are required.
type Config struct {
	Store     *db.Store
	Tokens    TokenVerifier
	PageKey   []byte           // signs skip tokens; the same on every replica
	Now       func() time.Time // the clock; nil means time.Now
	Log       *slog.Logger     // nil discards
	PublicURL string           // what links start with, no trailing slash; "" follows each request

	// RequestTimeout bounds the work on one request; 0 means 10 s.
	RequestTimeout time.Duration

	// Observe comes before the handlers of every request, those of a batch too.
	// The tenant's id is in Gin's context as "tenant" when they are done.
	Observe []gin.HandlerFunc
}

// version is one of the two faces of Graph.
type version struct {
	name       string // its path segment
	apiVersion string // of the Intune service behind it, as its error texts show it
	beta       bool
}

type server struct {
	timeout   time.Duration // of a request
	queries   *db.Store
	pages     *db.Shared[pageKey, page]
	tokens    TokenVerifier
	pageKey   []byte
	throttle  throttle
	batches   *batches
	handler   http.Handler // of all routes
	now       func() time.Time
	log       *slog.Logger
	publicURL string
}

// New returns the handler of every Graph route.
func New(c Config) http.Handler {
	s := &server{timeout: cmp.Or(c.RequestTimeout, requestTimeout), queries: c.Store, pages: db.NewShared[pageKey, page](c.Store, "ListPartners"), tokens: c.Tokens, pageKey: c.PageKey, now: c.Now, log: c.Log, publicURL: c.PublicURL}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.throttle, s.batches = newThrottle(), newBatches()
	s.handler = tidyPath(s.engine(c.Observe))
	return pack(s.handler)
}

// engine routes what is tidied.
func (s *server) engine(observe []gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.UseRawPath = true
	engine.Use(append(slices.Clip(observe), s.begin, s.answerPanic, allowOrigins, s.authenticate)...)
	engine.NoRoute(s.handle(noRoute))
	engine.NoMethod(s.handle(noMethod))
	s.route(engine.Group("/v1.0"), version{name: "v1.0", apiVersion: "2023-10-19"})
	s.route(engine.Group("/beta"), version{name: "beta", apiVersion: "5023-10-19", beta: true})
	return engine
}

// exposedHeaders are those of an answer that pages of other origins may read, in
// Graph's order.
const exposedHeaders = "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, ReadWriteConsistencyToken, Retry-After, SdkVersion, WWW-Authenticate, x-ms-client-gcc-tenant, X-Planner-Operationid, x-ms-permissions-recommendations"

// allowOrigins lets pages of any origin call Graph, and read what they are refused for.
func allowOrigins(c *gin.Context) {
	if cors.Allow(c.Writer, c.Request, exposedHeaders) {
		c.Abort()
	}
}

// pack packs answers that are worth it, for clients that can unpack them.
func pack(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(2000), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap(next)
}

func (s *server) route(g *gin.RouterGroup, v version) {
	const partners = "/deviceManagement/remoteAssistancePartners"
	read := func(f handler) gin.HandlerFunc { return s.handle(permit(readScopes, f), v) }
	write := func(f handler) gin.HandlerFunc { return s.handle(permit(writeScopes, s.repeatable(f)), v) }

	get := func(path string, f gin.HandlerFunc) { // HEAD comes with it, without the body
		g.GET(path, f)
		g.HEAD(path, f)
	}
	get("", s.handle(s.serviceDocument, v))
	get(metadataPath, s.handle(s.metadata, v))
	g.POST("/$batch", s.handle(s.batch, v)) // each of its requests is permitted by itself
	get(partners, read(s.listRemoteAssistancePartners))
	g.POST(partners, write(s.createRemoteAssistancePartner))
	get(partners+"/$count", read(s.countRemoteAssistancePartners))
	get(partners+"/:id", read(s.getRemoteAssistancePartner))
	g.PATCH(partners+"/:id", write(s.updateRemoteAssistancePartner))
	g.DELETE(partners+"/:id", write(s.deleteRemoteAssistancePartner))
	get(partners+"/:id/:property", read(s.getRemoteAssistancePartnerProperty))
	get(partners+"/:id/:property/$value", read(s.getRemoteAssistancePartnerPropertyValue))
	g.POST(partners+"/:id/beginOnboarding", write(s.beginOnboardingRemoteAssistancePartner))
	g.POST(partners+"/:id/disconnect", write(s.disconnectRemoteAssistancePartner))
}

// metadataPath is where a version describes itself.
const metadataPath = "/$metadata"

// public tells whether a route answers without a token, as Graph's do: those
// that describe the service.
func public(route string) bool {
	return strings.HasSuffix(route, metadataPath) || strings.Count(strings.TrimSuffix(route, "/"), "/") == 1
}

// handler answers an exchange, or returns why it can't.
type handler func(*exchange) error

// handle adapts f to Gin; what it returns is written as Graph's error.
func (s *server) handle(f handler, v ...version) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		if len(v) == 1 {
			x.version = v[0]
		}
		if err := f(x); errors.Is(err, errNotModified) {
			x.writeNotModified()
		} else if err != nil {
			s.writeError(x, err)
		}
	}
}
