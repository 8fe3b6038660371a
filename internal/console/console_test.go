package console_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// operations returns the contract's operations that change something.
func operations(tb testing.TB) (all map[string]*openapi3.Operation) {
	all = map[string]*openapi3.Operation{}
	for _, item := range must(openapi3.NewLoader().LoadFromData(api.OpenAPI))(tb).Paths.Map() {
		for method, op := range item.Operations() {
			if method != http.MethodGet {
				all[op.OperationID] = op
			}
		}
	}
	if len(all) < 30 {
		tb.Fatalf("the contract has %d changes", len(all))
	}
	return all
}

func mayCall(role string, op *openapi3.Operation) bool {
	ranks := []string{"reader", "manager", "owner"}
	return slices.Index(ranks, role) >= slices.Index(ranks, op.Extensions["x-role"].(string))
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stranger := &browser{TB: t, server: b.server}
	if p := stranger.do("GET", "/console/tenants?search=a&top=7", nil); p.status != 401 || stranger.cookie != nil || !strings.Contains(p.text, `value="/console/tenants?search=a&amp;top=7"`) {
		t.Errorf("a stranger gets %d %v %s", p.status, stranger.cookie, p.text)
	}
	for key, want := range map[string]string{"wrong": "There is no such key.", "": "Type a key.", "a b": "There is no such key."} {
		if p := stranger.do("POST", "/console/sign-in", url.Values{"key": {key}}); p.status < 400 || p.byTestID("alert") != want || stranger.cookie != nil {
			t.Errorf("%q: %d %q %v", key, p.status, p.byTestID("alert"), stranger.cookie)
		}
	}
	for to, want := range map[string]string{
		"/console/keys?top=1": "/console/keys?top=1", "": "/console", "https://evil.example/console/": "/console", "//evil.example/console/": "/console",
		`/\evil.example`: "/console", "/v1/keys": "/console", `/console/\evil.example`: "/console",
	} {
		p := stranger.do("POST", "/console/sign-in", url.Values{"key": {b.key}, "to": {to}}, "X-Forwarded-Proto", "https")
		c := stranger.cookie
		if p.status != 303 || p.header.Get("Location") != want {
			t.Errorf("to %q: %d %q", to, p.status, p.header.Get("Location"))
		}
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/console" || strings.Contains(c.Value, b.key) {
			t.Errorf("cookie: %v", c)
		}
	}
	if b.cookie.Secure {
		t.Error("a cookie of HTTP is Secure, so browsers drop it")
	}
	if p := stranger.do("POST", "/console/sign-in", url.Values{"key": {b.key}}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); p.status != 403 {
		t.Errorf("from another origin: %d", p.status)
	}
}

// A form that is too large is refused before the sign-in is checked, and isn't stored anywhere.
func TestFormsAreBounded(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	for name, body := range map[string]io.Reader{"with its length": strings.NewReader("key=" + strings.Repeat("x", 17<<20)), "without": io.MultiReader(strings.NewReader("key=" + strings.Repeat("x", 17<<20)))} {
		r := must(http.NewRequestWithContext(t.Context(), "POST", owner.server.ConsoleURL()+"/sign-in", body))(t)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if response, err := http.DefaultClient.Do(r); err == nil { // the service may close the connection before it has received the whole body
			_ = response.Body.Close()
			if want := map[bool]int{true: 413, false: 400}[r.ContentLength > 0]; response.StatusCode != want {
				t.Errorf("%s: %d, want %d", name, response.StatusCode, want)
			}
		}
	}
}

