package identity_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

// Claims that differ from token to token are checked separately.
func TestUserTokens(t *testing.T) {
	t.Parallel()
	c := setup(t)
	a := c.want(http.StatusOK, c.token(c.passwordForm()))
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %s", got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store, no-cache" {
		t.Errorf("Cache-Control %s", got)
	}
	got := decode[tokens](c, a)
	if got.TokenType != "Bearer" || got.ExpiresIn < 3600 || got.ExpiresIn > 5400 {
		t.Errorf("%s for %d s", got.TokenType, got.ExpiresIn)
	}
	diff(t, "openid profile offline_access "+graphScope+" https://graph.microsoft.com/"+readWrite+" https://graph.microsoft.com/User.Read", got.Scope)
	info, err := base64.RawURLEncoding.DecodeString(got.ClientInfo)
	c.must(err)
	diff(t, fmt.Sprintf(`{"uid":"%s","utid":"%s"}`, c.user.ID, c.id), string(info))

	access := c.claims(got.AccessToken)
	if issued, expires := access["iat"].(float64), access["exp"].(float64); expires-issued != float64(got.ExpiresIn+300) { // five minutes back
		t.Errorf("valid for %v s, of which %d are left", expires-issued, got.ExpiresIn)
	}
	for name, low := range map[string]float64{"iat": -305, "nbf": -305, "exp": 3590} {
		at := access[name].(float64) - float64(time.Now().Unix())
		if at < low || at > low+1820 {
			t.Errorf("%s is %v from now", name, at)
		}
		delete(access, name)
	}
	for _, name := range []string{"uti", "aio", "rh", "sub"} {
		if access[name] == "" {
			t.Errorf("%s is empty", name)
		}
		delete(access, name)
	}
	diff(t, map[string]any{
		"aud": "https://graph.microsoft.com", "iss": "https://sts.windows.net/" + c.id.String() + "/", "idp": "https://sts.windows.net/" + c.id.String() + "/",
		"acr": "1", "amr": []any{"pwd"}, "app_displayname": "Tool", "appid": c.public.String(), "appidacr": "0",
		"family_name": "Vance", "given_name": "Adele", "name": "Adele Vance", "idtyp": "user", "ipaddr": "127.0.0.1",
		"oid": c.user.ID.String(), "scp": readWrite + " User.Read openid profile", "tid": c.id.String(), "unique_name": c.user.UserPrincipalName,
		"upn": c.user.UserPrincipalName, "ver": "1.0", "wids": []any{},
	}, access)

	id := c.claims(got.IDToken)
	for _, name := range []string{"iat", "nbf", "exp", "uti", "sub"} {
		if id[name] == nil {
			t.Errorf("no %s", name)
		}
		delete(id, name)
	}
	diff(t, map[string]any{
		"aud": c.public.String(), "iss": c.server.URL() + "/" + c.id.String() + "/v2.0", "name": "Adele Vance", "oid": c.user.ID.String(),
		"preferred_username": c.user.UserPrincipalName, "tid": c.id.String(), "ver": "2.0",
	}, id)
	c.want(http.StatusCreated, c.graph("POST", got.AccessToken))

	// Clients can't claim another address than their own.
	forged := decode[tokens](c, c.want(http.StatusOK, c.token(c.passwordForm(), "X-Forwarded-For", "192.0.2.1", "X-Real-IP", "192.0.2.1")))
	if got := c.claims(forged.AccessToken)["ipaddr"]; got != "127.0.0.1" {
		t.Errorf("ipaddr %v", got)
	}
}

// Tokens and codes of a deleted tenant are refused.
func TestDeletedTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	d := c.device()
	c.want(200, c.approve(d, "allow"))
	refresh := c.redeem(c.passwordForm()).RefreshToken
	_, err := c.server.Pool().Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", c.id)
	c.must(err)
	for _, form := range []url.Values{
		fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", d.DeviceCode),
		fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", refresh),
		fields("grant_type", "password", "client_id", c.public.String(), "username", c.user.UserPrincipalName, "password", password, "scope", graphScope),
	} {
		if a := c.post("/organizations/oauth2/v2.0/token", form); a.status != 400 {
			t.Errorf("%s: %d %s", form.Get("grant_type"), a.status, a.body)
		}
		c.wantError(c.token(form), 400, "invalid_request", 90002)
	}
}

