package admin_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// document has an item of every kind.
const document = `{
  "version": 1,
  "settings": {"pageSize": 7, "permissionRule": "current", "repeatabilitySeconds": 60, "userPicker": true, "partnerPortal": true},
  "users": [
    {"userPrincipalName": "alice@contoso.example", "displayName": "Alice", "password": "secret", "directoryRoles": ["3a2c62db-5318-420d-8d74-23affee5d9d5"]},
    {"id": "7d1f0f5c-7a50-4b2f-9f2f-0a6c1b8e9d10", "userPrincipalName": "bob@contoso.example", "enabled": false}
  ],
  "applications": [
    {"clientId": "5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7", "displayName": "Portal", "publicClientFlows": true, "redirectUris": ["https://portal.example/"],
     "spaRedirectUris": ["https://page.example/"], "publicClientRedirectUris": ["myapp://tool"],
     "secrets": [{"secret": "portal-secret"}], "roles": ["Some.Role"],
     "consents": [{"userPrincipalName": "ALICE@contoso.example", "scopes": ["User.Read", "DeviceManagementServiceConfig.Read.All"]}, {"scopes": ["openid"]}]}
  ],
  "remoteAssistancePartners": [
    {"displayName": "one", "onboardingUrl": "https://one.example/", "onboardingStatus": "onboarded", "lastConnectionDateTime": "2016-12-31T23:58:36.6670033-08:00"},
    {"id": "0b7c5a34-2d1e-4f6a-9b8c-7d6e5f4a3b2c", "displayName": "two", "onboardingRequestExpiryDateTime": "2030-01-01T00:00:00Z"}
  ]
}`

func (c *client) export(tenant uuid.UUID) string {
	c.Helper()
	return c.want(200, c.do("GET", tenantPath(tenant, "/state"), nil)).body
}

// A tenant made from a document works. Its export, in JSON or YAML, makes the same tenant
// again and fits the schema.
func TestDocuments(t *testing.T) {
	t.Parallel()
	c := setup(t)
	source := json.RawMessage(document)
	made := c.newTenant(api.TenantCreate{Credentials: ptr(false), Source: &api.TenantSource{Document: &source}}).Tenant
	token := decode[struct {
		AccessToken string `json:"access_token"`
	}](t, c.want(200, c.signIn(made.Id, uuid.MustParse("5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7"), "portal-secret", "alice@contoso.example", "secret"))).AccessToken
	if got := c.partners(token); !slices.Equal(got, []string{"one", "two"}) || *made.Settings.PageSize != 7 {
		t.Errorf("%q, %+v", got, made)
	}
	exported := c.export(made.Id)
	if !strings.Contains(exported, `"lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"`) || strings.Contains(exported, `"secret"`) || strings.Contains(exported, "portal-secret") {
		t.Errorf("%s", exported)
	}
	checkSchema(t, exported)
	checkSchema(t, document)

	second := c.newTenant(api.TenantCreate{}).Tenant.Id
	counts := decode[api.StateCounts](t, c.want(200, c.do("PUT", tenantPath(second, "/state"), exported)))
	if diff := cmp.Diff(holding(2, 2, 1), counts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(exported, c.export(second)); diff != "" {
		t.Errorf("by JSON (-first +second):\n%s", diff)
	}
	yaml := c.want(200, c.do("GET", tenantPath(made.Id, "/state?format=yaml"), nil))
	if yaml.header.Get("Content-Type") != "application/yaml" || !strings.Contains(yaml.body, "displayName: one\n") {
		t.Errorf("%s", yaml.body)
	}
	third := c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(third, "/state"), yaml.body, "Content-Type", "application/yaml"))
	if diff := cmp.Diff(exported, c.export(third)); diff != "" {
		t.Errorf("by YAML (-first +second):\n%s", diff)
	}
	c.want(200, c.signIn(third, uuid.MustParse("5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7"), "portal-secret", "alice@contoso.example", "secret"))
	c.refused(400, "", c.do("PUT", tenantPath(third, "/state"), "x", "Content-Type", "text/plain"))
	c.refused(400, "", c.do("GET", tenantPath(made.Id, "/state?format=xml"), nil))
}

