package admin_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// routes returns all routes of the API, each with a path in the tenant to things that don't
// exist.
func routes(tenant uuid.UUID) map[string]string {
	fill := strings.NewReplacer(":tenantId", tenant.String(), ":name", "none", ":entitySet", "remoteAssistancePartners", ":action", "confirm", ":report", "recent-changes", ":login", "none",
		":userId", uuid.NewString(), ":clientId", uuid.NewString(), ":secretId", uuid.NewString(), ":credentialId", uuid.NewString(), ":entityId", uuid.NewString(), ":version", "1", ":keyId", uuid.NewString(), ":sessionId", uuid.NewString(), ":profile", "heap")
	all := map[string]string{}
	for template, item := range contract().Paths.Map() {
		path := parameter.ReplaceAllString(template, ":$1")
		for method := range item.Operations() {
			all[method+" "+path] = fill.Replace(path)
		}
	}
	return all
}

// body returns a valid body for a route that takes one.
func body(route string, tenant uuid.UUID) any {
	switch route {
	case "POST /v1/tenants":
		return api.TenantCreate{DisplayName: "x", Source: &api.TenantSource{TenantId: &tenant}}
	case "POST /v1/tenants/:tenantId/tokens":
		return api.TokenRequest{ClientId: uuid.New()}
	case "POST /v1/tenants/:tenantId/tokens/check":
		return api.TokenCheckRequest{Token: "x"}
	case "POST /v1/tenants/:tenantId/users":
		return api.UserCreate{UserPrincipalName: named("x", tenant)}
	case "POST /v1/tenants/:tenantId/applications":
		return api.ApplicationCreate{DisplayName: "x"}
	case "POST /v1/tenants/:tenantId/applications/:clientId/certificates":
		return api.ApplicationCertificateCreate{Certificate: newCertificate()}
	case "POST /v1/tenants/:tenantId/applications/:clientId/federatedCredentials":
		return api.FederatedCredentialCreate{Name: "x", Issuer: "https://issuer.example", Subject: "x"}
	case "POST /v1/tenants/:tenantId/snapshots":
		return api.SnapshotCreate{Name: "x"}
	case "PUT /v1/tenants/:tenantId/state", "POST /v1/seeds":
		return `{"version":1}`
	case "POST /v1/report-logins":
		return api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}}
	case "POST /v1/keys":
		return api.KeyCreate{Name: "x", Role: api.AdminRoleOwner}
	case "POST /v1/tenants/:tenantId/requests/verify":
		return `{"noExpiredToken":true}`
	case "PATCH /v1/tenants/:tenantId/faults/:faultId":
		return `{"schedule":{}}`
	case "PATCH /v1/tenants/:tenantId", "PATCH /v1/tenants/:tenantId/users/:userId", "POST /v1/tenants/:tenantId/entities/:entitySet", "PATCH /v1/tenants/:tenantId/entities/:entitySet/:entityId", "PATCH /v1/tenants/:tenantId/applications/:clientId",
		"POST /v1/tenants/:tenantId/applications/:clientId/secrets", "POST /v1/tenants/:tenantId/applications/:clientId/consents":
		return "{}"
	}
	return nil
}

func public(route string) bool {
	return route == "GET /openapi.yaml" || route == "GET /schemas/state-v1.json"
}

