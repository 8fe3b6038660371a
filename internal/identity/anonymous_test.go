package identity_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// size is the size of a table.
type size struct{ rows, bytes int64 }

// tables returns every table of the database with its size.
func (c *tenant) tables() map[string]size {
	c.Helper()
	rows, err := c.server.Pool().Query(c.Context(), `SELECT c.oid::regclass::text,
			(xpath('/row/n/text()', x))[1]::text::bigint, (xpath('/row/b/text()', x))[1]::text::bigint
		FROM pg_class AS c, query_to_xml(format('SELECT count(*) AS n, COALESCE(sum(octet_length(t::text)), 0) AS b FROM %s AS t', c.oid::regclass), false, true, '') AS x
		WHERE c.relkind = 'r' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
	c.must(err)
	defer rows.Close()
	all := map[string]size{}
	for rows.Next() {
		var name string
		var s size
		c.must(rows.Scan(&name, &s.rows, &s.bytes))
		all[name] = s
	}
	c.must(rows.Err())
	return all
}

// longForm has every parameter of every endpoint, each as long as allowed unless set in
// pairs.
func longForm(pairs ...string) url.Values {
	form := url.Values{}
	for _, name := range []string{
		"client_id", "client_secret", "scope", "resource", "redirect_uri", "response_type", "response_mode", "state", "nonce", "prompt", "claims",
		"login_hint", "domain_hint", "code_challenge", "code_challenge_method", "code_verifier", "code", "device_code", "username", "password", "user",
		"refresh_token", "assertion", "client_assertion", "client_assertion_type", "post_logout_redirect_uri", "id_token_hint", "grant_type",
	} {
		form.Set(name, identity.Longest(name))
	}
	return with(form, pairs...)
}

// Anonymous callers can make the service store only a bounded number of device codes, each
// of bounded size and lifetime.
func TestAnonymousCallersKeepLittle(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	before := c.tables()
	if len(before) < 20 {
		t.Fatalf("%d tables", len(before))
	}
	for _, route := range identity.Routes() {
		method, path, _ := strings.Cut(route, " ")
		for _, authority := range []string{c.id.String(), "common"} {
			path := strings.NewReplacer(":tenant", authority, ":upn", "nobody@"+c.domain).Replace(path)
			c.do(method, path+"?"+with(longForm("client_id", c.public.String()), "claims", "", "client_assertion", "", "assertion", "", "refresh_token", "").Encode(), nil)
			if method == "POST" {
				c.post(path, longForm("client_id", c.public.String(), "redirect_uri", redirectURI, "user", c.user.UserPrincipalName, "password", "wrong",
					"client_assertion", "", "assertion", "", "refresh_token", ""))
			}
		}
	}
	for _, grant := range []string{"authorization_code", "client_credentials", "device_code", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"} {
		c.token(with(longForm("client_id", c.app.String(), "grant_type", grant, "assertion", ""), "username", c.user.UserPrincipalName, "scope", "openid"))
	}
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		c.graph(method, "x")
	}
	c.floodDeviceCodes()

	longestCode := int64(len(identity.Longest("scope"))) + 1024
	for name, after := range c.tables() {
		grown := after.rows - before[name].rows
		switch {
		case name == "device_codes" && grown > 0 && grown <= identity.MaxDeviceCodesOfAddress && after.bytes <= grown*longestCode:
		case grown != 0 || after.bytes > before[name].bytes+1024:
			t.Errorf("%s had %v, and has %v", name, before[name], after)
		}
	}
	clock.move(17 * time.Minute)
	c.must(c.server.Identity().SweepOften(t.Context()))
	if left := c.tables()["device_codes"]; left.rows != 0 {
		t.Errorf("%d device codes are left", left.rows)
	}
	c.device()
}

// floodDeviceCodes requests device codes until the service refuses.
func (c *tenant) floodDeviceCodes() {
	c.Helper()
	scope := "openid " + identity.Longest("scope")[len("openid "):]
	for range identity.MaxDeviceCodesOfAddress {
		a := c.post("/common/oauth2/v2.0/devicecode", fields("client_id", uuid.NewString(), "scope", scope))
		if a.status == http.StatusTooManyRequests {
			break
		}
		c.want(http.StatusOK, a)
	}
	c.wantThrottled(c.post("/common/oauth2/v2.0/devicecode", fields("client_id", uuid.NewString(), "scope", scope)))
}

func (c *tenant) wantThrottled(a answer) {
	c.Helper()
	c.wantError(a, http.StatusTooManyRequests, "invalid_request", 90055)
	if a.header.Get("Retry-After") != "60" {
		c.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

// A client and an authority have a bounded number of pending codes, whoever requested them.
func TestPendingDeviceCodes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	fill := func(client any, n int) {
		c.exec(`INSERT INTO device_codes (hash, user_code, authority, client_id, scope, address, created_at, expires_at, kept_until)
			SELECT uuid_send(gen_random_uuid()), gen_random_uuid()::text, $1::uuid::text, COALESCE($2::uuid, gen_random_uuid()), 'openid', 'other', now(), now() + interval '10 minutes', now() + interval '10 minutes'
			FROM generate_series(1, $3)`, client, n)
	}
	ask := func() answer {
		return c.post("/"+c.id.String()+"/oauth2/v2.0/devicecode", fields("client_id", c.public.String(), "scope", signInScopes))
	}
	fill(c.public, identity.MaxDeviceCodesOfClient-1)
	c.want(200, ask())
	c.wantThrottled(ask())
	c.exec("UPDATE device_codes SET kept_until = now() WHERE authority = $1::uuid::text")
	c.want(200, ask())
	fill(nil, identity.MaxDeviceCodesOfAuthority)
	c.wantThrottled(ask())
	c.exec("UPDATE device_codes SET status = 'redeemed' WHERE authority = $1::uuid::text")
	c.want(200, ask())
}

// A parameter longer than any client sends is refused by name before it is stored.
func TestLongParameters(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, name := range []string{"scope", "nonce", "state", "redirect_uri", "claims", "code_challenge", "login_hint", "client_id"} {
		long := identity.Longest(name) + "x"
		a := c.get(c.authorizePath(with(c.authorizeForm(), name, long)))
		if want := "The parameter &#39;" + name + "&#39; has "; a.status != 400 || !strings.Contains(a.body, "AADSTS90015") || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		c.wantError(c.token(with(c.passwordForm(), name, long)), 400, "invalid_request", 90015)
		c.wantError(c.post("/common/oauth2/v2.0/devicecode", with(fields("client_id", c.public.String(), "scope", "openid"), name, long)), 400, "invalid_request", 90015)
	}
	got := c.answered(c.get(c.authorizePath(with(c.authorizeForm(), "code_challenge", "short"))))
	if !strings.HasPrefix(got.Get("error_description"), "AADSTS501491: ") {
		t.Errorf("a short challenge: %v", got)
	}
}
