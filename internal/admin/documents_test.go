package admin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// few returns an owner of a service with its own database, few connections to it, and no keys.
func few(t testing.TB, connections int) *client {
	t.Helper()
	database := fmt.Sprintf("%s pool_max_conns=%d", dbtest.NewDatabase(t), connections)
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel() // doesn't wait for stalled clients
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return &client{t, s, ""}
}

// impatient starts an administration that closes the connections of clients after a short
// pause, and returns its address.
func (c *client) impatient() string {
	_, base := c.listen(admin.Config{Patience: 300 * time.Millisecond})
	return base
}

// listen starts another administration of the service, and returns it with its address.
func (c *client) listen(config admin.Config) (handler http.Handler, base string) {
	c.Helper()
	config.DB, config.Identity, config.Open = c.server.Pool(), c.server.Identity(), true
	handler = admin.New(config).Handler()
	s := httptest.NewServer(handler)
	c.Cleanup(s.Close)
	return handler, s.URL
}

// call sends a request with a JSON body to the administration at an address.
func (c *client) call(base, method, path, body string) reply {
	return c.callWith(base, method, path, body, "application/json")
}

func (c *client) callWith(base, method, path, body, kind string) reply {
	r, err := http.NewRequestWithContext(c.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		c.Error(err)
		return reply{}
	}
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Error(err)
		return reply{}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.Error(err)
	}
	return reply{answer.StatusCode, answer.Header, string(text)}
}

// untilLocked waits until a statement in the service's database waits for a lock.
func (c *client) untilLocked() {
	c.Helper()
	query := "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	if dbtest.OnCluster() {
		query = "SELECT count(*) > 0 FROM citus_lock_waits" // the workers have the locks
	}
	for waits := false; !waits; {
		if err := c.server.Pool().QueryRow(c.Context(), query).Scan(&waits); err != nil {
			c.Fatal(err)
		}
	}
}

// large returns a document with n partners of 1 kB each.
func large(n int) string {
	partner := `{"displayName":"x","onboardingUrl":"https://one.example/` + strings.Repeat("x", 1000) + "\"},\n"
	return "{\"version\":1,\"remoteAssistancePartners\":[\n" + strings.TrimSuffix(strings.Repeat(partner, n), ",\n") + "\n]}"
}

// stalled is a connection with an unfinished request.
type stalled struct {
	net.Conn
	in *bufio.Reader
}

// dial connects and sends the beginning of a request.
func (c *client) dial(base, text string) *stalled {
	c.Helper()
	conn, err := (&net.Dialer{}).DialContext(c.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // otherwise the kernel would buffer a whole export
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		c.Fatal(err)
	}
	return &stalled{conn, bufio.NewReader(conn)}
}

// line returns the next line of the answer.
func (c *client) line(s *stalled) string {
	c.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// stallImport sends half a document, and returns once the service is reading it.
func (c *client) stallImport(base string, tenant uuid.UUID) *stalled {
	c.Helper()
	s := c.dial(base, "PUT "+tenantPath(tenant, "/state")+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if line := c.line(s); line != "HTTP/1.1 100 Continue" {
		c.Fatal(line)
	}
	_ = c.line(s)
	_, _ = io.WriteString(s, `{"version": 1, "remoteAssistancePartners": [`)
	return s
}

// stallExport reads only the first line of an answer.
func (c *client) stallExport(base string, tenant uuid.UUID) *stalled {
	c.Helper()
	s := c.dial(base, "GET "+tenantPath(tenant, "/state")+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if line := c.line(s); line != "HTTP/1.1 200 OK" {
		c.Fatal(line)
	}
	return s
}

// Clients that stall during imports and exports delay nobody, even if there are more of them
// than database connections: neither other callers, nor their tenant, nor other documents.
func TestStalledClients(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	c := few(t, 4)
	r := api.TenantCreate{Quota: &api.TenantQuota{}} // its creates wait for the tenant's lock
	r.Quota.Entities.Set(1_000_000)
	made, other := c.newTenant(r), c.newTenant(api.TenantCreate{})
	path := tenantPath(made.Tenant.Id)
	full := c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(full, "/state"), large(20_000)))

	for range 6 {
		c.stallImport(c.server.AdminURL(), made.Tenant.Id)
		c.stallExport(c.server.AdminURL(), full)
	}

	c.createPartner(made.Credentials.AccessToken, "a", "onboarding")
	c.createPartner(other.Credentials.AccessToken, "b", "onboarding")
	c.want(200, c.do("PATCH", path, `{"displayName":"served"}`))
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "s"}))
	c.want(200, c.do("PUT", path+"/state", c.export(made.Tenant.Id)))
	c.newTenant(api.TenantCreate{})
}

