package admin_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// One call makes everything that a test needs: a token, a secret and a password that work.
func TestCreateTenantIsReady(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{DisplayName: "Contoso"})
	if made.Tenant.DisplayName != "Contoso" || made.Tenant.Id != made.Credentials.TenantId || len(made.Tenant.Domains) != 1 {
		t.Errorf("%+v", made)
	}
	for _, secret := range []string{made.Credentials.ClientSecret, made.Credentials.Password} {
		if !regexp.MustCompile(`^[A-Z0-9]{50,}$`).MatchString(secret) { // no leading -, which a command line would take for an option
			t.Errorf("secret %q", secret)
		}
	}

	c.createPartner(made.Credentials.AccessToken, "a", "onboarding")

	for grant, form := range map[string]url.Values{
		"secret":   {"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}},
		"password": {"grant_type": {"password"}, "scope": {"https://graph.microsoft.com/.default"}, "username": {made.Credentials.UserPrincipalName}, "password": {made.Credentials.Password}},
	} {
		form.Set("client_id", made.Credentials.ClientId.String())
		form.Set("client_secret", made.Credentials.ClientSecret)
		r := c.token(made.Tenant.Id, form)
		if r.status != 200 {
			t.Errorf("%s: %d %s", grant, r.status, r.body)
		}
	}
	if got := decode[api.Tenant](t, c.want(200, c.do("GET", tenantPath(made.Tenant.Id), nil))); got.DisplayName != "Contoso" || *got.Settings.PageSize != 1000 {
		t.Errorf("%+v", got)
	}
}

// A tenant can be made without credentials. It has everything else that was requested.
func TestCreateTenantAsAsked(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := uuid.New()
	r := api.TenantCreate{
		Id: &id, Domain: ptr("Made.Example"), Credentials: ptr(false), TtlSeconds: ptr(int64(3600)), Manager: ptr("somebody"),
		Settings: &api.TenantSettings{PageSize: ptr(int32(2)), PermissionRule: ptr(api.PermissionRuleCurrent), UserPicker: ptr(true)},
	}
	r.Quota = &api.TenantQuota{}
	r.Quota.Entities.Set(3)
	made := c.newTenant(r)
	got := made.Tenant
	if got.Id != id || got.Domains[0] != "made.example" || made.Credentials != nil || *got.Manager != "somebody" ||
		*got.Settings.PageSize != 2 || *got.Settings.PermissionRule != api.PermissionRuleCurrent || !*got.Settings.UserPicker ||
		got.Quota.Entities.MustGet() != 3 || got.Quota.Users.IsSpecified() || time.Until(*got.ExpiresDateTime) < 50*time.Minute {
		t.Errorf("%+v", got)
	}
	c.refused(409, "", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Id: &id}))
	c.refused(409, "", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Domain: ptr("made.example")}))
	c.refused(409, "", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Id: ptr(uuid.New()), Domain: ptr("MADE.example")}))
}

func TestUpdateTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{TtlSeconds: ptr(int64(60))})
	path := tenantPath(made.Tenant.Id)
	got := decode[api.Tenant](t, c.want(200, c.do("PATCH", path, `{"displayName":"other","ttlSeconds":null,"manager":"m","quota":{"requestsPerSecond":7},"settings":{"pageSize":1}}`)))
	if got.DisplayName != "other" || got.ExpiresDateTime != nil || *got.Manager != "m" || got.Quota.RequestsPerSecond.MustGet() != 7 || *got.Settings.PageSize != 1 {
		t.Errorf("%+v", got)
	}
	got = decode[api.Tenant](t, c.want(200, c.do("PATCH", path, `{"manager":null,"keepCredentials":true,"quota":{"requestsPerSecond":null}}`)))
	if got.DisplayName != "other" || got.Manager != nil || got.Quota.RequestsPerSecond.IsSpecified() || *got.Settings.PageSize != 1 {
		t.Errorf("%+v", got)
	}
	// Settings apply to clients at once.
	c.createPartner(made.Credentials.AccessToken, "a", "onboarding")
	c.createPartner(made.Credentials.AccessToken, "b", "onboarding")
	if got := c.partners(made.Credentials.AccessToken); len(got) != 1 {
		t.Errorf("a page has %q", got)
	}
}

