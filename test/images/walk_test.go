//go:build integration

package images_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var writeWalks = flag.Bool("write", false, "put the times of the walks into docs/performance.md")

// walks has the times of walks in the order in which they ran.
var walks struct {
	sync.Mutex

	rows strings.Builder
}

// walked records how long a walk took.
func walked(t *testing.T, what string, began time.Time) {
	t.Helper()
	took := time.Since(began).Seconds()
	t.Logf("%s: %.1f s", what, took)
	walks.Lock()
	defer walks.Unlock()
	fmt.Fprintf(&walks.rows, "| %s | %.1f |\n", what, took)
}

// saveWalks writes the recorded times.
func saveWalks() error {
	if !*writeWalks || walks.rows.Len() == 0 {
		return nil
	}
	const file, begin, end = "../../docs/performance.md", "<!-- walks -->\n", "<!-- /walks -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the markers %s%s", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+"| walk | s |\n|---|---|\n"+walks.rows.String()+end+tail), 0o644)
}

// On a machine with git, Go, curl and Postgres, the README's first command in a clone, and
// the line that it prints, lead to the first 201. Modules come from this machine's disk. With
// -write the build cache is empty; otherwise the test uses this machine's.
func TestWalkFromAClone(t *testing.T) {
	first := blocks(t, "../README.md").with("go run ./cmd/mocktenant")
	root, modules := goEnv(t, "GOROOT"), goEnv(t, "GOMODCACHE")
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	image := machine(t, "git", "ca-certificates", "curl", "postgresql")
	script := `export PATH=/usr/local/go/bin:$PATH
git config --global --add safe.directory '*'
git clone -q /repository mocktenant
cd mocktenant
touch /tmp/screen
(` + strings.TrimSpace(first) + ` >/tmp/screen 2>/tmp/log; echo ended >>/tmp/screen) &
until grep -q 'Authorization: Bearer' /tmp/screen; do if grep -q ended /tmp/screen; then cat /tmp/log; exit 1; fi; sleep 0.1; done
sed -n '/^curl /,/Bearer/p' /tmp/screen >/tmp/pasted
bash -e /tmp/pasted`
	options := []string{
		"run", "--rm", "-w", "/home", "-e", "GOPROXY=file:///modules", "-e", "GOTOOLCHAIN=local", "-e", "GOFLAGS=-buildvcs=false -trimpath",
		"-v", repository + ":/repository:ro", "-v", root + ":/usr/local/go:ro", "-v", filepath.Join(modules, "cache", "download") + ":/modules:ro",
	}
	if !*writeWalks {
		options = append(options, "-e", "GOCACHE=/cache", "-v", goEnv(t, "GOCACHE")+":/cache")
		script = "trap 'chown -R --reference=/repository /cache' EXIT\n" + script
	}
	began := time.Now()
	out := docker(t, append(options, image, "bash", "-ec", script)...)
	if !strings.Contains(out, "HTTP/1.1 201 Created") {
		t.Errorf("%s", out)
	}
	what := "clone to first 201, with a warm build cache"
	if *writeWalks {
		what = "clone to first 201, cold, building included"
	}
	walked(t, what, began)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A machine with Docker and Node runs the README's container, and the first test of
// docs/clients.md.
func TestWalkToANodeTest(t *testing.T) {
	page, dir := blocks(t, "clients.md"), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "partners.test.mjs"), []byte(page.code("js", "node:test")), 0o644); err != nil {
		t.Fatal(err)
	}
	starts := blocks(t, "../README.md").with("docker run -d --name mocktenant ")
	image := machine(t, "docker.io", "nodejs")
	t.Cleanup(func() { _, _ = tryDocker("rm", "-fv", "mocktenant") })
	began := time.Now()
	out := docker(t, "run", "--rm", "--network=host", "-v", "/var/run/docker.sock:/var/run/docker.sock", "-v", dir+":/home/test", "-w", "/home/test",
		image, "bash", "-ec", strings.ReplaceAll(starts, "mocktenant:dev-standalone", standaloneImage)+page.with("node --test"))
	if !strings.Contains(out, "# pass 1") || !strings.Contains(out, "# fail 0") {
		t.Errorf("%s", out)
	}
	walked(t, "`docker run` to the first assertion of a Node test", began)
}