// Without a key, or with a wrong, expired or revoked one, every route is refused, whatever the
// path, body and parameters: 401 comes first.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	tenant := owner.newTenant(api.TenantCreate{}).Tenant.Id
	revoked := owner.as(api.AdminRoleOwner, t.Name())
	for _, k := range owner.keys() {
		if k.Name == t.Name() {
			owner.want(204, owner.do("DELETE", "/v1/keys/"+k.Id.String(), nil))
		}
	}
	expired := decode[api.KeyCreated](t, owner.want(201, owner.do("POST", "/v1/keys", api.KeyCreate{Name: t.Name(), Role: api.AdminRoleOwner, TtlSeconds: ptr(int64(1))})))
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE admin_keys SET expires_at = now() - interval '1 hour' WHERE id = $1", expired.Id); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"": "A key is needed", "nonsense": "no such key", revoked.key: "was revoked", expired.Key: "has expired"} {
		c := &client{t, owner.server, key}
		for route, path := range routes(tenant) {
			if public(route) {
				continue
			}
			method, _, _ := strings.Cut(route, " ")
			r := c.do(method, path+"?nonsense=1", "nonsense")
			if detail := c.refused(401, "", r); !strings.Contains(detail, want) || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: %s", route, r.body)
			}
		}
		c.refused(401, "", c.do("GET", "/nowhere", nil))
	}
	c := &client{t, owner.server, ""}
	c.refused(401, "", c.do("GET", "/v1/tenants", nil, "Authorization", "Basic "+owner.key))
	c.refused(401, "", c.do("GET", "/v1/tenants", nil, "Authorization", "Bearer"))
}

// Each role can do what the contract says and nothing else: 403 comes before 404 and 400.
func TestRoles(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	tenant := owner.newTenant(api.TenantCreate{}).Tenant.Id
	clients := map[string]*client{"reader": owner.as(api.AdminRoleReader, t.Name()), "manager": owner.as(api.AdminRoleManager, t.Name())}
	ranks := []string{"reader", "manager", "owner"}
	for route, path := range routes(tenant) {
		needed := roleOf(t, route)
		for role, c := range clients {
			method, _, _ := strings.Cut(route, " ")
			allowed := slices.Index(ranks, role) >= slices.Index(ranks, needed)
			r := c.do(method, strings.Replace(path, tenant.String(), uuid.NewString(), 1)+"?nonsense=1", "nonsense")
			if (r.status == 403) == allowed && !public(route) {
				t.Errorf("%s as %s: %d %s", route, role, r.status, r.body)
			}
		}
	}
}

// ofNoTenant lists the routes without a tenant in the path, each with the reason why it shows a
// manager nothing of others. The tests fail for a route that isn't listed and names no tenant.
var ofNoTenant = map[string]string{
	"GET /openapi.yaml":                      "everybody's",
	"GET /schemas/state-v1.json":             "everybody's",
	"GET /v1/tenants":                        "lists one's own: TestManagersAreApart, TestListTenants",
	"GET /v1/seeds":                          "lists one's own and those for all: TestSeedsOfManagers",
	"POST /v1/seeds":                         "TestSeedsOfManagers",
	"GET /v1/seeds/:name":                    "TestSeedsOfManagers",
	"GET /v1/seeds/:name/state":              "TestSeedsOfManagers",
	"DELETE /v1/seeds/:name":                 "owners alone",
	"GET /v1/reports":                        "everybody's",
	"GET /v1/report-logins":                  "lists one's own: TestReportLogins",
	"DELETE /v1/report-logins/:login":        "TestReportLogins, TestNotFoundTellsNothing",
	"POST /v1/report-logins/:login/rotate":   "TestReportLogins, TestNotFoundTellsNothing",
	"GET /v1/keys":                           "owners alone",
	"POST /v1/keys":                          "owners alone",
	"DELETE /v1/keys/:keyId":                 "owners alone",
	"GET /v1/console-sessions":               "owners alone",
	"DELETE /v1/console-sessions/:sessionId": "owners alone",
	"GET /v1/whoami":                         "one's own key",
	"GET /v1/audit":                          "owners alone",
	"GET /v1/scenarios":                      "everybody's",
	"GET /v1/requests":                       "owners alone",
	"DELETE /v1/requests":                    "owners alone",
	"GET /metrics":                           "of the service as a whole; no tenant is named",
	"GET /debug/pprof/":                      "owners alone",
	"GET /debug/pprof/:profile":              "owners alone",
}

