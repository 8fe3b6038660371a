package graph_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/conformance.md is generated from testdata/conformance.tsv: level, number,
// requirement, state, and the tests that prove it, which must exist.
func TestConformance(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/conformance.tsv")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	text := "# Conformance\n\nThe numbered requirements of OData 4.0 and 4.01 (Protocol, section 12), what this service does\nabout each, and the tests that check it. `go test ./internal/graph -run TestConformance -update`\nwrites this page from `internal/graph/testdata/conformance.tsv`, and fails if a test is missing.\n"
	level, rows, shown := "", 0, 0
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("not five columns: %q", line)
		}
		if f[0] != level {
			level = f[0]
			text += "\n## " + level + "\n\n| # | requirement | here | tests |\n|---|---|---|---|\n"
		}
		var names []string
		for name := range strings.FieldsSeq(f[4]) {
			if name == "-" {
				continue
			}
			if !slices.Contains(tests, name) {
				t.Errorf("%s %s: no test is called %s", f[0], f[1], name)
			}
			names = append(names, "`"+name+"`")
		}
		rows++
		if len(names) > 0 {
			shown++
		}
		if f[3] == "yes" && len(names) == 0 {
			t.Errorf("%s %s: no test proves it", f[0], f[1])
		}
		text += fmt.Sprintf("| %s | %s | %s | %s |\n", f[1], f[2], f[3], strings.Join(names, ", "))
	}
	text += fmt.Sprintf("\n%d requirements, %d of them with tests.\n", rows, shown)
	if rows != 114 {
		t.Errorf("%d requirements, want 114", rows)
	}
	const page = "../../docs/conformance.md"
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != text {
		t.Errorf("%s doesn't match the table (%v): run with -update", page, err)
	}
}

// testNames returns the names of the tests in all packages.
func testNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`(?m)^func (Test\w+)\(t `)
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range form.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