// A session ends with its key, with its cookie, and when somebody signs out.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	b := owner.as(api.AdminRoleOwner, t.Name())
	open := b.get("/console/tenants")
	who := must(client.Read[api.Caller](b.api().WhoAmI(t.Context())))(t)
	if err := client.Done(owner.api().RevokeKey(t.Context(), *who.KeyId)); err != nil {
		t.Fatal(err)
	}
	revoked := b.cookie
	if p := b.do("GET", "/console/tenants", nil); p.status != 401 || p.byTestID("alert") != "The key was revoked." || b.cookie != nil {
		t.Errorf("after the key: %d %q %v", p.status, p.byTestID("alert"), b.cookie)
	}
	b.cookie = revoked
	form := open.find(func(n *html.Node) bool { return attr(n, "action") == "/console/sign-out" })
	token := attr(descend(form[0])[0], "value")
	if p := b.do("POST", "/console/call/createTenant", url.Values{"csrf": {token}, "/displayName": {"x"}}); p.status != 401 {
		t.Errorf("a change after the key: %d", p.status)
	}
	out := owner.as(api.AdminRoleReader, t.Name()+" out")
	p := out.get("/console/tenants")
	form = p.find(func(n *html.Node) bool { return attr(n, "action") == "/console/sign-out" })
	if p := out.do("POST", "/console/sign-out", url.Values{"csrf": {attr(descend(form[0])[0], "value")}}); p.status != 303 || out.cookie != nil {
		t.Errorf("sign out: %d %v", p.status, out.cookie)
	}
	tampered := setup(t)
	tampered.cookie.Value = tampered.cookie.Value[:len(tampered.cookie.Value)-2] + "AA"
	if p := tampered.do("GET", "/console/tenants", nil); p.status != 401 {
		t.Errorf("another cookie: %d", p.status)
	}
}

// Without keys, this machine is let in, but not under another host's name or from another site.
func TestOpenDoor(t *testing.T) {
	t.Parallel()
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(t.Context()) }()
	b := &browser{TB: t, server: s}
	p := b.get("/console/tenants")
	if p.byTestID("caller") != "owner" || b.cookie == nil || p.byTestID("empty") == "" {
		t.Errorf("%q %v %q", p.byTestID("caller"), b.cookie, p.byTestID("empty"))
	}
	if p := b.submit(b.get("/console/form/createTenant"), "createTenant", "/displayName", "made here"); p.status != 200 {
		t.Errorf("create: %d %s", p.status, p.main())
	}
	rebound := &browser{TB: t, server: s}
	r := must(http.NewRequestWithContext(t.Context(), "GET", s.ConsoleURL()+"/tenants", nil))(t)
	r.Host = "evil.example:8081"
	response := must(http.DefaultClient.Do(r))(t)
	_ = response.Body.Close()
	if response.StatusCode != 401 {
		t.Errorf("by another name: %d", response.StatusCode)
	}
	if p := rebound.do("GET", "/console/tenants", nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); p.status != 200 || !strings.Contains(p.text, `http-equiv="refresh"`) || strings.Contains(p.text, "made here") {
		t.Errorf("by a link of another site: %d %s", p.status, p.text)
	}
}

// Changes without the form's token, from another origin or without a session are refused.
func TestWritesNeedTheirForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("guarded")
	other := b.as(api.AdminRoleOwner, t.Name())
	token := func(b *browser) string {
		p := b.get("/console/form/createTenant")
		return attr(p.find(func(n *html.Node) bool {
			return attr(n, "name") == "csrf" && n.Parent.Data == "form" && attr(n.Parent, "action") == "/console/call/createTenant"
		})[0], "value")
	}
	mine, theirs := token(b), token(other)
	entries := func() int {
		return len(must(client.Read[api.AuditList](b.api().ListAudit(t.Context(), &api.ListAuditParams{TenantId: ptr(uuid.MustParse(s.id))})))(t).Value)
	}
	before := entries()
	for operation := range operations(t) {
		values := url.Values{
			"parameter:tenantId": {s.id}, "parameter:userId": {s.user}, "parameter:clientId": {s.app}, "parameter:name": {"s1"}, "parameter:entitySet": {"remoteAssistancePartners"},
			"parameter:entityId": {s.entity}, "parameter:action": {"confirm"}, "/displayName": {"changed"}, "/name": {"n"},
		}
		for what, send := range map[string]func() page{
			"no token":        func() page { return b.do("POST", "/console/call/"+operation, values) },
			"another's token": func() page { values.Set("csrf", theirs); return b.do("POST", "/console/call/"+operation, values) },
			"no session": func() page {
				values.Set("csrf", mine)
				return (&browser{TB: t, server: b.server}).do("POST", "/console/call/"+operation, values)
			},
			"another origin": func() page {
				values.Set("csrf", mine)
				return b.do("POST", "/console/call/"+operation, values, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
			},
			"an old browser's way": func() page {
				values.Set("csrf", mine)
				return b.do("POST", "/console/call/"+operation, values, "Sec-Fetch-Site", "", "Origin", "https://evil.example")
			},
		} {
			if p := send(); p.status != 403 {
				t.Errorf("%s, %s: %d %s", operation, what, p.status, p.main())
			}
			values.Del("csrf")
		}
	}
	if after := entries(); after != before {
		t.Errorf("%d entries of the audit log, before %d", after, before)
	}
}