func TestApplicationTokens(t *testing.T) {
	t.Parallel()
	c := setup(t)
	form := with(c.secretForm(), "scope", graphScope+" openid offline_access profile") // as MSAL for Go sends it
	got := c.redeem(form)
	if got.RefreshToken != "" || got.IDToken != "" || got.Scope != "" {
		t.Errorf("an application got more than an access token: %+v", got)
	}
	claims := c.claims(got.AccessToken)
	for _, name := range []string{"iat", "nbf", "exp", "uti", "aio", "rh"} {
		delete(claims, name)
	}
	app, err := c.queries().GetApplication(t.Context(), db.GetApplicationParams{TenantID: c.id, ClientID: c.app})
	c.must(err)
	diff(t, map[string]any{
		"aud": "https://graph.microsoft.com", "iss": "https://sts.windows.net/" + c.id.String() + "/", "idp": "https://sts.windows.net/" + c.id.String() + "/",
		"app_displayname": "Daemon", "appid": c.app.String(), "appidacr": "1", "idtyp": "app", "oid": app.ServicePrincipalID.String(),
		"sub": app.ServicePrincipalID.String(), "roles": []any{readWrite}, "tid": c.id.String(), "ver": "1.0",
		"wids": []any{"0997a1d0-0d1d-4acb-b408-d5ca73121e90"},
	}, claims)
	c.want(http.StatusForbidden, c.graph("GET", got.AccessToken))

	_, err = c.server.Pool().Exec(t.Context(), "UPDATE tenants SET permission_rule = 'current' WHERE id = $1", c.id)
	c.must(err)
	time.Sleep(1100 * time.Millisecond) // as long as a caller is cached
	c.want(http.StatusCreated, c.graph("POST", got.AccessToken))
}

