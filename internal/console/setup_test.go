package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(dbtest.Run(m))
}

// shared is the service that all tests of the binary share, and an owner's key.
var shared struct {
	once   sync.Once
	server *server.Server
	key    string
	err    error
}

// browser is a browser, and a program that uses the same key with the API.
type browser struct {
	testing.TB
	server *server.Server
	key    string
	cookie *http.Cookie // of the session

	attempt *http.Cookie // of a sign-in that has begun
}

// setup returns the browser of an owner who has signed in.
func setup(t testing.TB) *browser {
	t.Helper()
	shared.once.Do(func() {
		ctx := context.Background()
		shared.server, shared.err = server.Start(ctx, server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), TrustedHops: 1, JournalRate: 1_000_000, Log: testenv.Log()})
		if shared.err == nil {
			_, shared.key, shared.err = admin.CreateKey(ctx, db.New(dbtest.Pool(t)), "owner of the tests", db.AdminRoleOwner, 0, time.Now())
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	b := &browser{TB: t, server: shared.server, key: shared.key}
	b.signIn()
	return b
}

// as returns a signed-in browser with a new key, which has a role and a name.
func (b *browser) as(role api.AdminRole, name string) *browser {
	b.Helper()
	made := must(client.Read[api.KeyCreated](b.api().CreateKey(b.Context(), nil, api.KeyCreate{Name: name, Role: role})))(b)
	other := &browser{TB: b.TB, server: b.server, key: made.Key}
	other.signIn()
	return other
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

func (b *browser) api() *client.Client {
	b.Helper()
	return must(client.New(b.server.AdminURL(), b.key))(b)
}

// page is an answer to a browser.
type page struct {
	status int
	header http.Header
	text   string
	tree   *html.Node
}

// ofReports matches the pages that read reports, which don't work on a cluster.
var ofReports = regexp.MustCompile(`^/console/tenants/[^/]+/(activity|reports/[^/]+/(answer|csv))\b`)

// do sends a request as a browser does: with its cookie, from a page of the console.
func (b *browser) do(method, path string, form url.Values, headers ...string) page {
	b.Helper()
	if ofReports.MatchString(path) {
		dbtest.SkipOnCluster(b, "reports don't work")
	}
	r := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(form.Encode()))
	r.Host = strings.TrimPrefix(b.server.AdminURL(), "http://")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.server.AdminURL())
	}
	for _, c := range []*http.Cookie{b.cookie, b.attempt} {
		if c != nil && strings.HasPrefix(path, c.Path) {
			r.AddCookie(c)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.server.AdminHandler().ServeHTTP(w, r)
	response := w.Result()
	defer func() { _ = response.Body.Close() }()
	for _, c := range response.Cookies() {
		kept := &b.cookie
		if strings.HasSuffix(c.Name, "_sign_in") {
			kept = &b.attempt
		}
		if *kept = c; c.MaxAge < 0 {
			*kept = nil
		}
	}
	text := must(io.ReadAll(response.Body))(b)
	tree := must(html.Parse(bytes.NewReader(text)))(b)
	return page{status: response.StatusCode, header: response.Header, text: string(text), tree: tree}
}

func (b *browser) signIn() {
	b.Helper()
	if p := b.do("POST", "/console/sign-in", url.Values{"key": {b.key}, "to": {"/console/tenants"}}); p.status != 303 || b.cookie == nil {
		b.Fatalf("sign in: %d %s", p.status, p.text)
	}
}

// get requests a page and expects 200.
func (b *browser) get(path string) page {
	b.Helper()
	p := b.do("GET", path, nil)
	if p.status != 200 {
		b.Fatalf("GET %s: %d\n%s", path, p.status, p.main())
	}
	return p
}

// submit fills in the form for an operation on a page and sends it.
func (b *browser) submit(p page, operation string, fields ...string) page {
	b.Helper()
	form := p.find(func(n *html.Node) bool { return n.Data == "form" && attr(n, "action") == "/console/call/"+operation })
	if len(form) == 0 {
		b.Fatalf("no form for %s in\n%s", operation, p.main())
	}
	values := url.Values{}
	for _, n := range descend(form[0]) {
		switch name := attr(n, "name"); {
		case name == "":
		case n.Data == "input" && attr(n, "type") != "file":
			values.Set(name, attr(n, "value"))
		case n.Data == "textarea":
			values.Set(name, inner(n))
		case n.Data == "select":
			values.Set(name, "")
			for _, o := range descend(n) {
				if o.Data == "option" && has(o, "selected") {
					values.Set(name, attr(o, "value"))
				}
			}
		}
	}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return b.do("POST", attr(form[0], "action"), values)
}

func (p page) find(is func(*html.Node) bool) []*html.Node {
	return slices.DeleteFunc(descend(p.tree), func(n *html.Node) bool { return n.Type != html.ElementNode || !is(n) })
}

// byTestID returns the text of the first node with a test id.
func (p page) byTestID(name string) string {
	for _, n := range p.find(func(n *html.Node) bool { return attr(n, "data-testid") == name }) {
		return inner(n)
	}
	return ""
}

// main returns the text of the page's main part.
func (p page) main() string {
	for _, n := range p.find(func(n *html.Node) bool { return n.Data == "main" }) {
		return inner(n)
	}
	return p.text
}

// elements returns the page's elements and the names of their attributes, in order. Texts
// must not change these.
func (p page) elements() (all []string) {
	for _, n := range p.find(func(*html.Node) bool { return true }) {
		text := n.Data
		for _, a := range n.Attr {
			text += " " + a.Key
		}
		all = append(all, text)
	}
	return all
}

func descend(n *html.Node) (all []*html.Node) {
	for d := range n.Descendants() {
		all = append(all, d)
	}
	return all
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func inner(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// sample is a tenant with an item of every kind that pages show, each called name.
type sample struct {
	id, user, app, entity, request string
}

func ptr[T any](v T) *T { return &v }

func (b *browser) sample(name string) sample {
	b.Helper()
	c, ctx := b.api(), b.Context()
	made := must(client.Read[api.TenantCreated](c.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: name, IdSeed: ptr("pages")})))(b)
	id := made.Tenant.Id
	k, last := made.Credentials, uuid.Max // comes last in lists
	user := must(client.Read[api.UserCreated](c.CreateUser(ctx, id, nil, api.UserCreate{Id: &last, UserPrincipalName: "u@" + made.Tenant.Domains[0], DisplayName: &name, GivenName: &name, Surname: &name})))(b)
	app := must(client.Read[api.ApplicationCreated](c.CreateApplication(ctx, id, nil, api.ApplicationCreate{ClientId: &last, DisplayName: name})))(b)
	entity := b.createPartner(k.AccessToken, name)
	properties := json.RawMessage(`{"onboardingUrl":"https://example.com/b"}`) // so that the partner has a history
	must(client.Read[api.Entity](c.UpdateEntity(ctx, id, "remoteAssistancePartners", entity, api.EntityUpdate{Properties: &properties})))(b)
	must(client.Read[api.Snapshot](c.CreateSnapshot(ctx, id, nil, api.SnapshotCreate{Name: "s1"})))(b)
	must(client.Read[api.Fault](c.CreateFault(ctx, id, api.FaultCreate{Effect: api.FaultEffect{Status: ptr(int32(503)), Message: &name}, Match: &api.FaultMatch{Path: ptr("/nowhere")}})))(b)
	b.createPartner(k.AccessToken, name)
	requests := must(client.Read[api.RequestList](c.ListRequests(ctx, id, &api.ListRequestsParams{Method: ptr("POST")})))(b)
	if len(requests.Value) == 0 {
		b.Fatalf("the journal of %q has no request", name)
	}
	return sample{id: id.String(), user: user.User.Id.String(), app: app.Application.ClientId.String(), entity: entity, request: requests.Value[0].Id.String()}
}

func (b *browser) createPartner(token, name string) string {
	b.Helper()
	text := must(json.Marshal(map[string]string{"displayName": name, "onboardingStatus": "onboarding", "onboardingUrl": "https://example.com/a"}))(b)
	r := httptest.NewRequestWithContext(b.Context(), "POST", "/v1.0/deviceManagement/remoteAssistancePartners", bytes.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, r)
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 201 {
		b.Fatalf("create a partner: %d %s", w.Code, w.Body)
	}
	return made.ID
}

// pages returns the addresses of every page about a sample and of the pages outside tenants,
// except those that a cluster doesn't have.
func (s sample) pages() []string {
	at := "/console/tenants/" + s.id
	entities := at + "/entities/remoteAssistancePartners"
	pages := []string{
		"/console/tenants?search=" + s.id, "/console/seeds", "/console/reports", "/console/report-logins", "/console/keys", "/console/console-sessions", "/console/audit?tenantId=" + s.id,
		"/console/requests", "/console/service", "/console/help", "/console/divergences",
		at, at + "/activity", at + "/settings", at + "/connect", entities, entities + "/" + s.entity, at + "/entities/deviceManagementPartners",
		at + "/users", at + "/users/" + s.user, at + "/applications", at + "/applications/" + s.app, at + "/snapshots", at + "/differences?from=s1",
		at + "/faults", at + "/clock", at + "/requests", at + "/requests?method=POST&status=201", at + "/requests/" + s.request, at + "/reports", at + "/reports/recent-changes", at + "/reports/recent-changes/answer", at + "/reports/onboarding-funnel/answer",
		"/console/form/createEntity?entitySet=remoteAssistancePartners&tenantId=" + s.id,
		fmt.Sprintf("/console/form/updateEntity?tenantId=%s&entitySet=remoteAssistancePartners&entityId=%s", s.id, s.entity),
		"/console/form/updateTenant?tenantId=" + s.id, "/console/form/createUser?tenantId=" + s.id,
		fmt.Sprintf("/console/form/updateUser?tenantId=%s&userId=%s", s.id, s.user),
		fmt.Sprintf("/console/form/updateApplication?tenantId=%s&clientId=%s", s.id, s.app),
	}
	return slices.DeleteFunc(pages, func(path string) bool { return dbtest.OnCluster() && ofReports.MatchString(path) })
}
