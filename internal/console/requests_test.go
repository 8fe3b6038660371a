package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/archive"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// The page of requests shows what the API returns, has the same filters, and clears only what
// it shows. Each item of a $batch is a request.
func TestRequestsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	at := "/console/tenants/" + made.Tenant.Id.String() + "/requests"
	if p := b.get(at); p.byTestID("empty") == "" {
		t.Errorf("of no request: %s", p.main())
	}
	b.createPartner(made.Credentials.AccessToken, "Contoso und Söhne")
	batch := `{"requests":[{"id":"one","method":"GET","url":"/deviceManagement/nowhere"}]}`
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1.0/$batch", strings.NewReader(batch))
	r.Header.Set("Authorization", "Bearer "+made.Credentials.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	b.server.Handler().ServeHTTP(httptest.NewRecorder(), r)

	all := must(client.Read[api.RequestList](b.api().ListRequests(t.Context(), made.Tenant.Id, nil)))(t).Value
	page := b.get(at)
	var links []string
	for _, n := range page.find(func(n *html.Node) bool { return n.Data == "a" && strings.HasPrefix(attr(n, "href"), at+"/") }) {
		links = append(links, attr(n, "href"))
	}
	if len(all) != 3 || len(links) != 3 {
		t.Fatalf("%d requests, %d links\n%s", len(all), len(links), page.main())
	}
	for i, r := range all { // oldest first
		if links[len(links)-1-i] != at+"/"+r.Id.String() {
			t.Errorf("link %d leads to %s", len(links)-1-i, links[len(links)-1-i])
		}
		p := b.get(at + "/" + r.Id.String())
		for _, want := range []string{r.Url, r.RequestId, r.Response.Headers["Content-Type"]} {
			if !strings.Contains(p.main(), want) {
				t.Errorf("the page of %s lacks %q", r.Url, want)
			}
		}
		if isBatch := strings.HasSuffix(r.Path, "$batch"); isBatch != strings.Contains(p.byTestID("requests"), "nowhere") {
			t.Errorf("the page of %s shows the items %q", r.Url, p.byTestID("requests"))
		}
		if isItem := r.BatchId != nil; isItem != strings.Contains(p.main(), "a $batch, as item one") {
			t.Errorf("the page of %s: %s", r.Url, p.main())
		}
	}
	if body := b.get(links[2]).byTestID("request-body"); !strings.Contains(body, "Contoso und Söhne") {
		t.Errorf("body %q", body)
	}
	fault := b.get(links[2]).find(func(n *html.Node) bool { return attr(n, "data-testid") == "createFault" })
	if done := b.submit(b.get(attr(fault[0], "href")), "createFault"); done.status != 303 {
		t.Errorf("make a fault: %d %s", done.status, done.main())
	}
	rules := must(client.Read[api.FaultList](b.api().ListFaults(t.Context(), made.Tenant.Id)))(t).Value
	if len(rules) != 1 || *rules[0].Match.Path != all[0].Path || *rules[0].Match.Method != "POST" {
		t.Errorf("%+v", rules)
	}

	if p := b.get(at + "?status=4xx"); len(p.find(func(n *html.Node) bool { return attr(n, "data-testid") == "requests-row" })) != 1 || !strings.Contains(p.byTestID("requests"), "nowhere") {
		t.Errorf("refused: %s", p.main())
	}
	if p := b.submit(b.get(at+"?status=4xx"), "clearRequests"); p.status != 303 {
		t.Errorf("clear: %d %s", p.status, p.main())
	}
	if left := must(client.Read[api.RequestList](b.api().ListRequests(t.Context(), made.Tenant.Id, nil)))(t).Value; len(left) != 2 {
		t.Errorf("%d are left", len(left))
	}
	for path, want := range map[string]int{"?status=teapot": 400, "?since=yesterday": 400, "/x": 400, "/" + uuid.NewString(): 404, "/" + uuid.Nil.String(): 404, "/" + all[2].Id.String(): 404} {
		if p := b.do("GET", at+path, nil); p.status != want || p.byTestID("alert") == "" {
			t.Errorf("%s: %d %q, want %d", path, p.status, p.byTestID("alert"), want)
		}
	}
}

// The selection is exported as an archive with every request, the oldest first, and a request's
// page shows its command for curl.
func TestExportRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	at := "/console/tenants/" + made.Tenant.Id.String() + "/requests"
	for range 102 { // more than a page
		b.createPartner(made.Credentials.AccessToken, "</script>'\"")
	}
	link := attr(b.get(at + "?method=POST&after=" + uuid.Max.String()).withTestID("har")[0], "href")
	p := b.get(link)
	var h archive.HAR
	if err := json.Unmarshal([]byte(p.text), &h); err != nil || !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("%v %v", err, p.header)
	}
	if len(h.Log.Entries) != 102 || h.Log.Entries[0].Started > h.Log.Entries[101].Started || h.Log.Entries[3].Response.Status != 201 {
		t.Errorf("%d entries", len(h.Log.Entries))
	}
	if p := b.do("GET", at+"?format=har&status=teapot", nil); p.status != 400 || p.byTestID("alert") == "" {
		t.Errorf("%d %s", p.status, p.main())
	}
	one := must(client.Read[api.RequestList](b.api().ListRequests(t.Context(), made.Tenant.Id, nil)))(t).Value[0]
	if got := b.get(at + "/" + one.Id.String()).byTestID("copy-curl"); got != archive.Curl(one) || !strings.HasPrefix(got, "curl ") {
		t.Errorf("curl: %s", got)
	}
}

