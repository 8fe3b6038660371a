package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// administration runs commands against one service.
type administration struct {
	*testing.T
	settings []string
}

// run runs a command and expects success.
func (a administration) run(args ...string) string {
	a.Helper()
	out, log, code := output(a.T, a.settings, args...)
	if code != 0 {
		a.Fatalf("%q: exit %d\n%s%s", args, code, out, log)
	}
	return out
}

// fails runs a command and expects it to fail with an exit code and a reason.
func (a administration) fails(exit int, want string, args ...string) {
	a.Helper()
	out, log, code := output(a.T, a.settings, args...)
	if code != exit || !strings.Contains(log, want) {
		a.Errorf("%q: exit %d, want %d and %q\n%s%s", args, code, exit, want, out, log)
	}
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// Beyond loopback a service with its own Postgres makes a key, which is found by anyone who can
// read its data directory.
func TestOwnAdminKey(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t), "MOCKTENANT_ADMIN_ADDR=0.0.0.0:0"}}
	a.fails(1, "hasn't made a key", "admin-key", "show")
	p := serve(t, a.settings)
	key := strings.TrimSpace(a.run("admin-key", "show"))
	a.run("tenant", "list")
	if env := a.run("env", "--ca-file", "/there/ca.pem"); !strings.Contains(env, "export MOCKTENANT_ADMIN_KEY='"+key+"'\n") || !strings.Contains(env, "export SSL_CERT_FILE='/there/ca.pem'\n") {
		t.Errorf("env:\n%s", env)
	}
	_, url, _ := strings.Cut(p.text, "admin  ")
	url, _, _ = strings.Cut(url, "\n")
	a.fails(3, "A key is needed", "tenant", "list", "--admin-url", url) // only the service that made the key accepts it
	p.stop(t)
	if !strings.HasPrefix(key, "mocktenant_") || strings.Contains(p.text+p.log.String(), key) {
		t.Errorf("key %q, printed:\n%s%s", key, p.text, p.log)
	}
	p = serve(t, a.settings)
	if again := strings.TrimSpace(a.run("admin-key", "show")); again != key {
		t.Errorf("after another start: %s", again)
	}
	p.stop(t)
}

