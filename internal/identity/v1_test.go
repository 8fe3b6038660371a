package identity_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// v1 calls the token endpoint of v1.0 and expects tokens; all members are strings.
func (c *tenant) v1(form url.Values) map[string]string {
	c.Helper()
	return decode[map[string]string](c, c.want(200, c.post("/"+c.id.String()+"/oauth2/token?api-version=1.0", form)))
}

// The endpoints of v1.0 name a resource, with or without a scope parameter; users always
// get a refresh token, applications never.
func TestV1(t *testing.T) {
	t.Parallel()
	c := setup(t)
	api := "api://" + c.app.String()
	graph := with(c.passwordForm(), "scope", "", "resource", "https://graph.microsoft.com/")
	for _, form := range []url.Values{graph, with(graph, "scope", "openid"), with(graph, "scope", "openid profile"), with(graph, "resource", "00000003-0000-0000-c000-000000000000")} {
		got := c.v1(form)
		scopes := strings.Fields(got["scope"])
		slices.Sort(scopes)
		diff(t, []string{readWrite, "User.Read"}, scopes)
		for _, member := range []string{"expires_on", "refresh_token", "id_token"} {
			if got[member] == "" {
				t.Errorf("%v: no %s: %v", form, member, got)
			}
		}
		diff(t, form.Get("resource"), got["resource"])
		diff(t, "https://graph.microsoft.com", c.claims(got["access_token"])["aud"])
	}
	// A refresh token is valid for other resources too.
	refresh := fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", c.v1(graph)["refresh_token"], "resource", api)
	got := c.v1(refresh)
	if c.claims(got["access_token"])["aud"] != api || got["scope"] != "access_as_user" || got["resource"] != api {
		t.Errorf("another resource: %v", got)
	}
	got = c.v1(with(refresh, "refresh_token", got["refresh_token"], "resource", ""))
	if got["resource"] != "https://graph.microsoft.com" || got["refresh_token"] == "" {
		t.Errorf("the first resource: %v", got)
	}
	app := c.v1(with(c.secretForm(), "scope", "openid", "resource", "https://graph.microsoft.com"))
	if app["access_token"] == "" || app["resource"] != "https://graph.microsoft.com" {
		t.Errorf("an application: %v", app)
	}
	for _, member := range []string{"refresh_token", "id_token", "scope"} {
		if app[member] != "" {
			t.Errorf("an application has a %s: %v", member, app)
		}
	}
	at := "/" + c.id.String() + "/oauth2/token"
	for _, resource := range []string{"https://nosuch.example/api", "api://" + uuid.NewString(), uuid.NewString(), "nonsense"} {
		for _, form := range []url.Values{with(graph, "scope", "openid", "resource", resource), with(graph, "resource", resource), with(c.secretForm(), "scope", "", "resource", resource)} {
			c.wantError(c.post(at, form), 400, "invalid_resource", 500011)
		}
	}
	c.wantError(c.post(at, with(graph, "resource", "")), 400, "invalid_request", 900144)
	// At v2.0 only the scope counts.
	c.want(200, c.token(with(c.passwordForm(), "resource", "https://nosuch.example/api")))
}

func TestV1Code(t *testing.T) {
	t.Parallel()
	c := setup(t)
	api := "api://" + c.app.String()
	request := fields("client_id", c.public.String(), "response_type", "code", "redirect_uri", redirectURI, "resource", api, "scope", "openid")
	a := c.want(http.StatusFound, c.post("/"+c.id.String()+"/oauth2/authorize?"+request.Encode(), fields("user", c.user.UserPrincipalName, "password", password)))
	code := c.answered(a).Get("code")
	got := c.v1(fields("grant_type", "authorization_code", "client_id", c.public.String(), "code", code, "redirect_uri", redirectURI))
	if c.claims(got["access_token"])["aud"] != api || got["resource"] != api || got["refresh_token"] == "" {
		t.Errorf("%v", got)
	}
	got = c.answeredTo(c.want(http.StatusFound, c.post("/"+c.id.String()+"/oauth2/authorize?"+with(request, "resource", "https://nosuch.example").Encode(), fields("user", c.user.UserPrincipalName, "password", password))))
	if !strings.HasPrefix(got["error_description"], "AADSTS500011:") {
		t.Errorf("%v", got)
	}
}

// answeredTo is answered, with a single value for each parameter.
func (c *tenant) answeredTo(a answer) map[string]string {
	c.Helper()
	all := map[string]string{}
	for name, values := range c.answered(a) {
		all[name] = values[0]
	}
	return all
}

func TestV1DeviceCode(t *testing.T) {
	t.Parallel()
	c := setup(t)
	at := "/" + c.id.String() + "/oauth2/devicecode?api-version=1.0"
	for _, form := range []url.Values{
		fields("client_id", c.public.String(), "resource", "https://graph.microsoft.com"),
		fields("client_id", c.public.String(), "resource", "https://graph.microsoft.com", "scope", "openid"),
	} {
		d := decode[map[string]string](c, c.want(200, c.post(at, form)))
		if d["expires_in"] != "900" || d["interval"] != "5" {
			t.Errorf("lifetime or interval: %v", d)
		}
		if !strings.Contains(d["message"], d["user_code"]) || d["verification_uri"] != "" {
			t.Errorf("message or page: %v", d)
		}
		poll := fields("grant_type", "device_code", "client_id", c.public.String(), "resource", "https://graph.microsoft.com", "code", d["device_code"])
		c.wantError(c.post("/"+c.id.String()+"/oauth2/token", poll), 400, "authorization_pending", 70016)
		c.wantError(c.token(poll), 400, "invalid_request", 900144) // at v2.0 it is device_code
		c.want(200, c.approve(device{UserCode: d["user_code"], VerificationURI: d["verification_url"]}, "allow"))
		got := c.v1(poll)
		c.want(http.StatusOK, c.graph("GET", got["access_token"]))
		if got["refresh_token"] == "" {
			t.Errorf("%v", got)
		}
	}
	c.wantError(c.post(at, fields("client_id", c.public.String())), 400, "invalid_request", 900144)
}