// inPage matches the operations that a page calls or links to.
var inPage = regexp.MustCompile(`/console/(?:call|form|download)/(\w+)`)

// Every page shows each role what the API lets it read, and only the buttons that it may
// press; the pages together reach every change of the contract.
func TestRoles(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	s := owner.sample("roles")
	changes := operations(t)
	owners := map[string]bool{"/console/keys": true, "/console/console-sessions": true, "/console/audit?tenantId=" + s.id: true, "/console/requests": true}
	managers := regexp.MustCompile(`/console/form/`)
	reached := map[string]bool{}
	for _, role := range []api.AdminRole{api.AdminRoleReader, api.AdminRoleManager, api.AdminRoleOwner} {
		b := owner
		if role != api.AdminRoleOwner {
			b = owner.as(role, t.Name())
		}
		if role == api.AdminRoleManager { // the manager of the tenant
			name := ptr(t.Name())
			must(client.Read[api.Tenant](owner.api().UpdateTenant(t.Context(), uuid.MustParse(s.id), api.TenantUpdate{Manager: map[bool]string{true: *name}, KeepCredentials: ptr(true)})))(t)
		}
		for _, path := range s.pages() {
			want := 200
			if owners[path] && role != api.AdminRoleOwner || managers.MatchString(path) && role == api.AdminRoleReader {
				want = 403
			}
			p := b.do("GET", path, nil)
			if p.status != want {
				t.Errorf("%s, %s: %d, want %d\n%s", role, path, p.status, want, p.main())
			}
			for _, m := range inPage.FindAllStringSubmatch(p.text, -1) {
				if op := changes[m[1]]; op != nil && !mayCall(string(role), op) {
					t.Errorf("%s: %s shows %s", role, path, m[1])
				}
				reached[m[1]] = true
			}
		}
	}
	for operation := range changes {
		if !reached[operation] && !elsewhere[operation] {
			t.Errorf("no page leads to %s", operation)
		}
	}
}

// elsewhere lists changes whose buttons need something that a sample lacks, and the
// verification of requests, which only programs use.
var elsewhere = map[string]bool{
	"verifyRequests": true,
	"deleteSeed":     true, "revokeReportLogin": true, "rotateReportLogin": true, // their lists are empty
	"stopScenario":                 true, // needs a rule of a scenario
	"endConsoleSession":            true, // needs a person: TestPeoplesSessionsAreEnded
	"deleteApplicationCertificate": true, "deleteFederatedCredential": true,
}

// Another manager's tenant doesn't exist for a manager.
func TestOthersTenant(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	s := owner.sample("not yours")
	b := owner.as(api.AdminRoleManager, t.Name())
	for _, path := range s.pages() {
		if !strings.Contains(path, s.id) || strings.Contains(path, "search=") || strings.Contains(path, "/audit") {
			continue
		}
		if p := b.do("GET", path, nil); p.status != 404 || strings.Contains(p.text, "not yours") {
			t.Errorf("%s: %d\n%s", path, p.status, p.main())
		}
	}
	if p := b.get("/console/tenants?search=" + s.id); strings.Contains(p.text, "not yours") {
		t.Error("the list shows it")
	}
}

