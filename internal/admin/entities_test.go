package admin_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	description "github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// bodies has an entity of each set, with a value of each of its kinds.
var bodies = map[string]string{
	"remoteAssistancePartners": `{"displayName":"O'Neil \ud83d\ude00","onboardingUrl":"https://example.com/","onboardingStatus":"onboarding","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`,
	"deviceManagementPartners": `{"displayName":"x","partnerState":"enabled","isConfigured":true,"whenPartnerDevicesWillBeRemovedDateTime":"2016-12-31T23:56:38.2655023-08:00",
		"groupsRequiringPartnerEnrollment":[{"target":{"@odata.type":"#microsoft.graph.groupAssignmentTarget","groupId":"g"}}]}`,
	"deviceCategories":              `{"displayName":"x","roleScopeTagIds":["1","O'Neil"]}`,
	"complianceManagementPartners":  `{"displayName":"x","linuxOnboarded":true,"linuxEnrollmentAssignments":[{"target":{"@odata.type":"#microsoft.graph.allDevicesAssignmentTarget"}}]}`,
	"mobileThreatDefenseConnectors": `{"id":"fc780465-2017-40d4-a0c5-307022471b92","partnerState":"notSetUp","partnerUnresponsivenessThresholdInDays":7}`,
	"ndesConnectors":                `{"displayName":"x","state":"inactive","enrolledDateTime":"2016-12-31T23:58:36.6670033-08:00"}`,
	"termsAndConditions":            `{"displayName":"x","version":7}`,
	"assignmentFilters":             `{"displayName":"x","rule":"(device.osVersion -startsWith \"10.0\")","platform":"windows10AndLater"}`,
	"roleScopeTags":                 `{"displayName":"x"}`,
	"remoteAssistanceSettings":      `{"blockChat":true,"remoteAssistanceState":"enabled"}`,
	"notificationMessageTemplates":  `{"displayName":"x","description":"y","brandingOptions":"includeCompanyLogo,includeDeviceDetails","roleScopeTagIds":["7"]}`,
	"localizedNotificationMessages": `{"locale":"de-CH","subject":"O'Neil","messageTemplate":"a\n\nb","isDefault":true}`,
}

// more returns the nth other body of an entity.
func more(e *description.Type, n int) string {
	if e.KeyPart != "" {
		return fmt.Sprintf(`{%q:"x%d"}`, e.KeyPart, n)
	}
	return `{}`
}

// graphSet returns the path of a set. It creates a parent for a set that an entity contains.
func graphSet(c *client, e *description.Type, token string) string {
	c.Helper()
	if e.Parent == nil {
		return "/beta/" + e.Set
	}
	parent := graphSet(c, e.Parent, token)
	return parent + "/" + idOf(c, c.want(201, c.graph("POST", parent, bodies[e.Parent.SetName()], token)).body) + "/" + e.Set
}

// Documents, snapshots, copies and resets include the entities of every set, value for value.
// Differences show their changes, set by set. The administration shows them like Graph.
func TestEntitiesOfEverySet(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, e := range description.All {
		t.Run(e.Name, func(t *testing.T) {
			made := c.newTenant(api.TenantCreate{Settings: &api.TenantSettings{}})
			tenant, token := made.Tenant.Id, made.Credentials.AccessToken
			set := tenantPath(tenant, "/entities/", e.SetName())
			at := graphSet(c, e, token)
			create := func(body string) string {
				if e.Singleton {
					return c.want(200, c.graph("PATCH", at, body, token)).body
				}
				return c.want(201, c.graph("POST", at, body, token)).body
			}
			created := create(bodies[e.SetName()])
			create(more(e, 1))
			id := idOf(t, created)
			shown := decode[api.Entity](t, c.want(200, c.do("GET", set+"/"+id, nil)))
			var seen map[string]any
			if err := json.Unmarshal([]byte(created), &seen); err != nil {
				t.Fatal(err)
			}
			for name, value := range shown.Properties {
				if fmt.Sprint(value) != fmt.Sprint(seen[name]) {
					t.Errorf("%s is %v, Graph shows %v", name, value, seen[name])
				}
			}
			exported := c.export(tenant)
			checkSchema(t, exported)
			another := c.newTenant(api.TenantCreate{}).Tenant.Id
			c.want(200, c.do("PUT", tenantPath(another, "/state"), exported))
			if got := c.export(another); got != exported {
				t.Errorf("imported as\n%s\nwant\n%s", got, exported)
			}

			c.want(201, c.do("POST", tenantPath(tenant, "/snapshots"), api.SnapshotCreate{Name: "before"}))
			c.want(200, c.graph("PATCH", itemOf(e, at, id), after(e), token))
			create(more(e, 2))
			var changes []string
			for link := tenantPath(tenant, "/diff?from=before&top=1"); link != ""; {
				page := decode[api.DiffList](t, c.want(200, c.do("GET", link, nil)))
				for _, change := range page.Value {
					changes = append(changes, change.Entity+" "+string(change.Change))
				}
				link = deref(page.NextLink)
			}
			slices.Sort(changes) // the answer is in the order of ids
			slices.Reverse(changes)
			if got, want := strings.Join(changes, ", "), e.Name+" changed, "+e.Name+" added"; got != want && (!e.Singleton || got != e.Name+" changed") {
				t.Errorf("the differences are %s, want %s", got, want)
			}
			c.want(200, c.do("POST", tenantPath(tenant, "/snapshots/before/restore"), nil))
			if got := c.export(tenant); got != exported {
				t.Errorf("restored as\n%s\nwant\n%s", got, exported)
			}
		})
	}
}