// Callers that wait for a locked tenant delay nobody else, even if there are more of them than
// database connections.
func TestWaitingForATenant(t *testing.T) {
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	t.Parallel()
	c := few(t, 4)
	r := api.TenantCreate{Quota: &api.TenantQuota{}} // its creates wait for the tenant's lock
	r.Quota.Entities.Set(1_000_000)
	made, other := c.newTenant(r), c.newTenant(api.TenantCreate{})
	tx, err := c.server.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM tenants WHERE id = $1 FOR UPDATE", made.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan reply)
	const callers = 6
	for range callers {
		go func() { waiting <- c.do("PATCH", tenantPath(made.Tenant.Id), `{"displayName":"late"}`) }()
		go func() { waiting <- c.graph("POST", partners, `{"displayName":"late"}`, made.Credentials.AccessToken) }()
	}
	const locked = "SELECT pid::text FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
	for len(c.rows(locked, c.server.Pool().Config().ConnConfig.Database)) < 2 { // the first of each queue
		time.Sleep(10 * time.Millisecond)
	}

	unlock := sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	watch := time.AfterFunc(time.Minute, func() {
		t.Error("others wait with those of the tenant")
		unlock()
	})
	c.createPartner(other.Credentials.AccessToken, "served", "onboarding")
	c.want(200, c.do("PATCH", tenantPath(other.Tenant.Id), `{"displayName":"served"}`))
	c.want(200, c.graph("GET", partners, "", made.Credentials.AccessToken))

	watch.Stop()
	unlock()
	for range 2 * callers {
		if r := <-waiting; r.status != 200 && r.status != 201 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
}

// The service closes the connection of a client that pauses for too long or is too slow.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	c := few(t, 4)
	base := c.impatient()
	made := c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(made, "/state"), large(20_000)))
	before := c.export(made)

	for name, send := range map[string]func(s *stalled){
		"nothing": func(*stalled) {},
		"little": func(s *stalled) {
			for err := error(nil); err == nil; _, err = io.WriteString(s, " ") {
				time.Sleep(20 * time.Millisecond)
			}
		},
	} {
		s := c.stallImport(base, made)
		go send(s)
		answer, err := http.ReadResponse(s.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if detail := c.refused(408, "", reply{answer.StatusCode, answer.Header, string(text)}); !strings.Contains(detail, "it paused for 300ms") {
			t.Errorf("%s: %s", name, detail)
		}
	}
	s := c.dial(base, "POST /v1/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if line := c.line(s); line != "HTTP/1.1 408 Request Timeout" {
		t.Error(line)
	}

	// The connection ends before the whole document was sent.
	s = c.stallExport(base, made)
	time.Sleep(time.Second)
	if n, err := io.Copy(io.Discard, s.in); n >= int64(len(before)) {
		t.Errorf("%d bytes of %d: %v", n, len(before), err)
	}
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// Imports and exports above the limit are refused with a Retry-After. Other calls are served.
func TestTooManyDocuments(t *testing.T) {
	t.Parallel()
	c := few(t, 6) // one of them for documents
	base := c.impatient()
	made := c.newTenant(api.TenantCreate{})
	exported := c.export(made.Tenant.Id)
	tx, err := c.server.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM tenants WHERE id = $1 FOR UPDATE", made.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) reply { return c.call(base, method, path, body) }
	imported := make(chan reply)
	go func() { imported <- call("PUT", tenantPath(made.Tenant.Id, "/state"), exported) }()

	c.untilLocked()

	r := call("GET", tenantPath(made.Tenant.Id, "/state"), "")
	if detail := c.refused(503, "", r); detail != "The limit of 1 concurrent imports and exports is reached, and none ended within 300ms. Try again in a moment." || r.header.Get("Retry-After") == "" {
		t.Errorf("%s %v", detail, r.header)
	}
	c.refused(503, "", call("POST", "/v1/seeds?name=late", `{"version":1}`))
	c.refused(503, "", call("POST", "/v1/tenants", embedding(`{"version":1}`)))
	c.want(200, call("GET", "/v1/tenants", ""))
	c.want(201, call("POST", "/v1/tenants", `{"displayName":"served"}`))

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want(200, <-imported)
	c.want(200, call("GET", tenantPath(made.Tenant.Id, "/state"), ""))
	c.want(201, call("POST", "/v1/seeds?name=late", `{"version":1}`))
}

// The number of concurrent copies is limited, whatever requests them. Documents have a separate
// limit.
func TestTooManyCopies(t *testing.T) {
	t.Parallel()
	c := few(t, 3) // one of them for copies
	base := c.impatient()
	locked, free := c.newTenant(api.TenantCreate{}).Tenant.Id, c.newTenant(api.TenantCreate{}).Tenant.Id
	call := func(method, path, body string) reply { return c.call(base, method, path, body) }
	snapshots := tenantPath(free, "/snapshots")
	c.want(201, call("POST", snapshots, `{"name":"first"}`))
	tx, err := c.server.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM tenants WHERE id = $1 FOR UPDATE", locked); err != nil {
		t.Fatal(err)
	}
	made := make(chan reply)
	go func() { made <- call("POST", tenantPath(locked, "/snapshots"), `{"name":"waits"}`) }()
	c.untilLocked()

	copyOf := func(source string) string { return `{"displayName":"x","credentials":false,"source":{` + source + `}}` }
	if detail := c.refused(503, "", call("POST", snapshots, `{"name":"second"}`)); detail != "The limit of 1 concurrent copies of tenant data is reached, and none ended within 300ms. Try again in a moment." {
		t.Error(detail)
	}
	c.refused(503, "", call("POST", "/v1/tenants", copyOf(`"tenantId":"`+free.String()+`"`)))
	c.refused(503, "", call("POST", "/v1/tenants", copyOf(`"tenantId":"`+free.String()+`","snapshot":"first"`)))
	c.refused(503, "", call("POST", snapshots+"/first/restore", ""))
	c.want(200, call("PUT", tenantPath(free, "/state"), c.export(free)))

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want(201, <-made)
	c.want(200, call("POST", snapshots+"/first/restore", ""))
}

