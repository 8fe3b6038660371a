package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippet returns the code in a language from docs/clients.md.
func snippet(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)```\n").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("docs/clients.md has no snippet in %s", language)
	}
	return m[1]
}

// created runs a snippet's program and expects it to create a partner.
func created(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.Env = append(os.Environ(), tenant.env...)
	out, err := c.CombinedOutput()
	if err != nil || !regexp.MustCompile(`created [0-9a-f-]{36}\n|"displayName":"TeamViewer"`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// file writes a snippet to where its imports can be found.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

func TestSnippetCurl(t *testing.T) {
	t.Parallel()
	find(t, "curl")
	created(t, exec.CommandContext(t.Context(), "sh", "-c", snippet(t, "sh")))
}

// The Go snippet is also a file in this module, so that its imports are kept in go.mod.
func TestSnippetGo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("snippet/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != snippet(t, "go") {
		t.Fatal("snippet/main.go differs from the snippet in docs/clients.md: copy it there")
	}
	binary := filepath.Join(t.TempDir(), "snippet")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./snippet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	created(t, exec.CommandContext(t.Context(), binary))
}

// The other snippets need registries that CI doesn't reach, so they aren't run. The test
// checks that they exist, and that Python can parse its own.
func TestSnippetOthers(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"python", "csharp", "java", "powershell", "hcl"} {
		if !strings.Contains(snippet(t, language), "TeamViewer") {
			t.Errorf("the snippet in %s creates nothing", language)
		}
	}
	python := find(t, "python3")
	check := exec.CommandContext(t.Context(), python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
	check.Stdin = strings.NewReader(snippet(t, "python"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
