package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A singleton exists from the start with its defaults, separately in each tenant. It can be
// updated but neither created nor deleted.
func TestSingleton(t *testing.T) {
	t.Parallel()
	a, b := setup(t), setup(t)
	const path = "/beta/deviceManagement/remoteAssistanceSettings"
	const format = `{"@odata.context":"%s/beta/$metadata#deviceManagement/remoteAssistanceSettings/$entity","id":"cfef360e-360e-cfef-0e36-efcf0e36efcf","remoteAssistanceState":"%s","allowSessionsToUnenrolledDevices":%t,"blockChat":%t}`
	want := func(c *client, got answer, state string, unenrolled, block bool) {
		t.Helper()
		if text := fmt.Sprintf(format, c.server.URL(), state, unenrolled, block); c.want(200, got).body != text {
			t.Errorf("got  %s\nwant %s", got.body, text)
		}
	}
	want(a, a.do("GET", path, ""), "disabled", false, false)
	want(a, a.do("PATCH", path, `{}`), "disabled", false, false)
	want(a, a.do("PATCH", path, `{"allowSessionsToUnenrolledDevices":true,"blockChat":false,"remoteAssistanceState":"enabled"}`), "enabled", true, false)
	want(a, a.do("PATCH", path, `{"blockChat":true}`), "enabled", true, true)
	want(a, a.do("GET", path, ""), "enabled", true, true)
	want(b, b.do("GET", path, ""), "disabled", false, false)
	for _, bad := range []string{`{"blockChat":null}`, `{"remoteAssistanceState":"notConfigured"}`, `{"remoteAssistanceState":null}`, `{"id":"x"}`, `{"unknown":1}`} {
		a.want(400, a.do("PATCH", path, bad))
	}
	for _, method := range []string{"POST", "DELETE", "PUT"} {
		if got := a.want(400, a.do(method, path, `{}`)); !strings.Contains(got.body, "No method match route template") {
			t.Errorf("%s: %s", method, got.body)
		}
	}
	if got := a.want(400, a.do("GET", strings.Replace(path, "beta", "v1.0", 1), "")); strings.Contains(got.body, "cfef360e") {
		t.Errorf("v1.0: %s", got.body)
	}
}

// Concurrent first changes of a singleton make one entity, and no change is lost.
func TestConcurrentSingleton(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const path = "/beta/deviceManagement/remoteAssistanceSettings"
	done := make(chan answer)
	bodies := []string{`{"blockChat":true}`, `{"remoteAssistanceState":"enabled"}`, `{"allowSessionsToUnenrolledDevices":true}`}
	for _, body := range bodies {
		go func() { done <- c.do("PATCH", path, body) }()
	}
	for range bodies {
		c.want(200, <-done)
	}
	if got := c.do("GET", path, "").body; !strings.Contains(got, `"enabled","allowSessionsToUnenrolledDevices":true,"blockChat":true`) {
		t.Errorf("got %s", got)
	}
}

// A client creates a connector with an id of its choice, once; v1.0 doesn't have two of its
// states.
func TestClientKeys(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const set, defender = "/deviceManagement/mobileThreatDefenseConnectors", "fc780465-2017-40d4-a0c5-307022471b92"
	made := c.want(201, c.do("POST", "/beta"+set, `{"id":"`+defender+`","partnerState":"notSetUp"}`))
	if !strings.Contains(made.body, `"id":"`+defender+`"`) || !strings.Contains(made.body, `"notSetUp"`) || !strings.HasSuffix(made.header.Get("Location"), "('"+defender+"')") {
		t.Errorf("made %s", made.body)
	}
	if got := c.want(409, c.do("POST", "/v1.0"+set, `{"id":"`+defender+`"}`)); !strings.Contains(got.body, "already exists") {
		t.Errorf("again: %s", got.body)
	}
	if got := c.want(200, c.do("GET", "/v1.0"+set+"/"+defender, "")); !strings.Contains(got.body, `"partnerState":"unknownFutureValue"`) {
		t.Errorf("in v1.0 %s", got.body)
	}
	c.want(400, c.do("PATCH", "/v1.0"+set+"/"+defender, `{"partnerState":"notSetUp"}`))
	c.want(200, c.do("PATCH", "/v1.0"+set+"/"+defender, `{"id":"`+defender+`","androidEnabled":true}`))
	for _, bad := range []string{`"x"`, `7`, `"00000000-0000-0000-0000-000000000000"`, `{}`} {
		c.want(400, c.do("POST", "/beta"+set, `{"id":`+bad+`}`))
	}
	c.want(201, c.do("POST", "/beta"+set, `{"id":null}`))
	c.want(204, c.do("DELETE", "/beta"+set+"/"+defender, ""))
	c.want(201, c.do("POST", "/beta"+set, `{"id":"`+defender+`"}`))
}

