// Package testenv controls what tests see of their environment, and which slow tests run.
// Only tests import it.
package testenv

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	// noSkipVariable, if set, turns every skip into a failure. CI sets it.
	noSkipVariable = "MOCKTENANT_NO_SKIP"

	// heavyVariable, if set, runs the heavy tests too, and other tests more thoroughly. CI
	// sets it.
	heavyVariable = "MOCKTENANT_HEAVY_TESTS"
)

// ours are the variables meant for tests.
var ours = []string{noSkipVariable, heavyVariable, "MOCKTENANT_NO_GATHERING", "MOCKTENANT_PG_BINDIR"}

// foreign are prefixes of variables that the service, Postgres, OpenTelemetry, Go's HTTP
// and TLS or Azure's clients read; `mocktenant env` prints some of them.
var foreign = []string{
	"MOCKTENANT_", "DATABASE_URL", "PG", "OTEL_", "AZURE_", "GRAPH_", "MSAL_", "SSL_CERT_", "NODE_EXTRA_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}

// Clean unsets every variable that could change what a test sees. TestMain calls it first,
// unless the test binary runs as the program.
func Clean() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(ours, name) && isForeign(name) {
			_ = os.Unsetenv(name) // it is set, so its name is valid
		}
	}
}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(strings.ToUpper(name), prefix) })
}

// Log returns the log of a service in a test: warnings and errors go to the test's output,
// which is seen if the test fails.
func Log() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Heavy skips a slow test, such as one that compiles the program or measures memory, unless
// heavy tests are enabled. It always skips under the race detector, which would only make it
// slower: .ci/run heavy runs it.
func Heavy(tb testing.TB) {
	tb.Helper()
	if racing {
		tb.Skip("heavy, and under the race detector")
	}
	if os.Getenv(heavyVariable) == "" {
		Skip(tb, "it is heavy; "+heavyVariable+"=1 runs it")
	}
}

// Often returns how many times a test repeats something: heavy if heavy tests are enabled,
// otherwise quick. Under the race detector, which slows each repetition several times, it
// returns quick; .ci/run heavy runs the tests without it.
func Often(quick, heavy int) int {
	if racing || os.Getenv(heavyVariable) == "" {
		return quick
	}
	return heavy
}

// Long skips, under -short, a test that starts programs or takes seconds. It doesn't count
// as a skip in CI, which never passes -short.
func Long(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("-short")
	}
}

// Skip skips the test with a reason. It fails the test if CI forbids skips.
func Skip(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv(noSkipVariable) != "" {
		tb.Fatalf("would skip: %s", reason)
	}
	tb.Skip(reason)
}
