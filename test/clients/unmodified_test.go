package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unmodified returns the environment of an application with Microsoft's hosts built in: the
// proxy, the certificate authority and the credentials, and nothing else.
func unmodified(t *testing.T) []string {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	for line := range strings.Lines(mocktenant(t.Context(), t, "env", "--proxy")) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env = append(env, name+"="+strings.Trim(value, "'"))
	}
	return env
}

// credentials are the credentials of a new tenant.
type credentials struct {
	TenantID, ClientID, ClientSecret, UserPrincipalName, Password string
}

func newTenant(t *testing.T, flags ...string) credentials {
	t.Helper()
	var c credentials
	text := mocktenant(t.Context(), t, append([]string{"tenant", "create", "-o", "json", "--ttl=1h", "--display-name=" + t.Name()}, flags...)...)
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.TenantID == "" {
		t.Fatalf("%v: %s", err, text)
	}
	return c
}

// The unmodified Graph SDK for Go. At Microsoft's own authority, which MSAL knows, it skips
// instance discovery. At another, here the service's own address, it asks Microsoft's. That
// isn't disabled, so the sign-in succeeds only if the proxy leads the question to the
// service.
func TestUnmodifiedGo(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "unmodified")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./unmodified").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	env := unmodified(t)
	run := func(settings ...string) (string, error) {
		t.Helper()
		c := exec.CommandContext(t.Context(), binary)
		c.Env = append(slices.Clone(env), settings...)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	created := regexp.MustCompile(`^created [0-9a-f-]{36}\n$`)
	elsewhere := "AZURE_AUTHORITY_HOST=" + tenant.authority
	for _, settings := range [][]string{nil, {elsewhere}} {
		if out, err := run(settings...); err != nil || !created.MatchString(out) {
			t.Errorf("%q: %v\n%s", settings, err, out)
		}
	}
	// With a proxy that doesn't answer, the sign-in would succeed only if discovery
	// bypassed it.
	if out, err := run(elsewhere, "HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1"); err == nil || !strings.Contains(out, "discovery/instance") {
		t.Errorf("without the proxy: %v\n%s", err, out)
	}
}

// Python's own HTTP client.
func TestUnmodifiedPython(t *testing.T) {
	t.Parallel()
	run := exec.CommandContext(t.Context(), find(t, "python3"), "-c", `
import json, os, urllib.parse, urllib.request
form = dict(grant_type="password", client_id=os.environ["AZURE_CLIENT_ID"], username=os.environ["AZURE_USERNAME"],
            password=os.environ["AZURE_PASSWORD"], scope="https://graph.microsoft.com/.default")
at = "https://login.microsoftonline.com/" + os.environ["AZURE_TENANT_ID"] + "/oauth2/v2.0/token"
token = json.load(urllib.request.urlopen(at, urllib.parse.urlencode(form).encode()))["access_token"]
request = urllib.request.Request("https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners",
    b"{}", {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
print("created", json.load(urllib.request.urlopen(request))["id"])
try:
    urllib.request.urlopen("https://example.com")
except OSError as e:
    print(e)
`)
	run.Env = unmodified(t)
	out, err := run.CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?s)^created [0-9a-f-]{36}\n.*403 Forbidden: not in MOCKTENANT_PROXY_PASS`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// m365 is the path of the CLI for Microsoft 365.
const m365 = "../m365/node_modules/@pnp/cli-microsoft365/dist/index.js"

// cli runs the CLI for Microsoft 365.
type cli struct {
	node string
	env  []string
}

func (c cli) command(ctx context.Context, args ...string) *exec.Cmd {
	run := exec.CommandContext(ctx, c.node, append([]string{m365}, args...)...)
	run.Env = c.env
	return run
}

// run runs a command and checks its exit code.
func (c cli) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	run := c.command(t.Context(), args...)
	out, err := run.CombinedOutput()
	if run.ProcessState == nil || run.ProcessState.ExitCode() != code {
		t.Fatalf("m365 %q: %v, want exit %d\n%s", args, err, code, out)
	}
	return string(out)
}

// login signs in and checks the user's name: the CLI exits with 0 and no user if it
// reached no authority.
func (c cli) login(t *testing.T, who string, args ...string) {
	t.Helper()
	if out := c.run(t, 0, append([]string{"login", "--output", "json"}, args...)...); !strings.Contains(out, `"connectedAs": "`+who+`"`) {
		t.Errorf("m365 login %q: %s", args, out)
	}
}

// manage creates, lists, changes and deletes a partner through graph.
func (c cli) manage(t *testing.T, graph string) {
	t.Helper()
	partners := graph + "/v1.0/deviceManagement/remoteAssistancePartners"
	write := []string{"--content-type", "application/json", "--output", "json", "--body"}
	var created, changed struct {
		ID, OnboardingStatus, LastConnectionDateTime string
		Context                                      string `json:"@odata.context"`
	}
	read := func(text string, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	read(c.run(t, 0, append([]string{"request", "--method", "post", "--url", partners}, append(write, `{"displayName":"O'Neil & Söhne","onboardingStatus":"onboarding","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`)...)...), &created)
	if created.LastConnectionDateTime != "2016-12-31T23:58:36.6670033-08:00" || !strings.HasPrefix(created.Context, graph+"/v1.0/$metadata") {
		t.Errorf("created %+v", created)
	}
	var list struct{ Value []struct{ ID string } }
	read(c.run(t, 0, "request", "--output", "json", "--url", partners+"?$filter=displayName eq 'O''Neil %26 Söhne'&$select=id"), &list)
	if len(list.Value) != 1 || list.Value[0].ID != created.ID {
		t.Errorf("listed %+v, want %s", list, created.ID)
	}
	one := partners + "/" + created.ID
	read(c.run(t, 0, append([]string{"request", "--method", "patch", "--url", one}, append(write, `{"onboardingStatus":"onboarded"}`)...)...), &changed)
	if changed.OnboardingStatus != "onboarded" {
		t.Errorf("changed %+v", changed)
	}
	c.run(t, 0, "request", "--method", "post", "--url", one+"/disconnect")
	c.run(t, 0, "request", "--method", "delete", "--url", one)
	if out := c.run(t, 1, "request", "--url", one); !strings.Contains(out, "404") {
		t.Errorf("the deleted one: %s", out)
	}
}

