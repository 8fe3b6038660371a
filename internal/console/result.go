package console

import (
	"encoding/json"
	"net/http"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

// results maps operations to functions that show their answer, most often a secret that is
// answered only once. After other operations the browser returns to the page it came from.
var results = map[string]func(*visit, json.RawMessage) (g.Node, error){
	"createTenant":            showCreatedTenant,
	"checkToken":              showCheckedToken,
	"createUser":              secretOf("password", "The user's password"),
	"createApplication":       secretOf("clientSecret", "The application's secret"),
	"createApplicationSecret": secretOf("clientSecret", "The secret"),
	"createKey":               secretOf("key", "The key"),
	"issueToken":              secretOf("accessToken", "The access token"),
	"createReportLogin":       secretOf("dsn", "The connection URL"),
	"rotateReportLogin":       secretOf("dsn", "The connection URL"),
}

// done shows the result of an operation, or returns to the page before. Reloading a result
// sends the form again with its Idempotency-Key, so the answer is the same.
func (v *visit) done(f *form, answer json.RawMessage) {
	show, has := results[f.op.name]
	if !has {
		to, err := f.back, error(nil)
		if f.op.name == "createEntity" {
			to, err = toEntity(f, answer)
		}
		if err != nil {
			v.fail(err)
			return
		}
		v.Redirect(http.StatusSeeOther, to)
		return
	}
	_ = v.findTenant() // for the navigation
	node, err := show(v, answer)
	if err != nil {
		v.fail(err)
		return
	}
	title := "Done"
	if f.op.name == "checkToken" {
		title = "The token"
	}
	v.write(screen{title: title + ": " + f.op.title(), body: g.Group{
		html.H1(html.Text(title)), node,
		html.P(html.Class("buttons"), html.A(html.Class("button"), testID("continue"), html.Href(f.back), html.Text("Continue"))),
	}})
}

// secretOf returns a function that shows one member of an answer, which can't be shown again.
func secretOf(member, label string) func(*visit, json.RawMessage) (g.Node, error) {
	return func(_ *visit, answer json.RawMessage) (g.Node, error) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(answer, &members); err != nil {
			return nil, err
		}
		var secret string
		if json.Unmarshal(members[member], &secret) != nil || secret == "" {
			return html.P(html.Text("The answer has no secret.")), nil
		}
		return g.Group{
			html.P(html.Text(label + " is shown only now. Keep it.")),
			copyable(label, member, secret),
		}, nil
	}
}

// showCreatedTenant shows a new tenant, and its credentials in the formats that programs
// read.
func showCreatedTenant(v *visit, answer json.RawMessage) (g.Node, error) {
	var made api.TenantCreated
	if err := json.Unmarshal(answer, &made); err != nil {
		return nil, err
	}
	id := made.Tenant.Id.String()
	all := g.Group{html.P(html.Text("The tenant "), html.A(testID("tenant-link"), html.Href(tenantAt(id)), html.Text(made.Tenant.DisplayName)), html.Text(" has been created."))}
	if made.Credentials == nil {
		return all, nil
	}
	k := made.Credentials
	variables := v.variables(k.TenantId.String(), k.ClientId.String(), k.ClientSecret, k.UserPrincipalName, k.Password)
	text, err := json.MarshalIndent(made.Credentials, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(all,
		html.P(html.Text("Its credentials are shown only now. Keep them, or paste the first form into a shell.")),
		copyable("For a shell", "shell", shellText(variables)),
		copyable("As .env", "env", envText(variables)),
		copyable("As JSON", "json", string(text)),
	), nil
}
