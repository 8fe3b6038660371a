package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
)

const auditEvents = "/deviceManagement/auditEvents"

// auditEvent is an event as the tests read it.
type auditEvent struct {
	ID, DisplayName, ComponentName, ActivityDateTime, ActivityType, ActivityOperationType, ActivityResult, CorrelationID, Category string

	Actor     map[string]any
	Resources []struct {
		DisplayName, AuditResourceType, ResourceID string
		ModifiedProperties                         []struct {
			DisplayName        string
			OldValue, NewValue *string
		}
	}
}

// changes writes what an event modified.
func (e auditEvent) changes() (all []string) {
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	for _, m := range e.Resources[0].ModifiedProperties {
		all = append(all, fmt.Sprintf("%s %s>%s", m.DisplayName, text(m.OldValue), text(m.NewValue)))
	}
	return all
}

func (c *client) events(query string) []auditEvent {
	c.Helper()
	return decode[struct{ Value []auditEvent }](c, c.want(200, c.do("GET", "/v1.0"+auditEvents+query, ""))).Value
}

// Every change through Graph is an event: who made it with which application, by which request,
// and what it changed from and to.
func TestAuditEvents(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	c.want(200, c.do("PATCH", "/v1.0"+partners+"/"+id, `{"displayName":"New name","lastConnectionDateTime":"2017-01-01T07:58:36.5Z"}`))
	c.want(204, c.do("POST", "/v1.0"+partners+"/"+id+"/disconnect", ""))
	last := c.want(204, c.do("DELETE", "/v1.0"+partners+"/"+id, ""))
	got := c.events("?$orderby=activityDateTime")
	want := []string{
		"Create RemoteAssistancePartner|Create|Display Name value|Id ->" + id + ", DisplayName ->Display Name value, OnboardingUrl ->https://example.com/onboardingUrl/",
		"Patch RemoteAssistancePartner|Patch|New name|DisplayName Display Name value>New name, LastConnectionDateTime 1/1/2017 7:58:36 AM>1/1/2017 7:58:36 AM",
		"disconnect RemoteAssistancePartner|Action|New name|Id ->" + id,
		"Delete RemoteAssistancePartner|Delete|New name|Id ->" + id + ", DisplayName ->New name, OnboardingUrl ->https://example.com/onboardingUrl/, OnboardingStatus ->NotOnboarded",
	}
	if len(got) != len(want) {
		t.Fatalf("%d events: %v", len(got), got)
	}
	for i, e := range got {
		text := strings.Join([]string{e.DisplayName, e.ActivityOperationType, e.Resources[0].DisplayName, strings.Join(e.changes(), ", ")}, "|")
		if !strings.HasPrefix(text, want[i]) {
			t.Errorf("event %d is %s, want %s", i, text, want[i])
		}
		if e.ActivityType != e.DisplayName || e.ActivityResult != "Success" || e.ComponentName != "ManagedDevices" || e.Category != "Device" ||
			e.Resources[0].AuditResourceType != "RemoteAssistancePartner" || e.Resources[0].ResourceID != id {
			t.Errorf("event %d is %+v", i, e)
		}
		if a := e.Actor; a["auditActorType"] != "ItPro" || a["userId"] != c.tenant.UserID.String() || a["applicationId"] != c.tenant.ClientID.String() || fmt.Sprint(a["userPermissions"]) != "[*]" {
			t.Errorf("event %d is by %v", i, a)
		}
		one := decode[auditEvent](c, c.want(200, c.do("GET", "/beta"+auditEvents+"/"+e.ID, "")))
		if one.ID != e.ID || one.Actor["type"] != "ItPro" || e.Actor["type"] != nil {
			t.Errorf("alone, event %d is %+v", i, one)
		}
	}
	if id := last.header.Get("client-request-id"); got[3].CorrelationID != id {
		t.Errorf("the request %s has the correlation %s", id, got[3].CorrelationID)
	}
}

// Every set's changes are events, with the texts that its description says.
func TestAuditEventsOfEverySet(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, e := range entity.All {
		switch {
		case e.Singleton:
			c.want(200, c.do("PATCH", "/beta/"+e.Set, `{"blockChat":true}`))
		case e.Parent == nil:
			c.want(201, c.do("POST", "/beta/"+e.Set, `{}`))
		}
	}
	got := map[string]auditEvent{}
	for _, e := range c.events("") {
		got[e.Resources[0].AuditResourceType] = e
	}
	for _, e := range entity.All {
		if e.Parent != nil {
			continue
		}
		event, want := got[entity.Pascal(e.Name)], "Create "+entity.Pascal(e.Name)
		if e.Singleton {
			want = "Patch " + entity.Pascal(e.Name)
		}
		if event.ActivityType != want || event.ComponentName == "" || event.ComponentName != e.AuditComponent || event.Category == "" || event.Category != e.AuditCategory {
			t.Errorf("%s: %+v", e.Name, event)
		}
	}
	if changed := got["RemoteAssistanceSettings"].changes(); fmt.Sprint(changed) != "[BlockChat False>True]" {
		t.Errorf("the settings: %v", changed)
	}
}

