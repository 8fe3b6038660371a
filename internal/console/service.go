package console

import (
	"fmt"
	"maps"
	"slices"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func showKeys(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.KeyList
	if err := v.call("listKeys", v.pageParams(params{"search": search}), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, k := range list.Value {
		end := v.sure("revokeKey", "Revoke", v.Request.URL.RequestURI(), params{"keyId": k.Id.String()})
		if k.RevokedDateTime != nil {
			end = nil
		}
		rows[i] = g.Group{text(k.Name), html.Text(string(k.Role)), v.when(&k.CreatedDateTime), v.when(k.ExpiresDateTime), v.when(k.RevokedDateTime), end}
	}
	found := table("keys", []string{"Name", "Role", "Created", "Expires", "Revoked", ""}, rows)
	create := v.formLink("createKey", "Create key", "button primary", nil)
	people := html.A(html.Class("button"), testID("people"), html.Href(Root+"/console-sessions"), html.Text("People signed in"))
	if len(rows) == 0 {
		found = v.noneFound(search, empty("There are no keys, so everybody on this machine is an owner. Creating a key ends that.", create))
	}
	return screen{title: "Keys", body: g.Group{heading("Keys", people, create), searchBox("Search keys", search), found, v.pager(list.NextLink)}}, nil
}

// showConsoleSessions shows who is signed in at the identity provider.
func showConsoleSessions(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.ConsoleSessionList
	if err := v.call("listConsoleSessions", v.pageParams(params{"search": search}), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, s := range list.Value {
		rows[i] = g.Group{
			text(s.Name), html.Text(string(s.Role)), lines(s.Managers), v.when(&s.CreatedDateTime), v.when(&s.ExpiresDateTime), html.Text(s.Address),
			v.sure("endConsoleSession", "End session", v.Request.URL.RequestURI(), params{"sessionId": s.Id.String()}),
		}
	}
	found := table("console-sessions", []string{"Name", "Role", "Acts for", "Since", "Until", "From", ""}, rows)
	if len(rows) == 0 {
		found = v.noneFound(search, empty("Nobody is signed in at an identity provider. Sessions with a key end when the key is revoked.", html.A(html.Class("button"), html.Href(Root+"/keys"), html.Text("Keys"))))
	}
	return screen{title: "People signed in", body: g.Group{
		heading("People signed in", html.A(html.Class("button"), html.Href(Root+"/keys"), html.Text("Keys"))),
		html.P(html.Class("note"), html.Text("Who has lost a role at the identity provider keeps it here until the session ends. A person whose session is ended can sign in again unless the provider refuses it.")),
		searchBox("Search people", search), found, v.pager(list.NextLink),
	}}, nil
}

func showAudit(v *visit) (screen, error) {
	var list api.AuditList
	tenant, who := v.Query("tenantId"), v.Query("search")
	if err := v.call("listAudit", v.pageParams(params{"tenantId": tenant, "who": who}), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, e := range list.Value {
		of := html.Span(html.Class("note"), html.Text("none"))
		if e.TenantId != nil {
			of = html.A(html.Class("id"), html.Href(tenantAt(e.TenantId.String())), html.Text(e.TenantId.String()))
		}
		rows[i] = g.Group{
			v.whenByService(&e.DateTime), optional(e.KeyName), html.Text(e.Action), of, optional(e.Target),
			html.Span(html.Class("badge"), html.Data("value", string(e.Outcome)), html.Text(fmt.Sprintf("%s %d", e.Outcome, e.Status))), html.Text(fmt.Sprint(e.Count)), html.Text(e.Address),
		}
	}
	found := table("audit", []string{"When", "Who", "Operation", "Tenant", "Target", "Outcome", "Calls", "Address"}, rows)
	switch {
	case len(rows) == 0 && who != "":
		found = empty("No entry is by or about “"+who+"”. Names must be complete.", html.A(html.Class("button"), html.Href(v.withQueries("search", "", "after", "")), html.Text("Show all")))
	case len(rows) == 0:
		found = empty("Nothing has been changed or refused yet.")
	}
	keep := g.If(tenant != "", html.Input(html.Type("hidden"), html.Name("tenantId"), html.Value(tenant)))
	return screen{title: "Audit", body: g.Group{heading("Audit"), searchBox("Search by the name of a key, a person or a target", who, keep), found, v.pager(list.NextLink)}}, nil
}

func showSeeds(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.SeedList
	if err := v.call("listSeeds", v.pageParams(params{"search": search}), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, s := range list.Value {
		of := params{"name": s.Name}
		rows[i] = g.Group{text(s.Name), html.Text(counted(s.Counts)), optional(s.Manager), v.when(&s.CreatedDateTime), html.Div(html.Class("buttons"),
			v.formLink("createTenant", "Make a tenant from it", "button", params{"/source/seed": s.Name}),
			v.downloadLink("exportSeed", "Download", of), v.sure("deleteSeed", "Delete", v.Request.URL.RequestURI(), of))}
	}
	found := table("seeds", []string{"Name", "Contains", "Manager", "Created", ""}, rows)
	create := v.formLink("createSeed", "Create seed", "button primary", nil)
	if len(rows) == 0 {
		found = v.noneFound(search, empty("There are no seeds. A seed is a document from which tenants are made.", create))
	}
	return screen{title: "Seeds", body: g.Group{heading("Seeds", create), searchBox("Search seeds", search), found, v.pager(list.NextLink)}}, nil
}

// showService shows the service's addresses and health, and links to its documentation.
func showService(v *visit) (screen, error) {
	at, health := v.console.service(), v.console.health(v.Request.Context())
	var rows []g.Group
	for _, part := range slices.Sorted(maps.Keys(health)) {
		rows = append(rows, g.Group{html.Text(part), html.Text(health[part])})
	}
	return screen{title: "Service", body: g.Group{
		heading("Service"),
		facts(html.Text("Microsoft Graph and authority"), code(at.HTTP), html.Text("With HTTPS"), code(at.HTTPS), html.Text("Ready"), html.A(html.Href(at.HTTP+"/readyz"), code(at.HTTP+"/readyz"))),
		table("health", []string{"Part", "State"}, rows),
		html.Ul(html.Class("links"),
			html.Li(html.A(html.Href("/openapi.yaml"), html.Text("The contract of the administration")), html.Text(": every button here is one of its operations")),
			html.Li(html.A(html.Href("/metrics"), html.Text("Metrics")), html.Text(", for Prometheus")),
			html.Li(html.A(html.Href(Root+"/divergences"), html.Text("The differences from Microsoft Graph"))),
			html.Li(html.A(html.Href(documentation+"console.md"), html.Rel("noreferrer"), html.Text("About this console")))),
	}}, nil
}

func showHelp(*visit) (screen, error) {
	keys := []struct{ key, does string }{
		{"/", "search"}, {"g t", "tenants"}, {"g s", "seeds"}, {"g r", "reports"}, {"g k", "keys"}, {"g a", "audit"}, {"?", "this page"},
	}
	rows := make([]g.Group, len(keys))
	for i, k := range keys {
		rows[i] = g.Group{html.Kbd(html.Text(k.key)), html.Text(k.does)}
	}
	return screen{title: "Help", body: g.Group{
		heading("Help"),
		table("shortcuts", []string{"Key", "Leads to"}, rows),
		html.P(html.Text("Every page has an address that can be shared. Times are relative; point at one for its exact value.")),
		html.P(html.A(html.Href(documentation+"console.md"), html.Rel("noreferrer"), html.Text("docs/console.md"))),
	}}, nil
}
