package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippet is the code of a language in the README's section on clients.
func snippet(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Point your client at it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	m := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)```\n").FindStringSubmatch(section)
	if m == nil {
		t.Fatalf("the README has no snippet in %s", language)
	}
	return m[1]
}

// created runs a snippet's program and wants it to have created a partner.
func created(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.Env = append(os.Environ(), tenant.env...)
	out, err := c.CombinedOutput()
	if err != nil || !regexp.MustCompile(`created [0-9a-f-]{36}\n|"displayName":"TeamViewer"`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// file puts a snippet where its imports are found.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

func TestREADMECurl(t *testing.T) {
	t.Parallel()
	find(t, "curl")
	created(t, exec.CommandContext(t.Context(), "sh", "-c", snippet(t, "sh")))
}

// The Go snippet is also a file of this module, so that its imports are kept.
func TestREADMEGo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("readme/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != snippet(t, "go") {
		t.Fatal("readme/main.go differs from the README's snippet: copy it there")
	}
	binary := filepath.Join(t.TempDir(), "readme")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./readme").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	created(t, exec.CommandContext(t.Context(), binary))
}

// The others need registries that CI doesn't reach, so they are not run; that they
// are there is checked, and that Python can read its own.
func TestREADMEOthers(t *testing.T) {
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
