package graph_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/graph"
)

const origin = "http://localhost:3000"

// Pages of any origin may call every route and read every answer: without a token, from
// missing paths, and in a batch. A preflight needs no token.
func TestCORS(t *testing.T) {
	t.Parallel()
	c := setup(t)
	fill := strings.NewReplacer(":id", c.create(`{"displayName":"x"}`), ":property", "displayName")
	routes := append(graph.Routes(), "GET /", "GET /v1.0/nosuch", "GET /nosuch", "PUT /v1.0"+partners, "GET /v1.0"+partners+"?$filter=nonsense")
	for _, route := range routes {
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		for _, token := range []string{"", "junk", c.token} {
			a := (&client{TB: t, server: c.server, token: token}).do(method, path, "", "Origin", origin)
			if got, exposed := a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Expose-Headers"); got != "*" || !strings.Contains(exposed, " request-id, ") || !strings.Contains(exposed, " WWW-Authenticate,") {
				t.Errorf("%s %s: %d %v", method, path, a.status, a.header)
			}
		}
		for _, headers := range []string{"authorization,sdkversion,client-request-id,consistencylevel", ""} {
			a := c.want(http.StatusOK, (&client{TB: t, server: c.server}).do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers))
			h := a.header
			if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != method || h.Get("Access-Control-Allow-Headers") != headers || a.body != "" || h.Get("request-id") == "" {
				t.Errorf("%s %s: %v %q", method, path, h, a.body)
			}
		}
	}
}

// A request that doesn't come from a page gets none of these headers. An OPTIONS that isn't
// a preflight needs a token, like every call.
func TestNoCORS(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for name := range c.want(http.StatusOK, c.do("GET", "/v1.0"+partners, "")).header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s", name)
		}
	}
	c.token = ""
	c.want(http.StatusUnauthorized, c.do("OPTIONS", "/v1.0"+partners, "", "Origin", origin))
	c.want(http.StatusUnauthorized, c.do("OPTIONS", "/v1.0"+partners, "", "Access-Control-Request-Method", "GET"))
}