// A document with one wrong line changes nothing, and the error names the line.
func TestHalfValidDocument(t *testing.T) {
	t.Parallel()
	c := setup(t)
	source := json.RawMessage(document)
	made := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Document: &source}}).Tenant.Id
	before := c.export(made)
	var many strings.Builder
	many.WriteString("{\"version\": 1, \"remoteAssistancePartners\": [\n")
	for range 5000 {
		many.WriteString("{\"displayName\": \"fine\"},\n")
	}
	many.WriteString("{\"displayName\": 1}\n]}")
	r := c.do("PUT", tenantPath(made, "/state"), many.String())
	p := decode[api.Problem](t, r)
	if r.status != 400 || *p.Pointer != "/remoteAssistancePartners/5000/displayName" || *p.Line != 5002 {
		t.Errorf("%d %s", r.status, r.body)
	}
	seed := "half-" + uuid.NewString()
	c.refused(400, "/remoteAssistancePartners/5000/displayName", c.do("POST", "/v1/seeds?name="+seed, many.String()))
	c.refused(404, "", c.do("GET", "/v1/seeds/"+seed, nil))
	if got := c.export(made); got != before {
		t.Error("the tenant has changed")
	}
}

// A second seed with a name is refused, and the first one stays.
func TestSeeds(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name := "seed-" + uuid.NewString()
	seed := decode[api.Seed](t, c.want(201, c.do("POST", "/v1/seeds?name="+name, document)))
	if seed.Counts.Entities["remoteAssistancePartners"] != 2 || seed.Counts.Users != 2 {
		t.Errorf("%+v", seed)
	}
	c.refused(409, "", c.do("POST", "/v1/seeds?name="+name, `{"version":1}`))
	c.refused(400, "", c.do("POST", "/v1/seeds?name=a%20b", `{"version":1}`))
	c.refused(400, "", c.do("POST", "/v1/seeds?name="+strings.Repeat("x", 101), `{"version":1}`))
	if got := decode[api.Seed](t, c.want(200, c.do("GET", "/v1/seeds/"+name, nil))); !reflect.DeepEqual(got, seed) {
		t.Errorf("%+v", got)
	}
	if list := decode[api.SeedList](t, c.want(200, c.do("GET", "/v1/seeds?top=1000", nil))); !slices.ContainsFunc(list.Value, func(s api.Seed) bool { return s.Name == name }) {
		t.Errorf("%+v", list)
	}

	// Tenants made from a seed remain after its deletion, and can still be reset to it.
	made := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Seed: &name}})
	token := made.Credentials.AccessToken
	exported := c.want(200, c.do("GET", "/v1/seeds/"+name+"/state", nil)).body
	checkSchema(t, exported)
	c.want(204, c.do("DELETE", "/v1/seeds/"+name, nil))
	c.refused(404, "", c.do("DELETE", "/v1/seeds/"+name, nil))
	c.createPartner(token, "three", "onboarding")
	if got := c.partners(token); len(got) != 3 {
		t.Errorf("%q", got)
	}
	if err := c.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want(200, c.do("POST", tenantPath(made.Tenant.Id, "/reset"), nil))
	if got := c.partners(token); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("after a reset: %q", got)
	}
	// The state is deleted with the last tenant that can be reset to it.
	states := c.rows("SELECT origin_id::text FROM tenants WHERE id = $1", made.Tenant.Id)
	c.want(204, c.do("DELETE", tenantPath(made.Tenant.Id), nil))
	if left := c.rows("SELECT id::text FROM tenants WHERE id::text = $1", states[0]); len(left) != 0 {
		t.Error("its state is left")
	}
}

