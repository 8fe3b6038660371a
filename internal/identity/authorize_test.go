package identity_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

// authorizeForm is the public application's request for a code.
func (c *tenant) authorizeForm() url.Values {
	return fields("client_id", c.public.String(), "response_type", "code", "redirect_uri", redirectURI, "scope", signInScopes,
		"state", `s&<"'> ü`, "nonce", "n", "code_challenge", challengeOf(verifier), "code_challenge_method", "S256", "client_info", "1")
}

func (c *tenant) authorizePath(form url.Values) string {
	return "/" + c.id.String() + "/oauth2/v2.0/authorize?" + form.Encode()
}

// authorize signs the user in on the page and returns the answer's parameters.
func (c *tenant) authorize(form url.Values) url.Values {
	c.Helper()
	a := c.want(http.StatusFound, c.post(c.authorizePath(form), fields("user", c.user.UserPrincipalName, "password", password)))
	return c.answered(a)
}

// answered returns the parameters with which the browser is redirected to the application.
func (c *tenant) answered(a answer) url.Values {
	c.Helper()
	at, err := url.Parse(a.header.Get("Location"))
	c.must(err)
	if !strings.HasPrefix(at.String(), "https://app.example.test/signed-in?") {
		c.Fatalf("leads to %s", at)
	}
	if at.Fragment != "" {
		v, err := url.ParseQuery(at.EscapedFragment())
		c.must(err)
		return v
	}
	return at.Query()
}