// A manager finds no trace of another manager's tenant: every route answers as if the tenant
// didn't exist.
func TestManagersAreApart(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	mine, other := owner.as(api.AdminRoleManager, t.Name()), owner.as(api.AdminRoleManager, t.Name()+" other")
	tenant := other.newTenant(api.TenantCreate{}).Tenant.Id
	other.want(201, other.do("POST", tenantPath(tenant, "/snapshots"), api.SnapshotCreate{Name: "none"}))
	missing := uuid.New()
	for route := range routes(tenant) {
		method, _, _ := strings.Cut(route, " ")
		why, apart := ofNoTenant[route]
		if why == "owners alone" && roleOf(t, route) != "owner" {
			t.Errorf("%s is for owners alone and may be called by a %s", route, roleOf(t, route))
		}
		about := func(tenant uuid.UUID) reply {
			path := routes(tenant)[route]
			switch {
			case route == "GET /v1/reports/:report":
				path += "?tenantId=" + tenant.String()
			case route == "POST /v1/tenants", route == "POST /v1/report-logins": // the tenant is in the body
			case !strings.Contains(route, ":tenantId"):
				t.Errorf("nothing says how %s keeps managers apart", route)
			}
			return mine.do(method, path, body(route, tenant))
		}
		if apart {
			continue
		}
		got, want := about(tenant), about(missing)
		if got.status != 404 || strings.ReplaceAll(got.body, tenant.String(), missing.String()) != want.body {
			t.Errorf("%s: %d %s, and of none %d %s", route, got.status, got.body, want.status, want.body)
		}
	}
	for route := range ofNoTenant {
		if _, there := routes(tenant)[route]; !there {
			t.Errorf("there is no %s", route)
		}
	}
	list := decode[api.TenantList](t, mine.want(200, mine.do("GET", "/v1/tenants", nil)))
	if len(list.Value) != 0 {
		t.Errorf("a list shows %+v", list)
	}
	mine.refused(403, "", mine.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Manager: ptr("somebody else")}))
	own := mine.newTenant(api.TenantCreate{})
	mine.refused(403, "", mine.do("PATCH", tenantPath(own.Tenant.Id), `{"manager":"x"}`))
	reader := owner.as(api.AdminRoleReader, t.Name())
	reader.want(200, reader.do("GET", tenantPath(tenant), nil))
}