// Events are filtered, ordered, counted and read page by page like entities.
func TestAuditEventQueries(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for range 3 {
		c.want(201, c.do("POST", "/v1.0/deviceManagement/deviceCategories", `{"displayName":"x"}`))
	}
	made := c.create(seedExample)
	for query, want := range map[string]int{
		"?$filter=componentName eq 'Enrollment'":                                        3,
		"?$filter=category ne 'Enrollment'":                                             1,
		"?$filter=ActivityOperationType eq 'Create' and activityDateTime ge 2022-08-22": 4,
		"?$filter=activityResult eq 'Failure'":                                          0,
		"?$filter=activityDateTime lt 2022-08-22T00:00:00Z":                             0,
		"?$filter=correlationId eq " + uuid.NewString():                                 0,
		"?$filter=actor/userId eq '" + c.tenant.UserID.String() + "' and actor/userPrincipalName eq 'user@" + c.tenant.ID.String() + "'": 4,
		"?$filter=Actor/UserPrincipalName ne 'user@" + c.tenant.ID.String() + "'":                                                        0,
		"?$filter=actor/auditActorType eq 'Application' or actor/servicePrincipalName ne null":                                           0,
		"?$filter=actor/applicationId eq '" + c.tenant.ClientID.String() + "' and startswith(actor/userId,'')":                           4,
		"?$filter=Resources/any(c: c/ResourceId eq '" + made + "')":                                                                      1,
		"?$filter=resources/all(r:r/auditResourceType eq 'DeviceCategory' and contains(r/displayName,'x'))":                              3,
		"?$filter=resources/any() and not resources/any(r:r/displayName eq actor/userPrincipalName)&$orderby=actor/userId":               4,
		"?$top=2":  2,
		"?$skip=3": 1,
	} {
		if got := c.events(strings.NewReplacer(" ", "%20", "'", "%27").Replace(query)); len(got) != want {
			t.Errorf("%s: %d events, want %d", query, len(got), want)
		}
	}
	var all []string
	for path := "/v1.0" + auditEvents + "?$top=1&$count=true&$orderby=activityDateTime%20desc"; path != ""; {
		page := decode[struct {
			Value []auditEvent
			Next  string `json:"@odata.nextLink"`
			Count int    `json:"@odata.count"`
		}](c, c.want(200, c.do("GET", path, "")))
		if page.Count != 4 {
			t.Errorf("%d events", page.Count)
		}
		all = append(all, page.Value[0].ActivityType)
		path = strings.TrimPrefix(page.Next, c.server.URL())
	}
	if got := strings.Join(all, ", "); got != "Create RemoteAssistancePartner, Create DeviceCategory, Create DeviceCategory, Create DeviceCategory" {
		t.Errorf("in pages: %s", got)
	}
	if got := c.want(200, c.do("GET", "/beta"+auditEvents+"/$count?$filter=category%20eq%20%27Device%27", "")).body; got != "1" {
		t.Errorf("the count is %s", got)
	}
}

