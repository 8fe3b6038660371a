package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// code returns the Go files of the program, by their names, without tests and generated files.
func code(t *testing.T) map[string]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "api", "client", "cmd", "graphtest", "internal", "session")
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("git ls-files: %v\n%s", err, out)
	}
	all := map[string]string{}
	for name := range strings.FieldsSeq(string(out)) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "// Code generated") {
			all[name] = string(text)
		}
	}
	return all
}

// forbidden are patterns that code doesn't have, with the reason and the only file that may.
var forbidden = []struct{ pattern, why, except string }{
	{pattern: `context\.WithValue\([^,]+, "`, why: "the key of a context's value is a type of its own"},
	{pattern: `\b(c|gin)\.(Set|Get|MustGet)\("`, why: "the key of a context's value is a type of its own"},
	{
		pattern: `Writer\.Header\(\)\.(Get|Values)\(`, why: "keep what was written, instead of reading the answer's header",
		except: "internal/identity/handler.go", // Gin tells an endpoint's methods only there
	},
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	for name, text := range code(t) {
		for _, f := range forbidden {
			if found := regexp.MustCompile(f.pattern).FindString(text); found != "" && name != f.except {
				t.Errorf("%s: %q: %s", name, found, f.why)
			}
		}
	}
}

// The columns of an entity are listed by hand nowhere but in its migration: no statement in
// the program names more than half of them.
func TestNoColumnLists(t *testing.T) {
	t.Parallel()
	for name, text := range code(t) {
		if strings.HasPrefix(name, "internal/entity/") {
			continue
		}
		for _, e := range entity.All {
			if named, all := columnsIn(text, e); len(all) > 2 && len(named) > (len(all)+1)/2 {
				t.Errorf("%s names the columns %q of %s: derive them from its description", name, named, e.Table)
			}
		}
	}
}

// columnsIn lists the columns of an entity that a text which names its table has, and all.
func columnsIn(text string, e *entity.Type) (named, all []string) {
	for i := range e.Properties {
		for _, column := range e.Properties[i].Columns() {
			all = append(all, column)
			if strings.Contains(text, e.Table) && regexp.MustCompile(`\b`+column+`\b`).MatchString(text) {
				named = append(named, column)
			}
		}
	}
	return named, all
}

// The first pages stay short.
func TestPagesAreShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(readme) > 8000 {
		t.Errorf("README.md has %d bytes, at most 8,000 are wanted: move something to docs", len(readme))
	}
	contributing, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(contributing), "\n"); n > 150 {
		t.Errorf("CONTRIBUTING.md has %d lines, at most 150 are wanted", n)
	}
}
