package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// A request without a key is refused however it spells the path of a guarded route.
func TestSpellingsNeedKey(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	tenant := owner.newTenant(api.TenantCreate{DisplayName: "secret"}).Tenant.Id
	stranger := &client{t, owner.server, ""}
	guarded := 0
	for route, path := range routes(tenant) {
		if public(route) {
			continue
		}
		guarded++
		method, _, _ := strings.Cut(route, " ")
		for _, spelling := range testenv.Spellings(path) {
			r := stranger.do(method, spelling, nil)
			if r.status != http.StatusUnauthorized || strings.Contains(r.body, "secret") {
				t.Errorf("%s %s: %d %s", method, spelling, r.status, r.body)
			}
		}
	}
	if guarded < 10 {
		t.Errorf("%d guarded routes", guarded)
	}
}
