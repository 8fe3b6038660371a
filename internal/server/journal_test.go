package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// journaled is a service with a journal, and its demo tenant.
func journaled(t *testing.T, c server.Config) *demo {
	t.Helper()
	clock := newServiceClock()
	c.AdminAddr, c.Demo, c.Now = "127.0.0.1:0", true, clock.now
	if c.DatabaseURL == "" {
		c.DatabaseURL = dbtest.NewDatabase(t)
	}
	if c.JournalRate == 0 {
		c.JournalRate = 1_000_000
	}
	d := &demo{T: t, Server: start(t, c), clock: clock}
	d.token = d.signIn()
	return d
}

func (d *demo) requests(query string) api.RequestList {
	d.Helper()
	return want[api.RequestList](d, "GET", "/requests"+query, "", 200)
}

func (d *demo) verify(body string) api.Verification {
	d.Helper()
	return want[api.Verification](d, "POST", "/requests/verify", body, 200)
}

func want[T any](d *demo, method, path, body string, status int) (answer T) {
	d.Helper()
	w := d.administer(method, path, body)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code != status || err != nil {
		d.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	return answer
}

func line(r api.Request) string {
	return fmt.Sprintf("%s %s %s %d", r.Front, r.Method, r.Path, r.Status)
}

// The journal has every request of the tenant, including those in a batch, with what was sent
// and answered, without secrets.
func TestJournalRecords(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	call(t, "POST", d.URL()+partners, d.token, `{"displayName":"first","onboardingUrl":"https://x.example/?code=abc"}`)
	call(t, "GET", d.URL()+partners+"('8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44')?$select=id", d.token, "")
	call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"one","method":"GET","url":"/deviceManagement/remoteAssistancePartners?$top=1"}]}`)
	call(t, "GET", d.URL()+partners, "nonsense", "")
	call(t, "POST", d.URL()+"/"+server.DemoTenantID.String()+"/oauth2/v2.0/token", "", `{"a":"b"}`)
	call(t, "GET", d.URL()+"/"+server.DemoTenantID.String()+"/v2.0/.well-known/openid-configuration", "", "")
	got := d.requests("")
	var lines []string
	for _, r := range got.Value {
		lines = append(lines, line(r))
	}
	tenant := "/" + server.DemoTenantID.String()
	if want := []string{
		"authority POST " + tenant + "/oauth2/v2.0/token 200",
		"graph POST " + partners + " 201",
		"graph GET " + partners + "/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44 404",
		"graph POST /v1.0/$batch 200",
		"graph GET " + partners + " 200",
		"authority POST " + tenant + "/oauth2/v2.0/token 400",
		"authority GET " + tenant + "/v2.0/.well-known/openid-configuration 200",
	}; strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Fatalf("the journal has\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	create, get, batch, item := got.Value[1], got.Value[2], got.Value[3], got.Value[4]
	if create.Request.Body != `{"displayName":"first","onboardingUrl":"https://x.example/?code=***"}` || !strings.Contains(create.Response.Body, `"displayName":"first"`) ||
		create.Request.Headers["Authorization"] != "Bearer ***" || create.Response.Headers["request-id"] != create.RequestId || create.Request.Size != 69 ||
		create.User == nil || *create.User != server.DemoUserID || create.Application == nil || *create.Application != server.DemoPublicClientID.String() ||
		create.TokenExpiresDateTime == nil || create.Url != d.URL()+partners || create.TookMilliseconds <= 0 || create.Address != "127.0.0.1" {
		t.Errorf("%+v", create)
	}
	if get.Url != d.URL()+partners+"('8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44')?$select=id" {
		t.Errorf("%s", get.Url)
	}
	if item.BatchId == nil || *item.BatchId != batch.Id || *item.BatchItem != "one" || !strings.HasSuffix(item.Url, partners+"?$top=1") || batch.BatchId != nil {
		t.Errorf("%+v is part of %+v", item, batch)
	}
	if len(got.Gaps) != 0 {
		t.Errorf("%+v", got.Gaps)
	}
	d.owners(partners + " 401")
}

var longX = regexp.MustCompile(`x{100,}`)

// Each request in a batch has its own entry, whatever it requests and however it ends. So has a
// request with a token to a route that needs none.
func TestJournalHasBatchItems(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1.0", "beta"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := journaled(t, server.Config{})
			rule := d.fault(`{"match":{"method":"PUT"},"effect":{"status":423}}`)
			d.administer("DELETE", "/requests", "")
			items := []struct{ method, url, more, want string }{
				{method: "GET", url: "/", want: "GET /VERSION 200"},
				{method: "GET", url: "/$metadata", want: "GET /VERSION/$metadata 200"},
				{method: "HEAD", url: "/", want: "HEAD /VERSION 200"},
				{method: "GET", url: "/deviceManagement/remoteAssistancePartners", want: "GET " + partners + " 200"},
				{method: "POST", url: "/deviceManagement/remoteAssistancePartners", more: `,"headers":{"Content-Type":"application/json"},"body":{"displayName":7}`, want: "POST " + partners + " 400"},
				{method: "GET", url: "/no/such/path", want: "GET /VERSION/no/such/path 400"},
				{method: "GET", url: "/$batch", want: "GET /VERSION/$batch 400"},
				{method: "POST", url: "/$batch", want: "POST /VERSION/$batch 400"},
				{method: "BREW", url: "/coffee", want: "BREW /VERSION/coffee 400"},
				{method: "GET", url: "/%zz", want: "GET /VERSION/%zz 400"},
				{method: "GET", url: "/" + strings.Repeat("x", 70_000), want: "GET /VERSION/xxxxxxxxxx 400"},
				{method: "PUT", url: "/me", want: "PUT /VERSION/me 423"},
				{method: "GET", url: "/me", more: `,"dependsOn":["11"]`, want: "GET /VERSION/me 424"},
			}
			want, body := map[string]string{}, ""
			for i, item := range items {
				id := fmt.Sprint(i)
				want[id] = strings.ReplaceAll(strings.ReplaceAll(item.want, "/v1.0/", "/VERSION/"), "/VERSION", "/"+version)
				body += fmt.Sprintf(`,{"id":%q,"method":%q,"url":%q%s}`, id, item.method, item.url, item.more)
			}
			if r, text := call(t, "POST", d.URL()+"/"+version+"/$batch", d.token, `{"requests":[`+body[1:]+`]}`); r.StatusCode != 200 {
				t.Fatalf("%d %s", r.StatusCode, text)
			}
			call(t, "GET", d.URL()+"/"+version+"/$metadata", d.token, "")
			call(t, "POST", d.URL()+"/"+version+"/$batch", d.token, `{"requests":[{"id":"1","method":"GET","url":""}]}`)
			got := map[string]string{}
			list := d.requests("?top=1000").Value
			for _, r := range list {
				if r.BatchItem != nil {
					got[*r.BatchItem] = longX.ReplaceAllString(strings.TrimPrefix(line(r), "graph "), "xxxxxxxxxx")
					if *r.BatchId != list[0].Id || r.User == nil || r.Application == nil || (r.Rule != nil) != (*r.BatchItem == "11") {
						t.Errorf("%+v", r)
					}
				}
			}
			for id, want := range want {
				if got[id] != want {
					t.Errorf("item %s: the journal has %q, want %q", id, got[id], want)
				}
			}
			if len(list) != len(want)+3 || line(list[len(list)-1]) != "graph POST /"+version+"/$batch 400" || line(list[len(list)-2]) != "graph GET /"+version+"/$metadata 200" {
				t.Errorf("%d entries, want the batch, %d of it and two more, of %s", len(list), len(want), rule.Id)
			}
		})
	}
}

// owners checks the last request in the journal of requests that name no tenant.
func (d *demo) owners(want string) {
	d.Helper()
	w := administer(d.T, d.Server, "/v1/requests?order=newest&top=1")
	var list api.RequestList
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != 200 || err != nil || len(list.Value) != 1 || !strings.HasSuffix(line(list.Value[0]), want) {
		d.Errorf("%d %v %+v, want %s", w.Code, err, list, want)
	}
}

// The journal can be filtered, read in pages, and cleared.
func TestJournalIsSearched(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	rule := d.fault(`{"match":{"method":"DELETE"},"effect":{"status":423}}`)
	for i := range 5 {
		call(t, "POST", d.URL()+partners, d.token, fmt.Sprintf(`{"displayName":"number %d"}`, i))
		d.clock.advance(time.Minute)
	}
	call(t, "DELETE", d.URL()+partners+"/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", d.token, "")
	all := d.requests("?front=graph")
	if len(all.Value) != 6 || all.Value[5].Rule == nil || *all.Value[5].Rule != rule.Id.String() {
		t.Fatalf("%+v", all)
	}
	from := url.QueryEscape(all.Value[3].DateTime.Format(time.RFC3339Nano))
	for query, want := range map[string]int{
		"?method=POST&front=graph": 5, "?status=2xx&front=graph": 5, "?status=423": 1, "?status=cut": 0, "?path=" + partners: 5, "?path=*partners*": 6,
		"?path=*PARTNERS": 5, "?rule=" + rule.Id.String(): 1, "?user=" + server.DemoUserID.String(): 6, "?user=" + uuid.NewString(): 0,
		"?application=" + server.DemoPublicClientID.String(): 7, "?text=number+3": 1, "?since=" + from + "&front=graph": 3, "?until=" + from + "&front=graph": 4,
	} {
		if got := d.requests(query); len(got.Value) != want {
			t.Errorf("%s: %d requests, want %d", query, len(got.Value), want)
		}
	}
	page := d.requests("?front=graph&order=newest&top=4")
	if len(page.Value) != 4 || page.Value[0].Id != all.Value[5].Id || page.NextLink == nil {
		t.Fatalf("%+v", page)
	}
	_, next, _ := strings.Cut(*page.NextLink, "?")
	if rest := d.requests("?" + next); len(rest.Value) != 2 || rest.Value[1].Id != all.Value[0].Id || rest.NextLink != nil {
		t.Errorf("%+v", rest)
	}
	for _, clear := range []struct {
		query         string
		removed, left int
	}{{"?text=number+3", 1, 6}, {"?until=" + from + "&method=POST&front=graph", 3, 3}, {"?since=" + from + "&until=" + from, 0, 3}, {"", 3, 0}} {
		if got := want[api.RequestsCleared](d, "DELETE", "/requests"+clear.query, "", 200); int(got.Removed) != clear.removed || len(d.requests("").Value) != clear.left {
			t.Errorf("%q: %d removed, %d left: want %+v", clear.query, got.Removed, len(d.requests("").Value), clear)
		}
	}
	for query, want := range map[string]string{
		"?status=600": "want a status such as 429", "?method=post": "want a method in capital letters", "?path=x": "want a path that begins", "?since=yesterday": "since",
		"?order=random": "order", "?colour=red": `"colour"`, "?after=x": "after",
	} {
		if w := d.administer("GET", "/requests"+query, ""); w.Code != 400 || !strings.Contains(w.Body.String(), strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// The tenant's settings limit the number and the age of a journal's requests, or disable it.
// The journal counts the requests that it removes, and verifying a range with such requests
// fails.
func TestJournalKeeps(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	d.administer("DELETE", "/requests", "")
	want[api.Tenant](d, "PATCH", "", `{"settings":{"journalLimit":10}}`, 200)
	for range 25 {
		call(t, "GET", d.URL()+partners, d.token, "")
	}
	got := d.requests("")
	if len(got.Value) != 10 || len(got.Gaps) != 1 || got.Gaps[0].Count != 15 || got.Gaps[0].Kind != "removed" {
		t.Errorf("%d requests, %+v", len(got.Value), got.Gaps)
	}
	v := d.verify(`{"counts":[{"match":{"method":"GET"}}]}`)
	if v.Verified || len(v.Failures) != 1 || !strings.Contains(v.Failures[0].Detail, "lacks 15 requests") {
		t.Errorf("%+v", v)
	}
	if v := d.verify(`{"counts":[{"match":{"method":"GET"},"exactly":5}],"after":"` + got.Value[4].Id.String() + `"}`); !v.Verified {
		t.Errorf("after what was removed: %+v", v)
	}
	want[api.Tenant](d, "PATCH", "", `{"settings":{"journalLimit":0}}`, 200)
	call(t, "GET", d.URL()+partners, d.token, "")
	if got := d.requests(""); len(got.Value) != 10 {
		t.Errorf("%d requests", len(got.Value))
	}
	want[api.Tenant](d, "PATCH", "", `{"settings":{"journalLimit":10,"journalSeconds":60}}`, 200)
	d.clock.advance(2 * time.Minute)
	if err := d.Admin().Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if got := d.requests(""); len(got.Value) != 0 || got.Gaps[0].Count != 25 {
		t.Errorf("after its time: %+v", got)
	}
}

// Entries of a tenant that is deleted before they are written don't keep others from being
// written.
func TestJournalOfADeletedTenant(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	d.administer("DELETE", "/requests", "")
	other := newTenant(t, d.Server)
	tx, err := d.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	// Nothing that refers to the tenant can be written until the transaction ends.
	if _, err := tx.Exec(t.Context(), "SELECT FROM tenants WHERE id = $1 FOR UPDATE", other.ID); err != nil {
		t.Fatal(err)
	}
	call(t, "GET", d.URL()+partners, token(t, d.Server, other), "")
	call(t, "GET", d.URL()+partners, d.token, "")
	if _, err := tx.Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", other.ID); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.requests(""); len(got.Value) != 1 {
		t.Errorf("%d requests", len(got.Value))
	}
}

// With many clients, every request is either recorded or counted as dropped. A tenant with few
// requests loses none.
func TestJournalIsComplete(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{JournalRate: 10})
	d.administer("DELETE", "/requests", "")
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/tenants", strings.NewReader(`{"displayName":"quiet"}`))
	r.Host = "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	made := httptest.NewRecorder()
	d.AdminHandler().ServeHTTP(made, r)
	var quiet api.TenantCreated
	if err := json.Unmarshal(made.Body.Bytes(), &quiet); made.Code != 201 || err != nil {
		t.Fatalf("%d %s", made.Code, made.Body)
	}
	const clients, each = 16, 60
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				call(t, "GET", d.URL()+partners+"?$top=1", d.token, "")
			}
		})
	}
	for range 5 {
		call(t, "GET", d.URL()+partners, quiet.Credentials.AccessToken, "")
	}
	all.Wait()
	dropped, recorded := int64(0), 0
	for after := ""; ; {
		page := d.requests("?front=graph&top=1000" + after)
		recorded += len(page.Value)
		if page.NextLink == nil {
			for _, gap := range page.Gaps {
				dropped += gap.Count
			}
			break
		}
		after = "&after=" + page.Value[len(page.Value)-1].Id.String()
	}
	if recorded+int(dropped) != clients*each || dropped == 0 {
		t.Errorf("%d requests recorded and %d dropped, want %d and some dropped", recorded, dropped, clients*each)
	}
	if v := d.verify(`{"counts":[{"match":{}}]}`); v.Verified || !strings.Contains(v.Failures[0].Detail, "too many came to record them") {
		t.Errorf("%+v", v)
	}
	w := administer(t, d.Server, "/v1/tenants/"+quiet.Tenant.Id.String()+"/requests")
	var list api.RequestList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Value) != 5 || len(list.Gaps) != 0 {
		t.Errorf("the quiet tenant: %d requests, %+v, %v", len(list.Value), list.Gaps, err)
	}
}

// Verifications succeed or fail, and those that fail name the closest requests.
func TestVerify(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	d.fault(`{"match":{"method":"POST"},"schedule":{"after":1,"times":1},"effect":{"status":429,"retryAfterSeconds":1}}`)
	for _, name := range []string{"a", "b", "b"} {
		call(t, "POST", d.URL()+partners, d.token, `{"displayName":"`+name+`"}`)
	}
	call(t, "GET", d.URL()+partners, d.token, "")
	d.setClock(`{"advanceSeconds":7200}`)
	call(t, "GET", d.URL()+partners, d.token, "") // the token has expired
	for body, want := range map[string]string{
		`{"counts":[{"match":{"method":"POST","front":"graph"},"exactly":3}]}`:                                                                       "",
		`{"counts":[{"match":{"method":"POST","status":"2xx","front":"graph"},"exactly":2},{"match":{"method":"POST","status":"429"},"exactly":1}]}`: "",
		`{"counts":[{"match":{"method":"DELETE"},"exactly":0}]}`:                                                                                     "",
		`{"counts":[{"match":{"body":{"displayName":"b"}},"atLeast":2,"atMost":2}]}`:                                                                 "",
		`{"order":[{"body":{"displayName":"a"}},{"status":"429"},{"status":"201"},{"method":"GET"}]}`:                                                "",
		`{"counts":[{"match":{"method":"POST","front":"graph"},"exactly":4}]}`:                                                                       "counts/0: 3 requests match: want exactly 4.",
		`{"counts":[{"match":{"method":"POST","front":"graph"},"atMost":2}]}`:                                                                        "want at most 2",
		`{"counts":[{"match":{"body":{"displayName":"c"}}}]}`:                                                                                        `body/displayName: want "c", got "a"`,
		`{"counts":[{"match":{"body":{"colour":"c"},"method":"POST"}}]}`:                                                                             `body/colour: missing`,
		`{"counts":[{"match":{"path":"/v1.0/devices","method":"GET"}}]}`:                                                                             "path: want /v1.0/devices, got " + partners,
		`{"order":[{"method":"GET"},{"method":"POST"}]}`:                                                                                             "order/1: After 1 requests in their order, none matches the next one.",
		`{"retryAfterHonoured":true}`:                                                                                                                "was sent again",
		`{"noExpiredToken":true}`:                                                                                                                    "with a token that had expired at",
	} {
		v := d.verify(body)
		text, _ := json.Marshal(v)
		var said string
		for _, f := range v.Failures {
			said += fmt.Sprintf("%s: %s %v", f.Check, f.Detail, f.Nearest)
		}
		if v.Verified != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: %s, want %q", body, text, want)
		}
	}
	for body, want := range map[string]string{
		`{}`: "", `{"waitSeconds":1}`: "there is nothing to check", `{"counts":[{"match":{},"exactly":1,"atMost":2}]}`: "/counts/0/exactly",
		`{"counts":[{"match":{},"atLeast":3,"atMost":2}]}`: "/counts/0/atLeast: 3 is more than atMost, 2.", `{"counts":[{"match":{"colour":1}}]}`: "colour",
		`{"order":[{}]}`: "/order", `{"counts":[{"match":{}}],"waitSeconds":301}`: "/waitSeconds", `{"noExpiredToken":true,"since":"2030-01-01T00:00:00Z","until":"2029-01-01T00:00:00Z"}`: "is before since",
	} {
		if w := d.administer("POST", "/requests/verify", body); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", body, w.Code, w.Body, want)
		}
	}
}

// What the journal wrote without hearing of it exists once, and so does what follows.
func TestJournalIsWrittenOnce(t *testing.T) {
	t.Parallel()
	to, err := pgx.ParseConfig(dbtest.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, to.Host, to.Port)
	d := journaled(t, server.Config{DatabaseURL: g.url(to)})
	d.administer("DELETE", "/requests", "")
	g.forgetful.Store(true)
	const calls = 20
	var all sync.WaitGroup
	for range calls {
		all.Go(func() { call(t, "GET", d.URL()+partners, d.token, "") })
	}
	all.Wait()
	if v := d.verify(fmt.Sprintf(`{"counts":[{"match":{"method":"GET"},"exactly":%d}],"waitSeconds":60}`, calls)); !v.Verified || g.forgetful.Load() {
		t.Errorf("%+v; the database's answer came through: %t", v.Failures, g.forgetful.Load())
	}
}

// A database that takes too long to write many entries together gets fewer, until it has all.
func TestJournalOnASlowDatabase(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	dbtest.SkipOnCluster(t, "distributed tables have no triggers")
	d := journaled(t, server.Config{})
	d.administer("DELETE", "/requests", "")
	const slow = `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE INSERT ON journal_entries FOR EACH ROW EXECUTE FUNCTION slow()`
	if _, err := d.Pool().Exec(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	const calls = 12 // together, they take longer than the journal waits
	var all sync.WaitGroup
	for range calls {
		all.Go(func() { call(t, "GET", d.URL()+partners, d.token, "") })
	}
	all.Wait()
	if v := d.verify(fmt.Sprintf(`{"counts":[{"match":{"method":"GET"},"exactly":%d}],"waitSeconds":120}`, calls)); !v.Verified {
		t.Errorf("%+v", v.Failures)
	}
}

// A verification waits for the requests that it expects, but no longer than its limit.
func TestVerifyWaits(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	go func() {
		time.Sleep(300 * time.Millisecond)
		call(t, "GET", d.URL()+partners, d.token, "")
	}()
	begun := time.Now()
	if v := d.verify(`{"counts":[{"match":{"method":"GET","front":"graph"}}],"waitSeconds":60}`); !v.Verified || time.Since(begun) > 30*time.Second {
		t.Errorf("%+v after %v", v, time.Since(begun))
	}
	begun = time.Now()
	if v := d.verify(`{"counts":[{"match":{"method":"DELETE"}}],"waitSeconds":0.5}`); v.Verified || time.Since(begun) < 500*time.Millisecond || len(v.Failures[0].Nearest) == 0 {
		t.Errorf("%+v after %v", v, time.Since(begun))
	}
}

// An administrator's change on one replica applies to all at once, and a verification includes
// everything that other replicas answered before. A replica that has gone delays this once.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	second := start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now, JournalRate: 1_000_000})
	call(t, "GET", second.URL()+partners, d.token, "") // now the second replica caches the caller
	for i := range 20 {
		rule := d.fault(`{"match":{"method":"GET"},"effect":{"status":503}}`)
		if r, _ := call(t, "GET", second.URL()+partners, d.token, ""); r.StatusCode != 503 {
			t.Errorf("%d: the other replica answers %d", i, r.StatusCode)
		}
		if w := d.administer("DELETE", "/faults/"+rule.Id.String(), ""); w.Code != 204 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if r, _ := call(t, "GET", second.URL()+partners, d.token, ""); r.StatusCode != 200 {
			t.Errorf("%d: the other replica still answers %d", i, r.StatusCode)
		}
		if v := d.verify(fmt.Sprintf(`{"counts":[{"match":{"status":"503"},"exactly":%d},{"match":{"status":"200","method":"GET"},"exactly":%d}]}`, i+1, i+2)); !v.Verified {
			t.Errorf("%d: %+v", i, v.Failures)
		}
	}
	d.setClock(`{"advanceSeconds":7200}`)
	if r, _ := call(t, "GET", second.URL()+partners, d.token, ""); r.StatusCode != 401 {
		t.Errorf("after the token's time: %d", r.StatusCode)
	}
	gone := uuid.New()
	if _, err := d.Pool().Exec(t.Context(), "INSERT INTO replicas (id, acknowledged, seen_at) VALUES ($1, 0, now())", gone); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	d.fault(`{"match":{"method":"PUT"},"effect":{"status":503}}`)
	var left int
	if err := d.Pool().QueryRow(t.Context(), "SELECT count(*) FROM replicas WHERE id = $1", gone).Scan(&left); err != nil || left != 0 || time.Since(begun) > 30*time.Second {
		t.Errorf("a replica that is gone is still waited for: %d, %v; a change took %v", left, err, time.Since(begun))
	}
}