// A refused form keeps what was typed, and says what is wrong with which field. A form sends
// only changed fields, and creates once even if it is sent twice.
func TestForms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.submit(b.get("/console/form/createTenant"), "createTenant", "/displayName", "Contoso <1>", "/ttlSeconds", "soon", "/settings/pageSize", "10")
	if p.status != 400 || !strings.Contains(p.byTestID("alert"), "/ttlSeconds") {
		t.Errorf("%d %q", p.status, p.byTestID("alert"))
	}
	typed := p.find(func(n *html.Node) bool { return attr(n, "name") == "/displayName" || attr(n, "name") == "/ttlSeconds" })
	if len(typed) != 2 || attr(typed[0], "value") != "Contoso <1>" || attr(typed[1], "aria-invalid") != "true" {
		t.Errorf("typed: %v", typed)
	}
	made := b.submit(p, "createTenant", "/ttlSeconds", "3600")
	again := b.submit(p, "createTenant", "/ttlSeconds", "3600")
	if made.status != 200 || again.byTestID("copy-json") != made.byTestID("copy-json") {
		t.Fatalf("%d %s\n%s", made.status, made.main(), again.main())
	}
	var k api.Credentials
	if err := json.Unmarshal([]byte(made.byTestID("copy-json")), &k); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(made.byTestID("copy-shell"), "export AZURE_PASSWORD='"+k.Password+"'\n") || !strings.Contains(made.byTestID("copy-env"), `AZURE_CLIENT_SECRET="`+k.ClientSecret+`"`) {
		t.Errorf("credentials: %s", made.main())
	}
	tenant := must(client.Read[api.Tenant](b.api().GetTenant(t.Context(), k.TenantId)))(t)
	if tenant.DisplayName != "Contoso <1>" || *tenant.Settings.PageSize != 10 || tenant.ExpiresDateTime == nil {
		t.Errorf("%+v", tenant)
	}

	update := b.get("/console/form/updateTenant?tenantId=" + k.TenantId.String())
	must(client.Read[api.Tenant](b.api().UpdateTenant(t.Context(), k.TenantId, api.TenantUpdate{DisplayName: ptr("by another")})))(t)
	if p := b.submit(update, "updateTenant", "/settings/pageSize", "20", "/quota/users", "5"); p.status != 303 {
		t.Errorf("update: %d %s", p.status, p.main())
	}
	tenant = must(client.Read[api.Tenant](b.api().GetTenant(t.Context(), k.TenantId)))(t)
	if n, _ := tenant.Quota.Users.Get(); tenant.DisplayName != "by another" || *tenant.Settings.PageSize != 20 || n != 5 {
		t.Errorf("%+v", tenant)
	}
	update = b.get("/console/form/updateTenant?tenantId=" + k.TenantId.String())
	b.submit(update, "updateTenant", "/quota/users", "")
	tenant = must(client.Read[api.Tenant](b.api().GetTenant(t.Context(), k.TenantId)))(t)
	if _, err := tenant.Quota.Users.Get(); err == nil {
		t.Errorf("an emptied field stays: %+v", tenant.Quota)
	}
}

// A field that the browser requires is one that the operation requires. Fields of optional
// objects, which are folded at first, aren't required.
func TestRequiredFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("required")
	for operation, op := range operations(t) {
		if op.RequestBody == nil {
			continue
		}
		of := map[string]string{"updateUser": "&userId=" + s.user, "updateApplication": "&clientId=" + s.app, "updateEntity": "&entitySet=remoteAssistancePartners&entityId=" + s.entity}[operation]
		p := b.do("GET", "/console/form/"+operation+"?tenantId="+s.id+of, nil)
		if p.status != 200 {
			t.Errorf("%s: %d", operation, p.status)
		}
		for _, n := range p.find(func(n *html.Node) bool { return has(n, "required") }) {
			for up := range n.Ancestors() {
				if up.Data == "details" && !has(up, "open") {
					t.Errorf("%s: %s is required, and hidden", operation, attr(n, "name"))
				}
			}
		}
	}
}

// If an item is deleted while its page is open, the next request shows a page that says so.
func TestDeletedWhileOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("soon gone")
	user := b.get("/console/tenants/" + s.id + "/users/" + s.user)
	if p := b.submit(b.get("/console/tenants/"+s.id+"/settings"), "deleteTenant"); p.status != 303 || p.header.Get("Location") != "/console/tenants" {
		t.Errorf("delete: %d %s", p.status, p.main())
	}
	for what, p := range map[string]page{
		"reload": b.do("GET", "/console/tenants/"+s.id, nil), "button": b.submit(user, "revokeSignIns"), "form": b.submit(user, "updateUser", "/enabled", "false"),
		"no such tenant": b.do("GET", "/console/tenants/"+uuid.NewString()+"/users", nil),
	} {
		if p.status != 404 || !strings.HasPrefix(p.byTestID("alert"), "There is no tenant") {
			t.Errorf("%s: %d %q", what, p.status, p.byTestID("alert"))
		}
	}
	for path, want := range map[string]int{
		"/console/tenants/x": 400, "/console/nowhere": 404, "/console/form/nothing": 404, "/console/form/listTenants": 404, "/console/download/deleteTenant": 404,
		"/console/tenants?after=x": 400, "/console/tenants?top=0": 400, "/console/form/updateTenant": 400,
	} {
		if p := b.do("GET", path, nil); p.status != want || p.byTestID("alert") == "" {
			t.Errorf("%s: %d %q, want %d", path, p.status, p.byTestID("alert"), want)
		}
	}
}

