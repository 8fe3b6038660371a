package clients_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// installNode installs the Node clients, once.
var installNode = sync.OnceValues(func() ([]byte, error) {
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	install.Dir = "../node"
	return install.CombinedOutput()
})

// program writes client.mjs of docs/test-control.md to where its imports can be found, once.
var program = sync.OnceValues(func() (page string, err error) {
	text, err := os.ReadFile("../../docs/test-control.md")
	if err != nil {
		return "", err
	}
	code := regexp.MustCompile("(?s)\n```js\n(.*?)```\n").FindSubmatch(text)
	if code == nil {
		return "", errors.New("the page has no program")
	}
	return string(text), os.WriteFile("../node/client.mjs", code[1], 0o644)
})

func wantNode(t *testing.T) {
	t.Helper()
	find(t, "npm")
	find(t, "node")
	if out, err := installNode(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// environment returns a program's environment for a new tenant, as `mocktenant env` prints it.
func environment(t *testing.T) []string {
	t.Helper()
	var made struct{ TenantID, ClientID, UserPrincipalName string }
	text := mocktenant(t.Context(), t, "tenant", "create", "--display-name", t.Name(), "-o", "json")
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.TenantID == "" {
		t.Fatalf("%v: %s", err, text)
	}
	env := append(os.Environ(), tenant.env...)
	return append(env, "PATH="+filepath.Dir(tenant.binary)+":"+os.Getenv("PATH"), "AZURE_TENANT_ID="+made.TenantID,
		"AZURE_CLIENT_ID="+made.ClientID, "AZURE_USERNAME="+made.UserPrincipalName, "NODE_EXTRA_CA_CERTS="+tenant.certificates)
}

// The ten recipes of docs/test-control.md, including the shortest test in shell, do what the
// page says.
func TestRecipes(t *testing.T) {
	t.Parallel()
	wantNode(t)
	page, err := program()
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)\n```sh recipe\n(.*?)```\n").FindAllStringSubmatch(page, -1)
	if len(recipes) != 10 {
		t.Fatalf("the page has %d recipes", len(recipes))
	}
	for _, recipe := range recipes {
		text := recipe[1]
		t.Run(strings.SplitN(text, "\n", 2)[0], func(t *testing.T) {
			t.Parallel()
			run := exec.CommandContext(t.Context(), "sh", "-c", steps(text))
			run.Dir, run.Env = "../node", environment(t)
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// steps makes a script end at the first command that fails, or that succeeds after !.
func steps(script string) string {
	return "set -ex\n" + regexp.MustCompile(`(?m)^! (.*)$`).ReplaceAllString(script, "if $1; then exit 9; fi")
}

// For each fault, the client does what the page says, with the same number of requests.
func TestClientOnFaults(t *testing.T) {
	t.Parallel()
	wantNode(t)
	page, err := program()
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(page, "| rule | requests | outcome |")
	if at < 0 {
		t.Fatal("the page has no table")
	}
	rows := regexp.MustCompile("(?m)^\\| `(--[^`]*)` \\| (.*) \\| (.*) \\|$").FindAllStringSubmatch(page[at:strings.Index(page, "## Scenarios")], -1)
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			t.Parallel()
			run := exec.CommandContext(t.Context(), "sh", "-c", "mocktenant fault add --method GET --times 1 "+row[1]+" >/dev/null && (node client.mjs list || true) && echo -- && mocktenant requests list --method GET -o json")
			run.Dir, run.Env = "../node", environment(t)
			out, err := run.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			outcome, sent, _ := strings.Cut(string(out), "--\n")
			if outcome = strings.TrimSpace(outcome); outcome == "" {
				outcome = "succeeds"
			}
			var requests []json.RawMessage
			if err := json.Unmarshal([]byte(sent), &requests); err != nil {
				t.Fatalf("%v\n%s", err, sent)
			}
			got := fmt.Sprintf("%d | %s", len(requests), outcome)
			if want := row[2] + " | " + row[3]; got != want {
				t.Errorf("`%s` | %s, want %s", row[1], got, want)
			}
		})
	}
}
