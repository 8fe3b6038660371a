package console

import (
	"fmt"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/docs"
)

// variable is an environment variable that Microsoft's SDKs read.
type variable struct{ name, value string }

// base returns the service's address for clients, with HTTPS if it serves that.
func (v *visit) base() string {
	at := v.console.service()
	if at.HTTPS != "" {
		return at.HTTPS
	}
	return at.HTTP
}

// variables returns the variables with which a client reaches a tenant.
func (v *visit) variables(tenant, client, secret, user, password string) []variable {
	return []variable{
		{"AZURE_TENANT_ID", tenant},
		{"AZURE_CLIENT_ID", client},
		{"AZURE_CLIENT_SECRET", secret},
		{"AZURE_USERNAME", user},
		{"AZURE_PASSWORD", password},
		{"AZURE_AUTHORITY_HOST", v.base() + "/"},
		{"GRAPH_BASE_URL", v.base()},
	}
}

func shellText(all []variable) string {
	var b strings.Builder
	for _, one := range all {
		b.WriteString("export " + one.name + "='" + strings.ReplaceAll(one.value, "'", `'\''`) + "'\n")
	}
	return b.String()
}

func envText(all []variable) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")
	var b strings.Builder
	for _, one := range all {
		b.WriteString(one.name + `="` + escape.Replace(one.value) + "\"\n")
	}
	return b.String()
}

// showConnect shows the settings with which a client reaches the tenant. The service keeps
// only hashes of secrets, so people fill in the ones they have or make new ones.
func showConnect(v *visit) (screen, error) {
	var users api.UserList
	if err := v.call("listUsers", v.ofTenant("top", "1"), &users); err != nil {
		return screen{}, err
	}
	var apps api.ApplicationList
	if err := v.call("listApplications", v.ofTenant("top", "1"), &apps); err != nil {
		return screen{}, err
	}
	client, user := "CLIENT_ID", "USER"
	secret := g.Node(nil)
	if len(apps.Value) > 0 {
		client = apps.Value[0].ClientId.String()
		secret = v.formLink("createApplicationSecret", "Make a secret", "button", v.ofTenant("clientId", client))
	}
	password := g.Node(nil)
	if len(users.Value) > 0 {
		user = users.Value[0].UserPrincipalName
		password = v.formLink("updateUser", "Set the user's password", "button", v.ofTenant("userId", users.Value[0].Id.String()))
	}
	variables := v.variables(v.tenant.Id.String(), client, "SECRET", user, "PASSWORD")
	return screen{title: "Connect a client", body: g.Group{
		heading("Connect a client", password, secret),
		html.P(html.Text("Microsoft's SDKs read these variables. Passwords and secrets are kept as hashes, so they can't be shown: set or make new ones, and fill them in.")),
		copyable("For a shell", "shell", shellText(variables)),
		copyable("As .env", "env", envText(variables)),
		html.P(html.Text("Trust the certificate of the service: "), code(v.console.service().HTTP+"/.well-known/mocktenant/ca.pem")),
		html.H2(html.Text("Sign in and create a partner")),
		html.P(html.Class("note"), html.Text("Each program reads the variables above. More about it: "), html.A(html.Href(documentation+"clients.md"), html.Rel("noreferrer"), html.Text("docs/clients.md"))),
		snippets(),
	}}, nil
}

// documentation is the address of the documentation.
const documentation = "https://github.com/mocktenant/mocktenant/tree/main/docs/"

// languages are the headings of docs/clients.md whose programs the page shows.
var languages = []string{"curl", "Go", "Node", "Python", ".NET", "Java", "PowerShell", "Terraform"}

// snippets shows the programs of docs/clients.md, which read the variables. The first one is open.
func snippets() (all g.Group) {
	for i, language := range languages {
		blocks := g.Group{}
		for n, program := range programs(docs.Clients, language) {
			label := language
			if n > 0 {
				label += fmt.Sprintf(" (%d)", n+1)
			}
			blocks = append(blocks, copyable(label, fmt.Sprintf("%s-%d", strings.ToLower(strings.TrimPrefix(language, ".")), n+1), program))
		}
		all = append(all, html.Details(testID("snippet"), g.If(i == 0, html.Attr("open")), html.Summary(html.Text(language)), blocks))
	}
	return all
}

// programs returns the fenced blocks below a heading of a page in Markdown.
func programs(page, heading string) (all []string) {
	_, section, _ := strings.Cut(page, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for parts := strings.Split("\n"+section, "\n```"); len(parts) > 2; parts = parts[2:] {
		_, program, _ := strings.Cut(parts[1], "\n") // after the name of its language
		all = append(all, program+"\n")
	}
	return all
}
