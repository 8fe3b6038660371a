package graph_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A client may give a new entity the key of a deleted one. It is changed like any other, and
// the history has both lives.
func TestReusedKeys(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const sets = "/v1.0/deviceManagement/"
	template := decode[struct{ ID string }](c, c.want(201, c.do("POST", sets+"notificationMessageTemplates", `{"displayName":"T"}`))).ID
	connector := uuid.NewString()
	for _, tt := range []struct{ set, key, create, change string }{
		{set: "mobileThreatDefenseConnectors", key: connector, create: `{"id":"` + connector + `"}`, change: `{"androidEnabled":true}`},
		{set: "notificationMessageTemplates/" + template + "/localizedNotificationMessages", key: template + "_en-us", create: `{"locale":"en-us","subject":"S","messageTemplate":"M"}`, change: `{"subject":"S2"}`},
	} {
		one := sets + tt.set + "/" + tt.key
		tags := map[string]bool{}
		for range 3 {
			c.want(201, c.do("POST", sets+tt.set, tt.create))
			c.want(200, c.do("PATCH", one, tt.change))
			tags[c.want(200, c.do("GET", one, "")).header.Get("ETag")] = true
			c.want(204, c.do("DELETE", one, ""))
			c.want(404, c.do("GET", one, ""))
		}
		if len(tags) != 3 && !tags[""] {
			t.Errorf("%s: three entities with the ETags %v", tt.set, tags)
		}
	}
	var changes []string
	for _, e := range c.events("?$orderby=activityDateTime") {
		if e.Resources[0].AuditResourceType != "NotificationMessageTemplate" {
			changes = append(changes, e.ActivityOperationType)
		}
	}
	if got := strings.Join(changes, " "); got != strings.Repeat("Create Patch Delete ", 5)+"Create Patch Delete" {
		t.Errorf("the events are %s", got)
	}
}
