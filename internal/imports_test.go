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
	"internal/db":         {"internal/odata", "migrations"},
	"internal/db/dbtest":  {"internal/db", "internal/embeddedpg", "internal/testenv"},
	"internal/certs":      {"internal/db"},
	"internal/identity":   {"internal/bearer", "internal/cors", "internal/db"},
	"internal/graph":      {"internal/bearer", "internal/cors", "internal/db", "internal/odata"},
	"internal/proxy":      {"internal/certs", "internal/listener"},
	"internal/state":      {"internal/db", "internal/identity", "internal/odata"},
	"internal/admin":      {"internal/db", "internal/identity", "internal/odata", "internal/scram", "internal/state"},
	"internal/embeddedpg": {"internal/scram"},
	"internal/exporters":  {"internal/telemetry"},
	"internal/server":     {"internal/admin", "internal/certs", "internal/db", "internal/graph", "internal/identity", "internal/listener", "internal/proxy", "internal/telemetry"},
	"internal/bench":      {"client", "internal/embeddedpg", "internal/server"},
	"graphtest":           {"client", "internal/admin", "internal/certs", "internal/db", "internal/embeddedpg", "internal/server", "internal/state"},
	"cmd/mocktenant":      {"client", "internal/admin", "internal/bearer", "internal/certs", "internal/db", "internal/embeddedpg", "internal/exporters", "internal/identity", "internal/proxy", "internal/server", "internal/state"},
}

// notForTests are modules that a user of graphtest or client must not come to need:
// what the command line, our own tests and Docker need, and what sends telemetry.
var notForTests = []string{
	"github.com/spf13/", "github.com/adrg/xdg", "github.com/google/go-cmp",
	"github.com/testcontainers/", "github.com/docker/", "github.com/moby/", "github.com/Azure/", "github.com/microsoft",
	"go.opentelemetry.io/contrib/", "go.opentelemetry.io/otel/exporters/otlp/", "go.opentelemetry.io/otel/exporters/stdout/", "go.opentelemetry.io/proto/", "google.golang.org/grpc",
}

// The program has no more in it than it needs: what draws is for our own figures, and
// pages of gRPC's traces, with their templates, would keep the linker from leaving out
// any method.
func TestProgram(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags=nomsgpack,grpcnotrace", "./cmd/mocktenant") // as releases are
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "github.com/jackc/pgx/v5\n") {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for _, needless := range []string{"github.com/go-analyze/", "github.com/golang/freetype", "golang.org/x/image", "golang.org/x/net/trace"} {
		if strings.Contains(string(out), needless) {
			t.Errorf("imported by cmd/mocktenant: %s", needless)
		}
	}
}

// What others import brings them no more than it needs.
func TestPublicPackages(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./graphtest", "./client")
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "github.com/jackc/pgx/v5\n") {
		t.Errorf("go list tells of no imports: %s", out)
	}
	for imported := range strings.Lines(string(out)) {
		if slices.ContainsFunc(notForTests, func(module string) bool { return strings.HasPrefix(imported, module) }) {
			t.Errorf("imported by graphtest or client: %s", imported)
		}
	}
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
			ours := strings.Contains(line, module+imported)
			if ours && !slices.Contains(mayImport[words[0]], imported) {
				t.Errorf("%s imports %s", words[0], imported)
			}
			if imported == "html/template" || imported == "text/template" { // they call methods by name: all are kept
				t.Errorf("%s imports %s", words[0], imported)
			}
			if strings.Contains(imported, "gin-gonic") && words[0] == "internal/db" {
				t.Errorf("%s imports %s", words[0], imported)
			}
		}
	}
}
