package admin_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// A manager may lower a quota, or set one if the tenant has none. Only an owner may raise or
// remove it.
func TestManagersQuotas(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager := owner.as(api.AdminRoleManager, t.Name())
	for _, name := range []string{"entities", "users", "requestsPerSecond"} {
		path := tenantPath(manager.newTenant(api.TenantCreate{}).Tenant.Id)
		for _, step := range []struct {
			by     *client
			quota  string
			status int
		}{
			{manager, "null", 200}, // the tenant has none
			{manager, "50", 200},
			{manager, "50", 200},
			{manager, "49", 200},
			{manager, "50", 403},
			{manager, "null", 403},
			{owner, "60", 200},
			{manager, "61", 403},
			{manager, "59", 200},
			{owner, "null", 200},
		} {
			owner.want(step.status, step.by.do("PATCH", path, `{"quota":{"`+name+`":`+step.quota+`}}`))
		}
		manager.want(200, manager.do("PATCH", path, `{"displayName":"x","quota":{}}`))
	}
}

// Only the manager who made a seed sees it. Everybody sees the seeds of owners.
func TestSeedsOfManagers(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	mine, other, reader := owner.as(api.AdminRoleManager, t.Name()), owner.as(api.AdminRoleManager, t.Name()+" other"), owner.as(api.AdminRoleReader, t.Name())
	own, shared := "own-"+uuid.NewString(), "shared-"+uuid.NewString()
	made := decode[api.Seed](t, mine.want(201, mine.do("POST", "/v1/seeds?name="+own, document)))
	if made.Manager == nil || *made.Manager != t.Name() {
		t.Errorf("%+v", made)
	}
	owner.want(201, owner.do("POST", "/v1/seeds?name="+shared, document))

	use := func(name string) api.TenantCreate {
		return api.TenantCreate{DisplayName: "x", Credentials: ptr(false), Source: &api.TenantSource{Seed: &name}}
	}
	for _, tt := range []struct {
		by      *client
		name    string
		there   bool
		secrets bool // whether the role may see secrets
	}{
		{by: mine, name: own, there: true, secrets: true},
		{by: mine, name: shared, there: true, secrets: true},
		{by: other, name: own, secrets: true},
		{by: other, name: shared, there: true, secrets: true},
		{by: owner, name: own, there: true, secrets: true},
		{by: owner, name: shared, there: true, secrets: true},
		{by: reader, name: own, there: true},
		{by: reader, name: shared, there: true},
	} {
		found, made := 200, 201
		if !tt.there {
			found, made = 404, 404
		}
		tt.by.want(found, tt.by.do("GET", "/v1/seeds/"+tt.name, nil))
		list := decode[api.SeedList](t, tt.by.want(200, tt.by.do("GET", "/v1/seeds?top=1000", nil)))
		if slices.ContainsFunc(list.Value, func(s api.Seed) bool { return s.Name == tt.name }) != tt.there {
			t.Errorf("in the list of %s: want %v", tt.name, tt.there)
		}
		if tt.secrets {
			tt.by.want(found, tt.by.do("GET", "/v1/seeds/"+tt.name+"/state", nil))
			tt.by.want(made, tt.by.do("POST", "/v1/tenants", use(tt.name)))
		}
	}
	// A manager gets the same answer for a tenant of others as for one that doesn't exist.
	none := other.do("GET", "/v1/seeds/none", nil).body
	if got := other.do("GET", "/v1/seeds/"+own, nil).body; len(got) != len(none)+len(own)-len("none") {
		t.Errorf("%s, and of none %s", got, none)
	}
}

// When a tenant gets another manager, all credentials of the former one's end, unless the
// request keeps them. A tenant's first manager gets all credentials.
func TestHandOver(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	current := &api.TenantSettings{PermissionRule: ptr(api.PermissionRuleCurrent)} // allows applications
	for _, tt := range []struct {
		name, from, change string
		ends               bool
	}{
		{name: "to another", from: t.Name(), change: `{"manager":"another"}`, ends: true},
		{name: "to nobody", from: t.Name(), change: `{"manager":null}`, ends: true},
		{name: "keeping", from: t.Name(), change: `{"manager":"another","keepCredentials":true}`},
		{name: "to the same", from: t.Name(), change: `{"manager":"` + t.Name() + `"}`},
		{name: "from an owner", change: `{"manager":"another"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &client{t, owner.server, owner.key}
			r := api.TenantCreate{Settings: current}
			if tt.from != "" {
				r.Manager = &tt.from
			}
			k := c.newTenant(r).Credentials
			appOnly := c.issue(k.TenantId, k.ClientId, nil)
			form := url.Values{
				"grant_type": {"password"}, "client_id": {k.ClientId.String()}, "client_secret": {k.ClientSecret},
				"username": {k.UserPrincipalName}, "password": {k.Password}, "scope": {"https://graph.microsoft.com/.default offline_access"},
			}
			refresh := decode[struct {
				RefreshToken string `json:"refresh_token"`
			}](t, c.want(200, c.token(k.TenantId, form))).RefreshToken
			c.want(200, c.do("PATCH", tenantPath(k.TenantId), tt.change))

			c.good(!tt.ends, k.AccessToken, appOnly)
			status := map[bool]int{false: 200, true: 400}[tt.ends]
			public := url.Values{"grant_type": {"password"}, "client_id": form["client_id"], "username": form["username"], "password": form["password"], "scope": form["scope"]}
			c.want(status, c.token(k.TenantId, public)) // the password
			c.want(status, c.token(k.TenantId, url.Values{"grant_type": {"refresh_token"}, "client_id": form["client_id"], "refresh_token": {refresh}}))
			secret := url.Values{"grant_type": {"client_credentials"}, "client_id": form["client_id"], "client_secret": form["client_secret"], "scope": {"https://graph.microsoft.com/.default"}}
			if r := c.token(k.TenantId, secret); (r.status == 200) == tt.ends {
				t.Errorf("by the secret: %d %s", r.status, r.body)
			}
			c.want(200, c.do("PATCH", tenantPath(k.TenantId, "/users/", k.UserId.String()), `{"password":"another"}`))
			public.Set("password", "another")
			c.want(200, c.token(k.TenantId, public)) // new credentials work
		})
	}
	c := owner.newTenant(api.TenantCreate{}).Tenant.Id
	owner.refused(400, "/keepCredentials", owner.do("PATCH", tenantPath(c), `{"keepCredentials":true}`))
}

// A change that began before its tenant got another manager, and had to wait for that, changes
// nothing.
func TestChangeAfterHandOver(t *testing.T) {
	t.Parallel()
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	owner := few(t, 8)
	owner.key = decode[api.KeyCreated](t, owner.want(201, owner.do("POST", "/v1/keys", api.KeyCreate{Name: "owner", Role: api.AdminRoleOwner}))).Key
	manager := owner.as(api.AdminRoleManager, "former")
	made := manager.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id
	tx, err := owner.server.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE tenants SET manager = 'next' WHERE id = $1", made); err != nil {
		t.Fatal(err)
	}
	replies := make(chan reply)
	go func() {
		replies <- manager.do("POST", tenantPath(made, "/users"), api.UserCreate{UserPrincipalName: named("x", made)})
	}()
	go func() { replies <- manager.do("PUT", tenantPath(made, "/state"), `{"version":1}`) }()
	go func() {
		replies <- manager.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Source: &api.TenantSource{TenantId: &made}})
	}()
	waiting := 0
	for waiting < 2 { // of the changes of the tenant's row, one waits in the queue of the other
		if err := owner.server.Pool().QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		owner.refused(404, "", <-replies)
	}
}
