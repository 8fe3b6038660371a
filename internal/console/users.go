package console

import (
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func showUsers(v *visit) (screen, error) {
	search := v.Query("search")
	var list api.UserList
	if err := v.call("listUsers", v.pageParams(v.ofTenant("search", search)), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, u := range list.Value {
		rows[i] = g.Group{
			html.A(html.Href(v.at("users", u.Id.String())), html.Dir("auto"), html.Text(u.UserPrincipalName)),
			text(u.DisplayName), yesNo(u.Enabled), yesNo(u.MustChangePassword), v.when(&u.CreatedDateTime),
		}
	}
	found := table("users", []string{"User name", "Name", "Enabled", "Must change password", "Created"}, rows)
	create := v.formLink("createUser", "Create user", "button primary", v.ofTenant())
	if len(rows) == 0 {
		found = v.noneFound(search, empty("Nobody can sign in yet. Create a user. If you leave out the password, the service chooses one.", create))
	}
	return screen{title: "Users", body: g.Group{heading("Users", create), searchBox("Search users", search), found, v.pager(list.NextLink)}}, nil
}

func showUser(v *visit) (screen, error) {
	of := v.ofTenant("userId", v.Param("userId"))
	var u api.User
	if err := v.call("getUser", of, &u); err != nil {
		return screen{}, err
	}
	roles := make([]string, len(u.DirectoryRoles))
	for i, role := range u.DirectoryRoles {
		roles[i] = role.String()
	}
	toggle := v.switchButton("updateUser", "Disable", "/enabled", "false", of)
	if !u.Enabled {
		toggle = v.switchButton("updateUser", "Enable", "/enabled", "true", of)
	}
	return screen{title: u.UserPrincipalName, body: g.Group{
		heading(u.DisplayName, v.formLink("updateUser", "Edit, or set password", "button primary", of)),
		facts(
			html.Text("User name"), text(u.UserPrincipalName), html.Text("Id"), code(u.Id.String()), html.Text("Given name"), optional(u.GivenName), html.Text("Surname"), optional(u.Surname),
			html.Text("Enabled"), yesNo(u.Enabled), html.Text("Must change password"), yesNo(u.MustChangePassword), html.Text("Directory roles"), lines(roles), html.Text("Created"), v.when(&u.CreatedDateTime),
		),
		html.Div(html.Class("buttons"), toggle, v.button("revokeSignIns", "Sign out everywhere", of), v.sure("deleteUser", "Delete user", v.at("users"), of)),
	}}, nil
}

// switchButton is a button that updates a single field.
func (v *visit) switchButton(operation, label, field, value string, p params) g.Node {
	if !v.may(operation) {
		return nil
	}
	f := &form{op: contract().operations[operation], params: p, back: v.Request.URL.RequestURI()}
	return html.Form(html.Class("inline"), html.Method("post"), html.Action(Root+"/call/"+operation), v.hidden(f),
		html.Input(html.Type("hidden"), html.Name(field), html.Value(value)),
		html.Button(testID(operation+"-switch"), html.Text(label)))
}
