//go:build linux

package main

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
)

const formType = "application/x-www-form-urlencoded"

// authorityAttacks are the most expensive requests that the authority accepts: forms of up
// to 64 KiB, and queries as long as a page repeats.
func (t targets) authorityAttacks() []attack {
	client := map[string]string{"client_id": clientID, "client_secret": secret}
	scope := map[string]string{"scope": "https://graph.microsoft.com/.default offline_access openid"}
	user := map[string]string{"username": upn, "password": password}
	app := map[string]string{"client_id": clientID, "response_type": "code", "redirect_uri": redirect, "scope": "openid " + strings.Repeat("x", 4000), "state": strings.Repeat("s", 8000)}
	signOut := map[string]string{"post_logout_redirect_uri": redirect, "state": strings.Repeat("s", 8000)}

	at := t.url + "/" + t.full.id
	const oauth2 = "/:tenant/oauth2"
	post := func(route, name, path string, parts ...map[string]string) attack {
		return attack{route: "POST " + route, name: name, url: at + path, kind: formType, body: longForm(parts...)}
	}
	get := func(route, name, path string, parts ...map[string]string) attack {
		return attack{route: "GET " + route, name: name, url: at + path + "?" + form(parts...).Encode(), kind: formType}
	}
	return []attack{
		post(oauth2+"/v2.0/token", "client_credentials, 64 KB", "/oauth2/v2.0/token", client, map[string]string{"scope": "https://graph.microsoft.com/.default"}, map[string]string{"grant_type": "client_credentials"}),
		post(oauth2+"/v2.0/token", "password grant with bcrypt, 64 KB", "/oauth2/v2.0/token", client, scope, user, map[string]string{"grant_type": "password"}),
		post(oauth2+"/v2.0/devicecode", "devicecode, 64 KB", "/oauth2/v2.0/devicecode", client, map[string]string{"scope": "openid " + strings.Repeat("x", 4000)}),
		get(oauth2+"/v2.0/authorize", "authorize, 12 KB", "/oauth2/v2.0/authorize", app),
		post(oauth2+"/v2.0/authorize", "authorize, 64 KB posted", "/oauth2/v2.0/authorize", app),
		post(oauth2+"/v2.0/authorize", "a sign-in at its page, with bcrypt", "/oauth2/v2.0/authorize?"+form(app, map[string]string{"scope": "openid"}).Encode(), map[string]string{"user": upn, "password": password}),
		get(oauth2+"/v2.0/logout", "logout, 8 KB", "/oauth2/v2.0/logout", signOut),
		post(oauth2+"/v2.0/logout", "logout, 64 KB", "/oauth2/v2.0/logout", signOut),
		get("/:tenant/adminconsent", "adminconsent, 12 KB", "/adminconsent", app),
		post("/:tenant/adminconsent", "adminconsent, 64 KB posted", "/adminconsent", app),
	}
}

// form merges the parameters of all parts.
func form(parts ...map[string]string) url.Values {
	all := url.Values{}
	for _, part := range parts {
		for name, value := range maps.All(part) {
			all.Set(name, value)
		}
	}
	return all
}

// longForm is a form filled up to the size limit with unknown parameters.
func longForm(parts ...map[string]string) string {
	const most, each = 64<<10 - 256, 4 << 10
	text := form(parts...).Encode()
	for i := 0; len(text)+each+8 < most; i++ {
		text += fmt.Sprintf("&x%d=%s", i, strings.Repeat("y", each))
	}
	return text
}