// The commands manage a tenant from its creation to its end.
func TestAdministration(t *testing.T) {
	t.Parallel()
	dir := preparedDir(t)
	p := serve(t, []string{"MOCKTENANT_DATA_DIR=" + dir})
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + dir}}

	made := parse[map[string]string](t, a.run("tenant", "create", "--display-name", "Contoso", "--domain", "contoso.example", "--ttl", "1d", "--page-size", "5", "-o", "json"))
	for _, name := range []string{"tenantId", "clientId", "clientSecret", "userPrincipalName", "password", "accessToken"} {
		if made[name] == "" {
			t.Errorf("no %s in %v", name, made)
		}
	}
	id := made["tenantId"]
	create := func(body string) string {
		t.Helper()
		status, text, err := p.doAs(made["accessToken"], "POST", "/v1.0/deviceManagement/remoteAssistancePartners", body)
		if err != nil || status != 201 {
			t.Fatalf("%d %s %v", status, text, err)
		}
		return parse[struct{ ID string }](t, text).ID
	}
	partner := create(`{"displayName":"Support","onboardingStatus":"onboarding"}`)

	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"tenant", "list"}, "Contoso"},
		{[]string{"tenant", "get", id}, id},
		{[]string{"tenant", "update", id, "--display-name", "Fabrikam", "--quota-entities", "10", "--forever"}, "Fabrikam"},
		{[]string{"user", "create", "alice@contoso.example", "--tenant", id, "--password", "secret"}, "alice@contoso.example"},
		{[]string{"user", "list", "--tenant", id}, "alice@contoso.example"},
		{[]string{"app", "create", "Portal", "--tenant", id, "--redirect-uri", "http://localhost/a,b", "--spa-redirect-uri", "http://localhost/c", "--public-client-redirect-uri", "http://localhost/d"}, "Portal"},
		{[]string{"app", "list", "--tenant", id, "-o", "json"}, `"http://localhost/a,b"`},
		{[]string{"app", "list", "--tenant", id, "-o", "json"}, `"http://localhost/c"`},
		{[]string{"app", "list", "--tenant", id, "-o", "json"}, `"http://localhost/d"`},
		{[]string{"snapshot", "create", "before", "--tenant", id}, "before"},
		{[]string{"entity", "act", "remoteAssistancePartners", partner, "confirm", "--tenant", id}, "onboarded"},
		{[]string{"entity", "act", "remoteAssistancePartners", partner, "heartbeat", "--tenant", id}, "20"},
		{[]string{"entity", "list", "remoteAssistancePartners", "--tenant", id}, "Support"},
		{[]string{"entity", "list", "remoteAssistancePartners", "--filter", "onboardingStatus eq 'onboarding'", "--order-by", "displayName", "--tenant", id, "-o", "json"}, "[]\n"},
		{[]string{"entity", "create", "deviceCategories", `{"displayName":"Kiosk"}`, "--id", partner, "--tenant", id}, "Kiosk"},
		{[]string{"entity", "update", "deviceCategories", partner, `{"displayName":"Desk"}`, "--of-version", "1", "--tenant", id}, "Desk"},
		{[]string{"entity", "delete", "deviceCategories", partner, "--tenant", id}, "Deleted " + partner + ".\n"},
		{[]string{"entity", "versions", "deviceCategories", partner, "--tenant", id}, `"displayName":"Kiosk"`},
		{[]string{"entity", "restore", "deviceCategories", partner, "1", "--tenant", id}, "Kiosk"},
		{[]string{"entity", "delete", "deviceCategories", partner, "--tenant", id}, "Deleted"},
		{[]string{"snapshot", "diff", "before", "--tenant", id}, `changed  remoteAssistancePartner`},
		{[]string{"snapshot", "list", "--tenant", id}, "before"},
		{[]string{"report"}, "recent-changes"},
		{[]string{"report", "entities-by-status", "--tenant", id, "-o", "csv"}, "entity_set,status,entities\nremoteAssistancePartners,onboarded,1\n"},
		{[]string{"report", "recent-changes", "--tenant", id, "-o", "json"}, `"change": "heartbeat"`},
		{[]string{"report", "entities-by-status", "--tenant", id, "-o", "json"}, `"entities": 1`},
		{[]string{"snapshot", "restore", "before", "--tenant", id}, "1         2      2"},
		{[]string{"entity", "list", "remoteAssistancePartners", "--tenant", id}, "onboarding "},
		{[]string{"tenant", "token", id, "--client", made["clientId"]}, "eyJ"},
		{[]string{"tenant", "check-token", made["accessToken"], "--tenant", id}, "remoteAssistancePartners       true  true"},
		{[]string{"tenant", "check-token", "x", "--tenant", id}, "refused:  not a JSON Web Token"},
		{[]string{"audit", "--tenant", id}, "restoreSnapshot"},
		{[]string{"audit", "--all", "--since", "1h", "--who", "ALICE@contoso.example", "-o", "csv"}, ",createUser," + id + ",alice@contoso.example,"},
		{[]string{"audit", "--tenant", id, "--until", "2020-01-01T00:00:00Z", "-o", "json"}, "[]\n"},
	} {
		if out := a.run(tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("%q: want %q\n%s", tt.args, tt.want, out)
		}
	}

	file := filepath.Join(t.TempDir(), "state.yaml")
	a.run("export", id, "-f", file)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "displayName: Support") {
		t.Errorf("%v\n%s", err, text)
	}
	a.run("seed", "create", "contoso", file)
	if out := a.run("seed", "list"); !strings.Contains(out, "contoso") {
		t.Error(out)
	}
	second := parse[api.Tenant](t, a.run("tenant", "create", "--display-name", "Second", "--seed", "contoso", "--no-credentials", "-o", "json"))
	if out := a.run("entity", "list", "remoteAssistancePartners", "--tenant", second.Id.String()); !strings.Contains(out, partner) {
		t.Error(out)
	}
	bad := filepath.Join(t.TempDir(), "bad.yml")
	if err := os.WriteFile(bad, []byte("version: 1\nremoteAssistancePartners:\n  - displayName: x\n    color: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.fails(exitFailure, "line 4, /remoteAssistancePartners/0/color: unknown property", "import", id, bad)
	a.fails(exitConflict, "There is a seed \"contoso\"", "seed", "create", "contoso", file)
	a.run("import", id, file)
	a.run("seed", "delete", "contoso")
	bob := parse[api.UserCreated](t, a.run("user", "create", "bob@contoso.example", "--tenant="+id, "--disabled", "-o", "json"))
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--enabled"}, "bob@contoso.example  true"},
		{[]string{"--no-enabled"}, "bob@contoso.example  false"},
		{[]string{"--display-name", "Robert"}, "Robert        false"}, // without a message
		{[]string{"--no-enabled", "--enabled"}, "Robert        true"},
		{[]string{"--enabled=no"}, "Robert        false"},
		{[]string{"--no-enabled=no"}, "Robert        true"},
	} {
		if out := a.run(append([]string{"user", "update", bob.User.Id.String(), "--tenant", id}, tt.flags...)...); !strings.Contains(out, tt.want) {
			t.Errorf("%q: want %q\n%s", tt.flags, tt.want, out)
		}
	}
	a.fails(exitConflict, "it has version", "entity", "update", "remoteAssistancePartners", partner, `{"displayName":"x"}`, "--of-version", "99", "--tenant", id)
	a.fails(exitUsage, "want a JSON object", "entity", "create", "deviceCategories", "Kiosk", "--tenant", id)
	a.fails(exitUsage, "unknown flag --colour", "tenant", "list", "--colour")
	a.fails(exitUsage, "mocktenant tenant get --help", "tenant", "get")
	a.fails(exitNotFound, `There is no tenant "nobody"`, "tenant", "get", "nobody")

	login := parse[api.ReportLoginCreated](t, a.run("report-login", "create", "--tenant", id, "-o", "json"))
	if !strings.Contains(login.Dsn, login.Login) {
		t.Errorf("%+v", login)
	}
	a.run("report-login", "rotate", login.Login)
	a.run("report-login", "revoke", login.Login)

	a.run("tenant", "reset", id)
	if out := a.run("entity", "list", "remoteAssistancePartners", "--tenant", id, "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Error(out)
	}
	a.run("tenant", "delete", id, second.Id.String())
	a.fails(exitNotFound, "There is no tenant "+id, "tenant", "get", id)

	// The first key closes the administration to everybody else.
	owner := parse[api.KeyCreated](t, a.run("admin-key", "create", "me", "--role", "owner", "-o", "json"))
	a.fails(exitDenied, "A key is needed", "tenant", "list")
	a.settings = append(a.settings, "MOCKTENANT_ADMIN_KEY="+owner.Key)
	a.run("tenant", "list")
	a.run("admin-key", "revoke", owner.Id.String())
	a.fails(exitDenied, "The key was revoked", "tenant", "list")
	direct := parse[api.KeyCreated](t, a.run("admin-key", "create", "me", "--role", "owner", "--direct", "-o", "json"))
	a.settings[len(a.settings)-1] = "MOCKTENANT_ADMIN_KEY=" + direct.Key
	if out := a.run("admin-key", "list"); strings.Count(out, "\n") != 3 {
		t.Error(out)
	}
}

