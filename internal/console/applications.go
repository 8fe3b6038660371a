package console

import (
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func showApplications(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.ApplicationList
	if err := v.call("listApplications", v.pageParams(v.ofTenant("search", search)), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, a := range list.Value {
		rows[i] = g.Group{
			html.A(html.Href(v.at("applications", a.ClientId.String())), html.Dir("auto"), html.Text(a.DisplayName)),
			code(a.ClientId.String()), yesNo(a.PublicClient), lines(a.RequiredScopes), v.when(&a.CreatedDateTime),
		}
	}
	found := table("applications", []string{"Name", "Client id", "Public", "Scopes", "Created"}, rows)
	create := v.formLink("createApplication", "Create application", "button primary", v.ofTenant())
	if len(rows) == 0 {
		found = v.noneFound(search, empty("No program can sign in yet. Create an application; it comes with a secret unless it is public.", create))
	}
	return screen{title: "Applications", body: g.Group{heading("Applications", v.formLink("checkToken", "Check a token", "button", v.ofTenant()), create), searchBox("Search applications", search), found, v.pager(list.NextLink)}}, nil
}

func showApplication(v *visit) (screen, error) {
	id := v.Param("clientId")
	of := v.ofTenant("clientId", id)
	var a api.Application
	if err := v.call("getApplication", of, &a); err != nil {
		return screen{}, err
	}
	return screen{title: a.DisplayName, body: g.Group{
		heading(a.DisplayName,
			v.formLink("updateApplication", "Edit", "button primary", of),
			v.formLink("issueToken", "Issue token", "button", v.ofTenant("/clientId", id)),
			v.formLink("grantConsent", "Grant consent", "button", of), v.formLink("removeConsent", "Remove consent", "button", of)),
		facts(
			html.Text("Client id"), code(id), html.Text("Service principal"), code(a.ServicePrincipalId.String()), html.Text("Public client"), yesNo(a.PublicClient), html.Text("Public client flows"), yesNo(a.PublicClientFlows),
			html.Text("Redirect URIs, web"), lines(a.RedirectUris), html.Text("Redirect URIs, spa"), lines(a.SpaRedirectUris), html.Text("Redirect URIs, native"), lines(a.PublicClientRedirectUris),
			html.Text("Exposed scopes"), lines(a.ExposedScopes), html.Text("Required scopes"), lines(a.RequiredScopes), html.Text("Required roles"), lines(a.RequiredRoles), html.Text("Created"), v.when(&a.CreatedDateTime),
		),
		v.credentials(a, of),
		html.Div(html.Class("buttons"), v.sure("deleteApplication", "Delete application", v.at("applications"), of)),
	}}, nil
}

// credentials shows an application's secrets, certificates and federated credentials.
func (v *visit) credentials(a api.Application, of params) g.Node {
	with := func(name, id string) params { return v.ofTenant("clientId", of["clientId"], name, id) }
	back := v.Request.URL.RequestURI()
	var rows []g.Group
	for _, s := range a.Secrets {
		rows = append(rows, g.Group{html.Text("secret"), code(s.Hint + "…"), v.when(&s.ExpiresDateTime), v.sure("deleteApplicationSecret", "Delete", back, with("secretId", s.Id.String()))})
	}
	for _, c := range a.Certificates {
		rows = append(rows, g.Group{html.Text("certificate"), code(c.Thumbprint), v.when(&c.ExpiresDateTime), v.sure("deleteApplicationCertificate", "Delete", back, with("credentialId", c.Id.String()))})
	}
	for _, f := range a.FederatedCredentials {
		rows = append(rows, g.Group{html.Text("federated"), text(f.Name + ": " + f.Issuer + ", " + f.Subject), v.when(nil), v.sure("deleteFederatedCredential", "Delete", back, with("credentialId", f.Id.String()))})
	}
	found := table("credentials", []string{"Kind", "Which", "Expires", ""}, rows)
	if len(rows) == 0 {
		found = empty("It has no secret, certificate or federated credential.")
	}
	return html.Section(heading2("Credentials",
		v.formLink("createApplicationSecret", "Add secret", "button", of),
		v.formLink("createApplicationCertificate", "Add certificate", "button", of),
		v.formLink("createFederatedCredential", "Add federated credential", "button", of)), found)
}

// heading2 is the heading of a section, with buttons for its actions.
func heading2(title string, actions ...g.Node) g.Node {
	return html.Div(html.Class("heading"), html.H2(html.Text(title)), html.Div(html.Class("buttons"), g.Group(actions)))
}
