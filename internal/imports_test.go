package internal_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mocktenant/mocktenant/"

// mayImport says which of our packages each of our packages may import; the
// picture is in docs/architecture.md. A package that is missing may import none.
var mayImport = map[string][]string{
	"internal/db":        {"internal/odata", "migrations"},
	"internal/db/dbtest": {"internal/db", "internal/embeddedpg"},
	"internal/certs":     {"internal/db"},
	"internal/identity":  {"internal/bearer", "internal/db"},
	"internal/graph":     {"internal/bearer", "internal/db", "internal/odata"},
	"internal/proxy":     {"internal/certs"},
	"internal/state":     {"internal/db", "internal/identity", "internal/odata"},
	"internal/admin":     {"internal/db", "internal/identity", "internal/odata", "internal/state"},
	"internal/server":    {"internal/admin", "internal/certs", "internal/db", "internal/graph", "internal/identity", "internal/proxy"},
	"internal/bench":     {"internal/embeddedpg", "internal/server"},
	"cmd/mocktenant":     {"internal/admin", "internal/bearer", "internal/certs", "internal/db", "internal/embeddedpg", "internal/identity", "internal/proxy", "internal/server"},
}

func TestImports(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-tags=integration", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(strings.ReplaceAll(line, module, ""))
		for _, imported := range words[1:] {
			ours := strings.HasPrefix(imported, "internal/") && strings.Contains(line, module+imported) || imported == "migrations"
			if ours && !slices.Contains(mayImport[words[0]], imported) {
				t.Errorf("%s imports %s", words[0], imported)
			}
			if strings.Contains(imported, "gin-gonic") && words[0] == "internal/db" {
				t.Errorf("%s imports %s", words[0], imported)
			}
		}
	}
}
