package identity_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	page       = "https://page.example.test/redirect"
	pageOrigin = "https://page.example.test"
)

// register gives the applications redirect URIs of the other types too.
func (c *tenant) register(spa, publicClient string) {
	c.Helper()
	c.exec("UPDATE applications SET spa_redirect_uris = ARRAY[$2], public_client_redirect_uris = ARRAY[$3] WHERE tenant_id = $1", spa, publicClient)
}

// codeFor signs the user in and returns the form that redeems the code.
func (c *tenant) codeFor(client, uri string) url.Values {
	c.Helper()
	form := with(c.authorizeForm(), "redirect_uri", uri, "client_id", client)
	a := c.want(http.StatusFound, c.post(c.authorizePath(form), fields("user", c.user.UserPrincipalName, "password", password)))
	at, err := url.Parse(a.header.Get("Location"))
	c.must(err)
	if to, _, _ := strings.Cut(uri, "?"); !strings.HasPrefix(at.String(), to) || at.Query().Get("code") == "" {
		c.Fatalf("leads to %s", at)
	}
	return with(c.codeForm(at.Query()), "redirect_uri", uri, "client_id", client)
}

// Only a page can redeem what was issued to a page, and no page can redeem anything else. A
// public client's redirect URI needs no secret and accepts none.
func TestRedirectTypes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const tool = "http://localhost/tool"
	c.register(page, tool)
	app, public := c.app.String(), c.public.String()
	for _, client := range []string{app, public} { // a page's code needs no secret, whatever the application
		form := c.codeFor(client, page)
		c.wantError(c.token(form), 400, "invalid_request", 9002327)
		a := c.want(200, c.token(form, "Origin", pageOrigin))
		if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.body, `"refresh_token_expires_in":86400`) {
			t.Errorf("%v %s", a.header, a.body)
		}
		form = c.codeFor(client, tool)
		c.wantError(c.token(form, "Origin", pageOrigin), 400, "invalid_request", 9002326)
		if a := c.want(200, c.token(form)); strings.Contains(a.body, "refresh_token_expires_in") {
			t.Errorf("a tool's refresh token: %s", a.body)
		}
	}
	c.wantError(c.token(with(c.codeFor(app, page), "client_secret", secret), "Origin", pageOrigin), 401, "invalid_client", 700025)
	c.wantError(c.token(with(c.codeFor(app, tool), "client_secret", secret)), 401, "invalid_client", 700025)
	// A page at a redirect URI of type web is told why it fails, with or without a secret.
	form := c.codeFor(app, redirectURI)
	refused := c.token(form, "Origin", pageOrigin)
	c.wantError(refused, 400, "invalid_request", 9002326)
	if refused.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(refused.body, "Request origin: '"+pageOrigin+"'.") {
		t.Errorf("%v %s", refused.header, refused.body)
	}
	c.wantError(c.token(with(form, "client_secret", secret), "Origin", pageOrigin), 400, "invalid_request", 9002326)
	c.wantError(c.token(form), 401, "invalid_client", 7000218)
	c.redeem(with(form, "client_secret", secret))
	c.wantError(c.token(c.secretForm(), "Origin", pageOrigin), 400, "invalid_request", 9002326)
	// A page without PKCE gets nothing.
	a := c.post(c.authorizePath(with(c.authorizeForm(), "redirect_uri", page, "code_challenge", "", "code_challenge_method", "")), fields("user", c.user.UserPrincipalName, "password", password))
	at, err := url.Parse(a.header.Get("Location"))
	c.must(err)
	c.wantError(c.token(with(c.codeForm(at.Query()), "redirect_uri", page, "code_verifier", ""), "Origin", pageOrigin), 400, "invalid_request", 9002325)
}

// A page's refresh tokens end a day after the sign-in, however often they are exchanged,
// and only pages can exchange them; pages can't exchange others.
func TestPageRefreshTokens(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	c.register(page, "http://localhost/tool")
	refresh := func(token string) url.Values {
		return fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", token)
	}
	got := decode[tokens](c, c.want(200, c.token(c.codeFor(c.public.String(), page), "Origin", pageOrigin)))
	c.wantError(c.token(refresh(got.RefreshToken)), 400, "invalid_request", 9002327)
	clock.move(23 * time.Hour)
	a := c.want(200, c.token(refresh(got.RefreshToken), "Origin", "https://elsewhere.example.test"))
	if !strings.Contains(a.body, `"refresh_token_expires_in":3`) { // 3600, minus the test's duration
		t.Errorf("%s", a.body)
	}
	got = decode[tokens](c, a)
	c.wantError(c.token(refresh(got.RefreshToken)), 400, "invalid_request", 9002327)
	clock.move(time.Hour)
	c.wantError(c.token(refresh(got.RefreshToken), "Origin", pageOrigin), 400, "invalid_grant", 700084)
	// A refresh token from the password grant isn't a page's, even if a page requested it.
	got = decode[tokens](c, c.want(200, c.token(c.passwordForm(), "Origin", pageOrigin)))
	c.wantError(c.token(refresh(got.RefreshToken), "Origin", pageOrigin), 400, "invalid_request", 9002326)
	c.redeem(refresh(got.RefreshToken))
}

// On loopback the port may differ. If a URI with the same port is registered, its type applies.
func TestRedirectTypeByPort(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.register("http://localhost:3000", "http://localhost")
	c.exec("UPDATE applications SET redirect_uris = '{}' WHERE tenant_id = $1")
	for uri, origin := range map[string]string{
		"http://localhost:3000": "http://localhost:3000", "http://localhost:3000/": "http://localhost:3000", "http://localhost:51234": "", "http://localhost": "",
	} {
		form := c.codeFor(c.public.String(), uri)
		if origin == "" {
			c.wantError(c.token(form, "Origin", pageOrigin), 400, "invalid_request", 9002326)
			c.want(200, c.token(form))
		} else {
			c.wantError(c.token(form), 400, "invalid_request", 9002327)
			c.want(200, c.token(form, "Origin", origin))
		}
	}
}
