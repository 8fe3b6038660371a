package admin_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	description "github.com/mocktenant/mocktenant/internal/entity"
)

// A check says of a token what Graph says: whether it is accepted, why not, and for what.
func TestCheckToken(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made, other := c.newTenant(api.TenantCreate{}), c.newTenant(api.TenantCreate{})
	k, path := made.Credentials, tenantPath(made.Tenant.Id, "/tokens")
	issue := func(body string) string {
		return decode[api.Token](t, c.want(201, c.do("POST", path, body))).AccessToken
	}
	user, application := `"userId":"`+k.UserId.String()+`",`, `"clientId":"`+k.ClientId.String()+`"`
	parts := strings.Split(k.AccessToken, ".")
	unsigned := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"`+made.Tenant.Id.String()+`"}`)) + "." + parts[2]
	for name, tt := range map[string]struct{ token, reason string }{
		"accepted":        {token: k.AccessToken},
		"with a scheme":   {token: " bearer  " + k.AccessToken + "\n"},
		"changed":         {token: unsigned, reason: "not signed by this authority with RS256"},
		"another's":       {token: other.Credentials.AccessToken, reason: `from another tenant, "` + other.Tenant.Id.String() + `"`},
		"no token":        {token: "abc", reason: "not a JSON Web Token: it has 0 dots, want 2"},
		"not base64":      {token: "a.b!.c", reason: "not a JSON Web Token: part 1"},
		"not JSON":        {token: parts[0] + ".YWJj." + parts[2], reason: "not a JSON Web Token: part 2 isn't a JSON object"},
		"null":            {token: parts[0] + ".bnVsbA." + parts[2], reason: "not a JSON Web Token: part 2 isn't a JSON object"},
		"few permissions": {token: issue(`{` + user + `"permissions":["DeviceManagementServiceConfig.Read.All"],` + application + `}`)},
		"app-only":        {token: issue(`{` + application + `}`)},
	} {
		check := decode[api.TokenCheck](t, c.want(200, c.do("POST", path+"/check", api.TokenCheckRequest{Token: tt.token})))
		if check.Accepted != (tt.reason == "") || !check.Accepted && !strings.HasPrefix(deref(check.Reason), tt.reason) {
			t.Errorf("%s: %+v", name, check)
		}
		if !check.Accepted {
			if len(check.Access) != 0 {
				t.Errorf("%s may do %+v", name, check.Access)
			}
			continue
		}
		if (*check.Claims)["tid"] != made.Tenant.Id.String() || (*check.Header)["alg"] != "RS256" || len(check.Access) != len(description.Served) {
			t.Errorf("%s: %+v", name, check)
		}
		compareAccess(c, name, check, strings.Fields(tt.token)[len(strings.Fields(tt.token))-1])
	}
	c.want(200, c.do("PUT", tenantPath(made.Tenant.Id, "/clock"), `{"advanceSeconds":90000}`))
	if check := decode[api.TokenCheck](t, c.want(200, c.do("POST", path+"/check", api.TokenCheckRequest{Token: k.AccessToken}))); check.Accepted || !strings.HasPrefix(deref(check.Reason), "expired at ") {
		t.Errorf("a day later: %+v", check)
	}
}

// compareAccess compares what a check says of each set with Graph's answers.
func compareAccess(c *client, name string, check api.TokenCheck, token string) {
	c.Helper()
	for i, a := range check.Access {
		e := description.Served[i]
		if e.Parent != nil {
			continue // its path needs an entity
		}
		read := c.graph("GET", "/beta/"+e.Set, "", token)
		if a.EntitySet != e.SetName() || a.Read != (read.status == 200) || a.Read == (read.status == 403) {
			c.Errorf("%s: %+v, Graph answers %d", name, a, read.status)
		}
		if !e.ReadOnly && !e.Singleton {
			if write := c.graph("DELETE", "/beta/"+e.Set+"/none", "", token); a.Write == (write.status == 403) {
				c.Errorf("%s: %+v, Graph answers a change with %d", name, a, write.status)
			}
		}
		if (a.Reason == nil) != (a.Read && a.Write) {
			c.Errorf("%s: %+v", name, a)
		}
	}
}
