package identity

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/cors"
)

// requestTimeout bounds the work on one request.
const requestTimeout = 10 * time.Second

// places are the second segments of the authority's paths, in lower case; the
// first is a tenant, or a group of them.
var places = []string{"oauth2", "v2.0", ".well-known", "discovery", "adminconsent", "userrealm"}

// pages are the last segments of the paths at which a person is shown something: no
// script of another origin may read that.
var pages = []string{"authorize", "logout", "deviceauth", "adminconsent", "error"}

// exposedHeaders are those of an answer that scripts may read, in Entra's order.
const exposedHeaders = "Content-Length,Content-Encoding,x-ms-request-id,x-ms-srs"

// Serves tells whether a request of this path is the authority's to answer. A
// service that has other paths too asks before it passes requests on; hosts
// play no part, since clients reach every host at the one service.
func Serves(path string) bool {
	path = tidyPath(path)
	if path == userInfoPath || path == errorPath {
		return true
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	place, _, _ := strings.Cut(rest, "/")
	return slices.Contains(places, place)
}

// Handler returns the handler of every endpoint of the authority:
//
//	GET      /{tenant}/v2.0/.well-known/openid-configuration
//	GET      /{tenant}/.well-known/openid-configuration
//	GET      /{tenant}/discovery/v2.0/keys, /{tenant}/discovery/keys
//	GET POST /{tenant}/oauth2/v2.0/authorize, /{tenant}/oauth2/authorize
//	POST     /{tenant}/oauth2/v2.0/token, /{tenant}/oauth2/token
//	POST     /{tenant}/oauth2/v2.0/devicecode, /{tenant}/oauth2/devicecode
//	GET POST /{tenant}/oauth2/deviceauth
//	GET POST /{tenant}/oauth2/v2.0/logout, /{tenant}/oauth2/logout
//	GET POST /{tenant}/adminconsent, /{tenant}/v2.0/adminconsent
//	GET      /common/discovery/instance
//	GET      /common/UserRealm/{upn}
//	GET POST /oidc/userinfo
//	GET      /error
//
// A tenant is named by its id, a verified domain, common, organizations or
// consumers. Paths are taken in any letter case, with slashes doubled as well. All but
// the pages may be called by scripts of any origin.
func (p *Provider) Handler() http.Handler { return tidy(p.engine()) }

func (p *Provider) engine() *gin.Engine {
	engine := gin.New()
	engine.ForwardedByClientIP = false // or an attacker names another address at each try
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.Use(append(slices.Clip(p.observe), p.begin, allowOrigins)...)
	engine.NoRoute(p.json(noRoute))
	engine.NoMethod(p.json(noMethod))

	t := engine.Group("/:tenant")
	t.GET("/v2.0/.well-known/openid-configuration", p.json(p.discover))
	t.GET("/.well-known/openid-configuration", p.json(p.discoverV1))
	t.GET("/discovery/v2.0/keys", p.json(p.listKeys))
	t.GET("/discovery/keys", p.json(p.listKeys))
	t.GET("/discovery/instance", p.json(p.discoverInstance))
	t.GET("/userrealm/:upn", p.json(p.userRealm))
	for _, oauth2 := range []string{"/oauth2/v2.0", "/oauth2"} {
		t.POST(oauth2+"/token", p.json(p.token))
		t.POST(oauth2+"/devicecode", p.json(p.deviceAuthorization))
		getOrPost(t, oauth2+"/authorize", p.page(p.authorize))
		getOrPost(t, oauth2+"/logout", p.page(p.logout))
	}
	getOrPost(t, "/oauth2/deviceauth", p.page(p.deviceAuth))
	getOrPost(t, "/adminconsent", p.page(p.adminConsent))
	getOrPost(t, "/v2.0/adminconsent", p.page(p.adminConsent))
	getOrPost(&engine.RouterGroup, userInfoPath, p.json(p.userInfo))
	engine.GET(errorPath, p.page(p.explainError))
	return engine
}

func getOrPost(g *gin.RouterGroup, path string, f gin.HandlerFunc) {
	g.GET(path, f)
	g.POST(path, f)
}

// tidy routes by the tidied path, and keeps semicolons in the query.
func tidy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2, u := *r, *r.URL
		u.Path, u.RawPath, u.RawQuery = tidyPath(u.Path), "", keepSemicolons(u.RawQuery)
		r2.URL = &u
		next.ServeHTTP(w, &r2)
	})
}

var slashes = regexp.MustCompile("//+")

