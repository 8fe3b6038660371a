package identity_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// Slashes may be doubled anywhere, for example after an authority that ends in one.
func TestSlashes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, route := range identity.Routes() {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer(":tenant", c.id.String(), ":upn", c.user.UserPrincipalName).Replace(path)
		want := c.do(method, path, nil)
		for _, spelled := range []string{"/" + path, strings.ReplaceAll(path, "/", "//"), strings.Replace(path, "/", "///", 2), strings.ToUpper(path)} {
			if got := c.do(method, c.server.URL()+spelled, nil); got.status != want.status || got.header.Get("Content-Type") != want.header.Get("Content-Type") {
				t.Errorf("%s %s: %d %s, want %d", method, spelled, got.status, got.body, want.status)
			}
		}
	}
	c.want(200, c.post("//"+c.id.String()+"//oauth2/v2.0/token", c.secretForm()))
}

// A raw semicolon is an ordinary character in queries, forms and redirect URIs.
func TestSemicolons(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const registered = "https://app.example.test/signed-in?x=1;y"
	c.exec("UPDATE applications SET redirect_uris = ARRAY[$2] WHERE tenant_id = $1", registered)
	raw := strings.ReplaceAll(with(c.authorizeForm(), "state", "nonce;/path;id=15", "redirect_uri", registered).Encode(), "%3B", ";")
	at := "/" + c.id.String() + "/oauth2/v2.0/authorize?" + raw
	if page := c.want(200, c.get(at)); !strings.Contains(page.body, "Sign in to Tool") {
		t.Errorf("page %s", page.body)
	}
	got := c.answered(c.want(http.StatusFound, c.post(at, fields("user", c.user.UserPrincipalName, "password", password))))
	if got.Get("state") != "nonce;/path;id=15" || got.Get("x") != "1;y" {
		t.Errorf("leads on with %v", got)
	}
	a := c.want(http.StatusFound, c.get("/"+c.id.String()+"/oauth2/v2.0/logout?state=a;b&post_logout_redirect_uri="+registered))
	if to := a.header.Get("Location"); to != "https://app.example.test/signed-in?state=a%3Bb&x=1%3By" {
		t.Errorf("leads on to %s", to)
	}
	const secret = "a;secret&more"
	c.addSecret(secret, c.user.CreatedAt.AddDate(1, 0, 0))
	form := strings.ReplaceAll(with(c.secretForm(), "client_secret", secret).Encode(), "%3B", ";")
	c.want(200, c.do("POST", "/"+c.id.String()+"/oauth2/v2.0/token", strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded"))
}

// An application's id is a GUID in any letter case.
func TestClientIDSpelling(t *testing.T) {
	t.Parallel()
	c := setup(t)
	upper := strings.ToUpper(c.public.String())
	got := c.answered(c.want(http.StatusFound, c.post(c.authorizePath(with(c.authorizeForm(), "client_id", upper)), fields("user", c.user.UserPrincipalName, "password", password))))
	first := c.redeem(with(c.codeForm(got), "client_id", upper))
	c.redeem(fields("grant_type", "refresh_token", "client_id", upper, "refresh_token", first.RefreshToken))
	c.redeem(with(c.secretForm(), "client_id", strings.ToUpper(c.app.String())))
	d := decode[device](c, c.want(200, c.post("/"+c.id.String()+"/oauth2/v2.0/devicecode", fields("client_id", upper, "scope", signInScopes))))
	c.want(200, c.approve(d, "allow"))
	c.redeem(fields("grant_type", "device_code", "client_id", upper, "device_code", d.DeviceCode))
	// So is the id of the API that it names.
	api := strings.ToUpper(c.app.String())
	user := c.redeem(with(c.passwordForm(), "scope", "api://"+api+"/access_as_user"))
	c.redeem(fields("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id", api, "client_secret", secret,
		"assertion", user.AccessToken, "requested_token_use", "on_behalf_of", "scope", graphScope))
}

// Entra accepts a single value of prompt, out of a fixed set.
func TestPrompt(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := c.authorizeForm()
	for _, tenant := range []string{c.id.String(), "common", "organizations"} {
		for _, prompt := range []string{"", "login", "consent", "select_account"} {
			c.want(200, c.get("/"+tenant+"/oauth2/v2.0/authorize?"+with(f, "prompt", prompt).Encode()))
		}
		for _, prompt := range []string{"consent select_account", "none login", "unspecified", "LOGIN", "admin_consent", " "} {
			got := c.answered(c.want(http.StatusFound, c.get("/"+tenant+"/oauth2/v2.0/authorize?"+with(f, "prompt", prompt).Encode())))
			if got.Get("error") != "invalid_request" || !strings.HasPrefix(got.Get("error_description"), "AADSTS90023:") {
				t.Errorf("%s, %q: %v", tenant, prompt, got)
			}
		}
		// If nobody is signed in, the application is told, at any authority.
		got := c.answered(c.want(http.StatusFound, c.get("/"+tenant+"/oauth2/v2.0/authorize?"+with(f, "prompt", "none").Encode())))
		if got.Get("error") != "login_required" || got.Get("state") != f.Get("state") {
			t.Errorf("%s, none: %v", tenant, got)
		}
		got = c.answered(c.want(http.StatusFound, c.post("/"+tenant+"/oauth2/v2.0/authorize?"+f.Encode(), fields("action", "cancel"))))
		if got.Get("error") != "access_denied" {
			t.Errorf("%s, cancelled: %v", tenant, got)
		}
		for number, form := range map[string]string{
			"AADSTS700016": with(f, "prompt", "none", "client_id", uuid.NewString()).Encode(),
			"AADSTS50011":  with(f, "prompt", "none", "redirect_uri", "https://evil.example.test/").Encode(),
		} {
			if a := c.get("/" + tenant + "/oauth2/v2.0/authorize?" + form); a.status != 400 || !strings.Contains(a.body, number) || a.header.Get("Location") != "" {
				t.Errorf("%s: %d to %q: %s", tenant, a.status, a.header.Get("Location"), a.body)
			}
		}
	}
	c.want(200, c.get("/"+c.id.String()+"/oauth2/authorize?"+with(f, "prompt", "admin_consent").Encode()))
	// An expired tenant has no registered redirect URIs.
	c.exec("UPDATE tenants SET expires_at = now() WHERE id = $1")
	if a := c.get("/common/oauth2/v2.0/authorize?" + f.Encode()); a.status != 400 || !strings.Contains(a.body, "AADSTS700016") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The error_uri of every error leads to the meaning of its number.
func TestErrorPage(t *testing.T) {
	t.Parallel()
	c := setup(t)
	refused := decode[struct {
		URI string `json:"error_uri"`
	}](c, c.token(with(c.passwordForm(), "password", "wrong")))
	if page := c.want(200, c.get(refused.URI)); !strings.Contains(page.body, "<h1>AADSTS50126</h1>") {
		t.Errorf("%s: %s", refused.URI, page.body)
	}
	redirected := c.answered(c.get(c.authorizePath(with(c.authorizeForm(), "scope", ""))))
	if page := c.want(200, c.get(redirected.Get("error_uri"))); !strings.Contains(page.body, "<h1>AADSTS900144</h1>") {
		t.Errorf("%s: %s", redirected.Get("error_uri"), page.body)
	}
	for _, unknown := range []string{"", "?code=", "?code=1", "?code=<b>", "?code=-50126", "?code=99999999999999999999"} {
		if page := c.want(404, c.get("/error"+unknown)); strings.Contains(page.body, "<b>") {
			t.Errorf("%s: %s", unknown, page.body)
		}
	}
	numbers := refusals(c)
	if len(numbers) < 50 {
		t.Errorf("the source holds %d numbers", len(numbers))
	}
	for _, number := range numbers {
		if a := c.get("/error?code=" + number); a.status != 200 {
			t.Errorf("error_page.go doesn't explain AADSTS%s", number)
		}
	}
}

// refusals returns the AADSTS numbers in the source of the package and of rules, which can ask
// for further ones.
func refusals(c *tenant) (numbers []string) {
	files, err := filepath.Glob("*.go")
	c.must(err)
	for _, name := range append(files, "../fault/aadsts.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		c.must(err)
		for n := range ast.Preorder(file) {
			if number, ok := refusal(n).(*ast.BasicLit); ok {
				numbers = append(numbers, number.Value)
			}
		}
	}
	return numbers
}

// refusal returns the number expression if n is a refusal.
func refusal(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "refuse" || f.Name == "refuseClient") {
			return n.Args[0]
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "number" {
			return n.Value
		}
	}
	return nil
}