func TestBadTenants(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, tt := range []struct {
		body, pointer, want string
		status, line        int
	}{
		{body: `{}`, pointer: "/displayName", want: "displayName", status: 400, line: 1},
		{body: `{"displayName":""}`, pointer: "/displayName", want: "length", status: 400, line: 1},
		{body: "{\n\"displayName\":\"x\",\n\"color\":\"red\"\n}", pointer: "/color", want: "color", status: 400, line: 3},
		{body: `{"displayName":"x","id":"nobody"}`, pointer: "/id", status: 400, line: 1},
		{body: `{"displayName":"x","domain":"a b"}`, pointer: "/domain", want: "a b", status: 400, line: 1},
		{body: "{\"displayName\":\"x\",\n\"domain\":\"Common\"}", pointer: "/domain", want: `"Common" is the authority of many tenants`, status: 400, line: 2},
		{body: `{"displayName":"x","domain":"organizations"}`, pointer: "/domain", want: "organizations", status: 400, line: 1},
		{body: `{"displayName":"x","domain":"consumers"}`, pointer: "/domain", want: "consumers", status: 400, line: 1},
		{body: `{"displayName":"x","domain":"A8990E1F-ff32-408a-9f8e-78d3b9139b95"}`, pointer: "/domain", want: `"A8990E1F-ff32-408a-9f8e-78d3b9139b95" is a GUID`, status: 400, line: 1},
		{body: `{"displayName":"x","domain":"a8990e1fff32408a9f8e78d3b9139b95"}`, pointer: "/domain", want: "is a GUID", status: 400, line: 1},
		{body: `{"displayName":"x","id":"9188040d-6c67-4c5b-b112-36a304b66dad"}`, pointer: "/id", want: "9188040d-6c67-4c5b-b112-36a304b66dad is the tenant of all personal", status: 400, line: 1},
		{body: `{"displayName":"x","id":"00000000-0000-0000-0000-000000000000"}`, pointer: "/id", status: 400, line: 1},
		{body: `{"displayName":"x","ttlSeconds":0}`, pointer: "/ttlSeconds", status: 400, line: 1},
		{body: "{\"displayName\":\"x\",\"settings\":\n{\"pageSize\":1001}}", pointer: "/settings/pageSize", status: 400, line: 2},
		{body: `{"displayName":"x","source":{}}`, pointer: "/source", want: "one of", status: 400, line: 1},
		{body: `{"displayName":"x","source":{"seed":"nowhere"}}`, want: "nowhere", status: 404},
		{body: `{"displayName":"x","source":{"tenantId":"00000000-0000-4000-8000-000000000000"}}`, want: "00000000-0000-4000-8000-000000000000", status: 404},
		{body: `{"displayName":"x","source":{"document":{"version":1,"remoteAssistancePartners":[{},{"color":1}]}}}`, pointer: "/source/document/remoteAssistancePartners/1/color", want: "unknown", status: 400},
		{body: `{"displayName":"x"`, status: 400},
		{body: `[]`, status: 400},
		{body: ``, status: 400},
	} {
		r := c.do("POST", "/v1/tenants", tt.body)
		p := decode[api.Problem](t, r)
		got := ""
		if p.Pointer != nil {
			got = *p.Pointer
		}
		if r.status != tt.status || got != tt.pointer || !strings.Contains(*p.Detail, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.body, r.status, r.body, tt.status, tt.pointer)
		}
		if tt.line > 0 && (p.Line == nil || *p.Line != tt.line) {
			t.Errorf("%s: %s, want line %d", tt.body, r.body, tt.line)
		}
	}
	if detail := c.refused(400, "", c.do("GET", "/v1/tenants?top=0", nil)); detail != "The parameter top: want at least 1" {
		t.Error(detail)
	}
	c.refused(400, "", c.do("GET", "/v1/tenants?color=red", nil))
	c.refused(400, "", c.do("GET", "/v1/tenants?after=x", nil))
	c.refused(400, "", c.do("GET", "/v1/tenants/x", nil))
	c.refused(404, "", c.do("GET", tenantPath(uuid.New()), nil))
	c.refused(404, "", c.do("GET", "/v2/tenants", nil))
	c.refused(405, "", c.do("PUT", "/v1/tenants", nil))
	c.refused(413, "", c.do("PATCH", tenantPath(c.newTenant(api.TenantCreate{}).Tenant.Id), `{"displayName":"`+strings.Repeat("x", 2<<20)+`"}`))
}

