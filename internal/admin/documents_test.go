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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// few is a service with few connections to a database of its own, and without any
// key.
func few(t testing.TB, connections int) *client {
	t.Helper()
	database := fmt.Sprintf("%s pool_max_conns=%d", dbtest.NewDatabase(t), connections)
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel() // clients that stall are not waited for
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return &client{t, s, ""}
}

// impatient is the administration of a service where clients may pause for a short
// while only, at a real address.
func (c *client) impatient() string {
	_, base := c.listen(admin.Config{Patience: 300 * time.Millisecond})
	return base
}

// listen is another administration of the service, also at a real address.
func (c *client) listen(config admin.Config) (handler http.Handler, base string) {
	c.Helper()
	config.DB, config.Identity, config.Open = c.server.Pool(), c.server.Identity(), true
	handler = admin.New(config).Handler()
	s := httptest.NewServer(handler)
	c.Cleanup(s.Close)
	return handler, s.URL
}

// call sends a request with a body of JSON to an administration at an address.
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

// large is a document of n partners, of 1 kB each.
func large(n int) string {
	partner := `{"displayName":"x","onboardingUrl":"https://one.example/` + strings.Repeat("x", 1000) + "\"},\n"
	return "{\"version\":1,\"partners\":[\n" + strings.TrimSuffix(strings.Repeat(partner, n), ",\n") + "\n]}"
}

// stalled is a connection on which a request begins.
type stalled struct {
	net.Conn
	in *bufio.Reader
}

// dial begins a request with what is given of it.
func (c *client) dial(base, text string) *stalled {
	c.Helper()
	conn, err := (&net.Dialer{}).DialContext(c.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // or the kernel would take an export
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		c.Fatal(err)
	}
	return &stalled{conn, bufio.NewReader(conn)}
}

