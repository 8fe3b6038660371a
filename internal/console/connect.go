package console

import (
	"strings"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
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
		html.P(g.Text("Microsoft's SDKs read these variables. Passwords and secrets are kept as hashes, so they can't be shown: set or make new ones, and fill them in.")),
		copyable("For a shell", "shell", shellText(variables)),
		copyable("As .env", "env", envText(variables)),
		copyable("curl: sign in and create a partner", "curl", curlSnippet),
		html.P(g.Text("Programs in Go, Node, Python, .NET, Java, PowerShell and Terraform: "), html.A(html.Href(documentation+"clients.md"), html.Rel("noreferrer"), g.Text("docs/clients.md")), g.Text(". "),
			g.Text("Trust the certificate of the service: "), code(v.console.service().HTTP+"/.well-known/mocktenant/ca.pem")),
	}}, nil
}

// documentation is the address of the documentation.
const documentation = "https://github.com/mocktenant/mocktenant/tree/main/docs/"

// curlSnippet is the snippet in docs/clients.md; a test compares them.
const curlSnippet = `token=$(curl -s --cacert "$SSL_CERT_FILE" "$AZURE_AUTHORITY_HOST$AZURE_TENANT_ID/oauth2/v2.0/token" \
  -d grant_type=password -d client_id="$AZURE_CLIENT_ID" -d username="$AZURE_USERNAME" -d password="$AZURE_PASSWORD" \
  -d scope=https://graph.microsoft.com/.default | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s --cacert "$SSL_CERT_FILE" "$GRAPH_BASE_URL/v1.0/deviceManagement/remoteAssistancePartners" \
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"displayName": "TeamViewer"}'
`