// The list has pages, and a manager sees only their own tenants.
func TestListTenants(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager := owner.as(api.AdminRoleManager, t.Name())
	want := []string{}
	for range 5 {
		want = append(want, manager.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id.String())
	}
	slices.Sort(want)
	var got []string
	for link := "/v1/tenants?top=2"; link != ""; {
		list := decode[api.TenantList](t, manager.want(200, manager.do("GET", link, nil)))
		for _, tenant := range list.Value {
			got = append(got, tenant.Id.String())
		}
		link = ""
		if list.NextLink != nil {
			link = *list.NextLink
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A search finds tenants by a part of the name and by the start of the id, as plain text.
func TestSearchTenants(t *testing.T) {
	t.Parallel()
	manager := setup(t).as(api.AdminRoleManager, t.Name())
	a := manager.newTenant(api.TenantCreate{DisplayName: "Contoso 100%_Test", Credentials: ptr(false)}).Tenant
	b := manager.newTenant(api.TenantCreate{DisplayName: "Fabrikam", Credentials: ptr(false)}).Tenant
	for search, want := range map[string][]api.Tenant{
		"": {a, b}, "CONTOSO": {a}, "0%_t": {a}, "%": {a}, "ikam": {b}, b.Id.String()[:13]: {b}, strings.ToUpper(a.Id.String()): {a}, "nobody": nil, "'": nil,
	} {
		list := decode[api.TenantList](t, manager.want(200, manager.do("GET", "/v1/tenants?search="+url.QueryEscape(search), nil)))
		var got, ids []string
		for _, found := range list.Value {
			got = append(got, found.Id.String())
		}
		for _, tenant := range want {
			ids = append(ids, tenant.Id.String())
		}
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			t.Errorf("%q finds %q, want %q", search, got, ids)
		}
	}
}

// A tenant is deleted with everything in it: the rows of all tables, its domain and its stored
// states. Its tokens are refused, and its credentials are unknown.
func TestDeleteTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	token, path := made.Credentials.AccessToken, tenantPath(made.Tenant.Id)
	id := c.createPartner(token, "a", "onboarding").ID
	c.want(200, c.graph("PATCH", partners+"/"+id, `{"displayName":"b"}`, token))
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "s"}))
	states := c.rows("SELECT state_id::text FROM snapshots WHERE tenant_id = $1", made.Tenant.Id)

	c.want(204, c.do("DELETE", path, nil))

	c.refused(404, "", c.do("GET", path, nil))
	c.refused(404, "", c.do("DELETE", path, nil))
	c.want(401, c.graph("GET", partners, "", token))
	if r := c.token(made.Tenant.Id, url.Values{"grant_type": {"client_credentials"}, "client_id": {made.Credentials.ClientId.String()}, "client_secret": {made.Credentials.ClientSecret}, "scope": {".default"}}); !strings.Contains(r.body, "AADSTS90002") {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, table := range c.rows("SELECT relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'audit_entries' ORDER BY 1") {
		for _, gone := range append(states, made.Tenant.Id.String()) {
			if left := c.rows(fmt.Sprintf("SELECT tenant_id::text FROM %s WHERE tenant_id = $1", table), gone); len(left) != 0 {
				t.Errorf("%s has %d rows left", table, len(left))
			}
		}
	}
	if left := c.rows("SELECT id::text FROM tenants WHERE id = $1 OR id = $2", made.Tenant.Id, states[0]); len(left) != 0 {
		t.Errorf("tenants left: %q", left)
	}
}

// An expired tenant disappears at once, and the sweep deletes it.
func TestExpiry(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{TtlSeconds: ptr(int64(3600))})
	c.want(200, c.graph("GET", partners, "", made.Credentials.AccessToken))
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE tenants SET expires_at = now() - interval '1 second' WHERE id = $1", made.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	c.server.Identity().ForgetCallers()

	c.want(401, c.graph("GET", partners, "", made.Credentials.AccessToken))
	c.refused(404, "", c.do("GET", tenantPath(made.Tenant.Id), nil))
	if err := c.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := c.rows("SELECT id::text FROM tenants WHERE id = $1", made.Tenant.Id); len(left) != 0 {
		t.Error("not swept")
	}
}