// Errors in documents name their path and line, wherever they are.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{}).Tenant.Id
	before := c.export(made)
	long, blanks := strings.Repeat("x", 9<<20), strings.Repeat(" ", 9<<20)
	const large = "is larger than 8388608 bytes, the limit for one value"
	for _, tt := range []struct {
		document, pointer string
		line              int
		want              string
	}{
		{document: "{\"version\": 1, \"remoteAssistancePartners\": [{},\n\n{\"displayName\": \"" + long + "\"}]}", pointer: "/remoteAssistancePartners/1", line: 3, want: large},
		{document: "{\"version\": 1, \"remoteAssistancePartners\": [\n{\"displayName\": \"" + long + "\"}]}", pointer: "/remoteAssistancePartners/0", line: 2, want: large},
		{document: "{\"version\": 1,\n\"users\": {\"x\": \"" + long + "\"}}", pointer: "/users", line: 2, want: large},
		{document: "{\"version\": 1,\n\"applications\": [\"" + long + "\"], \"users\": []}", pointer: "/applications/0", line: 2, want: large},
		{document: "{\"version\": 1,\n\"" + long + "\": 1}", pointer: "/version", line: 2, want: large},
		{document: "{\"version\": 1,\n\"remoteAssistancePartners\": [{}," + blanks + "]}", pointer: "/remoteAssistancePartners/1", line: 2, want: large},
		{document: "{\"version\": 1,\n\"partners\": {}}", pointer: "/partners", line: 2, want: "want an array"},
		{document: "{\"version\": 1, \"remoteAssistancePartners\": [\n{\"id\":\"00000000-0000-4000-8000-000000000007\"}, {},\n{\"displayName\":\"x\",\n\"id\":\"00000000-0000-4000-8000-000000000007\"}, {}]}", pointer: "/remoteAssistancePartners/2", line: 3, want: "two remote assistance partners have the id 00000000-0000-4000-8000-000000000007"},
		{document: "{\"version\": 1, \"users\": [{\"userPrincipalName\":\"a@b\"},\n{\"userPrincipalName\":\"A@b\"}]}", pointer: "/users/1/userPrincipalName", line: 2, want: `two users are called "A@b"`},
		{document: "{\"version\": 1, \"users\": [\n{\"id\":\"00000000-0000-4000-8000-000000000007\",\"userPrincipalName\":\"a@b\"},\n{\"id\":\"00000000-0000-4000-8000-000000000007\",\"userPrincipalName\":\"b@b\"}]}", pointer: "/users/1/id", line: 3, want: "two users have the id 00000000-0000-4000-8000-000000000007"},
		{document: "{\"version\": 1, \"applications\": [\n{\"clientId\":\"00000000-0000-4000-8000-000000000007\",\"displayName\":\"a\"},\n{\"clientId\":\"00000000-0000-4000-8000-000000000007\",\"displayName\":\"b\"}]}", pointer: "/applications/1/clientId", line: 3, want: "two applications have the id 00000000-0000-4000-8000-000000000007"},
		{document: "{\"version\": 1, \"applications\": [{\"displayName\":\"a\",\"redirectUris\":[\"myapp://a\",\n\"JavaScript:alert(1)\"]}]}", pointer: "/applications/0/redirectUris/1", line: 2, want: "want an absolute URI"},
		{document: "{\"version\": 1, \"applications\": [{\"displayName\":\"a\",\"redirectUris\":[\"myapp://a\"],\n\"spaRedirectUris\":[\"myapp://a\"]}]}", pointer: "/applications/0/spaRedirectUris/0", line: 2, want: "a redirect URI has one type"},
		{document: "{\"version\": 1, \"applications\": [\n{\"displayName\":\"a\",\"consents\":[{\"userPrincipalName\":\"nobody@b\",\"scopes\":[]}]}], \"users\": []}", pointer: "/applications/0/consents/0/userPrincipalName", line: 2, want: `no user is called "nobody@b"`},
		{document: "{\"applications\": []}", line: 1, want: "lacks the version"},
		{document: "{\"version\": 1,\n\"applications\": [], \"applications\": []}", pointer: "/applications", line: 2, want: "duplicate"},
	} {
		r := c.do("PUT", tenantPath(made, "/state"), tt.document)
		c.refused(400, tt.pointer, r)
		if p := decode[api.Problem](t, r); p.Line == nil || *p.Line != tt.line || !strings.Contains(*p.Detail, tt.want) {
			t.Errorf("%s, want line %d, %s", r.body, tt.line, tt.want)
		}
	}
	for yaml, want := range map[string]string{
		"version: 1\nremoteAssistancePartners:\n- {displayName: " + strings.Repeat("x", 4<<20) + "}": "a YAML document may have 4194304 bytes; use JSON for larger ones",
		"version: 1\nremoteAssistancePartners: [" + strings.Repeat("{},", 300_000) + "]":             "a YAML document may have 300000 values, and this one has about 300003; use JSON for larger ones",
	} {
		if detail := c.refused(400, "", c.do("PUT", tenantPath(made, "/state"), yaml, "Content-Type", "application/yaml")); !strings.Contains(detail, want) {
			t.Errorf("%s, want %s", detail, want)
		}
	}
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// A document may have applications before the users that consented to them.
func TestApplicationsBeforeUsers(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{}).Tenant.Id
	const application = `{"displayName":"Portal","consents":[{"userPrincipalName":"alice@contoso.example","scopes":["User.Read"]}]}`
	for _, document := range []string{
		`{"applications":[` + application + `],"remoteAssistancePartners":[{}],"version":1,"users":[{"userPrincipalName":"alice@contoso.example"}]}`,
		`{"users":[{"userPrincipalName":"alice@contoso.example"}],"remoteAssistancePartners":[{}],"applications":[` + application + `],"version":1}`,
	} {
		counts := decode[api.StateCounts](t, c.want(200, c.do("PUT", tenantPath(made, "/state"), document)))
		if !reflect.DeepEqual(counts, holding(1, 1, 1)) {
			t.Errorf("%+v", counts)
		}
		if exported := c.export(made); !strings.Contains(exported, `"scopes":["User.Read"]`) {
			t.Errorf("%s", exported)
		}
	}
}

