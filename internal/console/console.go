// Package console shows the administration in a browser: pages to read, and a form or a
// button for each operation that changes something.
//
// It reaches data only through the administration's own handler, which it calls in process
// with the session's key or person. So the administration enforces roles, validates and audits, and
// everything that a page does is an operation of the contract.
package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/signin"
)

// Root is the path of the console.
const Root = "/console"

// Config configures New. Log and Now may be nil.
type Config struct {
	// Administration is the handler of the API that the pages call.
	Administration http.Handler

	// Secret seals sessions; replicas share it.
	Secret []byte

	// People signs people in without a key; nil signs nobody in. Sessions has their sessions.
	People   *signin.Provider
	Sessions Sessions

	// Service returns the service's addresses, for the snippets that connect a client.
	Service func() Addresses

	// Health returns the state of each part that the service needs, "ok" or what is wrong.
	Health func(context.Context) map[string]string

	Version string // of the program

	Now func() time.Time
	Log *slog.Logger
}

// Sessions is the administration's record of the people who are signed in.
type Sessions interface {
	// Begin records that a person signed in from an address, and returns the session's id.
	Begin(ctx context.Context, p signin.Person, address string, until time.Time) (uuid.UUID, error)

	// End ends a session, if it hasn't ended.
	End(ctx context.Context, session uuid.UUID) error

	// As returns a context in which the administration serves a person until their session ends.
	As(ctx context.Context, p signin.Person, session uuid.UUID) context.Context
}

// Addresses are the service's addresses for clients.
type Addresses struct {
	HTTP, HTTPS string // without a trailing slash; HTTPS may be ""
}

// Console serves the pages.
type Console struct {
	administration http.Handler
	sessions       sessions
	people         *signin.Provider // nil without OpenID Connect
	record         Sessions
	service        func() Addresses
	health         func(context.Context) map[string]string
	now            func() time.Time
	log            *slog.Logger
	sameOrigin     *http.CrossOriginProtection
	version        string
	tails          tails
}

// New returns a console of an administration.
func New(c Config) *Console {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Console{
		administration: c.Administration, sessions: newSessions(c.Secret), service: c.Service, health: c.Health, now: c.Now, log: c.Log,
		people: c.People, record: c.Sessions, sameOrigin: http.NewCrossOriginProtection(), version: c.Version, tails: newTails(),
	}
}

// Serves reports whether the console serves a path.
func Serves(path string) bool { return path == Root || strings.HasPrefix(path, Root+"/") }

// Handler serves the console.
func (c *Console) Handler() http.Handler {
	engine := sync.OnceValue(c.engine) // on the first request, because most consoles are never opened
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine().ServeHTTP(w, r) })
}

// pages maps each path that a signed-in person can read to the function that shows it.
var pages = map[string]func(*visit) (screen, error){
	"/tenants":          showTenants,
	"/seeds":            showSeeds,
	"/reports":          showReportList,
	"/report-logins":    showReportLogins,
	"/keys":             showKeys,
	"/console-sessions": showConsoleSessions,
	"/audit":            showAudit,
	"/service":          showService,
	"/requests":         showServiceRequests,
	"/help":             showHelp,
	"/divergences":      showDivergences,
	"/form/:operation":  showForm,

	"/requests/:requestId": showServiceRequest,

	tenantPath:                                    showTenant,
	tenantPath + "/activity":                      showActivity,
	tenantPath + "/settings":                      showSettings,
	tenantPath + "/connect":                       showConnect,
	tenantPath + "/entities/:entitySet":           showEntities,
	tenantPath + "/entities/:entitySet/:entityId": showEntity,
	tenantPath + "/users":                         showUsers,
	tenantPath + "/users/:userId":                 showUser,
	tenantPath + "/applications":                  showApplications,
	tenantPath + "/applications/:clientId":        showApplication,
	tenantPath + "/snapshots":                     showSnapshots,
	tenantPath + "/differences":                   showDifferences,
	tenantPath + "/faults":                        showFaults,
	tenantPath + "/clock":                         showClock,
	tenantPath + "/requests":                      showRequests,
	tenantPath + "/requests/:requestId":           showRequest,
	tenantPath + "/reports":                       showReports,
	tenantPath + "/reports/:report":               showReport,
	tenantPath + "/reports/:report/answer":        showReportAnswer,
	tenantPath + "/reports/:report/csv":           sendReport,
}

// Paths returns the paths of the pages, with :NAME for what differs.
func Paths() (all []string) {
	for path := range pages {
		all = append(all, Root+path)
	}
	return all
}

// tenantPath is the path of a tenant's home, below which its other pages are.
const tenantPath = "/tenants/:tenantId"