// Concurrent creates don't exceed a quota. Requests above the rate get 429.
func TestQuota(t *testing.T) {
	t.Parallel()
	c := setup(t)
	r := api.TenantCreate{Quota: &api.TenantQuota{}}
	r.Quota.Entities.Set(3)
	r.Quota.Users.Set(2)
	made := c.newTenant(r)
	token := made.Credentials.AccessToken
	statuses := make(chan int)
	for range 8 {
		go func() { statuses <- c.graph("POST", partners, `{"displayName":"x"}`, token).status }()
	}
	got := map[int]int{}
	for range 8 {
		got[<-statuses]++
	}
	if got[201] != 3 || got[507] != 5 {
		t.Errorf("statuses %v", got)
	}
	if r := c.graph("POST", partners, `{}`, token); !strings.Contains(r.body, `"code":"quotaLimitReached"`) {
		t.Errorf("%s", r.body)
	}
	c.want(201, c.do("POST", tenantPath(made.Tenant.Id, "/users"), api.UserCreate{UserPrincipalName: named("a", made.Tenant.Id)}))
	c.refused(409, "", c.do("POST", tenantPath(made.Tenant.Id, "/users"), api.UserCreate{UserPrincipalName: named("b", made.Tenant.Id)}))

	c.want(200, c.do("PATCH", tenantPath(made.Tenant.Id), `{"quota":{"requestsPerSecond":2}}`))
	throttled := 0
	for range 10 {
		if r := c.graph("GET", partners, "", token); r.status == 429 {
			throttled++
			if r.header.Get("Retry-After") != "1" || !strings.Contains(r.body, "TooManyRequests") {
				t.Errorf("%v %s", r.header, r.body)
			}
			for _, want := range []string{`Url: https://fef.mocktenant.manage.microsoft.com/RemoteAssistance/deviceManagement/remoteAssistancePartners?api-version=2023-10-19`, `\"RetryAfter\": \"1\"`} {
				if !strings.Contains(r.body, want) {
					t.Errorf("no %s in %s", want, r.body)
				}
			}
		}
	}
	if throttled < 5 {
		t.Errorf("%d of 10 throttled", throttled)
	}
}

// A quota applies to everything that adds partners and users. What would exceed it changes
// nothing.
func TestQuotaOfStates(t *testing.T) {
	t.Parallel()
	c := setup(t)
	text := json.RawMessage(document) // two partners, two users
	seed := "quota-" + uuid.NewString()
	c.want(201, c.do("POST", "/v1/seeds?name="+seed, document))
	made := c.newTenant(api.TenantCreate{Credentials: ptr(false), Source: &api.TenantSource{Seed: &seed}}).Tenant.Id
	path := tenantPath(made)
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "s"}))
	quota := func(partners, users int32) *api.TenantQuota {
		q := &api.TenantQuota{}
		q.Entities.Set(partners)
		q.Users.Set(users)
		return q
	}
	exceeds := func(what string, r reply) {
		t.Helper()
		if detail := c.refused(409, "", r); !strings.Contains(detail, what) {
			t.Errorf("%s, want %s", detail, what)
		}
	}
	const partnersOver, usersOver = "would have 2 remote assistance partners, and its quota is 1", "would have 2 users, and its quota is 1"

	for _, source := range []api.TenantSource{{Document: &text}, {Seed: &seed}, {TenantId: &made}, {TenantId: &made, Snapshot: ptr("s")}} {
		id := uuid.New()
		r := api.TenantCreate{DisplayName: "x", Id: &id, Credentials: ptr(false), Source: &source}
		r.Quota = quota(1, 2)
		exceeds(partnersOver, c.do("POST", "/v1/tenants", r))
		r.Quota = quota(2, 1)
		exceeds(usersOver, c.do("POST", "/v1/tenants", r))
		r.Quota, r.Credentials = quota(2, 2), nil // the credentials' user would be the third
		exceeds("has 2 users, which is its quota", c.do("POST", "/v1/tenants", r))
		c.refused(404, "", c.do("GET", tenantPath(id), nil))
		r.Quota = quota(2, 3)
		c.want(201, c.do("POST", "/v1/tenants", r))
	}

	c.want(200, c.do("PUT", path+"/state", `{"version":1,"remoteAssistancePartners":[{"displayName":"now"}]}`))
	before := c.export(made)
	c.want(200, c.do("PATCH", path, api.TenantUpdate{Quota: quota(1, 2)}))
	exceeds(partnersOver, c.do("PUT", path+"/state", document))
	exceeds(partnersOver, c.do("POST", path+"/snapshots/s/restore", nil))
	exceeds(partnersOver, c.do("POST", path+"/reset", nil))
	c.want(200, c.do("PATCH", path, api.TenantUpdate{Quota: quota(2, 1)}))
	exceeds(usersOver, c.do("PUT", path+"/state", document))
	exceeds(usersOver, c.do("POST", path+"/snapshots/s/restore", nil))
	if got := c.export(made); got != before {
		t.Error("what was refused has changed the tenant")
	}
	c.want(200, c.do("POST", path+"/reset", nil)) // adds no users
	c.want(200, c.do("PATCH", path, api.TenantUpdate{Quota: quota(2, 2)}))
	c.want(200, c.do("PUT", path+"/state", document))
	c.want(200, c.do("POST", path+"/snapshots/s/restore", nil))
	c.want(200, c.do("POST", path+"/reset", nil))
}

