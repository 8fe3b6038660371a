package graph_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

const templates = "/beta/deviceManagement/notificationMessageTemplates"

type template struct {
	ID, DefaultLocale, LastModifiedDateTime string
	LocalizedNotificationMessages           []struct {
		ID, Locale string
		IsDefault  bool
	}
}

// newTemplate makes a template and returns its path and id.
func (c *client) newTemplate() (path, id string) {
	c.Helper()
	id = decode[template](c, c.want(201, c.do("POST", templates, `{"displayName":"x"}`))).ID
	return templates + "/" + id, id
}

// A template and its messages are answered as in the captured exchanges: the context of each,
// a key composed of the template's and the locale, and the default locale that follows the
// default message.
func TestLocalizedMessages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	root := c.server.URL() + "/beta/$metadata#deviceManagement/notificationMessageTemplates"
	made := c.want(201, c.do("POST", templates, `{"brandingOptions":"includeCompanyLogo, includeCompanyName","displayName":"acc-test","roleScopeTagIds":["0"]}`))
	v := decode[template](c, made)
	path, id := templates+"/"+v.ID, v.ID
	if want := `{"@odata.context":"` + root + `/$entity","id":"` + id + `","lastModifiedDateTime":"` + v.LastModifiedDateTime + `","displayName":"acc-test","description":null,"defaultLocale":null,"brandingOptions":"includeCompanyLogo,includeCompanyName","roleScopeTagIds":["0"]}`; made.body != want {
		t.Errorf("got  %s\nwant %s", made.body, want)
	}
	messages := path + "/localizedNotificationMessages"
	first := c.want(201, c.do("POST", messages, `{"id":"x","isDefault":true,"locale":"bg-bg","messageTemplate":"some\n\nmultiline\n\ntext","subject":"acc-test"}`))
	inner := `"id":"` + id + `_bg-bg","lastModifiedDateTime":"` + decode[template](c, first).LastModifiedDateTime + `","locale":"bg-bg","subject":"acc-test","messageTemplate":"some\n\nmultiline\n\ntext","isDefault":true}`
	of := root + "('" + id + "')/localizedNotificationMessages"
	if want := `{"@odata.context":"` + of + `/$entity",` + inner; first.body != want {
		t.Errorf("got  %s\nwant %s", first.body, want)
	}
	if want := strings.Replace(of, "/$metadata#", "/", 1) + "('" + id + "_bg-bg')"; first.header.Get("Location") != want {
		t.Errorf("at %s, want %s", first.header.Get("Location"), want)
	}
	expanded := c.want(200, c.do("GET", path+"?$expand=localizedNotificationMessages", ""))
	if want := `{"@odata.context":"` + root + `(localizedNotificationMessages())/$entity","id":"` + id + `"`; !strings.HasPrefix(expanded.body, want) || !strings.Contains(expanded.body, `"defaultLocale":"bg-bg"`) {
		t.Errorf("got  %s\nwant %s", expanded.body, want)
	}
	if want := `,"localizedNotificationMessages@odata.context":"` + of + `","localizedNotificationMessages":[{` + inner + `]}`; !strings.HasSuffix(expanded.body, want) {
		t.Errorf("got  %s\nwant %s", expanded.body, want)
	}
	list := c.want(200, c.do("GET", messages, ""))
	if want := `{"@odata.context":"` + of + `","value":[{` + inner + `]}`; list.body != want {
		t.Errorf("got  %s\nwant %s", list.body, want)
	}
	for _, at := range []string{"/" + id + "_bg-bg", "('" + id + "_bg-bg')", "/" + strings.ToUpper(id) + "_BG-bg"} {
		if got := c.want(200, c.do("GET", messages+at, "")); got.body != first.body {
			t.Errorf("%s: %s", at, got.body)
		}
	}
	changed := c.want(200, c.do("PATCH", messages+"/"+id+"_bg-bg", `{"subject":"s","locale":"bg-bg","isDefault":false}`))
	if !strings.Contains(changed.body, `"subject":"s"`) || !strings.Contains(changed.body, `"isDefault":true`) {
		t.Errorf("changed %s", changed.body)
	}
	c.want(204, c.do("POST", path+"/sendTestMessage", ""))
	c.want(204, c.do("POST", path+"/microsoft.graph.sendTestMessage", "{}"))
	c.want(204, c.do("DELETE", messages+"/"+id+"_bg-bg", ""))
	if got := decode[template](c, c.do("GET", path, "")); got.DefaultLocale != "" {
		t.Errorf("without messages %+v", got)
	}
}