func (c *Console) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.UseRawPath, engine.UnescapePathValues = true, true
	engine.RedirectTrailingSlash = true
	engine.Use(c.recover, setHeaders, c.boundForm)
	root := engine.Group(Root)
	for name := range assets {
		root.GET("/"+name, serveAsset(name))
	}
	root.GET("", func(x *gin.Context) { x.Redirect(http.StatusSeeOther, Root+"/tenants") })
	root.GET("/sign-in", c.showSignIn)
	root.POST("/sign-in", c.signIn)
	root.GET("/sign-in/begin", c.beginSignIn)
	root.GET("/sign-in/callback", c.finishSignIn)
	root.POST("/sign-out", c.signedIn(c.signOut))
	root.POST("/act-as", c.signedIn(c.actAs))
	root.POST("/call/:operation", c.signedIn(c.submit))
	root.GET("/download/:operation", c.signedIn(c.download))
	root.GET("/live", c.signedIn(c.followService))
	root.GET(tenantPath+"/live", c.signedIn(c.followTenant))
	for path, show := range pages {
		root.GET(path, c.signedIn(c.page(show)))
	}
	engine.NoRoute(c.signedIn(c.page(func(v *visit) (screen, error) {
		return screen{}, refusal(http.StatusNotFound, "The console has no page "+v.Request.URL.Path+".")
	})))
	return engine
}

// setHeaders lets a page load only the console's own files, and keeps others from framing or
// storing it.
func setHeaders(x *gin.Context) {
	x.Header("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	x.Header("X-Content-Type-Options", "nosniff")
	x.Header("X-Frame-Options", "DENY")
	x.Header("Referrer-Policy", "same-origin")
	x.Header("Cache-Control", "no-store") // pages show secrets
}

// recover logs a panic and answers it.
func (c *Console) recover(x *gin.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(cause)
			}
			c.log.Error("console", "path", x.Request.URL.Path, "panic", cause)
			x.String(http.StatusInternalServerError, "Something went wrong; the service's log says what.")
		}
	}()
	x.Next()
}

// visit is a request of a signed-in browser.
type visit struct {
	*gin.Context
	console *Console
	session session
	caller  api.Caller
	now     time.Time   // by the clock of the page's tenant, if it has one
	tenant  *api.Tenant // that the request names, or nil
}

// screen is the content of a page within the frame.
type screen struct {
	title string
	body  g.Group
	// status is the answer's status; 0 means 200.
	status int
}

// page turns a function that shows something into a handler.
func (c *Console) page(show func(*visit) (screen, error)) func(*visit) {
	return func(v *visit) {
		err := v.findTenant()
		var s screen
		if err == nil {
			s, err = show(v)
		}
		switch {
		case errors.Is(err, errSent):
		case err != nil:
			v.fail(err)
		default:
			v.write(s)
		}
	}
}

// findTenant reads the tenant that the path, the query or a form names, and its clock.
func (v *visit) findTenant() error {
	id := cmp.Or(v.Param("tenantId"), v.Query("tenantId"), v.PostForm(parameterField+"tenantId"))
	if id == "" {
		return nil
	}
	var tenant api.Tenant
	if err := v.call("getTenant", params{"tenantId": id}, &tenant); err != nil {
		return err
	}
	v.tenant = &tenant
	var clock api.Clock
	err := v.call("getClock", params{"tenantId": id}, &clock)
	v.now = clock.Now
	return err
}

// fail shows an error with links to continue, or the sign-in page if the key is no longer
// valid.
func (v *visit) fail(err error) {
	var p *api.Problem
	switch {
	case !errors.As(err, &p):
		v.console.log.Error("console", "path", v.Request.URL.Path, "error", err)
		p = refusal(http.StatusInternalServerError, "Something went wrong; the service's log says what.")
	case p.Status == http.StatusUnauthorized:
		v.console.endSession(v.Context)
		v.console.askToSignIn(v.Context, p.Error())
		return
	}
	v.write(v.problemScreen(p))
}

func (v *visit) write(s screen) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	v.console.write(v.Context, s.status, v.frame(s))
}

// write renders a page. It replaces invalid UTF-8, which a request can bring in.
func (c *Console) write(x *gin.Context, status int, page g.Node) {
	var b bytes.Buffer
	if err := page.Render(&b); err != nil {
		panic(err) // writing to a buffer can't fail
	}
	x.Data(status, "text/html; charset=utf-8", bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD")))
}

// refusal returns a problem that the console itself finds.
func refusal(status int, detail string) *api.Problem {
	return &api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: &detail}
}

//go:embed console.css console.js icon.svg
var files embed.FS

// assets maps the files that pages load to their media types.
var assets = map[string]string{
	"console.css": "text/css; charset=utf-8",
	"console.js":  "text/javascript; charset=utf-8",
	"icon.svg":    "image/svg+xml",
}

// assetPath returns an asset's address, which changes with its content.
func assetPath(name string) string {
	text, _ := files.ReadFile(name)
	hash := sha256.Sum256(text)
	return Root + "/" + name + "?v=" + hex.EncodeToString(hash[:6])
}

func serveAsset(name string) gin.HandlerFunc {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return func(x *gin.Context) {
		x.Header("Cache-Control", "public, max-age=31536000, immutable") // other content has another address
		x.Data(http.StatusOK, assets[name], text)
	}
}
