package admin_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Pages of other origins can't call the administration or read its answers.
func TestNoCORS(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for route, path := range routes(uuid.New()) {
		method, _, _ := strings.Cut(route, " ")
		for _, r := range []reply{
			c.do("GET", path, nil, "Origin", "http://localhost:3000"),
			c.do("OPTIONS", path, nil, "Origin", "http://localhost:3000", "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization"),
		} {
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s: %d %s", route, r.status, name)
				}
			}
		}
	}
}