// A snapshot restores everything: partners and their history, users, applications, settings.
// Revoked tokens stay revoked, and others stay valid.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	token, path := made.Credentials.AccessToken, tenantPath(made.Tenant.Id)
	kept := c.createPartner(token, "kept", "onboarding")
	changed := c.createPartner(token, "changed", "onboarding")
	c.want(200, c.graph("PATCH", partners+"/"+changed.ID, `{"displayName":"changed once"}`, token))
	s := decode[api.Snapshot](t, c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "s"})))
	if !reflect.DeepEqual(s.Counts, holding(2, 1, 1)) {
		t.Errorf("%+v", s)
	}
	before, history := c.export(made.Tenant.Id), c.history(made.Tenant.Id)
	diff := func(query string) []string {
		t.Helper()
		var got []string
		for link := path + "/diff?from=s&top=1" + query; link != ""; {
			list := decode[api.DiffList](t, c.want(200, c.do("GET", link, nil)))
			for _, e := range list.Value {
				got = append(got, fmt.Sprint(e.Entity, " ", e.Change))
			}
			link = ""
			if list.NextLink != nil {
				link = *list.NextLink
			}
		}
		slices.Sort(got)
		return got
	}
	if got := diff(""); len(got) != 0 {
		t.Errorf("differs at once: %q", got)
	}

	c.want(200, c.graph("PATCH", partners+"/"+changed.ID, `{"displayName":"changed twice"}`, token))
	c.want(204, c.graph("DELETE", partners+"/"+kept.ID, "", token))
	c.createPartner(token, "new", "onboarding")
	c.want(201, c.do("POST", path+"/users", api.UserCreate{UserPrincipalName: named("alice", made.Tenant.Id)}))
	c.want(200, c.do("PATCH", path+"/users/"+made.Credentials.UserId.String(), `{"password":"another"}`)) // this revokes the token
	c.want(204, c.do("DELETE", path+"/applications/"+made.Credentials.ClientId.String(), nil))
	c.want(201, c.do("POST", path+"/applications", api.ApplicationCreate{DisplayName: "other"}))
	c.want(200, c.do("PATCH", path, `{"settings":{"pageSize":3}}`))
	want := []string{"application added", "application removed", "remoteAssistancePartner added", "remoteAssistancePartner changed", "remoteAssistancePartner removed", "settings changed", "user added", "user changed"}
	if got := diff(""); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "t"}))
	if got := diff("&to=t"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r := c.do("GET", path+"/diff?from=s&to=t&top=1000", nil); strings.Contains(r.body, "secretHash") || strings.Contains(r.body, "$2a$04$"+strings.Repeat("x", 20)) ||
		!strings.Contains(r.body, `"before":{"id":"`+changed.ID+`","displayName":"changed once"`) || !strings.Contains(r.body, `"displayName":"changed twice"`) {
		t.Errorf("%s", r.body)
	}

	c.want(200, c.do("POST", path+"/snapshots/s/restore", nil))
	if diff := cmp.Diff(before, c.export(made.Tenant.Id)); diff != "" {
		t.Errorf("restored (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(history, c.history(made.Tenant.Id)); diff != "" {
		t.Errorf("history (-before +after):\n%s", diff)
	}
	c.want(401, c.graph("GET", partners, "", token))
	k := made.Credentials
	token = decode[struct {
		AccessToken string `json:"access_token"`
	}](t, c.want(200, c.signIn(made.Tenant.Id, k.ClientId, k.ClientSecret, k.UserPrincipalName, k.Password))).AccessToken
	c.want(200, c.do("POST", path+"/snapshots/t/restore", nil))
	c.want(200, c.do("POST", path+"/snapshots/s/restore", nil))
	c.want(200, c.graph("GET", partners, "", token))

	// Snapshots are sources of tenants, and so are tenants.
	for _, source := range []api.TenantSource{{TenantId: &made.Tenant.Id, Snapshot: ptr("s")}, {TenantId: &made.Tenant.Id}} {
		copied := c.newTenant(api.TenantCreate{Credentials: ptr(false), Source: &source})
		if diff := cmp.Diff(before, c.export(copied.Tenant.Id)); diff != "" {
			t.Errorf("copied (-want +got):\n%s", diff)
		}
	}
	if got := c.want(200, c.do("GET", path+"/snapshots/s/state", nil)).body; got != before {
		t.Errorf("%s", got)
	}

	// A stored state isn't a tenant, and can't be found as one.
	for _, id := range c.rows("SELECT state_id::text FROM snapshots WHERE tenant_id = $1", made.Tenant.Id) {
		c.refused(404, "", c.do("GET", "/v1/tenants/"+id, nil))
		if r := c.signIn(uuid.MustParse(id), k.ClientId, k.ClientSecret, k.UserPrincipalName, k.Password); !strings.Contains(r.body, "AADSTS90002") {
			t.Errorf("%s", r.body)
		}
	}
	c.refused(409, "", c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "s"}))
	c.refused(400, "/name", c.do("POST", path+"/snapshots", `{"name":"../x"}`))
	c.refused(404, "", c.do("POST", path+"/snapshots/none/restore", nil))
	c.refused(404, "", c.do("GET", path+"/diff?from=none", nil))
	c.refused(404, "", c.do("GET", path+"/diff?from=s&to=none", nil))
	c.refused(400, "", c.do("GET", path+"/diff", nil))
	if list := decode[api.SnapshotList](t, c.want(200, c.do("GET", path+"/snapshots?top=1", nil))); len(list.Value) != 1 || list.NextLink == nil {
		t.Errorf("%+v", list)
	}
	c.want(204, c.do("DELETE", path+"/snapshots/t", nil))
	c.refused(404, "", c.do("DELETE", path+"/snapshots/t", nil))
}