// At most one message is the default one, however many callers choose at once.
func TestDefaultMessage(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path, id := c.newTemplate()
	messages, locales := path+"/localizedNotificationMessages", []string{"de", "fr", "it", "rm"}
	for _, l := range locales {
		c.want(201, c.do("POST", messages, fmt.Sprintf(`{"locale":%q,"isDefault":true}`, l)))
	}
	done := make(chan answer)
	for _, l := range locales {
		go func() { done <- c.do("PATCH", messages+"/"+id+"_"+l, `{"isDefault":true}`) }()
	}
	for range locales {
		c.want(200, <-done)
	}
	got := decode[template](c, c.do("GET", path+"?$expand=*", ""))
	var defaults []string
	for _, m := range got.LocalizedNotificationMessages {
		if m.IsDefault {
			defaults = append(defaults, m.Locale)
		}
	}
	if len(got.LocalizedNotificationMessages) != 4 || len(defaults) != 1 || defaults[0] != got.DefaultLocale {
		t.Errorf("got %+v", got)
	}
	found := decode[list](c, c.want(200, c.do("GET", messages+"?$filter=isDefault%20eq%20true&$count=true", "")))
	if len(found.Value) != 1 || *found.Count != 1 || found.Value[0].ID != id+"_"+got.DefaultLocale {
		t.Errorf("found %+v", found)
	}
}

// What a template can't contain is refused, by name.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path, id := c.newTemplate()
	other, otherID := c.newTemplate()
	messages := path + "/localizedNotificationMessages"
	c.want(201, c.do("POST", messages, `{"locale":"de"}`))
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{method: "POST", path: messages, body: `{}`, status: 400, want: "is a part of the key"},
		{method: "POST", path: messages, body: `{"locale":""}`, status: 400, want: "is a part of the key"},
		{method: "POST", path: messages, body: `{"locale":"DE"}`, status: 409, want: "_DE' already exists"},
		{method: "POST", path: messages, body: `{"locale":"fr","notificationMessageTemplateId":"` + id + `"}`, status: 400, want: "does not exist on type"},
		{method: "PATCH", path: messages + "/" + id + "_de", body: `{"locale":"fr"}`, status: 400, want: "is a part of the key"},
		{method: "PATCH", path: messages + "/" + id + "_de", body: `{"id":"` + id + `_fr"}`, status: 400, want: "is not the key"},
		{method: "GET", path: messages + "/" + id + "_fr", status: 404, want: "ResourceNotFound"},
		{method: "GET", path: messages + "/" + id, status: 404, want: "ResourceNotFound"},
		{method: "GET", path: other + "/localizedNotificationMessages/" + id + "_de", status: 404, want: "ResourceNotFound"},
		{method: "DELETE", path: other + "/localizedNotificationMessages/" + id + "_de", status: 404, want: "ResourceNotFound"},
		{method: "GET", path: other + "/localizedNotificationMessages/" + otherID + "_de", status: 404, want: "ResourceNotFound"},
		{method: "GET", path: templates + "/00000000-0000-0000-0000-000000000001/localizedNotificationMessages", status: 404, want: "ResourceNotFound"},
		{method: "GET", path: templates + "/00000000-0000-0000-0000-000000000001/localizedNotificationMessages/$count", status: 404, want: "ResourceNotFound"},
		{method: "POST", path: templates + "/00000000-0000-0000-0000-000000000001/localizedNotificationMessages", body: `{"locale":"de"}`, status: 404, want: "ResourceNotFound"},
		{method: "POST", path: templates, body: `{"localizedNotificationMessages":[]}`, status: 400, want: "Cannot apply POST to navigation property 'localizedNotificationMessages' on entity type"},
		{method: "PATCH", path: path, body: `{"localizedNotificationMessages":[]}`, status: 400, want: "Cannot apply PATCH to navigation property 'localizedNotificationMessages' on entity type"},
		{method: "POST", path: templates + "/00000000-0000-0000-0000-000000000001/sendTestMessage", status: 404, want: "ResourceNotFound"},
		{method: "GET", path: "/beta/deviceManagement/localizedNotificationMessages", status: 400, want: "Resource not found for the segment"},
		{method: "GET", path: templates + "?$expand=assignments", status: 400, want: "Parsing OData Select and Expand failed: Could not find a property named 'assignments' on type 'microsoft.graph.notificationMessageTemplate'."},
		{method: "GET", path: templates + "?$expand=displayName", status: 400, want: "Property 'displayName' on type 'microsoft.graph.notificationMessageTemplate' is not a navigation property"},
		{method: "GET", path: templates + "?$expand=localizedNotificationMessages($select=locale)", status: 400, want: "'$select=locale', which is not supported"},
		{method: "GET", path: templates + "?$expand=localizedNotificationMessages/$ref", status: 400, want: "'$ref', which is not supported"},
		{method: "GET", path: templates + "?$filter=" + url.QueryEscape("brandingOptions has 'nothing'"), status: 400, want: "The string 'nothing' is not a valid enumeration type constant of 'microsoft.graph.notificationTemplateBrandingOptions'"},
		{method: "GET", path: templates + "?$filter=" + url.QueryEscape("displayName has 'none'"), status: 400, want: "The operator 'has' takes an enumeration with flags, and its left operand has the type 'Edm.String'"},
		{method: "GET", path: "/v1.0/deviceManagement/deviceCategories?$expand=assignments", status: 400, want: "Could not find a property named 'assignments' on type 'microsoft.graph.deviceCategory'."},
		{method: "POST", path: templates + "?$expand=localizedNotificationMessages", body: `{}`, status: 400, want: "'$expand' is not supported"},
	} {
		a := c.do(tt.method, tt.path, tt.body)
		if a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d %q", tt.method, tt.path, tt.body, a.status, a.body, tt.status, tt.want)
		}
	}
}

