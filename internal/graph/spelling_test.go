package graph_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// A guarded route refuses a request without a token in every spelling of its path.
func TestSpellingsNeedToken(t *testing.T) {
	t.Parallel()
	c := setup(t)
	fill := strings.NewReplacer(":id", c.create(`{"displayName":"secret"}`), ":property", "displayName")
	guarded := 0
	for _, route := range graph.Routes() {
		if graph.Public(route) {
			continue
		}
		guarded++
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		for _, spelling := range testenv.Spellings(path) {
			a := (&client{TB: t, server: c.server}).do(method, spelling, "")
			if a.status != http.StatusUnauthorized || strings.Contains(a.body, "secret") {
				t.Errorf("%s %s: %d %s", method, spelling, a.status, a.body)
			}
		}
	}
	if guarded < 10 {
		t.Errorf("%d guarded routes", guarded)
	}
}