// history returns every version that a change replaced.
func (c *client) history(tenant uuid.UUID) []string {
	c.Helper()
	return c.rows("SELECT concat_ws(' ', id, version, row ->> 'display_name', row ->> 'onboarding_status', change) FROM entity_versions WHERE tenant_id = $1 ORDER BY id, version", tenant)
}

// Under load, readers see a restore, a reset or an import either completely or not at all.
// Clients get only answers that Graph also gives, and other tenants are unaffected. A delete
// leaves no row, even if others write meanwhile.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	testenv.Long(t)
	c := setup(t)
	made, other := c.newTenant(api.TenantCreate{}), c.newTenant(api.TenantCreate{})
	token, path := made.Credentials.AccessToken, tenantPath(made.Tenant.Id)
	documentOf := func(name string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"id":"00000000-0000-4000-8000-%012d","displayName":%q},`, i, name)
		}
		exported := c.export(made.Tenant.Id)
		at := strings.Index(exported, `"remoteAssistancePartners": [`) + len(`"remoteAssistancePartners": [`)
		return exported[:at] + strings.TrimSuffix(b.String(), ",") + "]}"
	}
	const n = 300
	a, b := documentOf("a", n), documentOf("b", n)
	c.want(200, c.do("PUT", path+"/state", a))
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "a"}))

	stop := make(chan struct{})
	var wg sync.WaitGroup
	until := func(f func()) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	only := func(r reply, statuses ...int) {
		if !slices.Contains(statuses, r.status) {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	until(func() { // a list is one statement: it has a's, b's or no partners, and those that clients wrote
		list := decode[struct{ Value []entity }](t, c.want(200, c.graph("GET", partners, "", token)))
		got := map[string]int{}
		for _, p := range list.Value {
			got[*p.DisplayName]++
		}
		if got["a"] != 0 && got["b"] != 0 || got["a"]+got["b"]+got["patched"] != 0 && got["a"]+got["b"]+got["patched"] != n {
			t.Errorf("half of it: %v", got)
		}
	})
	until(func() { only(c.graph("POST", partners, `{"displayName":"written"}`, token), 201) })
	until(func() {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", 7)
		only(c.graph("PATCH", partners+"/"+id, `{"displayName":"patched"}`, token), 200, 404)
	})
	until(func() {
		id := c.createPartner(other.Credentials.AccessToken, "other", "onboarding").ID
		only(c.graph("DELETE", partners+"/"+id, "", other.Credentials.AccessToken), 204)
	})
	for range 5 {
		c.want(200, c.do("PUT", path+"/state", b))
		c.want(200, c.do("POST", path+"/snapshots/a/restore", nil))
		c.want(200, c.do("POST", path+"/reset", nil))
		c.want(200, c.do("POST", path+"/snapshots/a/restore", nil))
	}
	close(stop)
	wg.Wait()
	// Every partner has its whole history: all versions from 1 to its previous one.
	if broken := c.rows(`SELECT p.id::text FROM remote_assistance_partners p WHERE p.tenant_id = $1 AND p.version - 1 <>
		(SELECT count(*) FROM entity_versions v WHERE v.tenant_id = p.tenant_id AND v.id = p.id)`, made.Tenant.Id); len(broken) != 0 {
		t.Errorf("without their history: %q", broken)
	}

	stop = make(chan struct{})
	for range 4 {
		until(func() { only(c.graph("POST", partners, `{"displayName":"late"}`, token), 201, 401, 503) })
		until(func() {
			only(c.graph("PATCH", partners+"/00000000-0000-4000-8000-000000000007", `{"displayName":"late"}`, token), 200, 401, 404, 503)
		})
	}
	c.want(204, c.do("DELETE", path, nil))
	close(stop)
	wg.Wait()
	if left := c.rows("SELECT id::text FROM remote_assistance_partners WHERE tenant_id = $1 UNION SELECT id::text FROM entity_versions WHERE tenant_id = $1", made.Tenant.Id); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if got := c.partners(other.Credentials.AccessToken); len(got) != 0 {
		t.Errorf("another tenant has %q", got)
	}
}

// A restore compares rows by their keys, even if Postgres's statistics are from before the
// tenant got its rows. Comparing each row with each other row would take minutes.
func TestRestoreOfMany(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	c := open(t)
	const n = 40_000
	many := `{"version":1,"remoteAssistancePartners":[` + strings.Repeat(`{"displayName":"x"},`, n-1) + `{}]}`
	one, two := c.newTenant(api.TenantCreate{}).Tenant.Id, c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(one, "/state"), many))
	for _, statement := range []string{"ANALYZE", "ALTER DATABASE " + pgx.Identifier{c.server.Pool().Config().ConnConfig.Database}.Sanitize() + " SET statement_timeout = '60s'"} {
		if _, err := c.server.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	c.server.Pool().Reset()
	c.want(200, c.do("PUT", tenantPath(two, "/state"), many))
	c.want(201, c.do("POST", tenantPath(two, "/snapshots"), api.SnapshotCreate{Name: "s"}))
	c.want(200, c.do("PUT", tenantPath(two, "/state"), many))
	counts := decode[api.StateCounts](t, c.want(200, c.do("POST", tenantPath(two, "/snapshots/s/restore"), nil)))
	if counts.Entities["remoteAssistancePartners"] != n {
		t.Errorf("%+v", counts)
	}
}

// An export that fails before its first byte answers with a problem.
func TestExportThatFails(t *testing.T) {
	t.Parallel()
	c := open(t)
	path := tenantPath(c.newTenant(api.TenantCreate{}).Tenant.Id, "/state")
	if _, err := c.server.Pool().Exec(t.Context(), "ALTER TABLE users RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"json", "yaml"} {
		c.refused(500, "", c.do("GET", path+"?format="+format, nil))
	}
}

// A document says from which application an entity was created; an import keeps that.
func TestCreatedWith(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made, into := lived(c), c.newTenant(api.TenantCreate{})
	exported := c.export(made.Tenant.Id)
	c.want(200, c.do("PUT", tenantPath(into.Tenant.Id, "/state"), exported))
	for _, tenant := range []uuid.UUID{made.Tenant.Id, into.Tenant.Id} {
		list := decode[api.EntityList](t, c.want(200, c.do("GET", tenantPath(tenant, "/entities/remoteAssistancePartners"), nil)))
		for _, e := range list.Value {
			if e.CreatedWith == nil || *e.CreatedWith != made.Credentials.ClientId {
				t.Errorf("%s was created with %v", e.Id, e.CreatedWith)
			}
		}
		if len(list.Value) != 2 {
			t.Errorf("%d entities", len(list.Value))
		}
	}
	c.want(200, c.do("PUT", tenantPath(into.Tenant.Id, "/state"), `{"version": 1, "remoteAssistancePartners": [{}]}`))
	list := decode[api.EntityList](t, c.want(200, c.do("GET", tenantPath(into.Tenant.Id, "/entities/remoteAssistancePartners"), nil)))
	if len(list.Value) != 1 || list.Value[0].CreatedWith != nil {
		t.Errorf("imported without an application: %v", list.Value)
	}
}

// An id of zeros isn't treated like a missing one, for which the service would make an id or,
// in a consent, take all users.
func TestZeroIDs(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path := tenantPath(c.newTenant(api.TenantCreate{}).Tenant.Id, "/state")
	for _, tt := range []struct{ text, pointer string }{
		{`"users": [{"id": "%s", "userPrincipalName": "a@b.example"}]`, "/users/0/id"},
		{`"users": [{"userPrincipalName": "a@b.example", "directoryRoles": ["%s"]}]`, "/users/0/directoryRoles/0"},
		{`"applications": [{"clientId": "%s", "displayName": "x"}]`, "/applications/0/clientId"},
		{`"applications": [{"servicePrincipalId": "%s", "displayName": "x"}]`, "/applications/0/servicePrincipalId"},
		{`"applications": [{"displayName": "x", "secrets": [{"id": "%s", "secret": "x"}]}]`, "/applications/0/secrets/0/id"},
		{`"applications": [{"displayName": "x", "consents": [{"userId": "%s", "scopes": ["x"]}]}]`, "/applications/0/consents/0/userId"},
		{`"remoteAssistancePartners": [{}, {"id": "%s"}]`, "/remoteAssistancePartners/1/id"},
		{`"remoteAssistancePartners": [{"createdBy": "%s"}]`, "/remoteAssistancePartners/0/createdBy"},
		{`"remoteAssistancePartners": [{"createdWith": "%s"}]`, "/remoteAssistancePartners/0/createdWith"},
	} {
		for _, zeros := range []string{uuid.Nil.String(), strings.Repeat("0", 32)} {
			text := fmt.Sprintf("{\"version\": 1,\n"+tt.text+"}", zeros)
			r := c.do("PUT", path, text)
			detail := c.refused(400, tt.pointer, r)
			if p := decode[api.Problem](t, r); p.Line == nil || *p.Line != 2 || detail != "line 2, "+tt.pointer+": \""+zeros+"\": an id can't be all zeros; leave it out" {
				t.Errorf("%s: %s", text, r.body)
			}
		}
	}
	for value, want := range map[string]string{`5`: "5: want a GUID", `"x"`: `"x": want a GUID`} {
		detail := c.refused(400, "/remoteAssistancePartners/0/id", c.do("PUT", path, `{"version":1,"remoteAssistancePartners":[{"id":`+value+`}]}`))
		if want = "line 1, /remoteAssistancePartners/0/id: " + want; detail != want {
			t.Errorf("%s, want %s", detail, want)
		}
	}
	c.want(200, c.do("PUT", path, `{"version":1,"remoteAssistancePartners":[{"id":null}]}`))
}

// Null certificates mean none.
func TestNullCertificate(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path := tenantPath(c.newTenant(api.TenantCreate{}).Tenant.Id, "/state")
	for _, certificate := range []string{"null", `""`} {
		c.refused(400, "/applications/0/certificates/0", c.do("PUT", path, `{"version":1,"applications":[{"displayName":"x","certificates":[`+certificate+`]}]}`))
	}
}
