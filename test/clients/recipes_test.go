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

// programs writes the programs of docs/test-control.md to where their imports can be found, once.
var programs = sync.OnceValues(func() (page string, err error) {
	text, err := os.ReadFile("../../docs/test-control.md")
	if err != nil {
		return "", err
	}
	all := regexp.MustCompile("(?s)\n```js (\\S+)\n(.*?)```\n").FindAllSubmatch(text, -1)
	if len(all) != 2 {
		return "", fmt.Errorf("the page has %d programs", len(all))
	}
	for _, program := range all {
		err = errors.Join(err, os.WriteFile("../node/"+string(program[1]), program[2], 0o644))
	}
	return string(text), err
})

func wantNode(t *testing.T) {
	t.Helper()
	find(t, "npm")
	find(t, "node")
	if out, err := installNode(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// runNode runs tests of test/node, each with Chromium at MOCKTENANT_TEST_CHROMIUM, and shows what they
// print if one fails: a line for each test, then how it failed.
func runNode(t *testing.T, env []string, args ...string) {
	t.Helper()
	wantNode(t)
	run := exec.CommandContext(t.Context(), find(t, "node"), append([]string{"--test", "--test-reporter=spec"}, args...)...)
	run.Dir = "../node"
	run.Env = append(os.Environ(), env...)
	run.Env = append(run.Env, "MOCKTENANT_TEST_CHROMIUM="+find(t, "chromium", "chromium-browser", "google-chrome"))
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}

// environment returns a program's environment for a new tenant, as `mocktenant env` prints it.
func environment(t *testing.T) []string {
	t.Helper()
	var made struct{ TenantID, ClientID, ClientSecret, UserPrincipalName string }
	text := mocktenant(t.Context(), t, "tenant", "create", "--display-name", t.Name(), "-o", "json")
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.TenantID == "" {
		t.Fatalf("%v: %s", err, text)
	}
	env := append(os.Environ(), tenant.env...)
	return append(env, "PATH="+filepath.Dir(tenant.binary)+":"+os.Getenv("PATH"), "AZURE_TENANT_ID="+made.TenantID,
		"AZURE_CLIENT_ID="+made.ClientID, "AZURE_CLIENT_SECRET="+made.ClientSecret, "AZURE_USERNAME="+made.UserPrincipalName, "NODE_EXTRA_CA_CERTS="+tenant.certificates)
}

// The ten recipes of docs/test-control.md, including the shortest test in shell, do what the
// page says.
func TestRecipes(t *testing.T) {
	t.Parallel()
	wantNode(t)
	page, err := programs()
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
	for _, row := range table(t, "| rule | requests | outcome |", 22) {
		t.Run(row[0], func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			shell(t, env, "mocktenant fault add --method GET --times 1 "+row[0])
			outcome := strings.TrimSpace(shell(t, env, "node client.mjs list || true"))
			if outcome == "" {
				outcome = "succeeds"
			}
			want(t, row[1:], count(t, env), outcome)
		})
	}
}

// Clients do on the other effects what the page says.
func TestClientsOnEffects(t *testing.T) {
	t.Parallel()
	wantNode(t)
	for _, row := range table(t, "| rule | program | requests | output |", 20) {
		t.Run(row[0], func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			shell(t, env, "node client.mjs create old older && mocktenant requests clear && mocktenant fault add --times 1 "+row[0])
			output := strings.TrimSpace(shell(t, env, strings.Trim(row[1], "`")+" || true"))
			output = regexp.MustCompile("[0-9a-f-]{36}").ReplaceAllString(output, "ID")
			want(t, row[2:], count(t, env), strings.NewReplacer(" notOnboarded", "", "\n", ", ").Replace(output))
		})
	}
}

// table returns the rows of the page's tables that have a head, without the marks of the rule.
func table(t *testing.T, head string, least int) (rows [][]string) {
	t.Helper()
	page, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(page, head+"\n")[1:] {
		for line := range strings.Lines(part) {
			if line == "\n" {
				break
			}
			if strings.HasPrefix(line, "| `") {
				cells := strings.Split(strings.Trim(line, "| \n"), " | ")
				cells[0] = strings.Trim(cells[0], "`")
				rows = append(rows, cells)
			}
		}
	}
	if len(rows) < least {
		t.Fatalf("%s: %d rows", head, len(rows))
	}
	return rows
}

// shell runs a script beside the Node clients, without expanding * of a pattern.
func shell(t *testing.T, env []string, script string) string {
	t.Helper()
	run := exec.CommandContext(t.Context(), "sh", "-fc", script)
	run.Dir, run.Env = "../node", env
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// count returns how many requests the tenant's journal has.
func count(t *testing.T, env []string) int {
	t.Helper()
	var requests []json.RawMessage
	sent := shell(t, env, "mocktenant requests list -o json")
	if err := json.Unmarshal([]byte(sent), &requests); err != nil {
		t.Fatalf("%v\n%s", err, sent)
	}
	return len(requests)
}

// want compares what a client did with the last cells of a row.
func want(t *testing.T, cells []string, requests int, outcome string) {
	t.Helper()
	if got, want := fmt.Sprintf("%d | %s", requests, outcome), strings.Join(cells, " | "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
