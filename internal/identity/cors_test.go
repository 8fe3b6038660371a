package identity_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// crossOrigin returns the headers that let a page of another origin read the answer.
func crossOrigin(h http.Header) map[string]string {
	found := map[string]string{}
	for name := range h {
		if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			found[short] = h.Get(name)
		}
	}
	return found
}

// Scripts of any origin may read everything that isn't a page, errors included, but no
// page.
func TestCORS(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, route := range identity.Routes() {
		for _, tenant := range []string{c.id.String(), "common", uuid.NewString(), "nosuch.example"} {
			method, path, _ := strings.Cut(route, " ")
			path = strings.NewReplacer(":tenant", tenant, ":upn", c.user.UserPrincipalName).Replace(path)
			got := c.do(method, path, nil, "Origin", "http://localhost:3000")
			page := strings.HasPrefix(got.header.Get("Content-Type"), "text/html")
			preflight := c.do("OPTIONS", path, nil, "Origin", "http://localhost:3000", "Access-Control-Request-Method", method,
				"Access-Control-Request-Headers", "content-type,x-ms-client-request-id")
			if page {
				diff(t, map[string]string{}, crossOrigin(got.header))
				diff(t, map[string]string{}, crossOrigin(preflight.header))
				continue
			}
			want := map[string]string{"Allow-Origin": "*", "Expose-Headers": "Content-Length,Content-Encoding,x-ms-request-id,x-ms-srs"}
			if got.header.Get("Access-Control-Allow-Methods") != "" { // published documents always have the header
				want["Allow-Methods"] = "GET, OPTIONS"
			}
			diff(t, want, crossOrigin(got.header))
			if !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") || c.want(200, preflight).body != "" {
				t.Errorf("%s %s: %s %q", method, path, got.header.Get("Content-Type"), preflight.body)
			}
			diff(t, map[string]string{"Allow-Origin": "*", "Allow-Methods": method, "Allow-Headers": "content-type,x-ms-client-request-id"}, crossOrigin(preflight.header))
		}
	}
}

// A request that isn't from a page of another origin gets none of these headers, and an
// OPTIONS without Access-Control-Request-Method isn't a preflight.
func TestNoCORS(t *testing.T) {
	t.Parallel()
	c := setup(t)
	at := "/" + c.id.String() + "/oauth2/v2.0/token"
	diff(t, map[string]string{}, crossOrigin(c.want(200, c.token(c.secretForm())).header))
	c.wantError(c.do("OPTIONS", at, nil, "Origin", "http://localhost:3000"), 405, "invalid_request", 900561)
	c.wantError(c.do("OPTIONS", at, nil, "Access-Control-Request-Method", "POST"), 405, "invalid_request", 900561)
	// Errors for a wrong method or path can be read too.
	for _, path := range []string{at, at + "s"} {
		if a := c.get(path, "Origin", "null"); a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("GET %s: %d %v", path, a.status, a.header)
		}
	}
}