func (c *tenant) codeForm(answer url.Values) url.Values {
	return fields("grant_type", "authorization_code", "client_id", c.public.String(), "code", answer.Get("code"),
		"redirect_uri", redirectURI, "code_verifier", verifier, "scope", signInScopes, "client_info", "1")
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	c := setup(t)
	got := c.authorize(c.authorizeForm())
	if got.Get("state") != `s&<"'> ü` || got.Get("x") != "1" || got.Get("client_info") == "" {
		t.Errorf("answer %v", got)
	}
	form := c.codeForm(got)
	// A failed redemption doesn't use up the code.
	c.wantError(c.token(with(form, "code_verifier", "wrong")), 400, "invalid_grant", 501481)
	c.wantError(c.token(with(form, "code_verifier", "")), 400, "invalid_grant", 50148)
	c.wantError(c.token(with(form, "redirect_uri", "http://localhost")), 400, "invalid_grant", 50011)
	c.wantError(c.token(with(form, "client_id", c.app.String(), "client_secret", secret)), 400, "invalid_grant", 700007)
	first := c.redeem(form)
	if id := c.claims(first.IDToken); id["nonce"] != "n" {
		t.Errorf("nonce %v", id["nonce"])
	}
	c.want(http.StatusCreated, c.graph("POST", first.AccessToken))
	// A second redemption revokes what the first one got.
	c.wantError(c.token(form), 400, "invalid_grant", 54005)
	c.wantError(c.token(fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", first.RefreshToken)), 400, "invalid_grant", 70000)
}

func TestCodeExpires(t *testing.T) {
	t.Parallel()
	c, clock := setupClock(t)
	form := c.codeForm(c.authorize(c.authorizeForm()))
	clock.move(10 * time.Minute)
	c.wantError(c.token(form), 400, "invalid_grant", 70008)
	refresh := fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", c.redeem(c.passwordForm()).RefreshToken)
	clock.move(90 * 24 * time.Hour)
	c.wantError(c.token(refresh), 400, "invalid_grant", 700082)
	device := c.device()
	clock.move(15 * time.Minute)
	c.wantError(c.token(fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", device.DeviceCode)), 400, "expired_token", 70020)
}

func TestResponseModes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if got := c.authorize(with(c.authorizeForm(), "response_mode", "fragment")); got.Get("code") == "" {
		t.Errorf("fragment: %v", got)
	}
	got := c.authorize(with(c.authorizeForm(), "response_type", "id_token code"))
	if id := c.claims(got.Get("id_token")); got.Get("code") == "" || id["c_hash"] == nil || id["nonce"] != "n" {
		t.Errorf("code id_token: %v", got)
	}
	if got := c.authorize(with(c.authorizeForm(), "response_type", "id_token", "scope", "openid")); got.Get("code") != "" || c.claims(got.Get("id_token"))["email"] != nil {
		t.Errorf("id_token: %v", got)
	}
	page := c.post(c.authorizePath(with(c.authorizeForm(), "response_mode", "form_post")), fields("user", c.user.UserPrincipalName, "password", password))
	c.want(200, page)
	for _, want := range []string{`action="` + redirectURI + `"`, `name="state" value="s&amp;&lt;&#34;&#39;&gt; ü"`, `name="code" value="1.`, "<button>Continue</button>"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("no %s in %s", want, page.body)
		}
	}
	// At the endpoint of v1.0, which names the resource and has no PKCE.
	v1 := fields("client_id", c.public.String(), "response_type", "code", "redirect_uri", "http://localhost:4711", "resource", "https://graph.microsoft.com", "prompt", "select_account")
	a := c.want(http.StatusFound, c.post("/"+c.domain+"/oauth2/authorize?"+v1.Encode(), fields("user", c.user.UserPrincipalName, "password", password)))
	at, err := url.Parse(a.header.Get("Location"))
	c.must(err)
	if at.Host != "localhost:4711" {
		t.Fatalf("leads to %s", at)
	}
	c.redeem(fields("grant_type", "authorization_code", "client_id", c.public.String(), "code", at.Query().Get("code"), "redirect_uri", "http://localhost:4711", "scope", graphScope))
}

// Until the application and its redirect URI are verified, errors stay on our page; then
// they go to the application, with its state.
func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := c.authorizeForm()
	for _, tt := range []struct {
		form   url.Values
		number string
	}{
		{with(f, "client_id", ""), "AADSTS900144"},
		{with(f, "client_id", uuid.NewString()), "AADSTS700016"},
		{with(f, "redirect_uri", ""), "AADSTS900971"},
		{with(f, "redirect_uri", "https://evil.example.test/"), "AADSTS50011"},
		{with(f, "redirect_uri", redirectURI+"&y=2"), "AADSTS50011"},
		{with(f, "redirect_uri", "https://app.example.test:444/signed-in?x=1"), "AADSTS50011"},
		{with(f, "redirect_uri", "http://localhost.evil.example.test"), "AADSTS50011"},
		{with(f, "redirect_uri", "http://localhost@evil.example.test"), "AADSTS50011"},
		{with(f, "redirect_uri", "http://localhost:80/other"), "AADSTS50011"},
		{with(f, "redirect_uri", "javascript:alert(1)"), "AADSTS50011"},
	} {
		for _, a := range []answer{c.get(c.authorizePath(tt.form)), c.post(c.authorizePath(tt.form), fields("user", c.user.UserPrincipalName, "password", password))} {
			if a.status != 400 || !strings.Contains(a.body, tt.number+":") || a.header.Get("Location") != "" {
				t.Errorf("%v: %d, to %q: %s", tt.form, a.status, a.header.Get("Location"), a.body)
			}
		}
	}
	for _, tt := range []struct {
		form         url.Values
		code, number string
	}{
		{with(f, "response_type", ""), "invalid_request", "AADSTS900144"},
		{with(f, "response_type", "token"), "unsupported_response_type", "AADSTS700051"},
		{with(f, "response_type", "none"), "unsupported_response_type", "AADSTS70005"},
		{with(f, "response_mode", "web_message"), "unsupported_response_mode", "AADSTS70007"},
		{with(f, "response_type", "id_token", "response_mode", "query"), "unsupported_response_mode", "AADSTS70007"},
		{with(f, "response_type", "id_token", "nonce", ""), "invalid_request", "AADSTS900144"},
		{with(f, "response_type", "id_token", "scope", graphScope), "invalid_scope", "AADSTS70011"},
		{with(f, "scope", ""), "invalid_request", "AADSTS900144"},
		{with(f, "scope", "https://a.test/b https://c.test/d"), "invalid_request", "AADSTS28000"},
		{with(f, "code_challenge_method", "plain"), "invalid_request", "AADSTS501491"},
		{with(f, "code_challenge", ""), "invalid_request", "AADSTS900144"},
		{with(f, "prompt", "none"), "login_required", "AADSTS50058"},
	} {
		got := c.answered(c.want(http.StatusFound, c.get(c.authorizePath(tt.form))))
		if got.Get("error") != tt.code || !strings.HasPrefix(got.Get("error_description"), tt.number+":") || got.Get("state") != f.Get("state") {
			t.Errorf("%v: %v", tt.form, got)
		}
	}
	// Without consent, a page says who can give it.
	a := c.post(c.authorizePath(with(f, "scope", "Mail.Read")), fields("user", c.user.UserPrincipalName, "password", password))
	if a.status != 400 || !strings.Contains(a.body, "AADSTS90094: The grant requires admin permission. ") {
		t.Errorf("no consent: %d %s", a.status, a.body)
	}
	got := c.answered(c.want(http.StatusFound, c.post(c.authorizePath(f), fields("action", "cancel", "user", "", "password", ""))))
	if got.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", got)
	}
	a = c.post(c.authorizePath(f), fields("user", c.user.UserPrincipalName, "password", password), "Origin", "https://evil.example.test", "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusForbidden {
		t.Errorf("a form from another site: %d %s", a.status, a.body)
	}
}