// itemOf returns the path of an entity.
func itemOf(e *description.Type, at, id string) string {
	if e.Singleton {
		return at
	}
	return at + "/" + id
}

func idOf(t testing.TB, body string) string {
	t.Helper()
	var v struct{ ID string }
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.ID == "" {
		t.Fatalf("no id in %s: %v", body, err)
	}
	return v.ID
}

// after returns the body of an entity's update.
func after(e *description.Type) string {
	switch {
	case e.Singleton:
		return `{"blockChat":false}`
	case e.Index("subject") >= 0:
		return `{"subject":"after"}`
	case e.Index("displayName") < 0:
		return `{"partnerState":"enabled"}`
	}
	return `{"displayName":"after"}`
}

// Every set has a view of its rows and a view of its changes, and is in the views of all sets.
func TestViewsOfEverySet(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	token := made.Credentials.AccessToken
	conn := connect(c, c.newLogin(made.Tenant.Id).Dsn)
	// as if the statistics promised so many rows that a plan is worth compiling
	for _, setting := range []string{"jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost"} {
		if _, err := conn.Exec(t.Context(), "SET "+setting+" = 0"); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range description.All {
		t.Run(e.Name, func(t *testing.T) {
			if e.Singleton {
				c.want(200, c.graph("PATCH", "/beta/"+e.Set, bodies[e.SetName()], token))
				c.want(200, c.graph("PATCH", "/beta/"+e.Set, after(e), token))
				var n int
				if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM changes WHERE entity_set = $1", e.SetName()).Scan(&n); err != nil || n != 2 {
					t.Errorf("%d changes: %v", n, err)
				}
				return
			}
			at := graphSet(c, e, token)
			key := idOf(t, c.want(201, c.graph("POST", at, bodies[e.SetName()], token)).body)
			c.want(200, c.graph("PATCH", at+"/"+key, bodies[e.SetName()], token))
			id, _ := e.ParseKey(key)
			one := strings.ToLower(regexp.MustCompile("[A-Z]").ReplaceAllString(e.Name, "_$0"))
			want := func(want, sql string) {
				t.Helper()
				var got string
				if err := conn.QueryRow(t.Context(), "SELECT coalesce(string_agg(x::text, ', '), '') FROM ("+sql+") AS x").Scan(&got); err != nil || got != want {
					t.Errorf("%s: got %s, want %s: %v", sql, got, want, err)
				}
			}
			want("("+id.String()+",2)", "SELECT id, version FROM "+e.Table)
			c.want(204, c.graph("DELETE", at+"/"+key, "", token))
			want("", "SELECT id, version FROM "+e.Table)
			want("(1,create), (2,update), (3,delete)", "SELECT version, change FROM "+one+"_changes ORDER BY version")
			want("("+e.SetName()+",1), ("+e.SetName()+",2), ("+e.SetName()+",3)", "SELECT entity_set, version FROM changes WHERE entity_id = '"+id.String()+"' ORDER BY version")
			for _, p := range e.Properties { // the deleted row is the one that was updated
				for _, column := range p.Columns() {
					column = strings.NewReplacer("_ticks", "_at", "_offset", "_offset_minutes").Replace(column)
					want("(t)", "SELECT bool_and(a.after_"+column+" IS NOT DISTINCT FROM b.before_"+column+") FROM "+one+"_changes AS a JOIN "+one+"_changes AS b ON b.version = a.version + 1")
				}
			}
		})
	}
}

// A document can have the built-in scope tag. Graph refuses to change the tag, and numbers new
// tags after it.
func TestBuiltIn(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{})
	token := made.Credentials.AccessToken
	const set = "/beta/deviceManagement/roleScopeTags"
	state := c.export(made.Tenant.Id)
	tags := `"roleScopeTags": [{"id":"0","displayName":"Default","isBuiltIn":true},{"displayName":"second"}]`
	c.want(200, c.do("PUT", tenantPath(made.Tenant.Id, "/state"), regexp.MustCompile(`"roleScopeTags": ?\[\s*\]`).ReplaceAllString(state, tags)))
	for method, body := range map[string]string{"PATCH": `{"displayName":"x"}`, "DELETE": ""} {
		if a := c.want(400, c.graph(method, set+"/0", body, token)); !strings.Contains(a.body, "is built in") {
			t.Errorf("%s: %s", method, a.body)
		}
	}
	if a := c.want(201, c.graph("POST", set, `{}`, token)); idOf(t, a.body) != "3" {
		t.Errorf("made %s", a.body)
	}
	if got := c.want(200, c.do("GET", tenantPath(made.Tenant.Id, "/entities/roleScopeTags/0"), nil)); !strings.Contains(got.body, `"id":"0"`) {
		t.Errorf("shown as %s", got.body)
	}
	c.want(404, c.do("GET", tenantPath(made.Tenant.Id, "/entities/roleScopeTags/x"), nil))
}
