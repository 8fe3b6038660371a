package console

import (
	"encoding/json"
	"net/http"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/api"
)

// results show what is answered this once, by operation: secrets, mostly. After the other
// operations the browser goes back to where it came from.
var results = map[string]func(*visit, json.RawMessage) (g.Node, error){
	"createTenant":            showCreatedTenant,
	"createUser":              secretOf("password", "The user's password"),
	"createApplication":       secretOf("clientSecret", "The application's secret"),
	"createApplicationSecret": secretOf("clientSecret", "The secret"),
	"createKey":               secretOf("key", "The key"),
	"issueToken":              secretOf("accessToken", "The access token"),
	"createReportLogin":       secretOf("dsn", "The URL to connect by"),
	"rotateReportLogin":       secretOf("dsn", "The URL to connect by"),
}

// done shows the result of an operation, or leads back. A reload of a result sends the form
// again, with its Idempotency-Key, and gets the same answer.
func (v *visit) done(f *form, answer json.RawMessage) {
	show, has := results[f.op.name]
	if !has {
		v.Redirect(http.StatusSeeOther, f.back)
		return
	}
	_ = v.findTenant() // for the navigation
	node, err := show(v, answer)
	if err != nil {
		v.fail(err)
		return
	}
	v.write(screen{title: "Done: " + f.op.title(), body: g.Group{
		html.H1(g.Text("Done")), node,
		html.P(html.Class("buttons"), html.A(html.Class("button"), testID("continue"), html.Href(f.back), g.Text("Continue"))),
	}})
}

// secretOf shows one member of an answer, which nothing shows again.
func secretOf(member, label string) func(*visit, json.RawMessage) (g.Node, error) {
	return func(_ *visit, answer json.RawMessage) (g.Node, error) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(answer, &members); err != nil {
			return nil, err
		}
		var secret string
		if json.Unmarshal(members[member], &secret) != nil || secret == "" {
			return html.P(g.Text("There is nothing to keep from it.")), nil
		}
		return g.Group{
			html.P(g.Text(label + " is shown this once. Keep it.")),
			copyable(label, member, secret),
		}, nil
	}
}

// showCreatedTenant shows a tenant that was just made, and its credentials in the forms in
// which programs read them.
func showCreatedTenant(v *visit, answer json.RawMessage) (g.Node, error) {
	var made api.TenantCreated
	if err := json.Unmarshal(answer, &made); err != nil {
		return nil, err
	}
	id := made.Tenant.Id.String()
	all := g.Group{html.P(g.Text("The tenant "), html.A(testID("tenant-link"), html.Href(tenantAt(id)), g.Text(made.Tenant.DisplayName)), g.Text(" is there."))}
	if made.Credentials == nil {
		return all, nil
	}
	variables := v.variables(*made.Credentials)
	text, err := json.MarshalIndent(made.Credentials, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(all,
		html.P(g.Text("Its credentials are shown this once. Keep them, or use the first one in a shell now.")),
		copyable("For a shell", "shell", shellText(variables)),
		copyable("As .env", "env", envText(variables)),
		copyable("As JSON", "json", string(text)),
	), nil
}
