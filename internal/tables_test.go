package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A table's rows of four columns and more name them: nobody reads "", 0, true, "x".
func TestTablesNameTheirFields(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "*.go")
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("git ls-files: %v\n%s", err, out)
	}
	files := token.NewFileSet()
	folders := map[string][]*ast.File{}
	for name := range strings.FieldsSeq(string(out)) {
		f, err := parser.ParseFile(files, filepath.Join("..", name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		folders[filepath.Dir(name)] = append(folders[filepath.Dir(name)], f)
	}
	for _, folder := range folders {
		structs := structsOf(folder)
		for _, f := range folder {
			for _, row := range positionalRows(f, structs) {
				t.Errorf("%s: name the fields of this row", files.Position(row.Pos()))
			}
		}
	}
}

// structsOf are the names of a package's types that are structs.
func structsOf(folder []*ast.File) map[string]bool {
	structs := map[string]bool{}
	for _, f := range folder {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && isStruct(spec.Type, nil) {
				structs[spec.Name.Name] = true
			}
			return true
		})
	}
	return structs
}

func isStruct(t ast.Expr, named map[string]bool) bool {
	if name, ok := t.(*ast.Ident); ok {
		return named[name.Name]
	}
	_, ok := t.(*ast.StructType)
	return ok
}

// positionalRows are the rows, in slices and maps of structs, that have four values and more
// without names.
func positionalRows(f *ast.File, structs map[string]bool) (found []ast.Node) {
	ast.Inspect(f, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok || !isStruct(elementOf(table.Type), structs) {
			return true
		}
		for _, e := range table.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				e = pair.Value
			}
			if row, ok := e.(*ast.CompositeLit); ok && len(row.Elts) >= 4 {
				if _, named := row.Elts[0].(*ast.KeyValueExpr); !named {
					found = append(found, row)
				}
			}
		}
		return true
	})
	return found
}

// elementOf is the type of what a slice, an array or a map contains.
func elementOf(t ast.Expr) ast.Expr {
	switch t := t.(type) {
	case *ast.ArrayType:
		return t.Elt
	case *ast.MapType:
		return t.Value
	}
	return nil
}