// As long as no key exists, everybody on this machine is an owner and nobody else is. Pages of
// other hosts are refused.
func TestOpenDoor(t *testing.T) {
	t.Parallel()
	c := open(t)
	who := decode[api.Caller](t, c.want(200, c.do("GET", "/v1/whoami", nil)))
	if who.Role != api.AdminRoleOwner || who.KeyId != nil {
		t.Errorf("%+v", who)
	}
	c.newTenant(api.TenantCreate{})
	for _, tt := range []struct {
		host, origin, site string
		status             int
	}{
		{host: "localhost:8081", status: 201},
		{host: "127.0.0.1:8081", status: 201},
		{host: "[::1]:8081", status: 201},
		{host: "rebound.example:8081", status: 401},
		{host: "localhost", origin: "https://evil.example", site: "cross-site", status: 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/tenants", strings.NewReader(`{"displayName":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		c.server.AdminHandler().ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
		}
		if tt.status >= 400 {
			c.refused(tt.status, "", reply{w.Code, w.Header(), w.Body.String()})
		}
	}
	// A browser requests a page's images and scripts without an Origin. A page from another
	// port of this machine is also foreign.
	for path, status := range map[string]int{"/debug/pprof/trace?seconds=1": 403, "/debug/pprof/heap": 403, "/metrics": 403, "/v1/tenants": 403, "/v1/nowhere": 403, "/openapi.yaml": 200} {
		for _, site := range []string{"cross-site", "same-site", "nonsense"} {
			c.want(status, c.do("GET", path, nil, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors"))
		}
	}
	for _, site := range []string{"none", "same-origin"} {
		c.want(200, c.do("GET", "/debug/pprof/heap", nil, "Sec-Fetch-Site", site))
	}
	made := decode[api.KeyCreated](t, c.want(201, c.do("POST", "/v1/keys", api.KeyCreate{Name: "x", Role: api.AdminRoleOwner})))
	c.refused(401, "", c.do("GET", "/v1/whoami", nil))
	c.key = made.Key
	c.want(204, c.do("DELETE", "/v1/keys/"+made.Id.String(), nil))
	c.refused(401, "", c.do("GET", "/v1/whoami", nil))
	c.key = ""
	c.refused(401, "", c.do("GET", "/v1/whoami", nil)) // it doesn't open again
}

// The audit log has every change and every denial, with the key and the operation.
func TestAudit(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager := owner.as(api.AdminRoleManager, t.Name())
	made := manager.newTenant(api.TenantCreate{})
	path := tenantPath(made.Tenant.Id)
	manager.want(200, manager.do("PATCH", path, `{"displayName":"y"}`))
	manager.want(200, manager.do("GET", path, nil)) // changes nothing
	manager.refused(400, "/pageSize", manager.do("PATCH", path, `{"pageSize":1}`))
	manager.refused(403, "", manager.do("DELETE", "/v1/seeds/none", nil))
	manager.refused(404, "", manager.do("DELETE", path+"/users/"+uuid.NewString(), nil)) // also changes nothing
	manager.want(204, manager.do("DELETE", path, nil))

	var got []string
	for link := "/v1/audit?top=50"; link != ""; {
		list := decode[api.AuditList](t, owner.want(200, owner.do("GET", link, nil)))
		for _, e := range list.Value {
			if e.KeyName != nil && *e.KeyName == t.Name() {
				got = append(got, fmt.Sprint(e.Action, " ", e.Outcome, " ", e.Status))
			}
		}
		link = ""
		if list.NextLink != nil {
			link = *list.NextLink
		}
	}
	want := []string{"deleteTenant done 204", "deleteSeed denied 403", "updateTenant done 200", "createTenant done 201"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	of := decode[api.AuditList](t, owner.want(200, owner.do("GET", "/v1/audit?tenantId="+made.Tenant.Id.String(), nil)))
	if len(of.Value) != 3 {
		t.Errorf("%+v", of)
	}
	manager.refused(403, "", manager.do("GET", "/v1/audit", nil))
}

// The audit log names the user of an issued token. It can be filtered by person and time.
func TestAuditFilters(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	made := owner.newTenant(api.TenantCreate{})
	k := made.Credentials
	name := uuid.NewString()
	another := owner.as(api.AdminRoleManager, name).newTenant(api.TenantCreate{}).Tenant.Id
	before := time.Now().UTC()
	owner.want(201, owner.do("POST", tenantPath(k.TenantId, "/tokens"), api.TokenRequest{ClientId: k.ClientId, UserId: &k.UserId}))
	owner.want(201, owner.do("POST", tenantPath(k.TenantId, "/tokens"), api.TokenRequest{ClientId: k.ClientId}))
	user := k.UserPrincipalName + " by application " + k.ClientId.String()
	of := "tenantId=" + k.TenantId.String()
	at := url.QueryEscape(before.Format(time.RFC3339Nano))
	for query, want := range map[string][]string{
		of + "&since=" + at:          {"issueToken application " + k.ClientId.String(), "issueToken " + user},
		of + "&until=" + at:          {"createTenant " + k.TenantId.String()},
		"who=" + k.UserPrincipalName: {"issueToken " + user},
		"who=" + strings.ToUpper(k.UserPrincipalName) + "&until=" + at: {},
		"who=" + k.UserPrincipalName[1:]:                               {},
		of + "&who=nobody":                                             {},
		"who=" + name:                                                  {"createTenant " + another.String(), "createKey " + name + " manager"},
	} {
		got := []string{}
		for _, e := range decode[api.AuditList](t, owner.want(200, owner.do("GET", "/v1/audit?"+query, nil))).Value {
			got = append(got, e.Action+" "+*e.Target)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	owner.refused(400, "", owner.do("GET", "/v1/audit?since=yesterday", nil))
}

// A create that is repeated with its Idempotency-Key happens once and gets the same answer,
// also if the tries are concurrent. With another body it is refused.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	c := setup(t)
	key := []string{"Idempotency-Key", uuid.NewString()}
	create := api.TenantCreate{DisplayName: t.Name()}
	answers := make([]reply, 6)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = c.do("POST", "/v1/tenants", create, key...) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != 201 || a.body != answers[0].body {
			t.Errorf("%d %s\n%s", a.status, a.body, answers[0].body)
		}
	}
	if n := c.rows("SELECT count(*)::text FROM tenants WHERE display_name = $1", t.Name()); n[0] != "1" {
		t.Errorf("%s tenants", n[0])
	}
	if detail := c.refused(409, "", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "other"}, key...)); !strings.Contains(detail, "Idempotency-Key") {
		t.Error(detail)
	}
	other := c.as(api.AdminRoleOwner, t.Name()) // the same key of another caller is different
	if made := decode[api.TenantCreated](t, c.want(201, other.do("POST", "/v1/tenants", create, key...))); strings.Contains(answers[0].body, made.Tenant.Id.String()) {
		t.Error("another caller got the answer")
	}

	seed := "seed-" + uuid.NewString()
	key = []string{"Idempotency-Key", seed}
	for range 2 { // with a document, which is read in pieces
		c.want(201, c.do("POST", "/v1/seeds?name="+seed, `{"version":1,"remoteAssistancePartners":[{}]}`, key...))
	}
	c.refused(409, "", c.do("POST", "/v1/seeds?name="+seed, `{"version":1,"remoteAssistancePartners":[]}`, key...))
	c.refused(409, "", c.do("POST", "/v1/seeds?name="+seed, `{"version":1,"remoteAssistancePartners":[{}]}`))

	fails := []string{"Idempotency-Key", uuid.NewString()} // a failed try doesn't use up the key
	id := uuid.New()
	c.want(201, c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Id: &id}))
	c.refused(409, "", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Id: &id}, fails...))
	c.want(204, c.do("DELETE", tenantPath(id), nil))
	c.want(201, c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Id: &id}, fails...))
	for _, secret := range c.rows("SELECT encode(answer, 'escape') FROM idempotency_keys") {
		if strings.Contains(secret, "accessToken") {
			t.Error("an answer is kept in the open")
		}
	}
}

