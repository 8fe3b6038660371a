package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// Commands accept names instead of ids for tenants, users and applications.
func TestNames(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}}
	p := serve(t, a.settings)
	made := parse[api.Credentials](t, a.run("tenant", "create", "--display-name", "Contoso", "--domain", "contoso.example", "-o", "json"))
	a.run("tenant", "create", "--display-name", "Twin", "--domain", "one.example")
	a.run("tenant", "create", "--display-name", "twin", "--domain", "two.example")
	id := made.TenantId.String()
	for _, name := range []string{id, strings.ToUpper(id), "contoso.example", "CONTOSO.example", "Contoso", "contoso"} {
		if got := parse[api.Tenant](t, a.run("tenant", "get", name, "-o", "json")); got.Id != made.TenantId {
			t.Errorf("%s is %s", name, got.Id)
		}
	}
	a.fails(exitFailure, `2 are named "twin": name the tenant by its id, one of `, "tenant", "get", "twin")
	a.fails(exitNotFound, `There is no tenant "contoso.exampel": did you mean contoso.example?`, "tenant", "get", "contoso.exampel")

	a.settings = append(a.settings, "AZURE_TENANT_ID=contoso.example")
	alice := parse[api.UserCreated](t, a.run("user", "create", "alice@contoso.example", "--display-name", "Alice", "-o", "json")).User
	for _, name := range []string{alice.Id.String(), "alice@contoso.example", "Alice@Contoso.example"} {
		if got := parse[api.User](t, a.run("user", "get", name, "-o", "json")); got.Id != alice.Id {
			t.Errorf("%s is %s", name, got.Id)
		}
	}
	portal := parse[api.ApplicationCreated](t, a.run("app", "create", "Portal", "-o", "json")).Application
	for _, name := range []string{portal.ClientId.String(), "Portal", "portal"} {
		if got := parse[api.Application](t, a.run("app", "get", name, "-o", "json")); got.ClientId != portal.ClientId {
			t.Errorf("%s is %s", name, got.ClientId)
		}
	}
	a.fails(exitNotFound, `There is no user "alice@contoso.exampl": did you mean alice@contoso.example?`, "user", "delete", "alice@contoso.exampl")
	if out := a.run("app", "consent", "grant", "Portal", "--user", "alice@contoso.example", "--scope", "User.Read"); out != "Granted the permissions to application Portal.\n" {
		t.Error(out)
	}
	if out := a.run("tenant", "token", "--client", "portal", "--user", "alice@contoso.example"); !strings.HasPrefix(out, "eyJ") {
		t.Error(out)
	}
	a.run("tenant", "create", "--display-name", "Copy", "--from", "Contoso", "--no-credentials")
	a.run("report-login", "create", "--tenant", "Contoso,one.example")
	if out := a.run("audit", "--tenant", "one.example"); strings.Contains(out, "createUser") || !strings.Contains(out, "createTenant") {
		t.Error(out)
	}
	if out := a.run("user", "delete", "alice@contoso.example"); out != "Removed user alice@contoso.example.\n" {
		t.Error(out)
	}
	if out := a.run("tenant", "delete", "Contoso", "one.example,two.example"); strings.Count(out, "Removed tenant ") != 3 {
		t.Error(out)
	}
	p.stop(t)
}

// A token belongs to the tenant that a flag or a variable names, never to the demo tenant
// instead.
func TestTokenOfATenant(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}}
	p := serve(t, a.settings)
	made := parse[api.Credentials](t, a.run("tenant", "create", "--display-name", "Contoso", "--domain", "contoso.example", "-o", "json"))
	id := made.TenantId.String()
	create := func(args ...string) {
		t.Helper()
		token := strings.TrimSpace(a.run(append([]string{"token"}, args...)...))
		if status, body, err := p.doAs(token, "POST", partners, `{"displayName":"here"}`); status != 201 {
			t.Errorf("%q: %d %s %v", args, status, body, err)
		}
	}
	create("--tenant", id)
	create("--tenant", "contoso.example", "--lifetime", "5m")
	create("--tenant", "Contoso", "--user", made.UserPrincipalName, "--client", made.ClientId.String())
	variables := a
	variables.settings = append(variables.settings, "AZURE_TENANT_ID="+id, "AZURE_CLIENT_ID="+made.ClientId.String(), "AZURE_USERNAME="+made.UserPrincipalName)
	a, bare := variables, a
	create()
	a = bare // in a shell with variables of the demo tenant's application and user
	a.settings = append(a.settings, "AZURE_TENANT_ID="+server.DemoTenantID.String(), "AZURE_CLIENT_ID="+server.DemoClientID.String(), "AZURE_USERNAME="+server.DemoUserName)
	create("--tenant", "Contoso")
	a = variables
	if out := a.run("entity", "list", "remoteAssistancePartners"); strings.Count(out, "here") != 5 {
		t.Error(out)
	}
	bare.fails(exitNotFound, `There is no tenant "nobody.example"`, "token", "--tenant", "nobody.example")
	bare.fails(exitNotFound, `There is no user "nobody@contoso.example"`, "token", "--tenant", "Contoso", "--user", "nobody@contoso.example")
	bare.fails(exitFailure, "--personal: a personal account doesn't belong to a tenant", "token", "--tenant", "Contoso", "--personal")
	bare.fails(exitFailure, "--lifetime 1ms: want 1s or more", "token", "--tenant", "Contoso", "--lifetime", "1ms")
	empty := parse[api.Tenant](t, a.run("tenant", "create", "--display-name", "Empty", "--no-credentials", "-o", "json"))
	bare.fails(exitFailure, "the tenant has no application", "token", "--tenant", empty.Id.String())
	reader := strings.TrimSpace(bare.run("token", "--user", "reader@demo.mocktenant.example", "--scope", "User.Read"))
	if status, body, _ := p.doAs(reader, "POST", partners, "{}"); status != 403 {
		t.Errorf("the demo tenant's reader: %d %s", status, body)
	}
	p.stop(t)
}