// A document may have messages before the templates that contain them. A message without its
// template is refused, wherever it is, as is a second default message. A template shows the default
// one, whatever the document says.
func TestContainedInDocuments(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{}).Tenant.Id
	const (
		template = `"notificationMessageTemplates":[{"id":"00000000-0000-4000-8000-000000000007","displayName":"x","defaultLocale":"it"}]`
		german   = `{"id":"00000000-0000-4000-8000-000000000007_de","isDefault":true}`
		orphan   = `{"id":"00000000-0000-4000-8000-000000000008_de"}`
	)
	messages := func(all ...string) string {
		return `"localizedNotificationMessages":[` + strings.Join(all, ",\n") + `]`
	}
	for _, document := range []string{
		`{"version":1,` + template + `,` + messages(german) + `}`,
		`{` + messages(german) + `,"version":1,` + template + `}`,
	} {
		c.want(200, c.do("PUT", tenantPath(made, "/state"), document))
		if exported := c.export(made); !strings.Contains(exported, `00000000-0000-4000-8000-000000000007_de`) || !strings.Contains(exported, `"defaultLocale":"de"`) {
			t.Errorf("%s", exported)
		}
	}
	before := c.export(made)
	const missing = "no notification message template has the id 00000000-0000-4000-8000-000000000008"
	for _, tt := range []struct{ document, pointer, want string }{
		{`{"version":1,` + template + `,` + messages(german, orphan) + `}`, "/localizedNotificationMessages/1/id", missing},
		{`{"version":1,` + messages(german, orphan) + `,` + template + `}`, "/localizedNotificationMessages/1/id", missing},
		{`{"version":1,` + template + `,` + messages(german, strings.Replace(german, "_de", "_fr", 1)) + `}`, "/localizedNotificationMessages/1/isDefault", "true for two localized notification messages of the notification message template 00000000-0000-4000-8000-000000000007"},
		{"{\"version\":1,\n" + messages(orphan) + `}`, "/localizedNotificationMessages/0/id", missing},
		{`{"version":1,` + template + `,` + messages(german, `{"id":"00000000-0000-4000-8000-000000000007_DE"}`) + `}`, "/localizedNotificationMessages/1", "two localized notification messages have the id 00000000-0000-4000-8000-000000000007_DE"},
	} {
		r := c.do("PUT", tenantPath(made, "/state"), tt.document)
		c.refused(400, tt.pointer, r)
		if p := decode[api.Problem](t, r); p.Line == nil || *p.Line != 2 || !strings.Contains(*p.Detail, tt.want) {
			t.Errorf("%s, want line 2, %s", r.body, tt.want)
		}
	}
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// A quota counts the messages of all templates together.
func TestQuotaOfContained(t *testing.T) {
	t.Parallel()
	c := setup(t)
	r := api.TenantCreate{Quota: &api.TenantQuota{}}
	r.Quota.Entities.Set(2)
	made := c.newTenant(r)
	token, path := made.Credentials.AccessToken, tenantPath(made.Tenant.Id)
	var sets []string
	for range 2 {
		const templates = "/v1.0/deviceManagement/notificationMessageTemplates"
		sets = append(sets, templates+"/"+idOf(c, c.want(201, c.graph("POST", templates, `{}`, token)).body)+"/localizedNotificationMessages")
		c.want(201, c.graph("POST", sets[len(sets)-1], `{"locale":"de"}`, token))
	}
	for _, set := range sets {
		if body := c.want(507, c.graph("POST", set, `{"locale":"fr"}`, token)).body; !strings.Contains(body, "The tenant has as many localized notification messages as its quota allows") {
			t.Error(body)
		}
	}
	c.want(404, c.graph("POST", "/v1.0/deviceManagement/notificationMessageTemplates/00000000-0000-0000-0000-000000000001/localizedNotificationMessages", `{"locale":"fr"}`, token))
	document := c.export(made.Tenant.Id)
	c.want(200, c.do("PATCH", path, `{"quota":{"entities":1}}`))
	c.refused(409, "", c.do("PUT", path+"/state", document))
}