// tidyPath is a path in lower case, each slash once: clients put one behind an
// authority that ends in one.
func tidyPath(path string) string { return slashes.ReplaceAllLiteralString(strings.ToLower(path), "/") }

// exchange is one request to the authority and the answer to it.
type exchange struct {
	*gin.Context
	base          string // scheme and host of the links that are handed out
	now           time.Time
	requestID     string // the trace id of errors
	correlationID string // the client's own, if it gave one
	v1            bool   // whether it came to an endpoint of v1.0
}

const exchangeKey = "exchange"

func exchangeOf(c *gin.Context) *exchange { return c.MustGet(exchangeKey).(*exchange) }

// begin is the first middleware: it names the request, bounds its time and its
// body, sets the headers that every answer carries, and logs the outcome.
func (p *Provider) begin(c *gin.Context) {
	x := &exchange{
		Context: c, base: p.base(c.Request), now: p.now(), requestID: uuid.NewString(),
		v1: !strings.Contains(c.Request.URL.Path, "/v2.0"),
	}
	x.correlationID = x.clientRequestID()
	c.Set(exchangeKey, x)
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)

	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", x.requestID)
	if c.GetHeader("client-request-id") != "" || c.Query("client-request-id") != "" {
		h.Set("Client-Request-Id", x.correlationID)
	}
	start := time.Now()
	defer p.answerPanic(x, start)
	c.Next()
}

// allowOrigins lets scripts of any origin call what isn't a page.
func allowOrigins(c *gin.Context) {
	if !slices.Contains(pages, path.Base(c.Request.URL.Path)) && cors.Allow(c.Writer, c.Request, exposedHeaders) {
		c.Abort()
	}
}

// answerPanic ends begin: it answers a panic, if there is one, and logs.
func (p *Provider) answerPanic(x *exchange, start time.Time) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		p.log.Error("panic", "request-id", x.requestID, "value", v, "stack", string(debug.Stack()))
		x.writeError(fmt.Errorf("panic: %v", v))
		x.Abort()
	}
	p.logExchange(x, time.Since(start))
}

// logExchange logs who asked for what and how it ended. Neither a query nor a
// form is logged: they hold codes, passwords and tokens.
func (p *Provider) logExchange(x *exchange, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("method", x.Request.Method), slog.String("route", x.FullPath()),
		slog.String("authority", x.Param("tenant")),
		slog.Int("status", x.Writer.Status()), slog.Duration("took", took),
		slog.String("request-id", x.requestID), slog.String("client-request-id", x.correlationID),
	}
	if err := x.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	level := slog.LevelInfo
	if x.Writer.Status() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	p.log.LogAttrs(x.Request.Context(), level, "sign-in request", attrs...)
}

func (x *exchange) clientRequestID() string {
	for _, id := range []string{x.GetHeader("client-request-id"), x.Query("client-request-id")} {
		if parsed, err := uuid.Parse(id); err == nil {
			return parsed.String()
		}
	}
	return uuid.NewString()
}

// about leaves whose tenant a request is about to those who observe it.
func (x *exchange) about(tenant uuid.UUID) { x.Set("tenant", tenant) }

// refused leaves a refusal to the log and to those who observe the request.
func (x *exchange) refused(e *aadError) {
	_ = x.Error(e)
	x.Set("aadsts", e.number)
}

// base is the public URL, or the scheme and host by which the client called.
func (p *Provider) base(r *http.Request) string {
	if p.publicURL != "" {
		return p.publicURL
	}
	return requestBase(r)
}

func requestBase(r *http.Request) string {
	return (&url.URL{Scheme: cmp.Or(r.URL.Scheme, "http"), Host: r.Host}).String()
}

// json adapts f to Gin; what it returns is written as JSON.
func (p *Provider) json(f func(*exchange) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		if err := f(x); err != nil {
			x.writeError(err)
		}
	}
}

// page adapts f to Gin; what it returns is shown to a person.
func (p *Provider) page(f func(*exchange) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		if err := f(x); err != nil {
			x.showError(err)
		}
	}
}

func noRoute(x *exchange) error {
	e := refuse(900901, invalidRequest, "The endpoint '%s' does not exist.", x.Request.URL.Path)
	e.status = http.StatusNotFound
	return e
}

func noMethod(x *exchange) error {
	e := refuse(900561, invalidRequest, "The endpoint only accepts %s requests. Received a %s request.",
		strings.ReplaceAll(x.Writer.Header().Get("Allow"), ", ", " or "), x.Request.Method)
	e.status = http.StatusMethodNotAllowed
	return e
}