// tail is an open live tail.
type tail struct {
	testing.TB
	response *http.Response
	events   chan string
}

// follow opens a live tail on a server. Its events end when the tail does.
func (b *browser) tail(path string) *tail {
	b.Helper()
	r := must(http.NewRequestWithContext(b.Context(), "GET", b.server.AdminURL()+path, nil))(b)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	response := must(http.DefaultClient.Do(r))(b)
	b.Cleanup(func() { _ = response.Body.Close() })
	f := &tail{TB: b.TB, response: response, events: make(chan string)}
	go func() {
		defer close(f.events)
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				select {
				case f.events <- event:
				case <-b.Context().Done():
					return
				}
			}
		}
	}()
	return f
}

// next returns the next event, or "" if the tail has ended.
func (f *tail) next() string {
	f.Helper()
	select {
	case event := <-f.events:
		return event
	case <-time.After(time.Minute):
		f.Fatal("no event came")
		return ""
	}
}

// A live tail tells of the requests that its filters select, and ends with the key.
func TestLiveTail(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	b := owner.as(api.AdminRoleReader, t.Name())
	made := must(client.Read[api.TenantCreated](owner.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	id, token := made.Tenant.Id.String(), made.Credentials.AccessToken
	b.createPartner(token, "before")
	button := b.get("/console/tenants/" + id + "/requests?method=POST").withTestID("live")[0]
	posts, patches := b.tail(attr(button, "data-live")), b.tail("/console/tenants/"+id+"/live?method=PATCH")
	if kind := posts.response.Header.Get("Content-Type"); posts.response.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%s %s", posts.response.Status, kind)
	}
	b.createPartner(token, "after")
	if event := posts.next(); event != "requests" {
		t.Errorf("the tail tells of %q", event)
	}
	who := must(client.Read[api.Caller](b.api().WhoAmI(t.Context())))(t)
	if err := client.Done(owner.api().RevokeKey(t.Context(), *who.KeyId)); err != nil {
		t.Fatal(err)
	}
	if event := patches.next(); event != "" {
		t.Errorf("the tail of changes tells of %q", event)
	}
	for event := range posts.events { // ends, because the key was revoked
		t.Logf("then it tells of %q", event)
	}
	for path, want := range map[string]int{"/console/tenants/" + uuid.NewString() + "/live": 404, "/console/tenants/" + id + "/live?status=teapot": 400, "/console/tenants/x/live": 400} {
		if p := owner.do("GET", path, nil); p.status != want {
			t.Errorf("%s: %d, want %d", path, p.status, want)
		}
	}
	if p := b.do("GET", "/console/live", nil); p.status != 401 {
		t.Errorf("with a revoked key: %d", p.status)
	}
	if p := owner.do("GET", "/console/live", nil, "Sec-Fetch-Site", "cross-site"); p.status != 403 {
		t.Errorf("from another site: %d", p.status)
	}
}

// A service has a limited number of tails, and they don't delay its end.
func TestTailsAreBounded(t *testing.T) {
	t.Parallel()
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), JournalRate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{TB: t, server: s}
	var all []*tail
	for range 32 {
		f := b.tail("/console/live")
		if all = append(all, f); f.response.StatusCode != 200 {
			t.Fatal(f.response.Status)
		}
	}
	if more := b.tail("/console/live"); more.response.StatusCode != 503 {
		t.Errorf("one more tail: %s", more.response.Status)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shut down: %v", err)
	}
	for _, f := range all {
		for range f.events {
		}
	}
}

// pipe is a listener with one connection, whose every write waits until the other end reads.
type pipe struct {
	connections chan net.Conn
	close       func()
}

func (p pipe) Accept() (net.Conn, error) {
	c, open := <-p.connections
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipe) Addr() net.Addr { return &net.TCPAddr{} }
func (p pipe) Close() error   { p.close(); return nil }

// A tail whose browser stays but never reads ends.
func TestTailWithoutReader(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	mine, theirs := net.Pipe()
	defer func() { _ = mine.Close() }()
	ended := make(chan struct{})
	connections := make(chan net.Conn, 1)
	p := pipe{connections, sync.OnceFunc(func() { close(connections) })}
	p.connections <- theirs
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		b.server.AdminHandler().ServeHTTP(w, r)
	})}
	go func() { _ = s.Serve(p) }()
	defer func() { _ = s.Close() }()
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.server.AdminURL()+"/console/tenants/"+made.Tenant.Id.String()+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(b.cookie)
	if err := r.Write(mine); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReaderSize(mine, 16).ReadString('\n')
	if err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	b.createPartner(made.Credentials.AccessToken, "news")
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the tail still waits for its reader")
	}
}