// Buttons for actions, switches, snapshots and documents call their operations.
func TestButtons(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("buttons")
	at, c, id := "/console/tenants/"+s.id, b.api(), uuid.MustParse(s.id)
	done := func(p page) {
		t.Helper()
		if p.status != 303 {
			t.Errorf("%d %s", p.status, p.main())
		}
	}
	entity := at + "/entities/remoteAssistancePartners/" + s.entity
	done(b.submit(b.get(entity), "actOnEntity")) // the first button: confirm
	got := must(client.Read[api.Entity](c.GetEntity(t.Context(), id, "remoteAssistancePartners", s.entity)))(t)
	if got.Properties["onboardingStatus"] != "onboarded" || !strings.Contains(b.get(entity).main(), "onboarded") {
		t.Errorf("%+v", got)
	}
	done(b.submit(b.get(at+"/users/"+s.user), "updateUser", "/enabled", "false"))
	if u := must(client.Read[api.User](c.GetUser(t.Context(), id, uuid.MustParse(s.user))))(t); u.Enabled {
		t.Error("the user is enabled")
	}
	if p := b.get(at + "/differences?from=s1"); !strings.Contains(p.byTestID("differences"), "onboarded") || len(p.find(func(n *html.Node) bool { return n.Data == "ins" })) == 0 {
		t.Errorf("differences: %s", p.main())
	}
	done(b.submit(b.get(at+"/snapshots"), "restoreSnapshot"))
	if p := b.get(at + "/differences?from=s1"); p.byTestID("empty") != "There are no differences.Snapshots" {
		t.Errorf("after restoring: %s", p.main())
	}
	done(b.submit(b.get("/console/form/setClock?tenantId="+s.id+"&/rate=0"), "setClock"))
	if clock := must(client.Read[api.Clock](c.GetClock(t.Context(), id)))(t); clock.Rate != 0 {
		t.Errorf("%+v", clock)
	}
	done(b.submit(b.get("/console/form/createFault?tenantId="+s.id+"&/effect/status=429&/effect/retryAfterSeconds=2"), "createFault"))
	if faults := must(client.Read[api.FaultList](c.ListFaults(t.Context(), id)))(t); len(faults.Value) == 0 || *faults.Value[len(faults.Value)-1].Effect.Status != 429 {
		t.Errorf("%+v", faults)
	}
	document := b.do("GET", "/console/download/exportTenant?tenantId="+s.id, nil)
	if document.status != 200 || !json.Valid([]byte(document.text)) || !strings.HasPrefix(document.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("download: %d %v", document.status, document.header)
	}
	refused := b.do("GET", "/console/download/exportTenant?tenantId="+uuid.NewString(), nil)
	if refused.status != 404 || refused.header.Get("Content-Disposition") != "" || !strings.Contains(refused.byTestID("alert"), "There is no tenant") {
		t.Errorf("a refused download: %d %v %s", refused.status, refused.header, refused.text)
	}
	done(b.submit(b.get("/console/form/importTenant?tenantId="+s.id), "importTenant", "document", document.text))
	if p := b.submit(b.get("/console/form/importTenant?tenantId="+s.id), "importTenant", "document", `{"no": 1}`); p.status != 400 || !strings.Contains(p.text, "{&#34;no&#34;: 1}") {
		t.Errorf("a bad document: %d %s", p.status, p.main())
	}
	csv := b.do("GET", at+"/reports/recent-changes/csv", nil)
	if csv.status != 200 || !strings.HasPrefix(csv.text, "changed_at,change,who,") || strings.Contains(csv.text, "<html") {
		t.Errorf("CSV: %d %s", csv.status, csv.text)
	}
}

// hostile are texts that would change a page if they weren't escaped.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, "</textarea></title></style>", "&lt;b&gt;", "\u202Eevil\u2066", "{{1}}", "\nline", "<!--", strings.Repeat("long ", 50), "é\u0301 \U0001F600",
	"javascript:alert(1)", "\x00", "\xff",
}

// Texts from clients are only text on every page, whatever field they are in.
func FuzzPages(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) > 256 || strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return // the administration refuses it, which its own tests check
		}
		checkPages(setup(t), text)
	})
}

