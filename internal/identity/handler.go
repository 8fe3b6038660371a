package identity

import (
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/cors"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// requestTimeout bounds the time for a request.
const requestTimeout = 10 * time.Second

// places are the possible second segments of the authority's paths, in lower case. The
// first segment is a tenant, or a group of them.
var places = []string{"oauth2", "v2.0", ".well-known", "discovery", "adminconsent", "userrealm"}

// pages are the last segments of the paths that show a page to a person, which scripts of
// other origins must not read.
var pages = []string{"authorize", "logout", "deviceauth", "adminconsent", "error"}

// exposedHeaders are the answer's headers that scripts may read, in Entra's order.
const exposedHeaders = "Content-Length,Content-Encoding,x-ms-request-id,x-ms-srs"

// Serves reports whether the authority answers requests with this path. A service with
// other paths calls it before it routes a request. The host doesn't matter, because clients
// reach every host at the same service.
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
// {tenant} is an id, a verified domain, common, organizations or consumers. Paths may have
// any letter case and doubled slashes. Scripts of any origin may call everything except the
// pages.
func (p *Provider) Handler() http.Handler { return tidy(p.engine()) }

// Routes lists every route as its method and its path, as Exchange.FullPath returns it.
func Routes() []string {
	var all []string
	for _, r := range (&Provider{}).engine().Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

func (p *Provider) engine() *gin.Engine {
	engine, adapt := front.New(front.Config[*exchange]{
		Name: "authority", PublicURL: p.publicURL, Timeout: requestTimeout, MaxBody: maxForm, Now: p.now, Log: p.log,
		Hooks: p.hooks, Open: open, Fail: (*exchange).writeError,
	})
	json := func(f func(*exchange) error) gin.HandlerFunc { return adapt(p.dated(f)) }
	page := func(f func(*exchange) error) gin.HandlerFunc { return adapt(shown(p.dated(f))) }
	engine.Use(allowOrigins)
	engine.NoRoute(json(noRoute))
	engine.NoMethod(json(noMethod))

	t := engine.Group("/:tenant")
	t.GET("/v2.0/.well-known/openid-configuration", json(p.discover))
	t.GET("/.well-known/openid-configuration", json(p.discoverV1))
	t.GET("/discovery/v2.0/keys", json(p.listKeys))
	t.GET("/discovery/keys", json(p.listKeys))
	t.GET("/discovery/instance", json(p.discoverInstance))
	t.GET("/userrealm/:upn", json(p.userRealm))
	for _, oauth2 := range []string{"/oauth2/v2.0", "/oauth2"} {
		t.POST(oauth2+"/token", json(p.token))
		t.POST(oauth2+"/devicecode", json(p.deviceAuthorization))
		getOrPost(t, oauth2+"/authorize", page(p.authorize))
		getOrPost(t, oauth2+"/logout", page(p.logout))
	}
	getOrPost(t, "/oauth2/deviceauth", page(p.deviceAuth))
	getOrPost(t, "/adminconsent", page(p.adminConsent))
	getOrPost(t, "/v2.0/adminconsent", page(p.adminConsent))
	getOrPost(&engine.RouterGroup, userInfoPath, json(p.userInfo))
	engine.GET(errorPath, page(p.explainError))
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

// tidyPath returns path in lower case with single slashes, because clients append a slash
// to an authority that already ends in one.
func tidyPath(path string) string { return slashes.ReplaceAllLiteralString(strings.ToLower(path), "/") }

// exchange is a request to the authority and its answer. ID is the trace id in errors,
// ClientID the correlation id.
type exchange struct {
	*front.Exchange
	v1 bool // whether it came to an endpoint of v1.0
}

// open records the client's own id of the request, and sets the headers common to all
// answers.
func open(e *front.Exchange) *exchange {
	x := &exchange{Exchange: e, v1: !strings.Contains(e.Request.URL.Path, "/v2.0")}
	x.ClientID = x.clientRequestID()
	x.Attrs = append(x.Attrs, slog.String("authority", x.Param("tenant")))
	h := x.Writer.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", x.ID)
	if x.GetHeader("client-request-id") != "" || x.Query("client-request-id") != "" {
		h.Set("Client-Request-Id", x.ClientID)
	}
	return x
}

// allowOrigins lets scripts of any origin call everything that isn't a page.
func allowOrigins(c *gin.Context) {
	if !slices.Contains(pages, path.Base(c.Request.URL.Path)) && cors.Allow(c.Writer, c.Request, exposedHeaders) {
		c.Abort()
	}
}

func (x *exchange) clientRequestID() string {
	for _, id := range []string{x.GetHeader("client-request-id"), x.Query("client-request-id")} {
		if parsed, err := uuid.Parse(id); err == nil {
			return parsed.String()
		}
	}
	return uuid.NewString()
}

// dated lets a refusal that comes before the tenant is known show its time anyway if the
// path names a tenant.
func (p *Provider) dated(f func(*exchange) error) func(*exchange) error {
	return func(x *exchange) error {
		err := f(x)
		if err == nil || x.Tenant != nil || x.Named != nil {
			return err
		}
		if a, unknown := p.findAuthority(x.Request.Context(), x.Param("tenant")); unknown == nil && a.tenant != nil {
			x.Name(tenant.SettingsOf(a.tenant))
		}
		return err
	}
}

// enter reports the request's tenant to the hooks, one of which may refuse it.
func (x *exchange) enter(t *db.Tenant) error { return x.Enter(tenant.SettingsOf(t)) }

// refused passes an error to the log and to the hooks.
func (x *exchange) refused(e *aadError) {
	_ = x.Error(e)
	x.AADSTS = e.number
}

// shown makes f show its errors to a person.
func shown(f func(*exchange) error) func(*exchange) error {
	return func(x *exchange) error {
		err := f(x)
		if err == nil || x.Writer.Written() { // by a hook
			return err
		}
		x.showError(err)
		return nil
	}
}

func noRoute(x *exchange) error {
	e := refuse(90056, invalidRequest, "The endpoint '%s' does not exist.", x.Request.URL.Path)
	e.status = http.StatusNotFound
	return e
}

// noMethod names the methods that an endpoint has, which Gin tells its handlers only by this
// header.
func noMethod(x *exchange) error {
	e := refuse(900561, invalidRequest, "The endpoint only accepts %s requests. Received a %s request.",
		strings.ReplaceAll(x.Writer.Header().Get("Allow"), ", ", " or "), x.Request.Method)
	e.status = http.StatusMethodNotAllowed
	return e
}
