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

// A test can move from graphtest to a container and back by changing only how it starts: a
// tenant is the same type, is made in the same way, and has the same options.
func TestTenantIsAsInGraphtest(t *testing.T) {
	t.Parallel()
	theirs, ours := tenantAPI(t, "../graphtest/tenant.go", "../graphtest/options.go"), tenantAPI(t, "tenant.go", "options.go")
	if len(theirs) < 8 || !slices.Contains(theirs, "Tenant = session.Tenant") {
		t.Fatalf("graphtest has only %q", theirs)
	}
	for _, declared := range theirs {
		if !slices.Contains(ours, declared) {
			t.Errorf("%s is missing", declared)
		}
	}
}

// A user of the module compiles the clients of Docker and of the administration, but
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
	if want := []string{"api", "client", "session", "testcontainers"}; !slices.Equal(got, want) {
		t.Errorf("imports %q of ours, want %q", got, want)
	}
}

// tenantAPI lists the declarations in a package's files that concern tenants: the type, the
// options, and NewTenant.
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
				if d.Name.Name == "Tenant" && d.Assign.IsValid() {
					all = append(all, "Tenant = "+types.ExprString(d.Type))
				}
			case *ast.FuncDecl:
				signature := d.Name.Name + strings.TrimPrefix(types.ExprString(d.Type), "func")
				if d.Name.IsExported() && (strings.HasSuffix(signature, " TenantOption") || d.Name.Name == "NewTenant") {
					all = append(all, signature)
				}
			}
			return true
		})
	}
	return all
}
