package internal_test

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mocktenant/mocktenant/"

// mayImport says which of our packages each of our packages imports, and no others; the table
// in docs/architecture.md says the same. A package that is missing imports none.
var mayImport = map[string][]string{
	"client":                 {"api"},
	"session":                {"api", "client"},
	"internal/entity":        {"internal/odata"},
	"internal/entity/gen":    {"internal/entity"},
	"internal/entity/sample": {"internal/entity"},
	"internal/db":            {"internal/entity", "internal/gather", "internal/odata", "migrations"},
	"internal/db/dbtest":     {"internal/db", "internal/embeddedpg", "internal/testenv"},
	"internal/certs":         {"internal/db"},
	"internal/tenant":        {"internal/db", "internal/odata"},
	"internal/front":         {"internal/mask", "internal/tenant"},
	"internal/fault":         {"api", "internal/db", "internal/front", "internal/glob", "internal/tenant"},
	"internal/journal":       {"api", "internal/db", "internal/front", "internal/glob", "internal/mask", "internal/tenant"},
	"internal/replicas":      {"internal/db"},
	"internal/telemetry":     {"internal/front"},
	"internal/identity":      {"internal/bearer", "internal/cors", "internal/db", "internal/front", "internal/tenant"},
	"internal/graph":         {"internal/bearer", "internal/cors", "internal/db", "internal/entity", "internal/front", "internal/gather", "internal/odata", "internal/tenant"},
	"internal/proxy":         {"internal/certs", "internal/listener"},
	"internal/state":         {"api", "internal/db", "internal/entity", "internal/fault", "internal/identity", "internal/odata", "internal/tenant"},
	"internal/portal":        {"internal/db", "internal/entity", "internal/front", "internal/odata", "internal/tenant"},
	"internal/admin":         {"api", "internal/bearer", "internal/db", "internal/entity", "internal/fault", "internal/front", "internal/gather", "internal/identity", "internal/journal", "internal/odata", "internal/replicas", "internal/reporting", "internal/spool", "internal/state", "internal/tenant"},
	"internal/archive":       {"api"},
	"internal/console":       {"api", "docs", "internal/archive", "internal/entity", "internal/signin"},
	"internal/signin":        {"api"},
	"internal/embeddedpg":    {"internal/scram"},
	"internal/exporters":     {"internal/telemetry"},
	"internal/reporting":     {"api", "internal/db", "internal/scram"},
	"internal/server":        {"internal/admin", "internal/certs", "internal/console", "internal/db", "internal/entity", "internal/fault", "internal/front", "internal/graph", "internal/identity", "internal/journal", "internal/listener", "internal/odata", "internal/portal", "internal/proxy", "internal/replicas", "internal/reporting", "internal/signin", "internal/telemetry", "internal/tenant"},
	"internal/bench":         {"api", "client", "internal/console", "internal/db", "internal/embeddedpg", "internal/entity", "internal/process", "internal/server"},
	"internal/chaos":         {"api", "client", "internal/embeddedpg", "internal/process", "internal/server"},
	"graphtest":              {"api", "client", "internal/admin", "internal/certs", "internal/db", "internal/embeddedpg", "internal/server", "internal/state", "session"},
	"cmd/mocktenant":         {"api", "client", "internal/admin", "internal/archive", "internal/bearer", "internal/certs", "internal/db", "internal/embeddedpg", "internal/entity", "internal/exporters", "internal/identity", "internal/proxy", "internal/server", "internal/signin", "internal/state"},
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
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./graphtest", "./session", "./client", "./api")
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
			t.Errorf("imported by a public package: %s", imported)
		}
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	for name, imports := range listImports(t) {
		var ours []string
		for _, imported := range imports {
			if path, is := strings.CutPrefix(imported, module); is {
				ours = append(ours, path)
			}
			if name != "internal/entity/gen" && (imported == "html/template" || imported == "text/template") { // they call methods by name: all are kept
				t.Errorf("%s imports %s", name, imported)
			}
			if strings.Contains(imported, "gin-gonic") && name == "internal/db" {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		slices.Sort(ours)
		if ours = slices.Compact(ours); !slices.Equal(ours, slices.Sorted(slices.Values(mayImport[name]))) {
			t.Errorf("%s imports %q, and may import %q", name, ours, mayImport[name])
		}
	}
}

// listImports lists what each package imports, with and without Docker, by its path in the
// module.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for _, tags := range []string{"-tags=integration", "-tags="} {
		list := exec.CommandContext(t.Context(), "go", "list", tags, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
		list.Dir = ".."
		out, err := list.CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			words := strings.Fields(line)
			name := strings.TrimPrefix(words[0], module)
			imports[name] = append(imports[name], words[1:]...)
		}
	}
	return imports
}

// The table in docs/architecture.md has a row for each package that imports another of ours,
// with exactly those that it imports.
func TestImportsTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .* \\| ([^|]*) \\|$")
	rows := map[string]string{}
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		rows[found[1]] = found[2]
	}
	for name, imports := range mayImport {
		var want []string
		for _, imported := range imports {
			want = append(want, path.Base(imported))
		}
		if got := strings.Split(rows[name], ", "); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("docs/architecture.md says that %s imports %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"api", "internal/bearer", "internal/cors", "internal/gather", "internal/listener", "internal/odata", "internal/scram", "internal/spool"} {
		if rows[name] != "–" {
			t.Errorf("docs/architecture.md says that %s imports %q", name, rows[name])
		}
	}
}