// An application may have its own scheme, for which a browser can't submit a form. Nobody
// is redirected to a URL that a browser would execute, even one registered earlier.
func TestRedirectSchemes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	signIn := fields("user", c.user.UserPrincipalName, "password", password)
	use := func(uri string) url.Values {
		c.exec("UPDATE applications SET redirect_uris = ARRAY[$2] WHERE tenant_id = $1", uri)
		return with(c.authorizeForm(), "redirect_uri", uri)
	}
	for _, uri := range []string{"myapp://signed-in", "com.example.app:/signed-in", "urn:ietf:wg:oauth:2.0:oob"} {
		form := use(uri)
		a := c.want(http.StatusFound, c.post(c.authorizePath(form), signIn))
		if at := a.header.Get("Location"); !strings.HasPrefix(at, uri+"?") || !strings.Contains(at, "code=1.") {
			t.Errorf("%s: leads to %s", uri, at)
		}
		a = c.want(http.StatusFound, c.post(c.authorizePath(with(form, "response_mode", "form_post")), signIn))
		if at := a.header.Get("Location"); !strings.HasPrefix(at, uri+"?") || !strings.Contains(at, "error=unsupported_response_mode") {
			t.Errorf("%s, with a form: leads to %s", uri, at)
		}
	}
	for _, uri := range []string{
		"javascript:alert(1)", "JavaScript://x/%0aalert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)",
		"vbscript:x", "data:text/html,<b>", "DATA:text/html;base64,PGI+", "//evil.example.test", "/signed-in", "?x", "https://%zz",
	} {
		form := use(uri)
		for name, a := range map[string]answer{
			"code":      c.post(c.authorizePath(form), signIn),
			"form post": c.post(c.authorizePath(with(form, "response_mode", "form_post")), signIn),
			"fragment":  c.post(c.authorizePath(with(form, "response_mode", "fragment")), signIn),
			"refusal":   c.get(c.authorizePath(with(form, "scope", ""))),
			"cancel":    c.post(c.authorizePath(form), fields("action", "cancel")),
			"consent":   c.post("/"+c.id.String()+"/adminconsent?"+form.Encode(), fields("action", "cancel")),
			"logout":    c.get("/" + c.id.String() + "/oauth2/v2.0/logout?" + fields("post_logout_redirect_uri", uri).Encode()),
		} {
			if a.status != 400 || !strings.Contains(a.body, "AADSTS50011: ") || !strings.Contains(a.body, "is not valid.") {
				t.Errorf("%q, %s: %d: %s", uri, name, a.status, a.body)
			}
			if to := a.header.Get("Location"); to != "" || strings.Contains(a.body, "<form") {
				t.Errorf("%q, %s: leads to %q: %s", uri, name, to, a.body)
			}
		}
	}
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	c := setup(t)
	page := c.want(200, c.get(c.authorizePath(with(c.authorizeForm(), "login_hint", `"><b>x`))))
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	if !strings.Contains(page.body, "Sign in to Tool") || strings.Contains(page.body, "<b>x") || strings.Contains(page.body, `name="pick"`) {
		t.Errorf("page %s", page.body)
	}
	action := regexp.MustCompile(`action="(\?[^"]*)"`).FindStringSubmatch(page.body)
	if action == nil {
		t.Fatalf("no form in %s", page.body)
	}
	at := "/" + c.id.String() + "/oauth2/v2.0/authorize" + html.UnescapeString(action[1])
	wrong := c.want(400, c.post(at, fields("user", c.user.UserPrincipalName, "password", "wrong")))
	if !strings.Contains(wrong.body, "AADSTS50126") || !strings.Contains(wrong.body, c.user.UserPrincipalName) {
		t.Errorf("wrong password: %s", wrong.body)
	}
	c.want(http.StatusFound, c.post(at, fields("user", strings.ToUpper(c.user.UserPrincipalName), "password", password)))

	// Users can be picked only if the tenant allows it.
	pick := fields("pick", c.user.ID.String())
	c.want(400, c.post(at, pick))
	_, err := c.server.Pool().Exec(t.Context(), "UPDATE tenants SET user_picker = true WHERE id = $1", c.id)
	c.must(err)
	if page := c.get(at); !strings.Contains(page.body, `name="pick" value="`+c.user.ID.String()+`"`) {
		t.Errorf("nobody to pick: %s", page.body)
	}
	c.want(http.StatusFound, c.post(at, pick))
	c.want(400, c.post(at, fields("pick", setup(t).user.ID.String())))
	// At an authority for many tenants, no users are listed, and the user's name determines
	// the tenant.
	common := strings.Replace(at, c.id.String(), "common", 1)
	if page := c.want(200, c.get(common)); strings.Contains(page.body, `name="pick"`) {
		t.Errorf("common shows users: %s", page.body)
	}
	c.want(400, c.post(common, pick))
	c.want(http.StatusFound, c.post(common, fields("user", c.user.UserPrincipalName, "password", password)))
}