// The CLI for Microsoft 365 from npm signs in in every way that needs no browser of its
// own, and manages partners. Its other requests, such as telemetry, are refused, which it
// tolerates.
func TestM365(t *testing.T) {
	t.Parallel()
	npm, node := find(t, "npm"), find(t, "node")
	install := exec.CommandContext(t.Context(), npm, "ci", "--no-audit", "--no-fund")
	install.Dir = "../m365"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	for name, test := range map[string]func(*testing.T, cli){
		"password": func(t *testing.T, m cli) {
			c := newTenant(t)
			m.login(t, c.UserPrincipalName, "--authType", "password", "--userName", c.UserPrincipalName, "--password", c.Password, "--appId", c.ClientID, "--tenant", c.TenantID)
			m.manage(t, "https://graph.microsoft.com")
			m.run(t, 0, "logout")
			if out := m.run(t, 1, "login", "--authType", "password", "--userName", c.UserPrincipalName, "--password", "wrong", "--appId", c.ClientID, "--tenant", c.TenantID); !strings.Contains(out, "AADSTS50126") {
				t.Errorf("wrong password: %s", out)
			}
		},
		"secret": func(t *testing.T, m cli) {
			c := newTenant(t, "--permission-rule=current")
			m.login(t, "Application", "--authType", "secret", "--secret", c.ClientSecret, "--appId", c.ClientID, "--tenant", c.TenantID)
			m.manage(t, "https://graph.microsoft.com")
		},
		"secret, where only users may": func(t *testing.T, m cli) {
			c := newTenant(t)
			m.login(t, "Application", "--authType", "secret", "--secret", c.ClientSecret, "--appId", c.ClientID, "--tenant", c.TenantID)
			out := m.run(t, 1, "request", "--debug", "--url", "https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners")
			if !strings.Contains(out, "403") || !strings.Contains(out, "x-ms-ags-diagnostic") { // by Graph: the proxy answers 403 too
				t.Errorf("listed: %s", out)
			}
		},
		"a national cloud": func(t *testing.T, m cli) {
			c := newTenant(t)
			m.login(t, c.UserPrincipalName, "--cloud", "USGovHigh", "--authType", "password", "--userName", c.UserPrincipalName, "--password", c.Password, "--appId", c.ClientID, "--tenant", c.TenantID)
			m.manage(t, "https://graph.microsoft.us")
		},
		"as documented": func(t *testing.T, m cli) { m.documented(t) },
		"device code": func(t *testing.T, m cli) {
			m.loginByDevice(t)
			m.manage(t, "https://graph.microsoft.com")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, cli{node, unmodified(t)})
		})
	}
}

// documented pastes the CLI's commands from docs/unmodified.md into a shell.
func (c cli) documented(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/unmodified.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```sh\n(eval [^`]*m365 [^`]*)```\n").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/unmodified.md doesn't use the CLI")
	}
	script, err := filepath.Abs(m365)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf("set -e\nmocktenant() { %q \"$@\"; }\nm365() { %q %q \"$@\"; }\n%s", tenant.binary, c.node, script, m[1]))
	run.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), `"displayName": "TeamViewer"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// loginByDevice signs in the demo tenant's writer on the page that the CLI names, with the
// code that it shows.
func (c cli) loginByDevice(t *testing.T) {
	t.Helper()
	run := c.command(t.Context(), "login", "--authType", "deviceCode", "--appId", demoPublicClient, "--tenant", tenant.id)
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.Stderr = run.Stdout // either may have the prompt
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	prompt := regexp.MustCompile(`open the page (https://\S+) and enter the code (\S+) to`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if m := prompt.FindStringSubmatch(lines.Text()); m != nil {
			if !strings.HasPrefix(m[1], "https://login.microsoftonline.com/") {
				t.Errorf("the page is %s", m[1])
			}
			if err := approveBy(t.Context(), c.browser(t), m[1], m[2]); err != nil {
				t.Error(err)
			}
		}
	}
	if err := run.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
}

// browser returns a client that uses the proxy too.
func (c cli) browser(t *testing.T) *http.Client {
	t.Helper()
	for _, setting := range c.env {
		if at, ok := strings.CutPrefix(setting, "HTTPS_PROXY="); ok {
			proxy, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			roots := tenant.transport.Transport.(*http.Transport).TLSClientConfig.RootCAs
			return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}}
		}
	}
	t.Fatal("env --proxy names no proxy")
	return nil
}
