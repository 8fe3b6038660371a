package admin_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// With the setting, a change can be repeated. Replacing the tenant's state, and the sweep,
// remove the stored answers.
func TestRepeatability(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, seconds := range []int32{-1, 3601} {
		c.refused(400, "/settings/repeatabilitySeconds", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Settings: &api.TenantSettings{RepeatabilitySeconds: &seconds}}))
	}
	if got := c.newTenant(api.TenantCreate{}).Tenant.Settings.RepeatabilitySeconds; got == nil || *got != 0 {
		t.Errorf("it isn't off by default: %v", got)
	}
	made := c.newTenant(api.TenantCreate{Settings: &api.TenantSettings{RepeatabilitySeconds: ptr(int32(60))}})
	path, token := tenantPath(made.Tenant.Id), made.Credentials.AccessToken
	if got := *made.Tenant.Settings.RepeatabilitySeconds; got != 60 || !strings.Contains(c.export(made.Tenant.Id), `"repeatabilitySeconds":60`) {
		t.Errorf("%d seconds", got)
	}

	first := c.createRepeatable(token)
	if again := c.createRepeatable(token); again != first {
		t.Errorf("partner %s, then %s", first, again)
	}
	c.want(200, c.do("PUT", path+"/state", c.export(made.Tenant.Id)))
	c.want(204, c.graph("DELETE", partners+"/"+first, "", token))
	second := c.createRepeatable(token)
	if second == first {
		t.Error("what was answered before the import was answered again")
	}

	if err := c.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := c.createRepeatable(token); again != second {
		t.Errorf("the sweep took what is young: partner %s, then %s", second, again)
	}
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE repeatable_requests SET created_at = now() - interval '61 minutes' WHERE tenant_id = $1", made.Tenant.Id); err != nil {
		t.Fatal(err)
	}
	if err := c.server.Admin().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := c.rows("SELECT body::text FROM repeatable_requests WHERE tenant_id = $1", made.Tenant.Id); len(left) != 0 {
		t.Errorf("%d answers are kept", len(left))
	}
	c.want(200, c.do("PATCH", path, `{"settings":{"repeatabilitySeconds":0}}`))
	if first := c.createRepeatable(token); c.createRepeatable(token) == first {
		t.Error("it stays on")
	}
}

// createRepeatable creates a partner with the same request each time.
func (c *client) createRepeatable(token string) (id string) {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), "POST", partners, strings.NewReader(`{"displayName":"once"}`))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Client-Request-Id", "0f0b1d5c-8a55-4f0b-a1ff-2c3b6a1d7e90")
	w := httptest.NewRecorder()
	c.server.Handler().ServeHTTP(w, r)
	return decode[entity](c, c.want(201, reply{w.Code, w.Header(), w.Body.String()})).ID
}
