// Package graph is the wire of Microsoft Graph: the routes of v1.0 and beta,
// how a call is authorized, what bodies hold, and the exact form of answers and
// errors. Handlers check the request and call a generated query; nothing stands
// between the two.
//
//	GET    /{version}/deviceManagement/{set}
//	POST   /{version}/deviceManagement/{set}
//	GET    /{version}/deviceManagement/{set}/$count
//	GET    /{version}/deviceManagement/{set}/{id}
//	PATCH  /{version}/deviceManagement/{set}/{id}
//	DELETE /{version}/deviceManagement/{set}/{id}
//	POST   /{version}/deviceManagement/{set}/{id}/{action}
//	GET    /{version}/deviceManagement/{set}/{id}/{property}
//	GET    /{version}/deviceManagement/{set}/{id}/{property}/$value
//	GET    /{version}/deviceManagement/{set}/{function}({parameter}='…')
//	…      /{version}/deviceManagement/{set}/{id}/{contained set}/…, as a set
//	POST   /{version}/$batch
//	GET    /{version}, /{version}/$metadata
//
// Keys may stand in parentheses, actions may carry their namespace. Where it
// differs from the real service on purpose is listed in docs/divergences.md.
package graph

import (
	"cmp"
	"compress/gzip"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"github.com/mocktenant/mocktenant/internal/cors"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/front"
)

// requestTimeout is the default of Config.RequestTimeout.
const requestTimeout = 10 * time.Second

// Config configures a handler; Store, Tokens and PageKey are required.
type Config struct {
	Store     *db.Store
	Tokens    TokenVerifier
	PageKey   []byte           // signs skip tokens; equal on every replica
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil discards
	PublicURL string           // prefix of links, without a trailing slash; "" uses the request's own URL

	// RequestTimeout bounds the work on a request, which is then answered with 503. 0 means
	// 10 s.
	RequestTimeout time.Duration

	// Hooks see every request, including those in batches.
	Hooks []front.Hook
}

// version is a version of Graph.
type version struct {
	name       string // its path segment
	apiVersion string // version of the Intune service in its error texts
	beta       bool
}

// versions lists all versions. A path without a version is answered as in the first one.
var versions = [...]version{
	{name: "v1.0", apiVersion: "2023-10-19"},
	{name: "beta", apiVersion: "5023-10-19", beta: true},
}

func versionOf(r *http.Request) version {
	segment, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for _, v := range versions {
		if v.name == segment {
			return v
		}
	}
	return versions[0]
}

// entities lists the entities of the version.
func (v version) entities() (all []*entity.Type) {
	for _, t := range entity.Served {
		if v.beta || !t.BetaOnly {
			all = append(all, t)
		}
	}
	return all
}

type server struct {
	queries *db.Store
	tokens  TokenVerifier
	pageKey []byte
	batches *batches
	handler http.Handler // for all routes
}

// New returns the handler of every Graph route.
func New(c Config) http.Handler {
	s := &server{queries: c.Store, tokens: c.Tokens, pageKey: c.PageKey, batches: newBatches()}
	s.handler = tidyPath(s.engine(c))
	return pack(s.handler)
}

// engine routes tidied paths.
func (s *server) engine(c Config) *gin.Engine {
	engine, adapt := front.New(front.Config[*exchange]{
		Name: "graph", PublicURL: c.PublicURL, Timeout: cmp.Or(c.RequestTimeout, requestTimeout), Now: c.Now, Log: c.Log,
		Hooks: append(slices.Clip(c.Hooks), newThrottle().hook()),
		Open:  s.open, Fail: s.fail,
	})
	engine.UseRawPath = true
	engine.Use(allowOrigins, adapt(s.authenticate))
	engine.NoRoute(adapt(noRoute))
	engine.NoMethod(adapt(noMethod))
	of := func(f handler) gin.HandlerFunc { return adapt(f) }
	for _, v := range versions {
		s.route(engine, of, v)
	}
	return engine
}

// Routes lists every route by its method and path, as Exchange.FullPath returns it.
func Routes() []string {
	var all []string
	for _, r := range (&server{}).engine(Config{}).Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

// exposedHeaders lists the headers that pages of other origins may read, in Graph's order.
const exposedHeaders = "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, ReadWriteConsistencyToken, Retry-After, SdkVersion, WWW-Authenticate, x-ms-client-gcc-tenant, X-Planner-Operationid, x-ms-permissions-recommendations"

// allowOrigins lets pages of any origin call Graph and read its errors.
func allowOrigins(c *gin.Context) {
	if cors.Allow(c.Writer, c.Request, exposedHeaders) {
		c.Abort()
	}
}

// pack compresses answers where it pays, for clients that accept that.
func pack(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(2000), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap(next)
}

func (s *server) route(engine *gin.Engine, of func(handler) gin.HandlerFunc, v version) {
	g := engine.Group("/" + v.name)
	get := getter(g)
	get("", of(s.serviceDocument))
	get(metadataPath, of(s.metadata))
	g.POST("/$batch", of(s.batch)) // each request in it needs its own permission
	for _, r := range newResources(v.entities(), s) {
		r.route(g, of)
	}
}

// getter adds routes for GET, and for HEAD, which has the same answer without a body.
func getter(g *gin.RouterGroup) func(path string, f gin.HandlerFunc) {
	return func(path string, f gin.HandlerFunc) {
		g.GET(path, f)
		g.HEAD(path, f)
	}
}

// metadataPath returns the path of a version's metadata.
const metadataPath = "/$metadata"

// public reports whether a route needs no token. As in Graph, these are the routes that
// describe the service.
func public(route string) bool {
	return strings.HasSuffix(route, metadataPath) || strings.Count(strings.TrimSuffix(route, "/"), "/") == 1
}

// handler answers an exchange or returns an error.
type handler func(*exchange) error