func TestSession(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := c.authorizeForm()
	a := c.post(c.authorizePath(f), fields("user", c.user.UserPrincipalName, "password", password))
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{"ESTSAUTH=1.", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=None"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("no %s in the cookie", want)
		}
	}
	cookie, _, _ = strings.Cut(cookie, ";")
	silent := with(f, "prompt", "none")
	if got := c.answered(c.want(http.StatusFound, c.get(c.authorizePath(silent), "Cookie", cookie))); got.Get("code") == "" {
		t.Errorf("silently: %v", got)
	}
	c.want(http.StatusFound, c.get(c.authorizePath(f), "Cookie", cookie))
	for name, form := range map[string]url.Values{
		"prompt": with(f, "prompt", "login"), "another user": with(f, "login_hint", "other@"+c.domain),
	} {
		if a := c.get(c.authorizePath(form), "Cookie", cookie); a.status != 200 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	// A session of another tenant or an invented cookie is refused.
	other := setup(t)
	if a := other.get(other.authorizePath(with(other.authorizeForm(), "prompt", "")), "Cookie", cookie); a.status != 200 {
		t.Errorf("another tenant: %d", a.status)
	}
	if got := c.answered(c.get(c.authorizePath(silent), "Cookie", "ESTSAUTH=1.AAAA")); got.Get("error") != "login_required" {
		t.Errorf("made up: %v", got)
	}
	// Other sites' pages send the cookie, but that doesn't let them submit a form.
	for _, path := range []string{c.authorizePath(f), "/" + c.id.String() + "/adminconsent?" + f.Encode(), "/common/oauth2/deviceauth"} {
		a := c.post(path, fields("user", c.user.UserPrincipalName, "password", password, "pick", c.user.ID.String()), "Cookie", cookie, "Origin", "https://evil.example.test", "Sec-Fetch-Site", "cross-site")
		if a.status != http.StatusForbidden || a.header.Get("Location") != "" {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	logout := "/" + c.id.String() + "/oauth2/v2.0/logout"
	if a := c.get(logout + "?post_logout_redirect_uri=https://evil.example.test/"); a.status != 200 || a.header.Get("Location") != "" {
		t.Errorf("an open redirect: %d %s", a.status, a.header.Get("Location"))
	}
	a = c.want(http.StatusFound, c.get(logout+"?"+fields("post_logout_redirect_uri", redirectURI, "state", "a b").Encode(), "Cookie", cookie))
	if a.header.Get("Location") != "https://app.example.test/signed-in?state=a+b&x=1" || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: %v", a.header)
	}
	if got := c.answered(c.get(c.authorizePath(silent), "Cookie", cookie)); got.Get("error") != "login_required" {
		t.Errorf("after logout: %v", got)
	}
	// At an authority for many tenants, the session determines whose application may be the
	// target.
	common := "/common/oauth2/v2.0/logout?" + fields("post_logout_redirect_uri", redirectURI).Encode()
	if a := c.get(common, "Cookie", cookie); a.header.Get("Location") != redirectURI {
		t.Errorf("logout at common: %d %v", a.status, a.header)
	}
	c.want(200, c.get(common))
}

type device struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
	Message         string `json:"message"`
}

