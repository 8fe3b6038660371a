package admin_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	description "github.com/mocktenant/mocktenant/internal/entity"
)

// settableBody is the body of an entity in bodies, without its id and the names of types.
func settableBody(t *testing.T, e *description.Type) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(bodies[e.SetName()]), &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "id")
	return all
}

// An administrator creates, changes, deletes and restores entities of every set. Graph shows
// each of them, and each change is in the history.
func TestChangeEntitiesOfEverySet(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, e := range description.All {
		t.Run(e.Name, func(t *testing.T) {
			made := c.newTenant(api.TenantCreate{})
			tenant, token := made.Tenant.Id, made.Credentials.AccessToken
			set, at := tenantPath(tenant, "/entities/", e.SetName()), graphSet(c, e, token)
			create := map[string]any{"properties": settableBody(t, e)}
			if e.Parent != nil {
				create["id"] = strings.Split(at, "/")[4] + "_de-CH"
			}
			if e.Singleton {
				only := decode[api.Entity](t, c.want(201, c.do("POST", set, create)))
				compareWithGraph(c, at, only, token)
				c.refused(409, "", c.do("POST", set, create))
				c.refused(409, "", c.do("DELETE", set+"/"+only.Id, nil))
				compareWithGraph(c, at, decode[api.Entity](t, c.want(200, c.do("PATCH", set+"/"+only.Id, fmt.Sprintf(`{"properties":%s}`, after(e))))), token)
				return
			}
			first := decode[api.Entity](t, c.want(201, c.do("POST", set, create)))
			compareWithGraph(c, itemOf(e, at, first.Id), first, token)
			path := set + "/" + first.Id
			second := decode[api.Entity](t, c.want(200, c.do("PATCH", path, fmt.Sprintf(`{"version":1,"properties":%s}`, after(e)))))
			compareWithGraph(c, itemOf(e, at, first.Id), second, token)
			if detail := c.refused(409, "", c.do("PATCH", path, fmt.Sprintf(`{"version":1,"properties":%s}`, after(e)))); !strings.Contains(detail, "it has version 2") {
				t.Errorf("a change of an older version: %s", detail)
			}
			if same := decode[api.Entity](t, c.want(200, c.do("PATCH", path, `{"version":2}`))); same.Version != 2 {
				t.Errorf("no change makes version %d", same.Version)
			}
			c.want(204, c.do("DELETE", path, nil))
			c.want(404, c.graph("GET", itemOf(e, at, first.Id), "", token))
			c.refused(404, "", c.do("DELETE", path, nil))

			restored := decode[api.Entity](t, c.want(200, c.do("POST", path+"/versions/1/restore", nil)))
			compareWithGraph(c, itemOf(e, at, first.Id), restored, token)
			if diff := cmp.Diff(settable(e, first), settable(e, restored)); diff != "" || restored.Version != 4 {
				t.Errorf("restored as version %d: %s", restored.Version, diff)
			}
			again := decode[api.Entity](t, c.want(200, c.do("POST", path+"/versions/2/restore", nil)))
			if diff := cmp.Diff(settable(e, second), settable(e, again)); diff != "" || again.Version != 5 {
				t.Errorf("restored as version %d: %s", again.Version, diff)
			}
			c.refused(404, "", c.do("POST", path+"/versions/3/restore", nil)) // the deletion
			checkVersions(c, path, []api.Entity{first, second, restored, again})
		})
	}
}

// compareWithGraph compares an entity of the administration with Graph's.
func compareWithGraph(c *client, at string, e api.Entity, token string) {
	c.Helper()
	seen := decode[map[string]any](c, c.want(200, c.graph("GET", at, "", token)))
	for name, value := range e.Properties {
		if !cmp.Equal(value, seen[name]) {
			c.Errorf("%s of %s is %v, Graph shows %v", name, at, value, seen[name])
		}
	}
}

// settable returns the properties that callers may set.
func settable(e *description.Type, of api.Entity) map[string]any {
	all := map[string]any{}
	for _, p := range e.Properties {
		if !p.ReadOnly && !p.Hidden {
			all[p.Name] = of.Properties[p.Name]
		}
	}
	return all
}