// checkPages compares the pages of a sample with that text with those of a harmless sample.
// They have the same elements and show the text unchanged.
func checkPages(b *browser, text string) {
	b.Helper()
	want, got := b.sample("harmless"), b.sample(text)
	paths := got.pages()
	for i, path := range want.pages() {
		if strings.HasPrefix(path, "/console/audit") || strings.HasPrefix(path, "/console/keys") || strings.HasPrefix(path, "/console/console-sessions") {
			continue // other tests add to them
		}
		p := b.get(paths[i])
		if diff := cmp.Diff(b.get(path).elements(), p.elements()); diff != "" && strings.TrimSpace(text) != "" {
			b.Errorf("%s of %q:\n%s", path, text, diff)
		}
		if strings.HasPrefix(path, "/console/tenants/"+want.id) && p.byTestID("tenant-name") != crlf.Replace(text) {
			b.Errorf("%s: %q became %q", path, text, p.byTestID("tenant-name"))
		}
	}
	form := b.get(fmt.Sprintf("/console/form/updateUser?tenantId=%s&userId=%s", got.id, got.user))
	if field := form.find(func(n *html.Node) bool { return attr(n, "name") == "/displayName" }); attr(field[0], "value") != crlf.Replace(text) {
		b.Errorf("%q became %q in a form", text, attr(field[0], "value"))
	}
}

// crlf does what HTML's parser does to line ends.
var crlf = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// The documentation lists the names with which tests find nodes, and promises to keep them.
func TestTestIDs(t *testing.T) {
	t.Parallel()
	text := string(must(os.ReadFile("../../docs/console.md"))(t))
	b := setup(t)
	s := b.sample("names")
	for _, path := range append(s.pages(), "/console/form/createTenant") {
		for _, n := range b.get(path).find(func(n *html.Node) bool { return has(n, "data-testid") }) {
			if name := attr(n, "data-testid"); !promised(text, name) {
				t.Errorf("%s: docs/console.md doesn't list %s", path, name)
			}
		}
	}
}

// promised reports whether the page lists a name or its pattern.
func promised(text, name string) bool {
	if strings.Contains(text, "`"+name+"`") {
		return true
	}
	for pattern, is := range map[string]*regexp.Regexp{
		"nav-PAGE": regexp.MustCompile(`^nav-`), "preset-NAME": regexp.MustCompile(`^preset-`), "card-PAGE": regexp.MustCompile(`^card-`), "report-NAME": regexp.MustCompile(`^report-`),
		"form-OPERATION": regexp.MustCompile(`^form-`), "field-POINTER": regexp.MustCompile(`^field-`), "TABLE-row": regexp.MustCompile(`-row$`),
		"OPERATION-sure": regexp.MustCompile(`-sure$`), "copy-NAME": regexp.MustCompile(`^copy-`), "filter-PARAMETER": regexp.MustCompile(`^filter-`), "sort-PROPERTY": regexp.MustCompile(`^sort-`),
		"OPERATION": regexp.MustCompile(`^[a-z]+[A-Z]\w+$`),
	} {
		if is.MatchString(name) && strings.Contains(text, "`"+pattern+"`") {
			return true
		}
	}
	return false
}

// The page has the programs of docs/clients.md, which other tests run, and the variables that
// they read.
func TestSnippets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("snippet")
	p := b.get("/console/tenants/" + s.id + "/connect")
	text := string(must(os.ReadFile("../../docs/clients.md"))(t))
	for name, begins := range map[string]string{
		"curl-1": "token=$(curl ", "go-1": "package main\n", "node-1": "import { UsernamePasswordCredential }", "node-2": "// partners.test.mjs\n", "python-1": "import ",
		"net-1": "using ", "java-1": "", "java-2": "import ", "powershell-1": "", "terraform-1": "terraform {",
	} {
		got := p.byTestID("copy-" + name)
		if got == "" || !strings.HasPrefix(got, begins) || !strings.Contains(text, "\n"+got+"```\n") {
			t.Errorf("%s: docs/clients.md has no program\n%s", name, got)
		}
	}
	if !strings.Contains(p.byTestID("copy-shell"), "GRAPH_BASE_URL='"+b.server.URL()+"'") || !strings.Contains(p.byTestID("copy-shell"), "AZURE_TENANT_ID='"+s.id+"'") {
		t.Errorf("%s", p.main())
	}
}

