package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func showSnapshots(v *visit) (screen, error) {
	var list api.SnapshotList
	if err := v.call("listSnapshots", v.pageParams(v.ofTenant()), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, s := range list.Value {
		of := v.ofTenant("name", s.Name)
		rows[i] = g.Group{
			text(s.Name), html.Text(counted(s.Counts)), v.when(&s.CreatedDateTime),
			html.Div(html.Class("buttons"),
				html.A(html.Class("button"), testID("differences"), html.Href(v.at("differences")+"?from="+queryEscape(s.Name)), html.Text("What changed since")),
				v.sure("restoreSnapshot", "Restore", v.Request.URL.RequestURI(), of),
				v.downloadLink("exportSnapshot", "Download", of),
				v.sure("deleteSnapshot", "Delete", v.Request.URL.RequestURI(), of)),
		}
	}
	found := table("snapshots", []string{"Name", "Contains", "Taken", ""}, rows)
	create := v.formLink("createSnapshot", "Take snapshot", "button primary", v.ofTenant())
	if len(rows) == 0 {
		found = empty("There are no snapshots. Take one before a test changes the tenant, and restore it after.", create)
	}
	return screen{title: "Snapshots", body: g.Group{heading("Snapshots", create), found, v.pager(list.NextLink)}}, nil
}

// counted says how many users, applications and entities a state contains.
func counted(c api.StateCounts) string {
	text := fmt.Sprintf("%d users, %d applications", c.Users, c.Applications)
	for _, set := range sorted(c.Entities) {
		text += fmt.Sprintf(", %d %s", c.Entities[set], set)
	}
	return text
}

// showDifferences shows how a tenant differs from a snapshot, or two snapshots from each
// other, side by side.
func showDifferences(v *visit) (screen, error) {
	from, to := v.Query("from"), v.Query("to")
	var list api.DiffList
	if err := v.call("diffStates", v.pageParams(v.ofTenant("from", from, "to", to)), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, d := range list.Value {
		before, after := pretty(d.Before), pretty(d.After)
		rows[i] = g.Group{g.Group{html.Text(d.Entity), html.Span(html.Class("id"), html.Text(d.Id))}, html.Span(html.Class("badge"), html.Data("value", string(d.Change)), html.Text(string(d.Change))), diffSide(before, after, "del"), diffSide(after, before, "ins")}
	}
	found := table("differences", []string{"What", "Change", "In " + from, "In " + cmp.Or(to, "the tenant now")}, rows)
	if len(rows) == 0 {
		found = empty("There are no differences.", html.A(html.Class("button"), html.Href(v.at("snapshots")), html.Text("Snapshots")))
	}
	return screen{title: "Differences", body: g.Group{
		heading("Differences from "+from, html.A(html.Class("button"), html.Href(v.at("snapshots")), html.Text("Snapshots"))), found, v.pager(list.NextLink),
	}}, nil
}

// pretty indents JSON, and returns any other text unchanged.
func pretty(raw *json.RawMessage) string {
	if raw == nil {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, *raw, "", "  ") != nil {
		return string(*raw)
	}
	return b.String()
}