func (c *tenant) device() device {
	c.Helper()
	return decode[device](c, c.want(200, c.post("/"+c.id.String()+"/oauth2/v2.0/devicecode", fields("client_id", c.public.String(), "scope", signInScopes))))
}

// approve submits the device page.
func (c *tenant) approve(d device, action string) answer {
	c.Helper()
	return c.post(d.VerificationURI, fields("code", strings.ToLower(d.UserCode[:4]+"-"+d.UserCode[4:]), "user", c.user.UserPrincipalName, "password", password, "action", action))
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	c := setup(t)
	d := c.device()
	if d.ExpiresIn != 900 || d.Interval != 5 || len(d.UserCode) != 9 {
		t.Errorf("lifetime, interval or code: %+v", d)
	}
	if !strings.Contains(d.Message, d.UserCode) || !strings.Contains(d.Message, d.VerificationURI) {
		t.Errorf("the message lacks the code or the page: %+v", d)
	}
	poll := fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", d.DeviceCode, "client_info", "1")
	c.wantError(c.token(poll), 400, "authorization_pending", 70016)
	if page := c.want(200, c.get(d.VerificationURI+"?code="+d.UserCode)); !strings.Contains(page.body, `value="`+d.UserCode+`"`) {
		t.Errorf("page %s", page.body)
	}
	if a := c.post(d.VerificationURI, fields("code", d.UserCode, "user", c.user.UserPrincipalName, "password", "wrong")); a.status != 400 || !strings.Contains(a.body, "AADSTS50126") {
		t.Errorf("wrong password: %d %s", a.status, a.body)
	}
	if a := c.post(d.VerificationURI, fields("code", "BBBBBBBBB", "user", c.user.UserPrincipalName, "password", password)); a.status != 400 || !strings.Contains(a.body, "AADSTS70018") {
		t.Errorf("wrong code: %d %s", a.status, a.body)
	}
	c.wantError(c.token(with(poll, "client_id", c.app.String(), "client_secret", secret)), 400, "invalid_grant", 700007)
	if a := c.want(200, c.approve(d, "allow")); !strings.Contains(a.body, "You have signed in to Tool") {
		t.Errorf("page %s", a.body)
	}
	c.want(400, c.approve(d, "decline")) // decided
	got := c.redeem(with(poll, "grant_type", "urn:ietf:params:oauth:grant-type:device_code"))
	if got.RefreshToken == "" || got.IDToken == "" || got.ClientInfo == "" {
		t.Errorf("%+v", got)
	}
	c.want(http.StatusCreated, c.graph("POST", got.AccessToken))
	c.wantError(c.token(poll), 400, "invalid_grant", 54005)

	// A sign-out before the approval doesn't affect the device; one after it does.
	d = c.device()
	c.must(c.server.Identity().RevokeSignIns(t.Context(), c.server.Pool(), c.id, c.user.ID, time.Now()))
	c.want(200, c.approve(d, "allow"))
	c.redeem(with(poll, "device_code", d.DeviceCode))
	d = c.device()
	c.want(200, c.approve(d, "allow"))
	c.must(c.server.Identity().RevokeSignIns(t.Context(), c.server.Pool(), c.id, c.user.ID, time.Now()))
	c.wantError(c.token(with(poll, "device_code", d.DeviceCode)), 400, "invalid_grant", 50173)

	declined := c.device()
	c.want(200, c.approve(declined, "decline"))
	c.wantError(c.token(with(poll, "device_code", declined.DeviceCode)), 400, "authorization_declined", 65004)

	// Without a tenant in the request, the user's name determines it.
	a := c.want(200, c.post("/organizations/oauth2/v2.0/devicecode", fields("client_id", c.public.String(), "scope", signInScopes)))
	d = decode[device](c, a)
	c.want(200, c.approve(d, "allow"))
	c.want(200, c.post("/organizations/oauth2/v2.0/token", with(poll, "device_code", d.DeviceCode)))
	// A user of another tenant can't approve this tenant's device.
	other, d := setup(t), c.device()
	if a := other.approve(d, "allow"); a.status != 400 || !strings.Contains(a.body, "AADSTS50034") {
		t.Errorf("another tenant's user: %d %s", a.status, a.body)
	}
	c.wantError(c.post("/"+c.id.String()+"/oauth2/v2.0/devicecode", fields("client_id", c.app.String(), "scope", signInScopes)), 401, "invalid_client", 7000218)
	c.wantError(c.post("/"+c.id.String()+"/oauth2/v2.0/devicecode", fields("client_id", c.public.String())), 400, "invalid_request", 900144)
}

