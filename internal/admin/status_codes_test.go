package admin_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	description "github.com/mocktenant/mocktenant/internal/entity"
)

// With the setting, a create and a delete in each set have the status that clients of Graph met,
// if that is known. Otherwise they have the documented one.
func TestStatusCodes(t *testing.T) {
	t.Parallel()
	c := setup(t)
	wrong := api.StatusCodes("seen")
	c.refused(400, "/settings/statusCodes", c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Settings: &api.TenantSettings{StatusCodes: &wrong}}))
	if got := c.newTenant(api.TenantCreate{}).Tenant.Settings.StatusCodes; got == nil || *got != api.StatusCodesDocumented {
		t.Errorf("by default: %v", got)
	}
	made := c.newTenant(api.TenantCreate{Settings: &api.TenantSettings{StatusCodes: ptr(api.StatusCodesObserved)}})
	tenant, token := made.Tenant.Id, made.Credentials.AccessToken
	if got := *made.Tenant.Settings.StatusCodes; got != api.StatusCodesObserved || !strings.Contains(c.export(tenant), `"statusCodes":"observed"`) {
		t.Errorf("as set: %s", got)
	}
	observed := 0
	for _, e := range description.All {
		if !e.Singleton && e.Parent == nil && e.Write != nil {
			c.checkStatuses(e, token, cmp.Or(e.Observed.Create, http.StatusCreated), cmp.Or(e.Observed.Delete, http.StatusNoContent))
			observed += e.Observed.Create + e.Observed.Delete
		}
	}
	if observed == 0 {
		t.Error("no set has another status")
	}
	c.want(200, c.do("PUT", tenantPath(tenant, "/state"), c.export(tenant)))
	c.checkStatuses(&description.RoleScopeTag, token, 200, 200)
	c.want(200, c.do("PATCH", tenantPath(tenant), `{"settings":{"statusCodes":"documented"}}`))
	c.checkStatuses(&description.RoleScopeTag, token, 201, 204)
}

// checkStatuses creates and deletes an entity of a set, with that of its messages.
func (c *client) checkStatuses(e *description.Type, token string, created, deleted int) {
	c.Helper()
	set := "/beta/" + e.Set
	id := "{}"
	if e.Keys == description.ClientKeys {
		id = `{"id":"` + uuid.NewString() + `"}`
	}
	a := c.graph("POST", set, id, token)
	if a.status != created {
		c.Errorf("POST %s: %d %s, want %d", set, a.status, a.body, created)
		return
	}
	path := set + "/" + decode[struct{ ID string }](c, a).ID
	if e == &description.NotificationMessageTemplate {
		message := c.want(created, c.graph("POST", path+"/localizedNotificationMessages", `{"locale":"fr-fr"}`, token))
		c.want(deleted, c.graph("DELETE", path+"/localizedNotificationMessages/"+decode[struct{ ID string }](c, message).ID, "", token))
	}
	if a := c.graph("DELETE", path, "", token); a.status != deleted || a.body != "" {
		c.Errorf("DELETE %s: %d %q, want %d", path, a.status, a.body, deleted)
	}
}
