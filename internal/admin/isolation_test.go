package admin_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var (
	seedFlag       = flag.Uint64("seed", 0, "of the operations of TestIsolation; 0 takes another each time")
	operationsFlag = flag.Int("operations", testenv.Often(4_000, 100_000), "how many operations TestIsolation makes at least")
	residentsFlag  = flag.Int("tenants", 16, "how many tenants TestIsolation has at a time")
)

// Many tenants work concurrently, all with the same ids and names, each with its own users,
// application, manager and analyst. Whatever they do with Graph, the administration, the
// authority and SQL, each answer equals the model of that one tenant. Neither an answer nor a
// line of the log has anything of another tenant, even if a tenant tries to reach another's
// data.
//
// The operations of a tenant depend only on the seed and the tenant's number. How operations of
// different tenants interleave is random.
func TestIsolation(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	w := newWorld(t, *residentsFlag)
	defer func() {
		t.Logf("%d operations, %d of them reached for another's, %d tenants, %d lines of log; -seed %d", w.operations.Load(), w.reached.Load(), w.tenants.Load(), w.log.lines.Load(), seed)
	}()

	var all sync.WaitGroup
	for n := range w.residents {
		all.Go(func() {
			source := rand.NewPCG(seed, uint64(n)<<32)
			r := w.newResident(n, rand.New(source))
			for step := uint64(1); w.operations.Load() < int64(*operationsFlag) && !t.Failed(); step++ {
				source.Seed(seed, uint64(n)<<32+step) // so that later operations don't depend on other tenants
				r.operate()
			}
			if !t.Failed() {
				r.audit()
			}
		})
	}
	all.Wait()
	w.checkTenants()
	if leak := w.log.leak.Load(); leak != nil {
		t.Error(*leak)
	}
}

// world is a service with isolated tenants.
type world struct {
	*client   // an owner
	run       string
	residents []*resident
	log       *watchedLog

	operations atomic.Int64 // including each request in a batch
	reached    atomic.Int64
	tenants    atomic.Int64
}

func newWorld(t *testing.T, residents int) *world {
	w := &world{run: strings.ReplaceAll(uuid.NewString(), "-", "")[:8], residents: make([]*resident, residents)}
	w.log = &watchedLog{run: w.run}
	s, err := server.Start(t.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t) + " pool_max_conns=16",
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), JournalRate: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	_, key, err := admin.CreateKey(t.Context(), db.New(s.Pool()), "owner", db.AdminRoleOwner, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.client = &client{t, s, key}
	for n := range w.residents {
		w.residents[n] = &resident{} // so that others can look at it before it moves in
	}
	return w
}

// Marks in texts identify the tenant to which they belong. Ids of tenants have a common
// beginning and contain the number of their resident.
const (
	dataMark      = "zq" // in a tenant's private texts
	directoryMark = "dq" // in the display name, which Entra shows to anyone who names the tenant
)

func (w *world) mark(kind string, n int) string { return fmt.Sprintf("%s%sx%04x", kind, w.run, n) }

func (w *world) tenantID(n, generation int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("%s-0000-4000-8000-%04x%04x%04x", w.run, generation&0xffff, n, rand.N(0x10000)))
}

// mention is a tenant's mark, id or domain in a text.
type mention struct {
	kind string // a mark, "id" or "domain"
	n    int
}

// mentions finds the mentions of a run's tenants in a text, also within base64.
func mentions(run string, text []byte) []mention {
	all := plainMentions(run, text)
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && isBase64(text[i]) {
			continue
		}
		if i-start >= 20 {
			for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
				if raw, err := encoding.DecodeString(string(text[start:i])); err == nil {
					all = append(all, plainMentions(run, raw)...)
					break
				}
			}
		}
		start = i + 1
	}
	return all
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '+' || c == '/'
}

func plainMentions(run string, text []byte) []mention {
	var all []mention
	each(text, run, func(i int) {
		before, after := text[:i], text[i+len(run):]
		switch {
		case bytes.HasSuffix(before, []byte(dataMark)) && len(after) >= 5:
			all = append(all, mention{dataMark, number(after[1:5])})
		case bytes.HasSuffix(before, []byte(directoryMark)) && len(after) >= 5:
			all = append(all, mention{directoryMark, number(after[1:5])})
		case bytes.HasPrefix(after, []byte("-0000-4000-8000-")) && len(after) >= 24:
			all = append(all, mention{"id", number(after[20:24])})
		}
	})
	each(text, ".mocktenant.example", func(i int) {
		if i >= 8 {
			all = append(all, mention{"domain", number(text[i-8 : i-4])})
		}
	})
	return all
}

func each(text []byte, part string, f func(i int)) {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(part))
		if i < 0 {
			return
		}
		f(at + i)
		at += i + len(part)
	}
}