// Lists expand what their entities contain, page by page; a locale may hold anything.
func TestExpandedLists(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for n := range 5 {
		path, _ := c.newTemplate()
		for _, locale := range []string{"de", "O'Neil /?#", "日本"}[:n%4] {
			made := c.want(201, c.do("POST", path+"/localizedNotificationMessages", fmt.Sprintf(`{"locale":%q}`, locale)))
			c.want(200, c.do("GET", strings.TrimPrefix(made.header.Get("Location"), c.server.URL()), ""))
		}
	}
	seen, messages, pages := map[string]bool{}, 0, 0
	for link := c.server.URL() + templates + "?$expand=localizedNotificationMessages&$top=2&$orderby=displayName&$select=id"; link != ""; pages++ {
		page := decode[struct {
			Value    []template
			NextLink string `json:"@odata.nextLink"`
		}](c, c.want(200, c.do("GET", strings.TrimPrefix(link, c.server.URL()), "")))
		for _, v := range page.Value {
			seen[v.ID], messages = true, messages+len(v.LocalizedNotificationMessages)
			for _, m := range v.LocalizedNotificationMessages {
				if !strings.HasPrefix(m.ID, v.ID+"_") {
					t.Errorf("%s has the message %s", v.ID, m.ID)
				}
			}
		}
		link = page.NextLink
	}
	if len(seen) != 5 || messages != 0+1+2+3+0 || pages != 3 {
		t.Errorf("%d templates with %d messages on %d pages", len(seen), messages, pages)
	}
}

// A template goes with its messages, each with its history.
func TestDeletedTemplate(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path, id := c.newTemplate()
	c.want(201, c.do("POST", path+"/localizedNotificationMessages", `{"locale":"de","isDefault":true}`))
	c.want(204, c.do("DELETE", path, ""))
	c.want(404, c.do("GET", path+"/localizedNotificationMessages", ""))
	c.want(404, c.do("GET", path+"/localizedNotificationMessages/"+id+"_de", ""))
	var changes string
	err := dbtest.Pool(t).QueryRow(t.Context(), "SELECT string_agg(entity || ' ' || change, ', ' ORDER BY entity, version) FROM entity_versions WHERE tenant_id = $1", c.tenant.ID).Scan(&changes)
	if want := "localizedNotificationMessage delete, notificationMessageTemplate update, notificationMessageTemplate delete"; err != nil || changes != want {
		t.Errorf("the history has %s, want %s: %v", changes, want, err)
	}
}
