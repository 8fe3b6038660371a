package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/observability.md has every field of the log, and no other.
func TestLogFields(t *testing.T) {
	t.Parallel()
	written, documented := loggedFields(t), documentedFields(t)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if !documented[name] {
			t.Errorf("%s: docs/observability.md doesn't have the field %q", written[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if name = strings.TrimSuffix(name, "-ms"); written[name] == "" {
			t.Errorf("docs/observability.md has the field %q, which nothing logs", name)
		}
	}
	if len(written) < 20 {
		t.Errorf("found only %d fields", len(written))
	}
}

// loggedFields returns where the program logs each field.
func loggedFields(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files := token.NewFileSet()
	for _, root := range []string{".", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, name := range fieldsOf(n) {
					found[name] = files.Position(n.Pos()).String()
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// fieldsOf returns the fields that a call logs: log.Info("text", "field", value) and
// slog.String("field", value).
func fieldsOf(n ast.Node) (names []string) {
	c, ok := n.(*ast.CallExpr)
	if !ok || len(c.Args) < 2 {
		return nil
	}
	method, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	switch {
	case nameOf(method.X) == "slog" && !strings.HasPrefix(method.Sel.Name, "New"):
		return literals(c.Args[:1])
	case strings.EqualFold(nameOf(method.X), "log") && slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, method.Sel.Name):
		for i := 1; i < len(c.Args); i += 2 {
			names = append(names, literals(c.Args[i:i+1])...)
		}
	}
	return names
}

// nameOf returns the last name of an expression such as s.log.
func nameOf(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

func literals(all []ast.Expr) (texts []string) {
	for _, x := range all {
		if literal, ok := x.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			texts = append(texts, text)
		}
	}
	return texts
}

// documentedFields returns the fields in the tables about logs.
func documentedFields(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Logs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|`).FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			all[name[1]] = true
		}
	}
	return all
}