// Filters on what expressions don't take, and every write, are refused by name.
func TestAuditEventRefusals(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for query, want := range map[string]string{
		"actor%20eq%20null":                           "'actor' has complex values, of which expressions take only members, as in 'actor/auditActorType'",
		"actor/nosuch%20eq%20%27a%27":                 "Could not find a property named 'nosuch' on the complex value 'actor'",
		"actor/remoteUserId%20eq%20null":              "Could not find a property named 'remoteUserId'",
		"actor/userId/x%20eq%20null":                  "The property 'userId' is not a collection",
		"actor/userPermissions/any()":                 "The value of 'userPermissions' is not one that expressions take here",
		"resources/displayName%20eq%20%27x%27":        "Expected 'any(' or 'all(' after the collection 'resources'",
		"resources/any(r:r%20eq%20null)":              "'r' has complex values",
		"resources/any(r:r/modifiedProperties/any())": "The value of 'modifiedProperties' is not one",
		"nosuch%20eq%20%27x%27":                       "Could not find a property named 'nosuch' on type 'microsoft.graph.auditEvent'",
	} {
		if got := c.want(400, c.do("GET", "/v1.0"+auditEvents+"?$filter="+query, "")).body; !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	for _, method := range []string{"POST", "PATCH", "DELETE"} {
		path := "/v1.0" + auditEvents
		if method != "POST" {
			path += "/" + uuid.NewString()
		}
		if got := c.want(400, c.do(method, path, "{}")).body; !strings.Contains(got, "No method match route template") {
			t.Errorf("%s: %s", method, got)
		}
	}
	c.want(404, c.do("GET", "/v1.0"+auditEvents+"/"+uuid.NewString(), ""))
	c.token = c.issue(c.userToken(readWrite))
	c.want(403, c.do("GET", "/v1.0"+auditEvents, ""))
	c.token = c.issue(c.userToken("DeviceManagementApps.Read.All"))
	c.want(200, c.do("GET", "/v1.0"+auditEvents, ""))
}

// The functions list categories, and the activity types of one.
func TestAuditFunctions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	list := func(path string) string {
		t.Helper()
		a := c.want(200, c.do("GET", "/v1.0"+auditEvents+"/"+path, ""))
		if !strings.Contains(a.body, "$metadata#Collection(Edm.String)") {
			t.Errorf("%s: %s", path, a.body)
		}
		text, _ := json.Marshal(decode[struct{ Value []string }](c, a).Value)
		return string(text)
	}
	categories := list("getAuditCategories()")
	if categories != list("getAuditCategories") || categories != list("microsoft.graph.getAuditCategories()") || !strings.HasPrefix(categories, `["Application","AssignmentFilter","Compliance",`) {
		t.Errorf("the categories are %s", categories)
	}
	const want = `["Create RoleScopeTag","Delete RoleScopeTag","Patch RoleScopeTag"]`
	if got := list("getAuditActivityTypes(category='Role')"); got != want {
		t.Errorf("the activity types are %s, want %s", got, want)
	}
	if got := list("getAuditActivityTypes(category='nosuch')"); got != "[]" && got != "null" {
		t.Errorf("of an unknown category: %s", got)
	}
}

// Pages of events by time have what a list that computes all events has, also where many events
// have the same time or a page starts among these.
func TestAuditEventPages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const set = "/v1.0/deviceManagement/deviceCategories"
	for range 12 {
		id := decode[struct{ ID string }](c, c.want(201, c.do("POST", set, `{}`))).ID
		c.want(200, c.do("PATCH", set+"/"+id, `{"displayName":"x"}`))
	}
	const time = " = to_timestamp(1767225600 + get_byte(decode(md5(id::text || version), 'hex'), 0) % 5 * 0.000001) WHERE tenant_id = $1" // 2026
	for _, update := range []string{"device_categories SET created_at", "entity_versions SET changed_at"} {
		if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE "+update+time, c.tenant.ID); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(query string) (all []string) {
		for path := "/v1.0" + auditEvents + "?" + strings.ReplaceAll(query, " ", "%20"); path != ""; {
			page := decode[struct {
				Value []auditEvent
				Next  string `json:"@odata.nextLink"`
			}](c, c.want(200, c.do("GET", path, "")))
			for _, e := range page.Value {
				all = append(all, e.ID)
			}
			path = strings.TrimPrefix(page.Next, c.server.URL())
		}
		return all
	}
	all := 0
	for _, filter := range []string{
		"true", "activityDateTime ge 2026-01-01T00:00:00.000002Z", "activityDateTime gt 2026-01-01T00:00:00.0000015Z and activityDateTime lt 2026-01-01T00:00:00.000003Z",
		"activityDateTime le 2026-01-01T00:00:00.0000021Z", "activityDateTime lt 2026-01-01T00:00:00.0000021Z", "activityDateTime eq 2026-01-01T00:00:00.000002Z",
		"activityDateTime gt 2026-01-01 and activityOperationType eq 'Patch'", "activityDateTime lt 2026-01-01T00:00:00.000001Z or activityDateTime gt 2026-01-01T00:00:00.000003Z",
	} {
		for _, order := range []string{"id", "id desc", "activityDateTime", "activityDateTime desc", "activityDateTime desc,activityOperationType", "activityOperationType,activityDateTime"} {
			want := ids("$filter=(" + filter + ") and category ne 'nosuch'&$orderby=" + order)
			for _, top := range []string{"1", "2", "7"} {
				if got := ids("$filter=" + filter + "&$orderby=" + order + "&$top=" + top); !slices.Equal(got, want) {
					t.Errorf("%s by %s, %s each: %q, want %q", filter, order, top, got, want)
				}
			}
			all += len(want)
		}
	}
	if want, got := ids("$filter=category ne 'nosuch'"), ids("$skip=3&$top=2"); all == 0 || !slices.Equal(got, want[3:]) {
		t.Errorf("skipping: %q, want %q", got, want[3:])
	}
}
