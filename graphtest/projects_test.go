package graphtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/graphtest"
)

// project calls Graph as a public project does.
type project struct {
	testing.TB
	client *http.Client
}

// call sends a request to Graph's own address and returns the answer, which must have one of
// the statuses.
func (p project) call(method, path, body string, statuses ...int) (answer map[string]any) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, "https://graph.microsoft.com"+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || !slices.Contains(statuses, response.StatusCode) {
		p.Fatalf("%s %s: %s %s, want %d: %v", method, path, response.Status, text, statuses, err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			p.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
	return answer
}

// list returns the rows of a list, page after page.
func (p project) list(path string) (rows []map[string]any) {
	p.Helper()
	for path != "" {
		page := p.call("GET", path, "", http.StatusOK)
		for _, row := range page["value"].([]any) {
			rows = append(rows, row.(map[string]any))
		}
		next, _ := page["@odata.nextLink"].(string)
		path = strings.TrimPrefix(next, "https://graph.microsoft.com")
	}
	return rows
}

// preset is a project's view of a new tenant that starts with a preset.
func preset(t *testing.T, s *graphtest.Server, name string) project {
	t.Helper()
	document, ok := api.Preset(name)
	if !ok {
		t.Fatal("there is no such preset")
	}
	return project{t, s.NewTenant(t, graphtest.WithIDSeed("seed"), graphtest.WithState(document)).Client()}
}

// IntuneCD's backup of the connectors asks for each list in beta, keeps the rows that are set
// up, and names a file after each: a fresh tenant has rows, and none is kept. Of the demo
// tenant some are kept, with the properties that the backup reads.
// https://github.com/almenscorner/IntuneCD/tree/main/src/IntuneCD/backup/Intune
func TestIntuneCDBackup(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	for name, kept := range map[string]int{"fresh": 0, "demo": 5} {
		p, n := preset(t, s, name), 0
		for _, set := range []struct {
			path, property string
			left           any
		}{
			{"/beta/deviceManagement/remoteAssistancePartners", "onboardingStatus", "notOnboarded"},
			{"/beta/deviceManagement/complianceManagementPartners", "partnerState", "unknown"},
			{"/beta/deviceManagement/deviceManagementPartners", "isConfigured", false},
			{"/beta/deviceManagement/notificationMessageTemplates?$expand=localizedNotificationMessages", "displayName", "EnrollmentNotificationInternalMEO"},
		} {
			rows := p.list(set.path)
			if len(rows) == 0 {
				t.Errorf("%s: %s is empty", name, set.path)
			}
			for _, row := range rows {
				value, ok := row[set.property]
				switch {
				case !ok || row["id"] == nil:
					t.Errorf("%s: %s: %v", name, set.path, row)
				case value == set.left:
				case row["displayName"] == nil:
					t.Errorf("%s: %s has no name: %v", name, set.path, row)
				default:
					n++
				}
				if messages, _ := row["localizedNotificationMessages"].([]any); strings.Contains(set.path, "$expand") && messages == nil {
					t.Errorf("%s: no messages: %v", name, row)
				}
			}
		}
		if n != kept {
			t.Errorf("%s: %d rows are kept, want %d", name, n, kept)
		}
	}
}

// IntuneCD asks for the events of a component since its last run, and reads from each who made
// which change of what.
// https://github.com/almenscorner/IntuneCD/tree/main/src/IntuneCD/intunecdlib
func TestIntuneCDAudit(t *testing.T) {
	t.Parallel()
	tenant := graphtest.NewServer(t).Tenant
	p := project{t, tenant.Client()}
	at := time.Now().UTC()
	id := p.call("POST", "/v1.0/deviceManagement/remoteAssistancePartners", `{"displayName":"TeamViewer"}`, 200, 201)["id"]
	p.call("POST", "/v1.0/deviceManagement/deviceCategories", `{"displayName":"x"}`, 200, 201)
	p.call("PATCH", fmt.Sprint("/v1.0/deviceManagement/remoteAssistancePartners/", id), `{"displayName":"New"}`, 200)
	const form = "2006-01-02T15:04:05.000000Z"
	filter := fmt.Sprintf("componentName eq 'ManagedDevices' and activityDateTime gt %s and activityDateTime le %s and activityOperationType ne 'Get'",
		at.Add(-time.Hour).Format(form), at.Add(time.Hour).Format(form))
	path := "/v1.0/deviceManagement/auditEvents?$filter=" + strings.ReplaceAll(url.QueryEscape(filter), "+", "%20") +
		"&$select=actor,activityDateTime,activityType,activityOperationType,activityResult,resources&$orderby=activityDateTime%20desc"
	rows := p.list(path)
	if len(rows) != 2 {
		t.Fatalf("%d events: %v", len(rows), rows)
	}
	for i, want := range []string{"Patch", "Create"} {
		row := rows[i]
		actor, resource := row["actor"].(map[string]any), row["resources"].([]any)[0].(map[string]any)
		got := fmt.Sprint(row["activityOperationType"], row["activityType"], row["activityResult"], actor["auditActorType"], actor["userPrincipalName"] != nil, resource["resourceId"], resource["auditResourceType"])
		if got != fmt.Sprint(want, want+" RemoteAssistancePartner", "Success", "ItPro", true, id, "RemoteAssistancePartner") || len(row) != 6 {
			t.Errorf("event %d is %v", i, row)
		}
	}
}

// Terraform's microsoft365 provider creates, reads, updates and deletes a category, and a
// template with its messages, each by a request of its own, in beta.
// https://github.com/deploymenttheory/terraform-provider-microsoft365
func TestTerraformProvider(t *testing.T) {
	t.Parallel()
	p := project{t, graphtest.NewServer(t).Tenant.Client()}
	const categories, templates = "/beta/deviceManagement/deviceCategories", "/beta/deviceManagement/notificationMessageTemplates"
	category := p.call("POST", categories, `{"displayName":"acc-test","description":"before","roleScopeTagIds":["0"]}`, 200, 201)["id"]
	at := fmt.Sprint(categories, "/", category)
	p.call("PATCH", at, `{"displayName":"acc-test","description":"after","roleScopeTagIds":["0"]}`, 200)
	if got := p.call("GET", at, "", 200); got["description"] != "after" || fmt.Sprint(got["roleScopeTagIds"]) != "[0]" {
		t.Errorf("the category is %v", got)
	}
	p.call("DELETE", at, "", 200, 204)
	p.call("GET", at, "", 404)

	template := p.call("POST", templates, `{"brandingOptions":"includeCompanyLogo,includeCompanyName","displayName":"acc-test","roleScopeTagIds":["0"]}`, 200, 201)["id"]
	at = fmt.Sprint(templates, "/", template)
	for _, locale := range []string{"bg-bg", "de-de"} {
		p.call("POST", at+"/localizedNotificationMessages", fmt.Sprintf(`{"isDefault":%t,"locale":%q,"messageTemplate":"some\n\nmultiline","subject":"acc-test"}`, locale == "bg-bg", locale), 200, 201)
	}
	p.call("PATCH", fmt.Sprint(at, "/localizedNotificationMessages/", template, "_de-de"), `{"isDefault":true,"messageTemplate":"new","subject":"new"}`, 200)
	got := p.call("GET", at+"?$expand=localizedNotificationMessages", "", 200)
	messages := got["localizedNotificationMessages"].([]any)
	if got["defaultLocale"] != "de-de" || len(messages) != 2 {
		t.Errorf("the template is %v", got)
	}
	for _, m := range messages {
		if m := m.(map[string]any); m["isDefault"] != (m["locale"] == "de-de") {
			t.Errorf("the message is %v", m)
		}
	}
	p.call("DELETE", fmt.Sprint(at, "/localizedNotificationMessages/", template, "_bg-bg"), "", 200, 204)
	p.call("DELETE", at, "", 200, 204)
	p.call("GET", at, "", 404)
}

// CIPP lists the connectors in beta and follows the links
// (https://github.com/KelvinTegelaar/CIPP-API). The other sets are listed in the same way here.
func TestCIPPLists(t *testing.T) {
	t.Parallel()
	p := preset(t, graphtest.NewServer(t), "demo")
	for path, property := range map[string]string{
		"mobileThreatDefenseConnectors": "partnerState", "deviceManagementPartners": "partnerAppType", "remoteAssistancePartners": "displayName",
		"deviceCategories": "displayName", "assignmentFilters": "displayName", "roleScopeTags": "displayName", "termsAndConditions": "displayName",
		"notificationMessageTemplates": "displayName", "ndesConnectors": "displayName",
	} {
		rows := p.list("/beta/deviceManagement/" + path)
		if len(rows) == 0 || rows[0]["id"] == nil || rows[0][property] == nil {
			t.Errorf("%s: %v", path, rows)
		}
	}
	const defender = "fc780465-2017-40d4-a0c5-307022471b92"
	if got := p.call("GET", "/beta/deviceManagement/mobileThreatDefenseConnectors/"+defender, "", 200); got["partnerState"] != "enabled" {
		t.Errorf("the connector is %v", got)
	}
}

// A preset with an id seed is the same in every tenant.
func TestPresets(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	for _, name := range api.PresetNames() {
		a, b := preset(t, s, name), preset(t, s, name)
		const path = "/beta/deviceManagement/remoteAssistancePartners"
		if x, y := fmt.Sprint(a.list(path)), fmt.Sprint(b.list(path)); x != y {
			t.Errorf("%s: %s, then %s", name, x, y)
		}
		tags := a.list("/beta/deviceManagement/roleScopeTags")
		if tags[0]["id"] != "0" || tags[0]["isBuiltIn"] != true {
			t.Errorf("%s has the tags %v", name, tags)
		}
		a.call("DELETE", "/beta/deviceManagement/roleScopeTags/0", "", 400)
	}
}
