package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// What the public listener answers without a token, it answers only at the exact path:
// other spellings lead to Graph or to the authority, which refuse calls without a token.
func TestSpellingsOfOpenPaths(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), HTTPSAddr: "127.0.0.1:0"})
	refused := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed}
	for _, path := range []string{"/livez", "/readyz", "/.well-known/mocktenant/ca.pem", "/oidc/userinfo"} {
		for _, spelling := range testenv.Spellings(path) {
			u, err := url.Parse(s.URL() + spelling)
			if err != nil {
				t.Fatal(err)
			}
			if u.Path == path && path != "/oidc/userinfo" { // the same, escaped
				continue
			}
			a, body := call(t, "GET", u.String(), "", "")
			if !slices.Contains(refused, a.StatusCode) || strings.Contains(body, "CERTIFICATE") || strings.Contains(body, `"ready"`) {
				t.Errorf("GET %s: %d %s", spelling, a.StatusCode, body)
			}
		}
	}
}