// Scope tags are numbered in each tenant, and numbers aren't reused. Lists can filter,
// order and page by them.
func TestCounterKeys(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const set = "/beta/deviceManagement/roleScopeTags"
	for n := 1; n <= 11; n++ {
		made := c.want(201, c.do("POST", set, `{"id":"99","displayName":"x","isBuiltIn":true}`))
		if want := fmt.Sprintf(`"id":"%d","displayName":"x","description":null,"isBuiltIn":false}`, n); !strings.HasSuffix(made.body, want) {
			t.Fatalf("made %s, want %s", made.body, want)
		}
	}
	c.want(204, c.do("DELETE", set+"/11", ""))
	if made := c.do("POST", set, `{}`); !strings.Contains(made.body, `"id":"12"`) {
		t.Errorf("after a delete %s", made.body)
	}
	for path, want := range map[string]string{
		"?$filter=id eq '2'": "2", "?$filter=id in ('3','x','03','10')": "3 10", "?$filter=length(id) eq 2": "10 12",
		"?$filter=id lt '2'&$orderby=id desc": "12 10 1", "?$top=3&$orderby=displayName desc,id&$filter=displayName eq 'x'": "1 2 3",
	} {
		var ids []string
		got := decode[struct{ Value []struct{ ID string } }](c, c.want(200, c.do("GET", set+strings.ReplaceAll(path, " ", "%20"), "")))
		for _, v := range got.Value {
			ids = append(ids, v.ID)
		}
		if text := strings.Join(ids, " "); text != want {
			t.Errorf("%s finds %s, want %s", path, text, want)
		}
	}
	c.want(200, c.do("GET", set+"('2')", ""))
	for _, no := range []string{"02", "x", "-1", "99", "281474976710656"} {
		c.want(404, c.do("GET", set+"/"+no, ""))
	}
	c.want(400, c.do("GET", "/v1.0/deviceManagement/roleScopeTags", ""))
}

// An update moves the dates of change and no others, and bodies can't set them.
func TestStamps(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const set = "/beta/deviceManagement/termsAndConditions"
	type terms struct {
		ID, CreatedDateTime, ModifiedDateTime, LastModifiedDateTime string
		Version                                                     json.Number
	}
	made := decode[terms](c, c.want(201, c.do("POST", set, `{"displayName":"x","createdDateTime":"2017-01-01T00:02:43.5775965-08:00","lastModifiedDateTime":"2017-01-01T00:00:35.1329464-08:00"}`)))
	if made.CreatedDateTime != made.LastModifiedDateTime || made.CreatedDateTime != made.ModifiedDateTime || !strings.HasPrefix(made.CreatedDateTime, "20") || strings.HasPrefix(made.CreatedDateTime, "2017") || made.Version != "1" {
		t.Errorf("made %+v", made)
	}
	if same := decode[terms](c, c.do("PATCH", set+"/"+made.ID, `{"lastModifiedDateTime":"2017-01-01T00:00:35Z"}`)); same != made {
		t.Errorf("a change of nothing made %+v", same)
	}
	changed := decode[terms](c, c.do("PATCH", set+"/"+made.ID, `{"version":2}`))
	if changed.CreatedDateTime != made.CreatedDateTime || changed.LastModifiedDateTime <= made.LastModifiedDateTime || changed.ModifiedDateTime != changed.LastModifiedDateTime || changed.Version != "2" {
		t.Errorf("changed %+v, was %+v", changed, made)
	}
	c.want(400, c.do("PATCH", set+"/"+made.ID, `{"lastModifiedDateTime":"yesterday"}`))
}

// Unsupported parts of the neighbors are refused, not ignored.
func TestNotServed(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tag := c.want(201, c.do("POST", "/beta/deviceManagement/roleScopeTags", `{}`))
	if !strings.Contains(tag.body, `"id":"1"`) {
		t.Fatal(tag.body)
	}
	for _, path := range []string{
		"/roleScopeTags?$expand=assignments", "/deviceCategories?$expand=assignments", "/roleScopeTags/1/assignments", "/roleScopeTags/hasCustomRoleScopeTag()",
		"/assignmentFilters/getState()", "/deviceCategories?$orderby=roleScopeTagIds",
	} {
		if a := c.do("GET", "/beta/deviceManagement"+path, ""); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/roleScopeTags/1/assign", "/roleScopeTags/getRoleScopeTagsById", "/assignmentFilters/enable", "/assignmentFilters/validateFilter"} {
		if a := c.do("POST", "/beta/deviceManagement"+path, `{}`); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