// The same seed results in the same ids, also after a reset.
func TestIDSeed(t *testing.T) {
	t.Parallel()
	c := setup(t)
	var first []string
	for range 2 {
		made := c.newTenant(api.TenantCreate{IdSeed: ptr("fixed")})
		token := made.Credentials.AccessToken
		for range 2 {
			got := []string{
				made.Credentials.UserId.String(), made.Credentials.ClientId.String(),
				c.createPartner(token, "a", "onboarding").ID, c.createPartner(token, "b", "onboarding").ID,
			}
			if first == nil {
				first = got
			}
			if !slices.Equal(got, first) {
				t.Errorf("%q, want %q", got, first)
			}
			c.want(200, c.do("POST", tenantPath(made.Tenant.Id, "/reset"), nil))
		}
	}
}

// New partners don't get ids that came from a document or were made from the seed, even of
// deleted partners. The next free id is found at once.
func TestIDSeedAfterImport(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := func(n int64) string { return db.SeededID("fixed", "remoteAssistancePartner", n).String() }
	source := json.RawMessage(`{"version":1,"remoteAssistancePartners":[{"displayName":"a"},{"displayName":"b"},{"displayName":"c"}]}`)
	made := c.newTenant(api.TenantCreate{IdSeed: ptr("fixed"), Source: &api.TenantSource{Document: &source}})
	token := made.Credentials.AccessToken
	if got := c.createPartner(token, "d", "onboarding").ID; got != id(4) {
		t.Errorf("got %s, want %s", got, id(4))
	}
	if n := c.rows("SELECT ids_made::text FROM tenants WHERE id = $1", made.Tenant.Id); n[0] != "4" {
		t.Errorf("%s ids were tried", n[0])
	}

	exported := c.export(made.Tenant.Id)
	head, _, _ := strings.Cut(exported, `"remoteAssistancePartners":`)
	c.want(200, c.do("PUT", tenantPath(made.Tenant.Id, "/state"), head+`"remoteAssistancePartners":[{"id":"`+id(2)+`"}]}`))
	c.want(204, c.graph("DELETE", partners+"/"+id(2), "", token))
	if got := c.createPartner(token, "e", "onboarding").ID; got != id(3) {
		t.Errorf("got %s, want %s", got, id(3))
	}
	c.want(200, c.graph("PATCH", partners+"/"+id(3), `{"displayName":"f"}`, token))
}

// token calls a tenant's token endpoint.
func (c *client) token(tenant uuid.UUID, form url.Values) reply {
	c.Helper()
	return c.post("/"+tenant.String()+"/oauth2/v2.0/token", form)
}

// Two applications with the same name have different ids, the same in each tenant with the
// seed.
func TestIDSeedOfApplications(t *testing.T) {
	t.Parallel()
	c := setup(t)
	var first []string
	for range 2 {
		path := tenantPath(c.newTenant(api.TenantCreate{IdSeed: ptr("fixed"), Credentials: ptr(false)}).Tenant.Id)
		var got []string
		for _, id := range []*uuid.UUID{nil, ptr(uuid.MustParse("5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7")), ptr(uuid.MustParse("6c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7"))} {
			made := decode[api.ApplicationCreated](t, c.want(201, c.do("POST", path+"/applications", api.ApplicationCreate{ClientId: id, DisplayName: "Portal"})))
			if id != nil && made.Application.ClientId != *id {
				t.Errorf("%s, want %s", made.Application.ClientId, id)
			}
			if principal := made.Application.ServicePrincipalId.String(); slices.Contains(got, principal) {
				t.Errorf("two applications have the service principal %s", principal)
			}
			got = append(got, made.Application.ServicePrincipalId.String(), made.Application.ClientId.String())
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Errorf("%q, want %q", got, first)
		}
		c.refused(409, "", c.do("POST", path+"/applications", api.ApplicationCreate{DisplayName: "Portal"}))
		twice := `{"servicePrincipalId": "` + first[0] + `", "displayName": "x"}`
		c.refused(400, "/applications/1/servicePrincipalId", c.do("PUT", path+"/state", `{"version": 1, "applications": [`+twice+`, `+twice+`]}`))
	}
}