// checkVersions checks that the versions of an entity, read page by page, are the given ones,
// of which the second was deleted.
func checkVersions(c *client, path string, want []api.Entity) {
	c.Helper()
	var got []api.EntityVersion
	for link := path + "/versions?top=1"; link != ""; {
		list := decode[api.EntityVersionList](c, c.want(200, c.do("GET", link, nil)))
		got = append(got, list.Value...)
		link = deref(list.NextLink)
	}
	slices.Reverse(got)
	if len(got) != len(want) {
		c.Fatalf("%d versions, want %d", len(got), len(want))
	}
	for i, change := range []string{"update", "delete", "update", ""} {
		if got[i].Version != want[i].Version || !got[i].CreatedDateTime.Equal(want[i].CreatedDateTime) || got[i].CreatedBy != want[i].CreatedBy || !cmp.Equal(got[i].Properties, want[i].Properties) {
			c.Errorf("version %d: %+v, want %+v", i, got[i], want[i])
		}
		if replaced := got[i].Replaced; (replaced == nil) != (change == "") || replaced != nil && (replaced.Change != change || replaced.With != nil || replaced.By == uuid.Nil) {
			c.Errorf("version %d ended by %+v, want %q", i, replaced, change)
		}
	}
}

// What an administrator can't set is refused with its place.
func TestRefusedEntityChanges(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	tenant, token := made.Tenant.Id, made.Credentials.AccessToken
	id := c.createPartner(token, "x", "onboarding").ID
	partner := "remoteAssistancePartners/" + id
	template := decode[api.Entity](t, c.want(201, c.do("POST", tenantPath(tenant, "/entities/notificationMessageTemplates"), `{}`))).Id
	message := "localizedNotificationMessages/" + template + "_en"
	c.want(201, c.do("POST", tenantPath(tenant, "/entities/localizedNotificationMessages"), `{"id":"`+template+`_en"}`))
	for _, tt := range []struct {
		method, path, body string
		status             int
		pointer, want      string
	}{
		{method: "POST", path: "remoteAssistancePartners", body: `{"id":"` + id + `"}`, status: 409, want: "has a remote assistance partner with this id"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"id":"x"}`, status: 400, pointer: "/id"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"properties":{"name":"x"}}`, status: 400, pointer: "/properties/name", want: "unknown property"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"properties":{"id":"` + id + `"}}`, status: 400, pointer: "/properties/id", want: "unknown property"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"properties":{"createdBy":"` + id + `"}}`, status: 400, pointer: "/properties/createdBy"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"properties":{"onboardingStatus":"done"}}`, status: 400, pointer: "/properties/onboardingStatus", want: "want notOnboarded, onboarding or onboarded"},
		{method: "POST", path: "remoteAssistancePartners", body: `{"properties":[]}`, status: 400, pointer: "/properties"},
		{method: "PATCH", path: partner, body: `{"properties":{"onboardingUrl":"ftp://x"}}`, status: 400, pointer: "/properties/onboardingUrl"},
		{method: "PATCH", path: partner, body: `{"version":0}`, status: 400, pointer: "/version"},
		{method: "PATCH", path: "termsAndConditions/" + id, body: `{"properties":{"displayName":"x"}}`, status: 404},
		{method: "POST", path: "termsAndConditions", body: `{"properties":{"createdDateTime":"2026-01-01T00:00:00Z"}}`, status: 400, pointer: "/properties/createdDateTime", want: "only the service sets createdDateTime"},
		{method: "PATCH", path: "notificationMessageTemplates/" + template, body: `{"properties":{"defaultLocale":"de"}}`, status: 400, pointer: "/properties/defaultLocale"},
		{method: "POST", path: "localizedNotificationMessages", body: `{}`, status: 400, pointer: "/id"},
		{method: "POST", path: "localizedNotificationMessages", body: `{"id":"` + uuid.NewString() + `_en"}`, status: 409, want: "The notification message template that contains it doesn't exist"},
		{method: "PATCH", path: message, body: `{"properties":{"locale":"fr"}}`, status: 400, pointer: "/properties/locale"},
		{method: "PATCH", path: "roleScopeTags/0", body: `{"properties":{"displayName":"x"}}`, status: 404},
		{method: "POST", path: partner + "/versions/2/restore", status: 404, want: "no version 2"},
		{method: "GET", path: partner + "/versions?after=x", status: 400},
		{method: "GET", path: "remoteAssistancePartners/" + uuid.NewString() + "/versions", status: 404},
		{method: "POST", path: "partners", body: `{}`, status: 404},
	} {
		var sent any
		if tt.body != "" {
			sent = tt.body
		}
		if detail := c.refused(tt.status, tt.pointer, c.do(tt.method, tenantPath(tenant, "/entities/", tt.path), sent)); !strings.Contains(detail, tt.want) {
			t.Errorf("%+v: %s", tt, detail)
		}
	}
}

// A built-in entity and a full set stay as they are.
func TestEntityLimits(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	c.want(200, c.do("PUT", tenantPath(made.Tenant.Id, "/state"), `{"version":1,"roleScopeTags":[{"id":"0","isBuiltIn":true}]}`))
	tags := tenantPath(made.Tenant.Id, "/entities/roleScopeTags/")
	for _, call := range []reply{c.do("PATCH", tags+"0", `{"properties":{"displayName":"x"}}`), c.do("DELETE", tags+"0", nil)} {
		if detail := c.refused(409, "", call); !strings.Contains(detail, "is built in") {
			t.Error(detail)
		}
	}
	full := c.newTenant(api.TenantCreate{IdSeed: ptr("full")})
	c.want(200, c.do("PATCH", tenantPath(full.Tenant.Id), `{"quota":{"entities":1}}`))
	set := tenantPath(full.Tenant.Id, "/entities/deviceCategories")
	first := decode[api.Entity](t, c.want(201, c.do("POST", set, `{}`)))
	c.want(204, c.do("DELETE", set+"/"+first.Id, nil))
	second := decode[api.Entity](t, c.want(201, c.do("POST", set, `{}`)))
	if first.Id == second.Id {
		t.Errorf("the id seed gave %s twice", first.Id)
	}
	for _, call := range []reply{c.do("POST", set, `{}`), c.do("POST", set+"/"+first.Id+"/versions/1/restore", nil)} {
		if detail := c.refused(409, "", call); !strings.Contains(detail, "quota") {
			t.Error(detail)
		}
	}
}

// A list is filtered and ordered as Graph does it, page by page, and refuses a filter with
// Graph's words.
func TestFilteredEntities(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	for i, name := range []string{"b", "a", "c", "a", "b"} {
		c.createPartner(made.Credentials.AccessToken, name, []string{"onboarding", "onboarded"}[i%2])
	}
	path := tenantPath(made.Tenant.Id, "/entities/remoteAssistancePartners")
	read := func(query url.Values) (names []string) {
		for link := path + "?" + query.Encode(); link != ""; {
			list := decode[api.EntityList](t, c.want(200, c.do("GET", link, nil)))
			for _, e := range list.Value {
				names = append(names, e.Properties["displayName"].(string))
			}
			link = deref(list.NextLink)
		}
		return names
	}
	for _, tt := range []struct {
		query url.Values
		want  string
	}{
		{query: url.Values{"top": {"2"}}, want: "b a c a b"},
		{query: url.Values{"top": {"2"}, "orderBy": {"displayName"}}, want: "a a b b c"},
		{query: url.Values{"top": {"1"}, "orderBy": {"displayName desc,onboardingStatus"}}, want: "c b b a a"},
		{query: url.Values{"top": {"1"}, "filter": {"displayName ne 'c' and onboardingStatus eq 'onboarding'"}}, want: "b b"},
		{query: url.Values{"top": {"2"}, "filter": {"onboardingRequestExpiryDateTime lt 2000-01-01T00:00:00Z"}, "orderBy": {"length(displayName),displayName"}}, want: "a a b b c"},
		{query: url.Values{"filter": {"displayName eq 'x;&+%'"}}, want: ""},
	} {
		if got := strings.Join(read(tt.query), " "); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.query, got, tt.want)
		}
	}
	for _, filter := range []string{"displayName eq", "nothing eq 1", "displayName eq 'x", "onboardingStatus eq 'done'"} {
		var graph struct{ Error struct{ Message string } }
		refused := c.want(400, c.graph("GET", "/beta/deviceManagement/remoteAssistancePartners?$filter="+url.QueryEscape(filter), "", made.Credentials.AccessToken))
		if err := json.Unmarshal([]byte(refused.body), &graph); err != nil || graph.Error.Message == "" {
			t.Fatalf("%v %s", err, refused.body)
		}
		if detail := c.refused(400, "", c.do("GET", path+"?filter="+url.QueryEscape(filter), nil)); detail != graph.Error.Message {
			t.Errorf("%q, Graph says %q", detail, graph.Error.Message)
		}
	}
	page := decode[api.EntityList](t, c.want(200, c.do("GET", path+"?top=1&orderBy=displayName", nil)))
	other := strings.Replace(*page.NextLink, "orderBy=displayName", "orderBy=displayName,onboardingStatus", 1)
	for _, link := range []string{other, path + "?after=x", path + "?after=e30&orderBy=displayName"} {
		c.refused(400, "", c.do("GET", link, nil))
	}
}