// Pages load only files of the console. Browsers may cache those files, but not pages.
// Nothing is inline, and the script is small.
func TestAssets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.get("/console/tenants")
	if policy := p.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", p.header)
	}
	found := 0
	for _, n := range p.find(func(n *html.Node) bool {
		return n.Data == "script" || n.Data == "link" || n.Data == "img" || has(n, "style") || n.Data == "style"
	}) {
		at := attr(n, "src") + attr(n, "href")
		if !strings.HasPrefix(at, "/console/") || inner(n) != "" {
			t.Errorf("%s: %q %q", n.Data, at, inner(n))
			continue
		}
		if a := b.get(at); !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %v", at, a.header)
		}
		found++
	}
	if found != 4 {
		t.Errorf("%d files", found)
	}
	script := string(must(os.ReadFile("console.js"))(t))
	if lines := strings.Count(script, "\n"); lines > 400 || strings.Contains(script, "innerHTML") {
		t.Errorf("the script has %d lines, or makes elements from text", lines)
	}
}

// The help and docs/console.md list every key of the script.
func TestKeys(t *testing.T) {
	t.Parallel()
	script := string(must(os.ReadFile("console.js"))(t))
	page := string(must(os.ReadFile("../../docs/console.md"))(t))
	help := setup(t).get("/console/help").main()
	keys := regexp.MustCompile(`\b([a-z]): "([a-z]+)"`).FindAllStringSubmatch(script, -1)
	if len(keys) < 5 {
		t.Errorf("the script has %d keys", len(keys))
	}
	for _, key := range keys {
		if !strings.Contains(help, "g "+key[1]) || !strings.Contains(help, key[2]) {
			t.Errorf("the help lacks g %s, which leads to %s", key[1], key[2])
		}
		if !strings.Contains(page, "`g "+key[1]+"`") {
			t.Errorf("docs/console.md lacks g %s", key[1])
		}
	}
}

// A pasted token is decoded, with the reason for which Graph refuses it. What was pasted is
// only text.
func TestCheckedToken(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	made := must(client.Read[api.TenantCreated](owner.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	b := owner.as(api.AdminRoleReader, t.Name())
	form := b.get(attr(b.get("/console/tenants/" + made.Tenant.Id.String() + "/applications").withTestID("checkToken")[0], "href"))
	good := b.submit(form, "checkToken", "/token", made.Credentials.AccessToken)
	if good.status != 200 || !strings.Contains(good.byTestID("verdict"), "accepts this token") || !strings.Contains(good.byTestID("token-claims"), made.Tenant.Id.String()) || len(good.withTestID("access-row")) == 0 {
		t.Errorf("%d %s", good.status, good.main())
	}
	hostile := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"<script>alert(1)</script>","exp":-1e300}`)) + ".x"
	bad := b.submit(form, "checkToken", "/token", hostile)
	if bad.status != 200 || bad.byTestID("verdict") != `401 Graph refuses this token: from another tenant, "<script>alert(1)</script>".` || len(bad.find(func(n *html.Node) bool { return n.Data == "script" })) != 1 {
		t.Errorf("%d %s", bad.status, bad.main())
	}
	if none := b.submit(form, "checkToken", "/token", ""); none.status != 400 || none.byTestID("alert") == "" {
		t.Errorf("%d %s", none.status, none.main())
	}
}

// The home leads to what happened in the tenant, and a report to its answer; both take it over
// from there by its id.
func TestActivity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("activity")
	home := b.get("/console/tenants/" + s.id)
	later := func(p page) *html.Node {
		return p.find(func(n *html.Node) bool { return attr(n, "id") == "later" })[0]
	}
	link := home.withTestID("activity")[0]
	p := b.get(attr(link, "href"))
	if attr(later(home), "data-later") != attr(link, "href") || link.Parent != later(home) {
		t.Errorf("the home: %v", later(home).Attr)
	}
	report := b.get("/console/tenants/" + s.id + "/reports/recent-changes?days=1")
	answer := report.withTestID("answer")[0]
	if attr(later(report), "data-later") != attr(answer, "href") || !strings.HasSuffix(attr(answer, "href"), "/recent-changes/answer?days=1") {
		t.Errorf("a report: %v", later(report).Attr)
	}
	if text := inner(later(b.get(attr(answer, "href")))); !strings.Contains(text, "changed at") || !strings.Contains(text, "activity") {
		t.Errorf("a report's answer: %s", text)
	}
	if !strings.Contains(inner(later(p)), "Recent changes") || len(p.withTestID("funnel")) == 0 || !strings.Contains(p.byTestID("recent-changes"), "activity") {
		t.Errorf("what happened: %s", p.main())
	}
}