func TestAdminConsent(t *testing.T) {
	t.Parallel()
	c := setup(t)
	admin := c.addUser("admin", func(u *db.CreateUserParams) {
		u.DirectoryRoles = []uuid.UUID{uuid.MustParse("62e90394-69f5-4237-9190-012177145e10")}
	})
	c.must(c.server.Identity().RemoveConsent(t.Context(), c.server.Pool(), c.id, c.app, time.Now()))
	form := with(c.passwordForm(), "client_id", c.app.String(), "client_secret", secret)
	c.wantError(c.token(form), 400, "invalid_grant", 65001)
	at := "/" + c.id.String() + "/adminconsent?" + fields("client_id", c.app.String(), "redirect_uri", redirectURI, "state", "s").Encode()
	c.want(200, c.get(at))
	if a := c.post(at, fields("user", c.user.UserPrincipalName, "password", password)); a.status != http.StatusForbidden || !strings.Contains(a.body, "AADSTS90094") {
		t.Errorf("not an administrator: %d %s", a.status, a.body)
	}
	got := c.answered(c.want(http.StatusFound, c.post(at, fields("user", admin.UserPrincipalName, "password", password))))
	if got.Get("admin_consent") != "True" || got.Get("tenant") != c.id.String() || got.Get("state") != "s" {
		t.Errorf("%v", got)
	}
	c.want(http.StatusCreated, c.graph("POST", c.redeem(form).AccessToken))
	c.want(400, c.get(strings.Replace(at, "app.example.test", "evil.example.test", 1)))
	if got := c.answered(c.post(at, fields("action", "cancel", "user", ""))); got.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", got)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	c := setup(t)
	access := c.redeem(with(c.passwordForm(), "scope", signInScopes+" email"))
	a := c.want(200, c.get("/oidc/userinfo", "Authorization", "Bearer "+access.AccessToken))
	got := decode[map[string]string](c, a)
	if got["sub"] != c.claims(access.IDToken)["sub"] {
		t.Errorf("sub %s is not the id_token's", got["sub"])
	}
	delete(got, "sub")
	diff(t, map[string]string{"name": "Adele Vance", "family_name": "Vance", "given_name": "Adele", "email": c.user.UserPrincipalName}, got)
	for _, token := range []string{"", "junk", c.redeem(with(c.passwordForm(), "scope", graphScope)).AccessToken} {
		a := c.get("/oidc/userinfo", "Authorization", "Bearer "+token)
		c.wantError(a, 401, "invalid_token", 50027)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
}