// The commands on the page about administration work as shown, in one shell.
func TestAdministrationPage(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.Skip(t, tool+" is not installed")
		}
	}
	page, err := os.ReadFile("../../docs/administration.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := preparedDir(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + dir}
	p := serve(t, settings)
	env, log, code := output(t, settings, "env")
	if code != 0 {
		t.Fatal(log)
	}
	script := "set -e\nmocktenant() { \"$MOCKTENANT_TEST_BINARY\" \"$@\"; }\n" + env
	blocks := 0
	for _, block := range strings.Split(string(page), "```sh\n")[1:] {
		code, _, _ := strings.Cut(block, "```")
		script += code
		blocks++
	}
	shell := command(t, append(settings, "MOCKTENANT_TEST_BINARY="+os.Args[0], "CURL_CA_BUNDLE="+filepath.Join(dir, "ca.pem")))
	shell.Path, shell.Args, shell.Dir = "/bin/sh", []string{"sh", "-c", script + "echo all of it"}, t.TempDir()
	out, err := shell.CombinedOutput()
	if err != nil || blocks < 6 || !strings.HasSuffix(string(out), "all of it\n") {
		t.Errorf("%d blocks, %v\n%s", blocks, err, out)
	}
	p.stop(t)
}

// If other machines can reach the administration, it needs a key. Without an address there is
// no administration.
func TestAdministrationIsShut(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
	out, log, code := output(t, []string{"DATABASE_URL=" + url, "MOCKTENANT_ADMIN_ADDR=0.0.0.0:0"}, "serve")
	if code == 0 || !strings.Contains(log, `MOCKTENANT_ADMIN_ADDR "0.0.0.0:0"`) || !strings.Contains(log, "admin-key create --direct") {
		t.Errorf("exit %d\n%s%s", code, out, log)
	}
	out, log, code = output(t, []string{"DATABASE_URL=" + url, "MOCKTENANT_ADMIN_KEY=short"}, "serve")
	if code == 0 || !strings.Contains(log, "MOCKTENANT_ADMIN_KEY has 5 characters") {
		t.Errorf("exit %d\n%s%s", code, out, log)
	}
	key := strings.Repeat("k", 40)
	p := serve(t, []string{"DATABASE_URL=" + url, "MOCKTENANT_ADMIN_ADDR=0.0.0.0:0", "MOCKTENANT_ADMIN_KEY=" + key})
	_, rest, _ := strings.Cut(p.text, "  admin  ")
	at, _, _ := strings.Cut(rest, "\n")
	a := administration{t, []string{"MOCKTENANT_ADMIN_URL=" + at}}
	a.fails(exitDenied, "A key is needed", "tenant", "list")
	a.settings = append(a.settings, "MOCKTENANT_ADMIN_KEY="+key)
	a.run("tenant", "list")
	a.fails(exitFailure, "is not the administration of mocktenant", "tenant", "list", "--admin-url", p.url)
	p.stop(t)

	p = serve(t, []string{"DATABASE_URL=" + url, "MOCKTENANT_ADMIN_ADDR="})
	if strings.Contains(p.text, "  admin  ") {
		t.Error(p.text)
	}
}