// The output of env and tenant create for a shell sets everything that a client needs.
func TestVariables(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}}
	p := serve(t, a.settings)
	made := a.run("tenant", "create", "--display-name", "Contoso", "--domain", "contoso.example", "-o", "env")
	if again := a.run("env", "--tenant", "contoso.example"); valueOf(again, "AZURE_TENANT_ID") != valueOf(made, "AZURE_TENANT_ID") ||
		!strings.Contains(again, "unset AZURE_CLIENT_SECRET\n") || !strings.Contains(again, "export MOCKTENANT_ADMIN_URL='http://127.0.0.1:") {
		t.Errorf("%s\nbut\n%s", again, made)
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	script := made + `"` + curl + `" -sS --cacert "$SSL_CERT_FILE" -d grant_type=client_credentials -d client_id=$AZURE_CLIENT_ID --data-urlencode client_secret="$AZURE_CLIENT_SECRET" ` +
		`--data-urlencode scope=https://graph.microsoft.com/.default "$AZURE_AUTHORITY_HOST$AZURE_TENANT_ID/oauth2/v2.0/token"`
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput(); err != nil || !strings.Contains(string(out), `"access_token"`) {
		t.Errorf("%v\n%s\n%s", err, out, script)
	}
	for shell, want := range map[string]string{
		"sh": "export AZURE_USERNAME='writer@", "fish": "set -gx AZURE_USERNAME 'writer@", "powershell": "$env:AZURE_USERNAME = 'writer@",
		"dotenv": `AZURE_USERNAME="writer@`, "github": "AZURE_USERNAME=writer@",
	} {
		if out := a.run("env", "-o", shell); !strings.Contains(out, want) {
			t.Errorf("%s:\n%s", shell, out)
		}
	}
	p.stop(t)
}

// valueOf returns the value of a variable in lines for sh.
func valueOf(lines, name string) string {
	_, value, _ := strings.Cut(lines, "export "+name+"='")
	value, _, _ = strings.Cut(value, "'")
	return value
}

// Each format sets values exactly, and unsets the variables that have none.
func TestVariableFormats(t *testing.T) {
	t.Parallel()
	const value = `a'b"c\d$e` + "`f\u2019"
	for _, tt := range []struct{ shell, set, unset string }{
		{"sh", `export X='a'\''b"c\d$e` + "`f\u2019'", "unset X"},
		{"fish", `set -gx X 'a\'b"c\\d$e` + "`f\u2019'", "set -e X"},
		{"powershell", `$env:X = 'a''b"c\d$e` + "`f\u2019\u2019'", "Remove-Item -ErrorAction Ignore Env:X"},
		{"dotenv", `X="a'b\"c\\d\$e` + "\\`f\u2019\"", `X=""`},
		{"github", `X=a'b"c\d$e` + "`f\u2019", "X="},
	} {
		if got := (variable{"X", value}).in(tt.shell); got != tt.set {
			t.Errorf("%s: %s, want %s", tt.shell, got, tt.set)
		}
		if got := (variable{"X", ""}).in(tt.shell); got != tt.unset {
			t.Errorf("%s: %s, want %s", tt.shell, got, tt.unset)
		}
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", variable{"X", value}.in("sh")+"\nprintf %s \"$X\"").Output()
	if err != nil || string(out) != value {
		t.Errorf("sh reads %q, %v", out, err)
	}
}

// Shells complete the names of things in the service.
func TestCompletionOfNames(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}}
	p := serve(t, a.settings)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"tenant", "get", ""}, "demo.mocktenant.example\tDemo tenant\n"},
		{[]string{"user", "list", "--tenant", ""}, "demo.mocktenant.example\tDemo tenant\n"},
		{[]string{"user", "get", "--tenant", "Demo tenant", ""}, "reader@demo.mocktenant.example\tDemo Reader\n"},
		{[]string{"app", "get", "--tenant", "demo.mocktenant.example", ""}, "d635a4a5-5d1b-4e46-9fc6-4b1f2d9a0c11\tDemo application\n"},
		{[]string{"report", ""}, "recent-changes\t"},
	} {
		var out string
		for range 20 { // completion waits only two seconds, in which a busy machine may not answer
			if out = a.run(append([]string{"__complete"}, tt.args...)...); strings.Contains(out, tt.want) {
				break
			}
		}
		if !strings.Contains(out, tt.want) {
			t.Errorf("%q: %q", tt.args, out)
		}
	}
	p.stop(t)
}

// Tables show unset times as never, and settings and quotas with the names of their flags.
func TestTables(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t), "AZURE_TENANT_ID=demo.mocktenant.example"}}
	p := serve(t, a.settings)
	if status, body, err := p.do("POST", partners, `{"displayName":"new","onboardingStatus":"notOnboarded"}`); status != 201 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if status, body, err := p.do("POST", partners, `{"displayName":"old","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`); status != 201 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	out := a.run("entity", "list", "remoteAssistancePartners")
	for _, want := range []string{"new           notOnboarded  never ", "2017-01-01T07:58:36Z"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s lacks %q", out, want)
		}
	}
	out = a.run("tenant", "update", "--page-size", "7", "--quota-users", "9")
	for _, want := range []string{" never ", "page-size=7 partner-portal=false permission-rule=seed repeatability-seconds=0 status-codes=documented throttling=limits:off user-picker=true", "entities=any users=9 requests-per-second=any"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s lacks %q", out, want)
		}
	}
	p.stop(t)
}