// The database has only hashes of keys.
func TestKeysAreHashed(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := decode[api.KeyCreated](t, c.want(201, c.do("POST", "/v1/keys", api.KeyCreate{Name: t.Name(), Role: api.AdminRoleReader, TtlSeconds: ptr(int64(60))})))
	if found := c.rows("SELECT k::text FROM admin_keys AS k WHERE k::text LIKE '%' || $1 || '%'", made.Key[11:]); len(found) != 0 {
		t.Errorf("%q", found)
	}
	reader := &client{t, c.server, made.Key}
	who := decode[api.Caller](t, reader.want(200, reader.do("GET", "/v1/whoami", nil)))
	if *who.Name != t.Name() || who.Role != api.AdminRoleReader || *who.KeyId != made.Id {
		t.Errorf("%+v", who)
	}
	for _, k := range c.keys() {
		if k.Id == made.Id && (k.ExpiresDateTime == nil || time.Until(*k.ExpiresDateTime) > time.Minute) {
			t.Errorf("%+v", k)
		}
	}
	c.refused(404, "", c.do("DELETE", "/v1/keys/"+uuid.NewString(), nil))
	c.refused(400, "/role", c.do("POST", "/v1/keys", `{"name":"x","role":"king"}`))
}

// keys returns all keys, which it reads page by page.
func (c *client) keys() (all []api.Key) {
	c.Helper()
	for link := "/v1/keys?top=7"; link != ""; {
		list := decode[api.KeyList](c, c.want(200, c.do("GET", link, nil)))
		for _, k := range list.Value {
			if n := len(all); n > 0 && bytes.Compare(all[n-1].Id[:], k.Id[:]) >= 0 {
				c.Errorf("%s comes after %s", k.Id, all[n-1].Id)
			}
			all = append(all, k)
		}
		link = ""
		if list.NextLink != nil {
			link = *list.NextLink
		}
	}
	return all
}
