package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// goPackage is a package as go list describes it.
type goPackage struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// No loop over a map decides which of several faults is reported, or anything else that is
// answered: it would be another one from run to run. So a loop over a map returns nothing that
// depends on the entry at which it is.
func TestNoMapChooses(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	packages := listPackages(t)
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range packages {
		if strings.HasPrefix(p.ImportPath, module) {
			for _, at := range choosingLoops(t, files, imports, p) {
				t.Errorf("%s: which entry of this map comes first decides what is returned; sort its keys", at)
			}
		}
	}
}

// listPackages lists the program's packages and what these need, compiled.
func listPackages(t *testing.T) (all []goPackage) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./cmd/mocktenant", "./graphtest")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// choosingLoops are the loops over maps of a package whose order decides what is returned.
func choosingLoops(t *testing.T, files *token.FileSet, imports types.Importer, p goPackage) (found []token.Position) {
	t.Helper()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	if _, err := (&types.Config{Importer: imports}).Check(p.ImportPath, files, parsed, &info); err != nil {
		t.Fatal(err)
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if ok && isMap(info.TypeOf(loop.X)) && chooses(loop, info.Uses) {
				found = append(found, files.Position(loop.Pos()))
			}
			return true
		})
	}
	return found
}

func isMap(t types.Type) bool {
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// chooses reports whether a loop returns something that depends on its entry, or breaks.
func chooses(loop *ast.RangeStmt, uses map[*ast.Ident]types.Object) (found bool) {
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || slices.ContainsFunc(n.Results, func(e ast.Expr) bool { return usesInner(e, loop, uses) })
		case *ast.BranchStmt:
			found = found || n.Tok == token.BREAK || n.Tok == token.GOTO
		}
		return true
	})
	return found
}

// usesInner reports whether an expression uses something that the loop declares.
func usesInner(e ast.Expr, loop *ast.RangeStmt, uses map[*ast.Ident]types.Object) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && uses[name] != nil {
			at := uses[name].Pos()
			found = found || loop.Pos() <= at && at < loop.End()
		}
		return true
	})
	return found
}
