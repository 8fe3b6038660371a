package identity_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// isolation says, for each route, what a caller gets for sending something of tenant a to the
// authority of tenant b: a status, and a part of the body or of the redirect. The test fails
// for a route that isn't listed.
var isolation = map[string]struct {
	ask    func(a, b *tenant, method, path string) answer
	status int
	want   string
}{
	"GET /:tenant/v2.0/.well-known/openid-configuration": {justAsk, 200, `"issuer"`}, // describes the requested authority
	"GET /:tenant/.well-known/openid-configuration":      {justAsk, 200, `"issuer"`},
	"GET /:tenant/discovery/v2.0/keys":                   {justAsk, 200, `"keys"`}, // the whole service's
	"GET /:tenant/discovery/keys":                        {justAsk, 200, `"keys"`},
	"GET /:tenant/discovery/instance":                    {askInstance, 200, "tenant_discovery_endpoint"},
	"GET /:tenant/userrealm/:upn":                        {askRealm, 200, `"account_type":"Managed"`},
	"POST /:tenant/oauth2/v2.0/token":                    {askToken, 400, "AADSTS700016:"},
	"POST /:tenant/oauth2/token":                         {askToken, 400, "AADSTS700016:"},
	"POST /:tenant/oauth2/v2.0/devicecode":               {askDevice, 400, "AADSTS700016:"},
	"POST /:tenant/oauth2/devicecode":                    {askDevice, 400, "AADSTS700016:"},
	"GET /:tenant/oauth2/v2.0/authorize":                 {askPage, 400, "AADSTS700016:"},
	"GET /:tenant/oauth2/authorize":                      {askPage, 400, "AADSTS700016:"},
	"POST /:tenant/oauth2/v2.0/authorize":                {askPage, 400, "AADSTS50034:"},
	"POST /:tenant/oauth2/authorize":                     {askPage, 400, "AADSTS50034:"},
	"GET /:tenant/oauth2/v2.0/logout":                    {askLogout, 200, "You signed out"},
	"GET /:tenant/oauth2/logout":                         {askLogout, 200, "You signed out"},
	"POST /:tenant/oauth2/v2.0/logout":                   {askLogout, 200, "You signed out"},
	"POST /:tenant/oauth2/logout":                        {askLogout, 200, "You signed out"},
	"GET /:tenant/oauth2/deviceauth":                     {justAsk, 200, "<form"},
	"POST /:tenant/oauth2/deviceauth":                    {askDeviceAuth, 400, "AADSTS50034:"},
	"GET /:tenant/adminconsent":                          {askPage, 400, "AADSTS700016:"},
	"POST /:tenant/adminconsent":                         {askPage, 400, "AADSTS700016:"},
	"GET /:tenant/v2.0/adminconsent":                     {askPage, 400, "AADSTS700016:"},
	"POST /:tenant/v2.0/adminconsent":                    {askPage, 400, "AADSTS700016:"},
	"GET /oidc/userinfo":                                 {askUserInfo, 200, `"sub"`}, // the token's user
	"POST /oidc/userinfo":                                {askUserInfo, 200, `"sub"`},
	"GET /error":                                         {justAsk, 404, "Error codes"},
}

func justAsk(_, b *tenant, method, path string) answer { return b.do(method, path, nil) }

func askInstance(_, b *tenant, method, path string) answer {
	return b.do(method, path+"?api-version=1.1&authorization_endpoint="+url.QueryEscape(b.server.URL()+"/"+b.id.String()+"/oauth2/v2.0/authorize"), nil)
}

func askRealm(a, b *tenant, method, path string) answer {
	return b.do(method, strings.Replace(path, ":upn", a.user.UserPrincipalName, 1), nil)
}

func askToken(a, b *tenant, _, path string) answer { return b.post(path, a.secretForm()) }

func askDevice(a, b *tenant, _, path string) answer {
	return b.post(path, fields("client_id", a.public.String(), "scope", signInScopes, "resource", graphScope))
}

// askPage sends a's application and session, and signs a's user in.
func askPage(a, b *tenant, method, path string) answer {
	signedIn := a.post(a.authorizePath(a.authorizeForm()), fields("user", a.user.UserPrincipalName, "password", password))
	cookie, _, _ := strings.Cut(signedIn.header.Get("Set-Cookie"), ";")
	path += "?" + a.authorizeForm().Encode()
	if method == "GET" {
		return b.get(path, "Cookie", cookie)
	}
	return b.post(path, fields("user", a.user.UserPrincipalName, "password", password), "Cookie", cookie)
}

// askLogout requests a redirect to an address that only an application of a may use.
func askLogout(a, b *tenant, method, path string) answer {
	const only = "https://only.a.example.test/"
	_, err := a.server.Pool().Exec(a.Context(), "UPDATE applications SET redirect_uris = $1 WHERE tenant_id = $2", []string{only}, a.id)
	a.must(err)
	return b.do(method, path+"?post_logout_redirect_uri="+url.QueryEscape(only), nil)
}

// askDeviceAuth lets a's user approve a device of b.
func askDeviceAuth(a, b *tenant, _, path string) answer {
	return b.post(path, fields("code", b.device().UserCode, "user", a.user.UserPrincipalName, "password", password))
}

func askUserInfo(a, b *tenant, method, path string) answer {
	return b.do(method, path, nil, "Authorization", "Bearer "+b.redeem(b.passwordForm()).AccessToken)
}

// No route of an authority shows or accepts anything of another tenant.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, route := range identity.Routes() {
		seen[route] = true
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			tt, ok := isolation[route]
			if !ok {
				t.Fatal("nothing says how this route keeps tenants apart")
			}
			a, b := setup(t), setup(t)
			mark := "Mark " + uuid.NewString()
			_, err := a.server.Pool().Exec(t.Context(), "WITH u AS (UPDATE users SET display_name = $1 WHERE tenant_id = $2), p AS (UPDATE applications SET display_name = $1 WHERE tenant_id = $2) UPDATE tenants SET display_name = $1 WHERE id = $2", mark, a.id)
			a.must(err)
			method, path, _ := strings.Cut(route, " ")
			got := tt.ask(a, b, method, strings.Replace(path, ":tenant", b.id.String(), 1))
			if got.status != tt.status || !strings.Contains(got.body, tt.want) {
				t.Errorf("%d %s, want %d and %s", got.status, got.body, tt.status, tt.want)
			}
			if strings.Contains(got.body, mark) || strings.Contains(got.body, a.id.String()) {
				t.Errorf("shows something of the other tenant's: %s", got.body)
			}
			if to := got.header.Get("Location"); to != "" {
				t.Errorf("leads to %s", to)
			}
		})
	}
	for route := range isolation {
		if !seen[route] {
			t.Errorf("there is no %s", route)
		}
	}
}
