package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

func showTenants(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.TenantList
	if err := v.call("listTenants", v.pageParams(params{"search": search}), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, t := range list.Value {
		rows[i] = g.Group{
			named(tenantAt(t.Id.String()), t.DisplayName, t.Id.String()), text(strings.Join(t.Domains, ", ")), v.when(&t.CreatedDateTime), v.when(t.ExpiresDateTime), optional(t.Manager),
		}
	}
	found := table("tenants", []string{"Name", "Domains", "Created", "Expires", "Manager"}, rows)
	if len(rows) == 0 {
		found = v.noneFound(search, empty("There are no tenants yet. Make one: it comes with a user, an application and a token.", v.formLink("createTenant", "Create tenant", "button primary", nil)))
	}
	return screen{title: "Tenants", body: g.Group{
		heading("Tenants", v.formLink("createTenant", "Create tenant", "button primary", nil)),
		searchBox("Search tenants", search), found, v.pager(list.NextLink),
	}}, nil
}

// noneFound is what a list shows that has no rows.
func (v *visit) noneFound(search string, withoutSearch g.Node) g.Node {
	if search == "" {
		return withoutSearch
	}
	return empty("No name contains “"+search+"”, and no id begins with it.", html.A(html.Class("button"), html.Href(v.withQueries("search", "", "after", "")), html.Text("Show all")))
}

// searchBox is a search field. It puts its text into the page's address, with more fields.
func searchBox(label, value string, more ...g.Node) g.Node {
	return html.Form(html.Class("search"), html.Role("search"), html.Method("get"),
		html.Input(html.Type("search"), html.Name("search"), html.Value(value), html.Aria("label", label), html.Placeholder(label), testID("search")), g.Group(more),
		html.Button(html.Text("Search")))
}

// showTenant shows a tenant's home.
func showTenant(v *visit) (screen, error) {
	var counts g.Group
	for _, t := range entity.All {
		card, err := v.countCard(t)
		if err != nil {
			return screen{}, err
		}
		counts = append(counts, card)
	}
	faults, err := v.faultCard()
	if err != nil {
		return screen{}, err
	}
	requests, err := v.requestCard()
	if err != nil {
		return screen{}, err
	}
	return screen{title: v.tenant.DisplayName, body: g.Group{
		heading(v.tenant.DisplayName, html.A(html.Class("button primary"), html.Href(v.at("connect")), html.Text("Connect a client"))),
		html.P(html.Class("note"), code(v.tenant.Id.String()), html.Text(" "+strings.Join(v.tenant.Domains, ", "))),
		html.Div(html.Class("cards"), counts, requests, faults, v.clockCard()),
		html.Div(html.ID("later"), html.Data("later", v.at("activity")), html.A(html.Class("button"), testID("activity"), html.Href(v.at("activity")), html.Text("Show what happened"))),
	}}, nil
}

// showActivity shows a tenant's onboarding funnel and its recent changes. Its reports take
// seconds for a hundred thousand entities, so the script adds them to the home later.
func showActivity(v *visit) (screen, error) {
	funnel, err := v.funnel()
	if err != nil {
		return screen{}, err
	}
	recent, err := v.recentChanges()
	return screen{title: "Activity", body: g.Group{
		heading("Activity", html.A(html.Class("button"), html.Href(v.at()), html.Text("The tenant's home"))), html.Div(html.ID("later"), funnel, recent),
	}}, err
}

// card shows a figure on a tenant's home, with a link to the page behind it.
func card(name, href, title string, content ...g.Node) g.Node {
	return html.A(html.Class("card"), html.Href(href), testID("card-"+name), html.Span(html.Class("card-title"), html.Text(title)), g.Group(content))
}

// countCard shows how many entities a set has, "100+" if they don't fit on a page.
func (v *visit) countCard(t *entity.Type) (g.Node, error) {
	var list api.EntityList
	err := v.call("listEntities", v.ofTenant("entitySet", t.SetName(), "top", "100"), &list)
	count := fmt.Sprint(len(list.Value))
	if list.NextLink != nil {
		count += "+"
	}
	return card(t.SetName(), v.at("entities", t.SetName()), words(t.SetName()), html.Strong(html.Text(count))), err
}

func (v *visit) faultCard() (g.Node, error) {
	var list api.FaultList
	err := v.call("listFaults", v.ofTenant(), &list)
	active := slices.DeleteFunc(list.Value, func(f api.Fault) bool { return usedUp(f, v.now) })
	return card("faults", v.at("faults"), "Faults active", html.Strong(html.Text(fmt.Sprint(len(active))))), err
}

// requestCard shows how many requests came within a minute, "100+" if they don't fit on a page,
// unless the service records none.
func (v *visit) requestCard() (g.Node, error) {
	var list api.RequestList
	since := v.now.Add(-time.Minute).UTC().Format(time.RFC3339Nano)
	err := v.call("listRequests", v.ofTenant("since", since, "top", "100"), &list)
	count := fmt.Sprint(len(list.Value))
	if list.NextLink != nil {
		count += "+"
	}
	if p := (*api.Problem)(nil); asProblem(err, &p) && p.Status == http.StatusServiceUnavailable {
		count, err = "not recorded", nil
	}
	return card("requests", v.at("requests"), "Requests in the last minute", html.Strong(html.Text(count))), err
}

// usedUp reports whether a rule can't fire any more.
func usedUp(f api.Fault, now time.Time) bool {
	s := f.Schedule
	if s == nil {
		return false
	}
	return s.Times != nil && f.Fired >= *s.Times || s.Until != nil && !now.Before(*s.Until)
}

func (v *visit) clockCard() g.Node {
	return card("clock", v.at("clock"), "Clock", html.Strong(html.Class("small"), html.Text(v.now.UTC().Format("2006-01-02 15:04:05"))))
}

func (v *visit) recentChanges() (g.Node, error) {
	var result api.ReportResult
	if err := v.call("runReport", v.ofTenant("report", "recent-changes"), &result); err != nil {
		return nil, err
	}
	result.Rows = result.Rows[:min(len(result.Rows), 10)]
	if len(result.Rows) == 0 {
		return html.Section(html.H2(html.Text("Recent changes")), empty("Nothing has changed yet. Connect a client that creates entities.",
			html.A(html.Class("button"), html.Href(v.at("connect")), html.Text("Connect a client")))), nil
	}
	return html.Section(html.H2(html.Text("Recent changes")), v.reportTable("recent-changes", result)), nil
}

func showSettings(v *visit) (screen, error) {
	t := v.tenant
	back, of := v.Request.URL.RequestURI(), v.ofTenant()
	return screen{title: "Settings", body: g.Group{
		heading("Settings", v.formLink("updateTenant", "Edit", "button primary", of)),
		facts(
			html.Text("Id"), code(t.Id.String()), html.Text("Name"), text(t.DisplayName), html.Text("Domains"), lines(t.Domains),
			html.Text("Created"), v.when(&t.CreatedDateTime), html.Text("Expires"), v.whenByService(t.ExpiresDateTime), html.Text("Manager"), optional(t.Manager),
			html.Text("Settings"), block(indented(t.Settings)), html.Text("Quota"), block(indented(t.Quota)),
		),
		html.H2(html.Text("State")),
		html.P(html.Class("buttons"),
			v.downloadLink("exportTenant", "Download as JSON", v.ofTenant("format", "json")),
			v.downloadLink("exportTenant", "Download as YAML", v.ofTenant("format", "yaml")),
			v.formLink("importTenant", "Replace with a document", "button", of),
		),
		html.Div(html.Class("buttons"), v.sure("resetTenant", "Reset to its first state", back, of), v.sure("deleteTenant", "Delete tenant", Root+"/tenants", of)),
	}}, nil
}

// downloadLink links to a document. It is nil if the caller may not read it.
func (v *visit) downloadLink(operation, label string, p params) g.Node {
	if !v.may(operation) {
		return nil
	}
	path := formPath(operation, "", p)
	return html.A(html.Class("button"), testID(operation), html.Data("file", ""), html.Href(strings.Replace(path, "/form/", "/download/", 1)), html.Text(label))
}
