package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package p

func (t T) near(a, b int) bool {
	return a >= b &&
		b < 3
}
`

func TestCompare(t *testing.T) {
	t.Chdir(t.TempDir())
	const known = "p/a.go CONDITIONALS_BOUNDARY near: b < 3\n\tA reason.\n"
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("p/a.go", source)
	for name, tt := range map[string]struct{ mutations, list, summary, problems string }{
		"all killed": {mutations: `{"type":"INVERT_LOGICAL","status":"KILLED","line":4,"column":16}`, list: "", summary: "p: 1 mutants, 1 killed (100.0 %), 0 survive; 0 more don't compile; 2 min", problems: ""},
		"a new survivor": {
			mutations: `{"type":"INVERT_LOGICAL","status":"LIVED","line":4,"column":16},{"type":"A","status":"NOT VIABLE","line":4,"column":11}`, list: "p/q/a.go A near: b < 3\n",
			summary: "p: 1 mutants, 0 killed (0.0 %), 1 survive; 1 more don't compile; 2 min", problems: "survives, and isn't listed: p/a.go INVERT_LOGICAL near: a >= b && b < 3",
		},
		"not reached": {mutations: `{"type":"CONDITIONALS_BOUNDARY","status":"NOT COVERED","line":5,"column":5}`, list: known, summary: "p: 1 mutants, 0 killed (0.0 %), 1 survive; 0 more don't compile; 2 min", problems: ""},
		"listed but killed": {
			mutations: `{"type":"CONDITIONALS_BOUNDARY","status":"TIMED OUT","line":5,"column":5}`, list: known,
			summary: "p: 1 mutants, 1 killed (100.0 %), 0 survive; 0 more don't compile; 2 min", problems: "listed, but killed or gone: p/a.go CONDITIONALS_BOUNDARY near: b < 3",
		},
		"the same twice, listed once": {
			mutations: strings.TrimPrefix(strings.Repeat(`,{"type":"CONDITIONALS_BOUNDARY","status":"LIVED","line":5,"column":5}`, 2), ","), list: known,
			summary: "p: 2 mutants, 0 killed (0.0 %), 2 survive; 0 more don't compile; 2 min", problems: "survives, and isn't listed: p/a.go CONDITIONALS_BOUNDARY near: b < 3",
		},
	} {
		write("list", "# A comment.\n"+tt.list)
		write("report", `{"elapsed_time":119,"files":[{"file_name":"a.go","mutations":[`+tt.mutations+`]}]}`)
		summary, err := compare("p", "report", "list")
		problems := ""
		if err != nil {
			problems = err.Error()
		}
		if summary != tt.summary || problems != tt.problems {
			t.Errorf("%s:\n got %s; %s\nwant %s; %s", name, summary, problems, tt.summary, tt.problems)
		}
	}
}
