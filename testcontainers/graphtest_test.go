package mocktenant_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A test moves from graphtest to a container, and back, by another way to start:
// what a tenant is, has, does and can be told is the same.
func TestTenantIsAsInGraphtest(t *testing.T) {
	t.Parallel()
	theirs, ours := tenantAPI(t, "../graphtest/tenant.go", "../graphtest/options.go"), tenantAPI(t, "tenant.go", "options.go")
	if len(theirs) < 20 {
		t.Fatalf("graphtest has %q alone", theirs)
	}
	for _, declared := range theirs {
		if !slices.Contains(ours, declared) {
			t.Errorf("there is no %s", declared)
		}
	}
}

// Who uses the module builds Docker's client and that of the administration, and
// nothing of the service.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	const ours = "github.com/mocktenant/mocktenant/"
	var got []string
	for imported := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(imported), ours); ok {
			got = append(got, name)
		}
		if strings.HasPrefix(imported, "github.com/jackc/") || strings.HasPrefix(imported, "github.com/gin-gonic/") {
			t.Errorf("imports %s", imported)
		}
	}
	if want := []string{"client", "testcontainers"}; !slices.Equal(got, want) {
		t.Errorf("imports %q of ours, want %q", got, want)
	}
}

// tenantAPI lists the fields of Tenant, its methods, the options of tenants and how a
// tenant is made, as they are declared in a package's files.
func tenantAPI(t *testing.T, files ...string) (all []string) {
	t.Helper()
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.TypeSpec:
				s, ok := d.Type.(*ast.StructType)
				if !ok || d.Name.Name != "Tenant" {
					return false
				}
				for _, f := range s.Fields.List {
					for _, n := range f.Names {
						if n.IsExported() {
							all = append(all, n.Name+" "+types.ExprString(f.Type))
						}
					}
				}
			case *ast.FuncDecl:
				signature := d.Name.Name + strings.TrimPrefix(types.ExprString(d.Type), "func")
				if d.Name.IsExported() && (strings.HasSuffix(signature, " TenantOption") || receiver(d) == "*Tenant" || d.Name.Name == "NewTenant") {
					all = append(all, signature)
				}
			}
			return true
		})
	}
	return all
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	return types.ExprString(d.Recv.List[0].Type)
}
