package mocktenant_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	readme  = "../README.md"
	clients = "../docs/clients.md"
)

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns a page's code blocks in a language that contain some words.
func blocks(text, language, words string) (all []string) {
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], words) {
			all = append(all, m[1])
		}
	}
	return all
}

// The tests shown in the documentation run exactly as shown.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../docs/testcontainers.md"} {
		shown := blocks(page(t, path), "go", "mocktenant.Run(")
		if len(shown) == 0 {
			t.Errorf("%s shows no test", path)
		}
		for _, source := range shown {
			runTest(t, path, source)
		}
	}
}

// runTest runs a test's source in a folder of this module that ./... ignores.
func runTest(t *testing.T, path, source string) {
	t.Helper()
	dir, err := os.MkdirTemp("testdata", "shown-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "shown_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-v", "-count=1", "./"+dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: Test") {
		t.Errorf("%s: %v\n%s", path, err, out)
	}
}

// TestREADMEContainer pastes the README's docker command and the curl lines of
// docs/clients.md into one shell.
func TestREADMEContainer(t *testing.T) {
	t.Parallel()
	start := blocks(page(t, readme), "sh", "docker run -d --name mocktenant ")
	create := blocks(page(t, clients), "sh", `"displayName": "TeamViewer"`)
	if len(start) != 1 || len(create) != 1 {
		t.Fatalf("%s shows %d ways to run the container and %s %d snippets for curl, want one each", readme, len(start), clients, len(create))
	}
	if exec.CommandContext(t.Context(), "docker", "inspect", "mocktenant").Run() == nil {
		t.Fatal("a container called mocktenant already exists: remove it, because the README's command uses that name")
	}
	for _, published := range regexp.MustCompile(`-p (127\.0\.0\.1:\d+):`).FindAllStringSubmatch(start[0], -1) {
		waitFree(t, published[1])
	}
	t.Cleanup(func() {
		_ = exec.Command("docker", "rm", "-f", "mocktenant").Run() //nolint:noctx // the test's context has ended
		_ = os.Remove("../mocktenant-ca.pem")
	})
	pasted := exec.CommandContext(t.Context(), "bash", "-e", "-c", start[0]+create[0])
	pasted.Dir = ".." // where the README is
	out, err := pasted.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"displayName":"TeamViewer"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// waitFree waits until nothing listens at an address.
func waitFree(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		listener, err := net.Listen("tcp", address) //nolint:noctx // it is closed at once
		if err == nil {
			_ = listener.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the README publishes a port at an address in use: %v", err)
		}
	}
}

// The Python example isn't run here, because the registry of its libraries can't be
// reached; the test only checks that Python can parse it.
func TestPythonExample(t *testing.T) {
	t.Parallel()
	check := exec.CommandContext(t.Context(), "python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())")
	check.Stdin = strings.NewReader(page(t, "../examples/python/test_partners.py"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
