package admin_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/admin"
)

// A manager may lower a quota, or set one where none is; to raise it, or to take it away,
// is the owner's.
func TestManagersQuotas(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	manager := owner.as(admin.AdminRoleManager, t.Name())
	for _, name := range []string{"partners", "users", "requestsPerSecond"} {
		path := tenantPath(manager.newTenant(admin.TenantCreate{}).Tenant.Id)
		for _, step := range []struct {
			by     *client
			quota  string
			status int
		}{
			{manager, "null", 200}, // none is there
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

// A seed that a manager made is theirs; those of owners are for all.
func TestSeedsOfManagers(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	mine, other, reader := owner.as(admin.AdminRoleManager, t.Name()), owner.as(admin.AdminRoleManager, t.Name()+" other"), owner.as(admin.AdminRoleReader, t.Name())
	own, shared := "own-"+uuid.NewString(), "shared-"+uuid.NewString()
	made := decode[admin.Seed](t, mine.want(201, mine.do("POST", "/v1/seeds?name="+own, document)))
	if made.Manager == nil || *made.Manager != t.Name() {
		t.Errorf("%+v", made)
	}
	owner.want(201, owner.do("POST", "/v1/seeds?name="+shared, document))

	use := func(name string) admin.TenantCreate {
		return admin.TenantCreate{DisplayName: "x", Credentials: ptr(false), Source: &admin.TenantSource{Seed: &name}}
	}
	for _, tt := range []struct {
		by      *client
		name    string
		there   bool
		secrets bool // whether the role may see them
	}{
		{mine, own, true, true},
		{mine, shared, true, true},
		{other, own, false, true},
		{other, shared, true, true},
		{owner, own, true, true},
		{owner, shared, true, true},
		{reader, own, true, false},
		{reader, shared, true, false},
	} {
		found, made := 200, 201
		if !tt.there {
			found, made = 404, 404
		}
		tt.by.want(found, tt.by.do("GET", "/v1/seeds/"+tt.name, nil))
		list := decode[admin.SeedList](t, tt.by.want(200, tt.by.do("GET", "/v1/seeds?top=1000", nil)))
		if slices.ContainsFunc(list.Value, func(s admin.Seed) bool { return s.Name == tt.name }) != tt.there {
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

// With another manager, all ends that the one before came in by, unless it is to be kept;
// a tenant's first manager has what there is.
func TestHandOver(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	current := &admin.TenantSettings{PermissionRule: ptr(admin.PermissionRuleCurrent)} // lets applications in
	for _, tt := range []struct {
		name, from, change string
		ends               bool
	}{
		{"to another", t.Name(), `{"manager":"another"}`, true},
		{"to nobody", t.Name(), `{"manager":null}`, true},
		{"keeping", t.Name(), `{"manager":"another","keepCredentials":true}`, false},
		{"to the same", t.Name(), `{"manager":"` + t.Name() + `"}`, false},
		{"from an owner", "", `{"manager":"another"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &client{t, owner.server, owner.key}
			r := admin.TenantCreate{Settings: current}
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
			c.want(200, c.token(k.TenantId, public)) // and what is given anew works
		})
	}
	c := owner.newTenant(admin.TenantCreate{}).Tenant.Id
	owner.refused(400, "/keepCredentials", owner.do("PATCH", tenantPath(c), `{"keepCredentials":true}`))
}

// A change that began before its tenant got another manager, and waited for that, changes
// nothing.
func TestChangeAfterHandOver(t *testing.T) {
	t.Parallel()
	owner := few(t, 8)
	owner.key = decode[admin.KeyCreated](t, owner.want(201, owner.do("POST", "/v1/keys", admin.KeyCreate{Name: "owner", Role: admin.AdminRoleOwner}))).Key
	manager := owner.as(admin.AdminRoleManager, "former")
	made := manager.newTenant(admin.TenantCreate{Credentials: ptr(false)}).Tenant.Id
	tx, err := owner.server.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE tenants SET manager = 'next' WHERE id = $1", made); err != nil {
		t.Fatal(err)
	}
	replies := make(chan reply)
	go func() {
		replies <- manager.do("POST", tenantPath(made, "/users"), admin.UserCreate{UserPrincipalName: "x@y.example"})
	}()
	go func() { replies <- manager.do("PUT", tenantPath(made, "/state"), `{"version":1}`) }()
	go func() {
		replies <- manager.do("POST", "/v1/tenants", admin.TenantCreate{DisplayName: "x", Source: &admin.TenantSource{TenantId: &made}})
	}()
	waiting := 0
	for waiting < 2 { // of those about the tenant's own row, one waits for the other's turn
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