func number(hex []byte) int {
	n, err := strconv.ParseUint(string(hex), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// watchedLog checks every line of the service's log. A line is about one tenant, and may name
// another only if the client did.
type watchedLog struct {
	run   string
	lines atomic.Int64
	leak  atomic.Pointer[string]
}

// noTenant matches messages about a tenant that a query or a body names, or that issued a token
// which somebody else obtained.
var noTenant = regexp.MustCompile(`: There is no tenant \S+\.$|^AADSTS90002: Tenant '\S+' not found\.`)

// Write is called with one line at a time.
func (l *watchedLog) Write(line []byte) (int, error) {
	l.lines.Add(1)
	var entry struct {
		Message         string `json:"msg"`
		Level           string
		ClientRequestID string `json:"client-request-id"`
		Key             string
		Path, Authority string
		Tenant          string
		Error           string
	}
	err := json.Unmarshal(line, &entry)
	given := mentions(l.run, []byte(entry.ClientRequestID+" "+entry.Key))
	named := mentions(l.run, []byte(entry.Path+" "+entry.Authority+" "+noTenant.FindString(entry.Error)))
	if entry.Authority == "organizations" || entry.Authority == "common" { // there, a code or token that somebody else obtained names the tenant
		named = append(named, mentions(l.run, []byte(entry.Tenant))...)
	}
	for _, m := range mentions(l.run, line) {
		own := slices.ContainsFunc(given, func(g mention) bool { return g.n == m.n })
		if !own && (m.kind == dataMark || !slices.ContainsFunc(named, func(g mention) bool { return g.n == m.n })) {
			err = fmt.Errorf("it shows %v", m)
		}
	}
	onCluster := !reports && strings.HasPrefix(entry.Message, "the tables are distributed over a cluster")
	if entry.Level != "INFO" && !onCluster && entry.Message != "maintenance" && entry.Message != "write the request journal" { // these are repeated
		err = errors.Join(err, errors.New("a failure"))
	}
	if err != nil {
		text := fmt.Sprintf("a line of the log: %v: %s", err, line)
		l.leak.CompareAndSwap(nil, &text)
	}
	return len(line), nil
}

// resident works in one tenant, knows the tenant's expected content, and tries to reach others.
type resident struct {
	*world
	n          int
	rng        *rand.Rand
	generation int
	doing      string // the present operation, for messages

	manager *client // calls the administration
	tenant  uuid.UUID
	domain  string
	secret  string // the portal's

	writer, reader, application, gate string // tokens
	guestTokens                       map[string]string
	writerPassword, refresh           string

	analyst     *pgx.Conn
	login       string
	now, origin modelState
	snapshots   map[string]modelState
	exports     []export
	keys        int // number of idempotency keys

	published atomic.Pointer[published]
}

// export is an earlier export of the tenant.
type export struct {
	text  string
	state modelState
}

// published has what other residents may know.
type published struct {
	n        int
	tenant   uuid.UUID
	domain   string
	login    string
	link     string // to the next page of a list, or ""
	refresh  string
	code     string
	cookie   string
	secretID string
}

func (w *world) newResident(n int, rng *rand.Rand) *resident {
	r := w.residents[n]
	r.world, r.n, r.rng = w, n, rng
	made := decode[api.KeyCreated](r, r.want(201, r.do("POST", "/v1/keys", api.KeyCreate{Name: r.mark(directoryMark, n), Role: api.AdminRoleManager})))
	r.manager = &client{r.TB, r.server, made.Key}
	r.moveIn()
	return r
}

// own marks a text that only this tenant may show.
func (r *resident) own(text string) string { return text + " " + r.mark(dataMark, r.n) }

func (r *resident) ownURL(text string) string {
	return "https://" + r.mark(dataMark, r.n) + ".example/" + text
}

func (r *resident) pick(of ...string) string { return of[r.rng.IntN(len(of))] }

func (r *resident) chance(percent int) bool { return r.rng.IntN(100) < percent }

// fail reports a wrong answer with the operation.
func (r *resident) fail(format string, args ...any) {
	r.Helper()
	r.Fatalf("tenant %d, %s: %s", r.n, r.doing, fmt.Sprintf(format, args...))
}

func (r *resident) equal(what string, got, want any) {
	r.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.fail("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

// checked counts an operation, and fails for an answer with anything of another tenant. For a
// tenant that the client itself named, the answer may have the id and the directory's name.
func (r *resident) checked(a reply, status int, named ...int) reply {
	r.Helper()
	r.operations.Add(1)
	if len(named) > 0 {
		r.reached.Add(1)
	}
	text := []byte(a.body)
	for name, values := range a.header {
		text = append(text, "\n"+name+": "+strings.Join(values, ", ")...)
	}
	for _, m := range mentions(r.run, text) {
		if m.n != r.n && (m.kind == dataMark || !slices.Contains(named, m.n)) {
			r.fail("it shows %v: %d %s", m, a.status, text)
		}
	}
	if a.status != status {
		r.fail("%d, want %d: %s", a.status, status, text)
	}
	return a
}

// manage calls the administration as the tenant's manager.
func (r *resident) manage(status int, method, path string, body any, headers ...string) reply {
	r.Helper()
	return r.checked(r.manager.do(method, tenantPath(r.tenant, path), body, headers...), status)
}

// call calls Graph with a token.
func (r *resident) call(method, path, body, token string) reply {
	req := httptest.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body))
	req.Host = "localhost"
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("client-request-id", r.mark(directoryMark, r.n))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	r.server.Handler().ServeHTTP(w, req)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// ask calls the identity platform, each time from another address so that none is locked out.
func (r *resident) ask(method, path string, form url.Values, headers ...string) reply {
	body := ""
	if method == "POST" {
		body = form.Encode()
	} else if form != nil {
		path += "?" + form.Encode()
	}
	req := httptest.NewRequestWithContext(r.Context(), method, path, strings.NewReader(body))
	req.Host = "localhost"
	req.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", r.rng.IntN(256), r.rng.IntN(256), r.rng.IntN(256))
	req.Header.Set("client-request-id", r.tenant.String())
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.server.Handler().ServeHTTP(w, req)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// publish changes what other residents may know.
func (r *resident) publish(change func(p *published)) {
	p := published{n: r.n, tenant: r.tenant, domain: r.domain, login: r.login}
	if known := r.published.Load(); known != nil && known.tenant == r.tenant {
		p = *known
	}
	change(&p)
	r.published.Store(&p)
}

// other returns what another resident published, or nil if that one hasn't moved in yet.
func (r *resident) other() *published {
	n := r.rng.IntN(len(r.residents) - 1)
	if n >= r.n {
		n++
	}
	return r.residents[n].published.Load()
}

// moveIn makes the tenant from a document with the ids and names that all tenants have.
func (r *resident) moveIn() {
	r.doing = "moving in"
	r.generation++
	r.tenants.Add(1)
	r.tenant = r.tenantID(r.n, r.generation)
	r.domain = r.tenant.String()[24:] + ".mocktenant.example"
	r.secret, r.writerPassword = r.own("secret"), r.own("password")
	r.now = modelState{
		partners: map[string]modelPartner{}, history: map[string]int{}, guests: map[string]modelUser{}, idsMade: firstPartners,
		portalName: r.own("Portal"), pageSize: 1000, rule: "current",
	}
	for n := range int64(firstPartners) {
		p := modelPartner{ID: partnerID(n + 1), DisplayName: ptr(fmt.Sprint("n", n)), OnboardingURL: ptr(r.ownURL("first")), OnboardingStatus: "onboarding", LastConnectionDateTime: never}
		r.now.partners[p.ID] = p
	}
	r.origin = r.now.clone()
	r.snapshots, r.exports, r.refresh, r.guestTokens = map[string]modelState{}, nil, "", map[string]string{}

	document := json.RawMessage(r.document())
	make := api.TenantCreate{
		Id: &r.tenant, DisplayName: r.mark(directoryMark, r.n), IdSeed: ptr(sameSeed), Credentials: ptr(false),
		Settings: &api.TenantSettings{PermissionRule: ptr(api.PermissionRuleCurrent), UserPicker: ptr(true), PartnerPortal: ptr(true)},
		Source:   &api.TenantSource{Document: &document},
	}
	made := decode[api.TenantCreated](r, r.checked(r.manager.do("POST", "/v1/tenants", make), 201))
	r.equal("its manager", *made.Tenant.Manager, r.mark(directoryMark, r.n))

	r.writer = r.newToken(portalID, &writerID, "DeviceManagementServiceConfig.ReadWrite.All", "openid", "profile", "email")
	r.reader = r.newToken(portalID, &readerID, "DeviceManagementServiceConfig.Read.All")
	r.application = r.newToken(portalID, nil, "DeviceManagementServiceConfig.ReadWrite.All")
	r.gate = r.newToken(gateID, nil, "DeviceManagementServiceConfig.Read.All")
	r.hire()
	r.lend()
}

// reports says whether there are reports and logins: a cluster has none.
var reports = !dbtest.OnCluster()

// hire makes a report login for the analyst.
func (r *resident) hire() {
	if !reports {
		return
	}
	login := decode[api.ReportLoginCreated](r, r.checked(r.manager.do("POST", "/v1/report-logins", api.ReportLoginCreate{TenantIds: []uuid.UUID{r.tenant}, Label: ptr(r.own("label"))}), 201))
	r.login = login.Login
	var err error
	if r.analyst, err = pgx.Connect(r.Context(), login.Dsn); err != nil {
		r.fail("%v", err)
	}
}

// dismiss ends the analyst's session.
func (r *resident) dismiss() {
	if !reports {
		return
	}
	if err := r.analyst.Close(r.Context()); err != nil {
		r.fail("%v", err)
	}
}

// document returns the tenant's first content: users and applications that differ between
// tenants only in their secrets, and the model's partners without ids, which result from the
// seed.
func (r *resident) document() string {
	user := func(id uuid.UUID, name, password string) map[string]any {
		return map[string]any{"id": id, "userPrincipalName": name, "displayName": r.own(name), "password": password}
	}
	partners := make([]map[string]any, firstPartners)
	for n := range partners {
		p := r.now.partners[partnerID(int64(n+1))]
		partners[n] = map[string]any{"displayName": p.DisplayName, "onboardingUrl": p.OnboardingURL, "onboardingStatus": p.OnboardingStatus}
	}
	permissions := []string{"DeviceManagementServiceConfig.Read.All", "DeviceManagementServiceConfig.ReadWrite.All", "User.Read"}
	text, err := json.Marshal(map[string]any{
		"version":  1,
		"settings": map[string]any{"permissionRule": r.now.rule, "userPicker": true, "partnerPortal": true},
		"users":    []any{user(writerID, writerName, r.writerPassword), user(readerID, readerName, "the same in all"), user(baitID, baitName, r.own("bait"))},
		"applications": []any{map[string]any{
			"clientId": portalID, "servicePrincipalId": portalID, "displayName": r.now.portalName, "publicClientFlows": true,
			"redirectUris": []string{"http://localhost"}, "secrets": []any{map[string]any{"secret": r.secret}},
			"consents": []any{map[string]any{"scopes": permissions}}, "roles": permissions[:2],
		}, map[string]any{
			"clientId": gateID, "servicePrincipalId": gateID, "displayName": r.own("Gate"), "roles": permissions[:1],
		}},
		"remoteAssistancePartners": partners,
	})
	if err != nil {
		r.fail("%v", err)
	}
	return string(text)
}

func (r *resident) newToken(client uuid.UUID, user *uuid.UUID, permissions ...string) string {
	r.Helper()
	return decode[api.Token](r, r.manage(201, "POST", "/tokens", api.TokenRequest{ClientId: client, UserId: user, Permissions: &permissions})).AccessToken
}

// moveOut deletes the tenant, and checks that nothing of it remains visible.
func (r *resident) moveOut() {
	r.manage(204, "DELETE", "", nil)
	r.checked(r.call("GET", partners, "", r.writer), 401)
	r.checked(r.manager.do("GET", tenantPath(r.tenant), nil), 404)
	if reports {
		r.equal("what the analyst still sees", r.sql("SELECT id::text FROM remote_assistance_partners"), []string{})
	}
	r.dismiss()
}

// sql runs a query as the analyst.
func (r *resident) sql(query string, args ...any) []string {
	r.Helper()
	rows, err := r.analyst.Query(r.Context(), query, args...)
	if err != nil {
		r.fail("%s: %v", query, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		r.fail("%s: %v", query, err)
	}
	r.checked(reply{body: strings.Join(all, "\n")}, 0)
	return all
}

// audit compares the whole tenant with the model at the end.
func (r *resident) audit() {
	r.doing = "audit"
	r.walk(filters()[0], orders()[0], 0)
	r.reportPartners()
	for link := "/v1/audit?top=200&tenantId=" + r.tenant.String(); link != ""; {
		list := decode[api.AuditList](r, r.checked(r.do("GET", link, nil), 200))
		for _, e := range list.Value {
			if *e.TenantId != r.tenant || e.KeyName != nil && *e.KeyName != r.mark(directoryMark, r.n) {
				r.fail("the audit log shows %+v", e)
			}
		}
		link = deref(list.NextLink)
	}
	r.dismiss()
	if reports {
		r.checked(r.manager.do("DELETE", "/v1/report-logins/"+r.login, nil), 204)
	}
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// checkTenants compares the list of all tenants with the residents. Each entry mentions only
// one of them.
func (w *world) checkTenants() {
	n := 0
	for link := "/v1/tenants?top=5"; link != ""; {
		list := decode[struct {
			Value    []json.RawMessage
			NextLink *string
		}](w, w.want(200, w.do("GET", link, nil)))
		for _, entry := range list.Value {
			n++
			seen := map[int]bool{}
			for _, m := range mentions(w.run, entry) {
				seen[m.n] = true
			}
			if len(seen) != 1 {
				w.Errorf("an entry shows %v: %s", seen, entry)
			}
		}
		link = deref(list.NextLink)
	}
	if n != len(w.residents) && !w.Failed() {
		w.Errorf("%d tenants, want %d", n, len(w.residents))
	}
}