// line is the next line of the answer.
func (c *client) line(s *stalled) string {
	c.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// stallImport sends half a document, and returns when the service reads it.
func (c *client) stallImport(base string, tenant uuid.UUID) *stalled {
	c.Helper()
	s := c.dial(base, "PUT "+tenantPath(tenant, "/state")+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if line := c.line(s); line != "HTTP/1.1 100 Continue" {
		c.Fatal(line)
	}
	_ = c.line(s)
	_, _ = io.WriteString(s, `{"version": 1, "partners": [`)
	return s
}

// stallExport takes the first line of an answer.
func (c *client) stallExport(base string, tenant uuid.UUID) *stalled {
	c.Helper()
	s := c.dial(base, "GET "+tenantPath(tenant, "/state")+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if line := c.line(s); line != "HTTP/1.1 200 OK" {
		c.Fatal(line)
	}
	return s
}

// Clients that stall in imports and exports, more than there are connections to the
// database, hold nobody back: neither others, nor the tenant, nor other documents.
func TestStalledClients(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	c := few(t, 4)
	r := admin.TenantCreate{Quota: &admin.TenantQuota{}} // its creates wait for the tenant's lock
	r.Quota.Partners.Set(1_000_000)
	made, other := c.newTenant(r), c.newTenant(admin.TenantCreate{})
	path := tenantPath(made.Tenant.Id)
	full := c.newTenant(admin.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(full, "/state"), large(20_000)))

	for range 6 {
		c.stallImport(c.server.AdminURL(), made.Tenant.Id)
		c.stallExport(c.server.AdminURL(), full)
	}

	c.createPartner(made.Credentials.AccessToken, "a", "onboarding")
	c.createPartner(other.Credentials.AccessToken, "b", "onboarding")
	c.want(200, c.do("PATCH", path, `{"displayName":"served"}`))
	c.want(201, c.do("POST", path+"/snapshots", admin.SnapshotCreate{Name: "s"}))
	c.want(200, c.do("PUT", path+"/state", c.export(made.Tenant.Id)))
	c.newTenant(admin.TenantCreate{})
}

// Callers that wait for a tenant that is locked, more than there are connections to
// the database, hold nobody else back.
func TestWaitingForATenant(t *testing.T) {
	t.Parallel()
	c := few(t, 4)
	r := admin.TenantCreate{Quota: &admin.TenantQuota{}} // its creates wait for the tenant's lock
	r.Quota.Partners.Set(1_000_000)
	made, other := c.newTenant(r), c.newTenant(admin.TenantCreate{})
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
	for len(c.rows(locked, c.server.Pool().Config().ConnConfig.Database)) < 2 { // the first of each
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

// Who sends or takes nothing for too long, or too little, is cut off.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	c := few(t, 4)
	base := c.impatient()
	made := c.newTenant(admin.TenantCreate{}).Tenant.Id
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
		if detail := c.refused(408, "", reply{answer.StatusCode, answer.Header, string(text)}); !strings.Contains(detail, "no byte for 300ms") {
			t.Errorf("%s: %s", name, detail)
		}
	}
	s := c.dial(base, "POST /v1/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if line := c.line(s); line != "HTTP/1.1 408 Request Timeout" {
		t.Error(line)
	}

	// The connection is gone before the whole of it was sent.
	s = c.stallExport(base, made)
	time.Sleep(time.Second)
	if n, err := io.Copy(io.Discard, s.in); n >= int64(len(before)) {
		t.Errorf("%d bytes of %d: %v", n, len(before), err)
	}
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// As many documents as may be go into the database or come out of it; the next one
// is told to come again, and others are served.
func TestTooManyDocuments(t *testing.T) {
	t.Parallel()
	c := few(t, 6) // of which one is for documents
	base := c.impatient()
	made := c.newTenant(admin.TenantCreate{})
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

	r := reply{status: 200}
	for r.status == 200 { // until the import has begun
		r = call("GET", tenantPath(made.Tenant.Id, "/state"), "")
	}
	if detail := c.refused(503, "", r); detail != "1 imports and exports are under way, the most that may be; none ended within 300ms. Try again in a moment." || r.header.Get("Retry-After") == "" {
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

// What a document may not have is refused by its path and line, wherever it stands.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(admin.TenantCreate{}).Tenant.Id
	before := c.export(made)
	long, blanks := strings.Repeat("x", 9<<20), strings.Repeat(" ", 9<<20)
	const large = "is larger than 8388608 bytes, the most that one value may have"
	for _, tt := range []struct {
		document, pointer string
		line              int
		want              string
	}{
		{"{\"version\": 1, \"partners\": [{},\n\n{\"displayName\": \"" + long + "\"}]}", "/partners/1", 3, large},
		{"{\"version\": 1, \"partners\": [\n{\"displayName\": \"" + long + "\"}]}", "/partners/0", 2, large},
		{"{\"version\": 1,\n\"users\": {\"x\": \"" + long + "\"}}", "/users", 2, large},
		{"{\"version\": 1,\n\"applications\": [\"" + long + "\"], \"users\": []}", "/applications/0", 2, large},
		{"{\"version\": 1,\n\"" + long + "\": 1}", "/version", 2, large},
		{"{\"version\": 1,\n\"partners\": [{}," + blanks + "]}", "/partners/1", 2, large},
		{"{\"version\": 1,\n\"partners\": {}}", "/partners", 2, "want an array"},
		{"{\"version\": 1, \"partners\": [\n{\"id\":\"00000000-0000-4000-8000-000000000007\"}, {},\n{\"displayName\":\"x\",\n\"id\":\"00000000-0000-4000-8000-000000000007\"}, {}]}", "/partners/2", 3, "two partners have the id 00000000-0000-4000-8000-000000000007"},
		{"{\"version\": 1, \"users\": [{\"userPrincipalName\":\"a@b\"},\n{\"userPrincipalName\":\"A@b\"}]}", "/users/1/userPrincipalName", 2, `two users are called "A@b"`},
		{"{\"version\": 1, \"users\": [\n{\"id\":\"00000000-0000-4000-8000-000000000007\",\"userPrincipalName\":\"a@b\"},\n{\"id\":\"00000000-0000-4000-8000-000000000007\",\"userPrincipalName\":\"b@b\"}]}", "/users/1/id", 3, "two users have the id 00000000-0000-4000-8000-000000000007"},
		{"{\"version\": 1, \"applications\": [\n{\"clientId\":\"00000000-0000-4000-8000-000000000007\",\"displayName\":\"a\"},\n{\"clientId\":\"00000000-0000-4000-8000-000000000007\",\"displayName\":\"b\"}]}", "/applications/1/clientId", 3, "two applications have the id 00000000-0000-4000-8000-000000000007"},
		{"{\"version\": 1, \"applications\": [{\"displayName\":\"a\",\"redirectUris\":[\"myapp://a\",\n\"JavaScript:alert(1)\"]}]}", "/applications/0/redirectUris/1", 2, "want an absolute URI"},
		{"{\"version\": 1, \"applications\": [{\"displayName\":\"a\",\"redirectUris\":[\"myapp://a\"],\n\"spaRedirectUris\":[\"myapp://a\"]}]}", "/applications/0/spaRedirectUris/0", 2, "a redirect URI has one type"},
		{"{\"version\": 1, \"applications\": [\n{\"displayName\":\"a\",\"consents\":[{\"userPrincipalName\":\"nobody@b\",\"scopes\":[]}]}], \"users\": []}", "/applications/0/consents/0/userPrincipalName", 2, `no user is called "nobody@b"`},
		{"{\"applications\": []}", "", 1, "lacks the version"},
		{"{\"version\": 1,\n\"applications\": [], \"applications\": []}", "/applications", 2, "duplicate"},
	} {
		r := c.do("PUT", tenantPath(made, "/state"), tt.document)
		c.refused(400, tt.pointer, r)
		if p := decode[admin.Problem](t, r); p.Line == nil || *p.Line != tt.line || !strings.Contains(*p.Detail, tt.want) {
			t.Errorf("%s, want line %d, %s", r.body, tt.line, tt.want)
		}
	}
	for yaml, want := range map[string]string{
		"version: 1\npartners:\n- {displayName: " + strings.Repeat("x", 4<<20) + "}": "a YAML document may have 4194304 bytes; use JSON for larger ones",
		"version: 1\npartners: [" + strings.Repeat("{},", 300_000) + "]":             "a YAML document may have 300000 values, and this one has about 300003; use JSON for larger ones",
	} {
		if detail := c.refused(400, "", c.do("PUT", tenantPath(made, "/state"), yaml, "Content-Type", "application/yaml")); !strings.Contains(detail, want) {
			t.Errorf("%s, want %s", detail, want)
		}
	}
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// Applications may stand before the users that consented to them.
func TestApplicationsBeforeUsers(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(admin.TenantCreate{}).Tenant.Id
	const application = `{"displayName":"Portal","consents":[{"userPrincipalName":"alice@contoso.example","scopes":["User.Read"]}]}`
	for _, document := range []string{
		`{"applications":[` + application + `],"partners":[{}],"version":1,"users":[{"userPrincipalName":"alice@contoso.example"}]}`,
		`{"users":[{"userPrincipalName":"alice@contoso.example"}],"partners":[{}],"applications":[` + application + `],"version":1}`,
	} {
		counts := decode[admin.StateCounts](t, c.want(200, c.do("PUT", tenantPath(made, "/state"), document)))
		if counts != (admin.StateCounts{Partners: 1, Users: 1, Applications: 1}) {
			t.Errorf("%+v", counts)
		}
		if exported := c.export(made); !strings.Contains(exported, `"scopes":["User.Read"]`) {
			t.Errorf("%s", exported)
		}
	}
}
