package admin_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

func (c *client) issue(tenant, app uuid.UUID, user *uuid.UUID) string {
	c.Helper()
	return decode[api.Token](c, c.want(201, c.do("POST", tenantPath(tenant, "/tokens"), api.TokenRequest{ClientId: app, UserId: user}))).AccessToken
}

// good checks with Graph whether tokens are valid.
func (c *client) good(want bool, tokens ...string) {
	c.Helper()
	status := map[bool]int{true: 200, false: 401}[want]
	for i, token := range tokens {
		if r := c.graph("GET", partners, "", token); r.status != status {
			c.Errorf("token %d: %d %s, want %d", i, r.status, r.body, status)
		}
	}
}

// Tokens of a deleted user aren't valid for a new user with the same id.
func TestTokensOfFormer(t *testing.T) {
	t.Parallel()
	c := setup(t)
	rule := &api.TenantSettings{PermissionRule: ptr(api.PermissionRuleCurrent)} // allows applications
	create := api.TenantCreate{Id: ptr(uuid.New()), IdSeed: ptr("former"), Settings: rule}
	former := c.newTenant(create)
	k, path := former.Credentials, tenantPath(former.Tenant.Id)
	appOnly := c.issue(k.TenantId, k.ClientId, nil)
	c.good(true, k.AccessToken, appOnly)
	c.want(204, c.do("DELETE", path, nil))
	k = c.newTenant(create).Credentials
	if k.UserId != former.Credentials.UserId || k.ClientId != former.Credentials.ClientId {
		t.Errorf("other ids: %+v", k)
	}
	c.good(false, former.Credentials.AccessToken, appOnly)

	// The same if the application is older than the tenant.
	seed, app := "seed-"+uuid.NewString(), uuid.MustParse("5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7")
	c.want(201, c.do("POST", "/v1/seeds?name="+seed, document))
	planted := api.TenantCreate{Id: ptr(uuid.New()), Source: &api.TenantSource{Seed: &seed}, Credentials: ptr(false)}
	c.newTenant(planted)
	old := c.issue(*planted.Id, app, nil)
	c.good(true, old)
	c.want(204, c.do("DELETE", tenantPath(*planted.Id), nil))
	c.newTenant(planted)
	c.good(false, old)
	c.good(true, c.issue(*planted.Id, app, nil))

	appOnly = c.issue(k.TenantId, k.ClientId, nil)
	c.good(true, k.AccessToken, appOnly)

	user := api.UserCreate{Id: &k.UserId, UserPrincipalName: k.UserPrincipalName}
	c.want(204, c.do("DELETE", path+"/users/"+k.UserId.String(), nil))
	c.want(201, c.do("POST", path+"/users", user))
	c.good(false, k.AccessToken)
	again := c.issue(k.TenantId, k.ClientId, &k.UserId)
	c.good(true, again, appOnly)

	c.want(204, c.do("DELETE", path+"/applications/"+k.ClientId.String(), nil))
	c.want(201, c.do("POST", path+"/applications", api.ApplicationCreate{ClientId: &k.ClientId, DisplayName: "again", RequiredScopes: &[]string{"User.Read"}}))
	c.good(false, again, appOnly)
	c.good(true, c.issue(k.TenantId, k.ClientId, nil), c.issue(k.TenantId, k.ClientId, &k.UserId))
}

// Users and applications that both a document and the tenant have keep their tokens, and
// importing an export restores its users and applications with their tokens. A user or
// application created with the id of a deleted one is new.
func TestTokensAfterImport(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tenant := c.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id
	user, app := uuid.MustParse("7d1f0f5c-7a50-4b2f-9f2f-0a6c1b8e9d10"), uuid.MustParse("5c9e2a34-0f53-4c5b-8a6e-6a1de4f0c2b7")
	put := func() {
		c.want(200, c.do("PUT", tenantPath(tenant, "/state"), `{"version": 1, "settings": {"permissionRule": "current"},
			"users": [{"id": "`+user.String()+`", "userPrincipalName": "bob@contoso.example"}],
			"applications": [{"clientId": "`+app.String()+`", "displayName": "Portal"}]}`))
	}
	put()
	users, apps := c.issue(tenant, app, &user), c.issue(tenant, app, nil)
	c.good(true, users, apps)
	put()
	c.good(true, users, apps)
	c.want(201, c.do("POST", tenantPath(tenant, "/snapshots"), api.SnapshotCreate{Name: "s"}))
	c.want(204, c.do("DELETE", tenantPath(tenant, "/users/", user.String()), nil))
	c.good(false, users)
	c.want(200, c.do("POST", tenantPath(tenant, "/snapshots/s/restore"), nil)) // restores the same user
	c.good(true, users, apps)
	exported := c.export(tenant)
	c.want(204, c.do("DELETE", tenantPath(tenant, "/users/", user.String()), nil))
	c.want(200, c.do("PUT", tenantPath(tenant, "/state"), exported)) // and so does this
	c.good(true, users, apps)
	c.want(200, c.do("PUT", tenantPath(tenant, "/state"), strings.ReplaceAll(exported, `"createdDateTime":"20`, `"createdDateTime":"30`)))
	c.good(true, users, apps) // even after the revocation of others
	c.want(204, c.do("DELETE", tenantPath(tenant, "/users/", user.String()), nil))
	put()
	c.good(false, users)
	c.good(true, apps, c.issue(tenant, app, &user))
	c.want(200, c.do("PUT", tenantPath(tenant, "/state"), `{"version": 1}`))
	put()
	c.good(false, apps)
}

// A replica with a slow clock issues tokens for a tenant that a replica with a faster clock has
// just made. They are valid at once and can be renewed.
func TestTokensAcrossClocks(t *testing.T) {
	t.Parallel()
	database := dbtest.NewEmptyDatabase(t)
	start := func(ahead time.Duration) *client {
		s, err := server.Start(t.Context(), server.Config{
			HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: database, Now: func() time.Time { return time.Now().Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
		return &client{t, s, ""}
	}
	behind, ahead := start(0), start(time.Minute)
	doc := json.RawMessage(document)
	for name, source := range map[string]*api.TenantSource{"from nothing": nil, "of a document": {Document: &doc}} {
		k := ahead.newTenant(api.TenantCreate{Source: source, Settings: &api.TenantSettings{PermissionRule: ptr(api.PermissionRuleCurrent)}}).Credentials
		var got struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		}
		form := url.Values{
			"grant_type": {"password"}, "client_id": {k.ClientId.String()}, "client_secret": {k.ClientSecret},
			"username": {k.UserPrincipalName}, "password": {k.Password}, "scope": {"https://graph.microsoft.com/.default offline_access"},
		}
		for range 3 {
			got = decode[struct {
				AccessToken  string `json:"access_token"`
				RefreshToken string `json:"refresh_token"`
			}](t, behind.want(200, behind.token(k.TenantId, form)))
			behind.good(true, got.AccessToken)
			ahead.good(true, got.AccessToken)
			form.Set("grant_type", "refresh_token")
			form.Set("refresh_token", got.RefreshToken)
		}
		appOnly := behind.issue(k.TenantId, k.ClientId, nil)
		users := behind.issue(k.TenantId, k.ClientId, &k.UserId)
		behind.good(true, appOnly, users)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