// A client that understands claims challenges gets a token that lives for a day.
func TestClaimsCapable(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, claims := range []string{
		`{"access_token":{"xms_cc":{"values":["CP1"]}}}`,
		`{"id_token":{},"access_token":{"nbf":{"essential":true},"xms_cc":{"values":["cp1"]}}}`,
	} {
		got := c.redeem(with(c.passwordForm(), "claims", claims))
		if got.ExpiresIn < 20*3600 || got.ExpiresIn > 28*3600 {
			t.Errorf("lives %d s", got.ExpiresIn)
		}
		diff(t, []any{"CP1"}, c.claims(got.AccessToken)["xms_cc"].([]any))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.addUser("disabled", func(u *db.CreateUserParams) { u.Enabled = false })
	c.addUser("expired", func(u *db.CreateUserParams) { u.MustChangePassword = true })
	c.addUser("nobody", func(u *db.CreateUserParams) { u.PasswordHash = nil })
	c.addSecret("an-old-secret", time.Now().Add(-time.Minute))
	p, s := c.passwordForm(), c.secretForm()
	user := func(name string) url.Values { return with(p, "username", name+"@"+c.domain) }
	code := func(value string) url.Values {
		return fields("grant_type", "authorization_code", "client_id", c.public.String(), "code", value, "redirect_uri", redirectURI)
	}
	for _, tt := range []struct {
		name   string
		form   url.Values
		status int
		code   string
		number int
	}{
		{name: "no grant", form: with(p, "grant_type", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "other grant", form: with(p, "grant_type", "implicit"), status: 400, code: "unsupported_grant_type", number: 70003},
		{name: "no client", form: with(p, "client_id", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "client isn't a GUID", form: with(p, "client_id", "tool"), status: 400, code: "unauthorized_client", number: 700016},
		{name: "unknown client", form: with(p, "client_id", uuid.NewString()), status: 400, code: "unauthorized_client", number: 700016},
		{name: "public client with a secret", form: with(p, "client_secret", "x"), status: 401, code: "invalid_client", number: 700025},
		{name: "no user name", form: with(p, "username", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "no password", form: with(p, "password", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "no scope", form: with(p, "scope", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "unknown user", form: user("nobody-at-all"), status: 400, code: "invalid_grant", number: 50034},
		{name: "wrong password", form: with(p, "password", "wrong"), status: 400, code: "invalid_grant", number: 50126},
		{name: "very long password", form: with(p, "password", strings.Repeat("x", 1000)), status: 400, code: "invalid_grant", number: 50126},
		{name: "no password set", form: user("nobody"), status: 400, code: "invalid_grant", number: 50126},
		{name: "disabled", form: user("disabled"), status: 400, code: "invalid_grant", number: 50057},
		{name: "disabled, wrong password", form: with(user("disabled"), "password", "wrong"), status: 400, code: "invalid_grant", number: 50126},
		{name: "password expired", form: user("expired"), status: 400, code: "invalid_grant", number: 50055},
		{name: "confidential client without a secret", form: with(p, "client_id", c.app.String()), status: 401, code: "invalid_client", number: 7000218},
		{name: "scope without consent", form: with(p, "scope", "https://graph.microsoft.com/Mail.Read"), status: 400, code: "invalid_grant", number: 65001},
		{name: "two resources", form: with(p, "scope", "https://graph.microsoft.com/User.Read api://x/y"), status: 400, code: "invalid_request", number: 28000},
		{name: ".default and more", form: with(p, "scope", graphScope+" https://graph.microsoft.com/User.Read"), status: 400, code: "invalid_scope", number: 70011},
		{name: "empty scope name", form: with(p, "scope", "https://graph.microsoft.com/"), status: 400, code: "invalid_scope", number: 70011},
		{name: "unknown resource", form: with(p, "scope", "https://management.azure.com/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "unknown API", form: with(p, "scope", "api://"+uuid.NewString()+"/.default"), status: 400, code: "invalid_resource", number: 500011},
		{name: "scope that the API lacks", form: with(p, "scope", "api://"+c.app.String()+"/write"), status: 400, code: "invalid_client", number: 650053},
		{name: "wrong secret", form: with(s, "client_secret", "wrong"), status: 401, code: "invalid_client", number: 7000215},
		{name: "expired secret", form: with(s, "client_secret", "an-old-secret"), status: 401, code: "invalid_client", number: 7000222},
		{name: "no secret", form: with(s, "client_secret", ""), status: 401, code: "invalid_client", number: 7000218},
		{name: "public client without a user", form: with(s, "client_id", c.public.String(), "client_secret", ""), status: 401, code: "invalid_client", number: 7000218},
		{name: "scope of an application", form: with(s, "scope", "https://graph.microsoft.com/User.Read"), status: 400, code: "invalid_scope", number: 1002012},
		{name: "no scope of an application", form: with(s, "scope", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "junk assertion", form: with(s, "client_secret", "", "client_assertion", "junk", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), status: 401, code: "invalid_client", number: 50027},
		{name: "assertion of no type", form: with(s, "client_secret", "", "client_assertion", "junk"), status: 400, code: "invalid_request", number: 900144},
		{name: "junk code", form: code("junk"), status: 400, code: "invalid_grant", number: 9002313},
		{name: "unknown code", form: code("1." + base64.RawURLEncoding.EncodeToString(append(c.id[:], make([]byte, 32)...))), status: 400, code: "invalid_grant", number: 70000},
		{name: "code of another tenant", form: code("1." + base64.RawURLEncoding.EncodeToString(make([]byte, 48))), status: 400, code: "invalid_grant", number: 700005},
		{name: "no code", form: with(code("x"), "code", ""), status: 400, code: "invalid_request", number: 900144},
		{name: "junk refresh token", form: fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", "junk"), status: 400, code: "invalid_grant", number: 9002313},
		{name: "unknown refresh token", form: fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", "1."+base64.RawURLEncoding.EncodeToString(append(c.id[:], make([]byte, 32)...))), status: 400, code: "invalid_grant", number: 70000},
		{name: "unknown device code", form: fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", "x"), status: 400, code: "bad_verification_code", number: 70018},
		{name: "on behalf of nobody", form: fields("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id", c.app.String(), "client_secret", secret, "assertion", "junk", "requested_token_use", "on_behalf_of", "scope", graphScope), status: 400, code: "invalid_grant", number: 50013},
		{name: "on behalf of, without requested_token_use", form: fields("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id", c.app.String(), "client_secret", secret, "assertion", "junk", "scope", graphScope), status: 400, code: "invalid_request", number: 900144},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &tenant{TB: t, server: c.server, id: c.id}
			c.wantError(c.token(tt.form), tt.status, tt.code, tt.number)
		})
	}
}

// Each authority supports exactly these grants.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	c := setup(t)
	p, s := c.passwordForm(), c.secretForm()
	for _, tt := range []struct {
		authority string
		form      url.Values
		status    int
		code      string
		number    int
	}{
		{authority: c.domain, form: p, status: 200, number: 0},
		{authority: strings.ToUpper(c.domain), form: p, status: 200, number: 0},
		{authority: strings.ToUpper(c.id.String()), form: s, status: 200, number: 0},
		{authority: "organizations", form: p, status: 200, number: 0},
		{authority: "common", form: p, status: 400, code: "invalid_request", number: 9001023},
		{authority: "consumers", form: p, status: 400, code: "invalid_request", number: 9001023},
		{authority: "common", form: s, status: 400, code: "invalid_request", number: 50059},
		{authority: "organizations", form: with(p, "username", "x@elsewhere.example.test"), status: 400, code: "invalid_grant", number: 50034},
		{authority: "organizations", form: with(p, "username", "x"), status: 400, code: "invalid_grant", number: 50034},
		{authority: uuid.NewString(), form: p, status: 400, code: "invalid_request", number: 90002},
		{authority: "nowhere.example.test", form: p, status: 400, code: "invalid_request", number: 90002},
		{authority: "%00", form: p, status: 400, code: "invalid_request", number: 90002},
		{authority: "%ff", form: p, status: 400, code: "invalid_request", number: 90002},
		{authority: setup(t).domain, form: p, status: 400, code: "unauthorized_client", number: 700016},
	} {
		a := c.post("/"+tt.authority+"/oauth2/v2.0/token", tt.form)
		if tt.status == 200 {
			c.want(200, a)
		} else {
			c.wantError(a, tt.status, tt.code, tt.number)
		}
	}
	// The endpoint of v1.0 names only the resource and gives times as strings.
	a := c.want(200, c.post("/"+c.id.String()+"/oauth2/token", with(s, "scope", "", "resource", "https://graph.microsoft.com")))
	v1 := decode[map[string]string](c, a)
	if v1["resource"] != "https://graph.microsoft.com" || v1["expires_on"] == "" || v1["access_token"] == "" {
		t.Errorf("v1.0: %s", a.body)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	c := setup(t)
	at := "/" + c.id.String() + "/oauth2/v2.0/token"
	const form = "application/x-www-form-urlencoded"
	c.want(200, c.do("POST", at+"?client-request-id=1", strings.NewReader(c.secretForm().Encode()), "Content-Type", form+";charset=utf-8"))
	c.wantError(c.do("GET", at, nil), 405, "invalid_request", 900561)
	c.wantError(c.do("POST", at, strings.NewReader(`{}`), "Content-Type", "application/json"), 400, "invalid_request", 900144)
	c.wantError(c.do("POST", at, strings.NewReader(c.secretForm().Encode()+"&scope=x"), "Content-Type", form), 400, "invalid_request", 90100)
	for _, body := range []string{"a=%zz", "a=%00", "a=%ff"} {
		c.wantError(c.do("POST", at, strings.NewReader(body), "Content-Type", form), 400, "invalid_request", 9002313)
	}
	c.wantError(c.do("POST", at, strings.NewReader("a="+strings.Repeat("x", 70<<10)), "Content-Type", form), 413, "invalid_request", 90015)
	c.wantError(c.do("GET", "/"+c.id.String()+"/oauth2/v3.0/token", nil), 404, "invalid_request", 90056)
	// With HTTP Basic, and the request's own client-request-id.
	basic := base64.StdEncoding.EncodeToString([]byte(c.app.String() + ":" + url.QueryEscape(secret)))
	id := uuid.NewString()
	a := c.want(200, c.token(with(c.secretForm(), "client_id", "", "client_secret", ""), "Authorization", "Basic "+basic, "client-request-id", id))
	if got := a.header.Get("client-request-id"); got != id {
		t.Errorf("client-request-id %s", got)
	}
}

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	c := setup(t)
	first := c.redeem(c.passwordForm())
	form := func(token string) url.Values {
		return fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", token, "scope", signInScopes)
	}
	// Another client can't redeem it, and the attempt doesn't use it up.
	c.wantError(c.token(with(form(first.RefreshToken), "client_id", c.app.String(), "client_secret", secret)), 400, "invalid_grant", 700007)
	second := c.redeem(form(first.RefreshToken))
	c.want(http.StatusOK, c.graph("GET", second.AccessToken))
	third := c.redeem(with(form(second.RefreshToken), "scope", c.server.URL()+"/.default")) // the same resource under another name
	if third.RefreshToken == "" || third.RefreshToken == second.RefreshToken {
		t.Error("not rotated")
	}
	// A second redemption revokes everything that resulted from the first.
	c.wantError(c.token(form(first.RefreshToken)), 400, "invalid_grant", 70000)
	c.wantError(c.token(form(third.RefreshToken)), 400, "invalid_grant", 70000)
	// Another sign-in of the same user is unaffected.
	other := c.redeem(c.passwordForm())
	c.redeem(form(other.RefreshToken))
}

// Of eight concurrent redemptions, one wins, for codes and for tokens.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	c := setup(t)
	device := c.device()
	c.approve(device, "allow")
	for name, form := range map[string]url.Values{
		"refresh token": fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", c.redeem(c.passwordForm()).RefreshToken, "scope", signInScopes),
		"code":          c.codeForm(c.authorize(c.authorizeForm())),
		"device code":   fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", device.DeviceCode),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const clients = 8
			var wg sync.WaitGroup
			start, answers := make(chan struct{}), make(chan answer, clients)
			for range clients {
				wg.Go(func() { <-start; answers <- c.token(form) })
			}
			close(start)
			wg.Wait()
			close(answers)
			won := 0
			for a := range answers {
				if a.status == http.StatusOK {
					won++
				} else if !strings.Contains(a.body, `"invalid_grant"`) {
					t.Errorf("a loser got %d %s", a.status, a.body)
				}
			}
			if won != 1 {
				t.Errorf("%d won", won)
			}
		})
	}
}

// A second application, with which an API calls Graph for its user.
func TestOnBehalfOf(t *testing.T) {
	t.Parallel()
	c := setup(t)
	api := "api://" + c.app.String()
	user := c.redeem(with(c.passwordForm(), "scope", api+"/access_as_user openid"))
	claims := c.claims(user.AccessToken)
	if claims["aud"] != api || claims["scp"] != "access_as_user openid" {
		t.Errorf("aud %v, scp %v", claims["aud"], claims["scp"])
	}
	c.want(http.StatusUnauthorized, c.graph("GET", user.AccessToken))
	form := fields("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id", c.app.String(), "client_secret", secret,
		"assertion", user.AccessToken, "requested_token_use", "on_behalf_of", "scope", signInScopes)
	got := c.redeem(form)
	c.want(http.StatusCreated, c.graph("POST", got.AccessToken))
	if claims := c.claims(got.AccessToken); claims["oid"] != c.user.ID.String() || claims["appid"] != c.app.String() {
		t.Errorf("%v", claims)
	}
	c.wantError(c.token(with(form, "assertion", got.AccessToken)), 400, "invalid_grant", 500131)
	c.wantError(c.token(with(form, "assertion", c.redeem(c.secretForm()).AccessToken)), 400, "invalid_grant", 50013)
	c.wantError(c.token(with(form, "assertion", user.AccessToken[:len(user.AccessToken)-8]+"AAAAAAAA")), 400, "invalid_grant", 50013)
	c.must(c.server.Identity().RevokeSignIns(t.Context(), c.server.Pool(), c.id, c.user.ID, time.Now()))
	c.wantError(c.token(form), 400, "invalid_grant", 50173)
}

// Ten wrong passwords lock out a user for a minute.
func TestLockout(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	for range 9 {
		c.wantError(c.token(with(c.passwordForm(), "password", "wrong")), 400, "invalid_grant", 50126)
	}
	c.redeem(c.passwordForm()) // the count starts afresh
	for range 10 {
		c.wantError(c.token(with(c.passwordForm(), "password", "wrong")), 400, "invalid_grant", 50126)
	}
	c.wantError(c.token(c.passwordForm()), 400, "invalid_grant", 50053)
	clock.move(61 * time.Second)
	c.redeem(c.passwordForm())
	// An address with repeated failures is refused, whatever the user's name.
	clock.stop()    // so that failures aren't forgiven faster than a slow machine makes them
	for range 500 { // more than the limit
		if a := c.token(with(c.passwordForm(), "username", "x@"+c.domain)); strings.Contains(a.body, "[50053]") {
			break
		}
	}
	c.wantError(c.token(c.passwordForm()), 400, "invalid_grant", 50053)
}

// A revoked sign-in's refresh tokens end at once. Its access tokens get a challenge, which
// a new sign-in satisfies.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*tenant) error{
		"sign-out": func(c *tenant) error {
			return c.server.Identity().RevokeSignIns(c.Context(), c.server.Pool(), c.id, c.user.ID, time.Now())
		},
		"password": func(c *tenant) error {
			return c.server.Identity().SetPassword(c.Context(), c.server.Pool(), c.id, c.user.ID, password, false, time.Now())
		},
		"disabled": func(c *tenant) error {
			return c.server.Identity().SetEnabled(c.Context(), c.server.Pool(), c.id, c.user.ID, false, time.Now())
		},
		"consent": func(c *tenant) error {
			return c.server.Identity().RemoveConsent(c.Context(), c.server.Pool(), c.id, c.public, time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			before := c.redeem(c.passwordForm())
			c.want(http.StatusOK, c.graph("GET", before.AccessToken))
			at := time.Now()
			c.must(revoke(c))
			a := c.want(http.StatusUnauthorized, c.graph("GET", before.AccessToken))
			c.wantChallenge(a, at)
			refreshed := c.token(fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", before.RefreshToken, "scope", signInScopes))
			c.wantError(refreshed, 400, "invalid_grant", 70000)
			switch name {
			case "disabled":
				c.wantError(c.token(c.passwordForm()), 400, "invalid_grant", 50057)
				c.must(c.server.Identity().SetEnabled(t.Context(), c.server.Pool(), c.id, c.user.ID, true, time.Now()))
			case "consent":
				c.wantError(c.token(c.passwordForm()), 400, "invalid_grant", 65001)
				c.must(c.queries().GrantScopes(t.Context(), db.GrantScopesParams{TenantID: c.id, ClientID: c.public, Scopes: []string{readWrite}, CreatedAt: time.Now()}))
			}
			after := c.redeem(c.passwordForm())
			c.want(http.StatusOK, c.graph("GET", after.AccessToken))
			c.want(http.StatusUnauthorized, c.graph("GET", before.AccessToken))
		})
	}
}

func (c *tenant) wantChallenge(a answer, at time.Time) {
	c.Helper()
	if !strings.Contains(a.body, "TokenIssuedBeforeRevocationTimestamp") {
		c.Errorf("body %s", a.body)
	}
	prefix := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="`, c.server.URL())
	claims, ok := strings.CutPrefix(a.header.Get("WWW-Authenticate"), prefix)
	if !ok {
		c.Fatalf("WWW-Authenticate: %s", a.header.Get("WWW-Authenticate"))
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(claims, `"`))
	c.must(err)
	var got struct {
		AccessToken struct {
			NBF struct {
				Essential bool   `json:"essential"`
				Value     string `json:"value"`
			} `json:"nbf"`
		} `json:"access_token"`
	}
	c.must(json.Unmarshal(text, &got))
	var since int64
	_, err = fmt.Sscan(got.AccessToken.NBF.Value, &since)
	c.must(err)
	if !got.AccessToken.NBF.Essential {
		c.Errorf("claims %s: nbf isn't essential", text)
	}
	if since < at.Unix()-1 || since > at.Unix()+5 {
		c.Errorf("claims %s, revoked at %d", text, at.Unix())
	}
}

func TestRevokeNobody(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if err := c.server.Identity().RevokeSignIns(t.Context(), c.server.Pool(), c.id, uuid.New(), time.Now()); err == nil {
		t.Error("a user who isn't there was signed out")
	}
}

// Keys rotate on schedule. The next one is published before it signs, and signed tokens
// stay valid until they expire.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	type jwks struct {
		Keys []struct {
			KID string   `json:"kid"`
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	published := func() int {
		got := decode[jwks](c, c.get("/common/discovery/v2.0/keys"))
		for _, k := range got.Keys {
			if len(k.X5C) != 1 {
				t.Errorf("key %s has no certificate", k.KID)
			}
		}
		return len(got.Keys)
	}
	rotate := func() { t.Helper(); c.must(c.server.Identity().RotateKeys(t.Context())) }
	kid := func(token string) string {
		header, _, _ := strings.Cut(token, ".")
		text, err := base64.RawURLEncoding.DecodeString(header)
		c.must(err)
		return string(text)
	}
	const day = 24 * time.Hour
	capable := with(c.passwordForm(), "claims", `{"access_token":{"xms_cc":{"values":["CP1"]}}}`)
	first := c.redeem(capable).AccessToken
	rotate()
	if n := published(); n != 1 {
		t.Fatalf("%d keys at first", n)
	}
	clock.move(30 * day)
	rotate()
	if n := published(); n != 2 {
		t.Fatalf("%d keys after a month", n)
	}
	before := c.redeem(capable).AccessToken
	if kid(before) != kid(first) {
		t.Error("the new key signs as soon as it is made")
	}
	clock.move(2*day - time.Minute)
	late := c.redeem(capable).AccessToken
	clock.move(time.Minute)
	rotate()
	after := c.redeem(capable).AccessToken
	if kid(after) == kid(first) {
		t.Error("the new key doesn't sign after two days")
	}
	clock.move(day * 3 / 4)
	rotate()
	last := c.redeem(capable).AccessToken
	c.want(http.StatusOK, c.graph("GET", last))
	if kid(late) != kid(first) {
		t.Error("the new key signs before two days have passed")
	}
	c.want(http.StatusOK, c.graph("GET", late)) // by the old key
	clock.move(day * 5 / 4)
	rotate()
	c.want(http.StatusUnauthorized, c.graph("GET", first))
	clock.move(time.Minute)
	rotate()
	if n := published(); n != 1 {
		t.Errorf("%d keys in the end", n)
	}
	if again := c.redeem(capable).AccessToken; kid(again) != kid(after) {
		t.Error("another key signs")
	}
}

// A replica accepts tokens signed by a key that another one made after it read the keys.
func TestKeyOfAnotherReplica(t *testing.T) {
	t.Parallel()
	var clock clock
	clock.stop() // so that the key is made and signs at the very moment
	config := server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: clock.now}
	c := newTenant(t, startServer(t, config))
	other := *c
	other.server = startServer(t, config)
	header := func() string {
		before, _, _ := strings.Cut(c.redeem(c.passwordForm()).AccessToken, ".")
		return before
	}
	former := header()
	clock.move(30 * 24 * time.Hour)
	c.must(c.server.Identity().RotateKeys(t.Context()))
	clock.move(2 * 24 * time.Hour)
	token := c.redeem(c.passwordForm()).AccessToken
	if strings.HasPrefix(token, former+".") {
		t.Error("the new key doesn't sign")
	}
	time.Sleep(2100 * time.Millisecond) // unknown keys make a replica read again every two seconds
	c.want(http.StatusOK, other.graph("GET", token))
	for _, tt := range []struct {
		pass time.Duration
		keys int
		what string
	}{
		{pass: 2 * 24 * time.Hour, keys: 2, what: "in the last moment of the first key"},
		{pass: time.Millisecond, keys: 1, what: "when it has retired"},
		{pass: 26*24*time.Hour - time.Millisecond, keys: 2, what: "when the next one is made"},
	} {
		clock.move(tt.pass)
		c.must(c.server.Identity().RotateKeys(t.Context()))
		if keys := c.get("/common/discovery/v2.0/keys").body; strings.Count(keys, `"kid"`) != tt.keys {
			t.Errorf("%s: %s", tt.what, keys)
		}
	}
}

// Replicas that need the next key at the same time make one. Its certificate is valid for clients
// whose clock is behind.
func TestKeyOfTwoReplicas(t *testing.T) {
	t.Parallel()
	var clock clock
	clock.stop()
	config := server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: clock.now}
	c, other := newTenant(t, startServer(t, config)), startServer(t, config)
	clock.move(30 * 24 * time.Hour)
	var both sync.WaitGroup // making a key takes long, so both begin to
	for _, s := range []*server.Server{c.server, other} {
		both.Go(func() {
			if err := s.Identity().RotateKeys(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	c.must(c.server.Identity().RotateKeys(t.Context())) // reads what the other one made
	var made int
	for _, k := range decode[struct{ Keys []struct{ X5C [][]byte } }](c, c.get("/common/discovery/v2.0/keys")).Keys {
		certificate, err := x509.ParseCertificate(k.X5C[0])
		c.must(err)
		if certificate.NotBefore.Equal(clock.now().Add(-5 * time.Minute).Truncate(time.Second)) {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made", made)
	}
}

// Expired rows are deleted; live ones stay.
func TestSweep(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	c.authorize(c.authorizeForm())
	c.device()
	first := c.redeem(c.passwordForm()).RefreshToken
	clock.move(30 * time.Minute)
	c.redeem(fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", first))
	sweep := func() (left int) {
		c.must(c.server.Identity().Sweep(t.Context()))
		c.must(c.server.Identity().SweepOften(t.Context()))
		c.must(c.server.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM authorization_codes)
			+ (SELECT count(*) FROM device_codes) + (SELECT count(*) FROM refresh_tokens)`).Scan(&left))
		return left
	}
	for _, tt := range []struct {
		pass time.Duration
		left int
		what string
	}{
		{0, 4, "at first: the device code has expired"},
		{49 * time.Hour, 2, "after two days: the refresh token that was redeemed, and the next one, live"},
		{88*24*time.Hour - 2*time.Hour, 2, "just before the redeemed one expires"},
		{time.Hour, 1, "once the redeemed one has expired"},
		{2 * 24 * time.Hour, 0, "in the end"},
	} {
		clock.move(tt.pass)
		if left := sweep(); left != tt.left {
			t.Errorf("%s: %d rows, want %d", tt.what, left, tt.left)
		}
	}
}

// If anybody can sign in without a password, only the newest sign-ins are kept; otherwise
// all are.
func TestPickedSignInsAreBounded(t *testing.T) {
	t.Parallel()
	c := setup(t)
	other := newTenant(t, c.server)
	silently := func(cookie string) string {
		a := c.want(http.StatusFound, c.get(c.authorizePath(with(c.authorizeForm(), "prompt", "none")), "Cookie", cookie))
		return c.answered(a).Get("error")
	}
	pick := func() string {
		cookie, _, _ := strings.Cut(c.want(http.StatusFound, c.pick(c.authorizeForm())).header.Get("Set-Cookie"), ";")
		return cookie
	}
	old := pick()
	flood := func(c *tenant) {
		for _, insert := range []string{
			"sessions (tenant_id, hash, user_id, created_at, expires_at) SELECT $1, decode(md5(n::text), 'hex'), $2",
			"authorization_codes (tenant_id, hash, family_id, client_id, user_id, redirect_uri, scope, created_at, expires_at) SELECT $1, decode(md5(n::text), 'hex'), $2, $2, $2, '', ''",
			"refresh_tokens (tenant_id, hash, family_id, client_id, user_id, scope, created_at, expires_at) SELECT $1, decode(md5(n::text), 'hex'), $2, $2, $2, ''",
		} {
			c.exec("INSERT INTO "+insert+", now(), now() + interval '1 hour' FROM generate_series(0, $3::bigint) AS n", c.user.ID, identity.MaxPickedSignIns)
		}
	}
	flood(c)
	flood(other)
	young := pick()
	c.must(c.server.Identity().SweepOften(t.Context()))
	for _, table := range []string{"sessions", "authorization_codes", "refresh_tokens"} {
		var mine, theirs int
		c.must(c.server.Pool().QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE tenant_id = $1), count(*) FILTER (WHERE tenant_id = $2) FROM "+table, c.id, other.id).Scan(&mine, &theirs))
		if mine != identity.MaxPickedSignIns || theirs != identity.MaxPickedSignIns+1 {
			t.Errorf("%s: %d are left where users are picked, %d where a password is asked for", table, mine, theirs)
		}
	}
	if e := silently(young); e != "" {
		t.Errorf("the youngest session: %s", e)
	}
	if e := silently(old); e != "login_required" {
		t.Errorf("the oldest session: %q", e)
	}
}

// Of several faults of a form, the same one is always reported: the first by name.
func TestFirstFaultOfForm(t *testing.T) {
	t.Parallel()
	c := setup(t)
	twice := url.Values{}
	for _, name := range []string{"username", "scope", "resource", "nonce", "client_id", "state"} {
		twice[name] = []string{"a", "b"}
	}
	for range 20 {
		if a := c.token(twice); !strings.Contains(a.body, "The parameter 'client_id' came more than once.") {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
}
