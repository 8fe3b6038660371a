// Package testenv settles what tests see of their surroundings: the environment, and
// which tests are worth their time. Only tests import it.
package testenv

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	// noSkipVariable, set to anything, turns every skip into a failure: CI sets it.
	noSkipVariable = "MOCKTENANT_NO_SKIP"

	// heavyVariable, set to anything, runs heavy tests too, and all of the others: CI
	// sets it.
	heavyVariable = "MOCKTENANT_HEAVY_TESTS"
)

// ours are the variables that are meant for tests.
var ours = []string{noSkipVariable, heavyVariable, "MOCKTENANT_NO_GATHERING", "MOCKTENANT_PG_BINDIR"}

// foreign begin the names of variables that the service, Postgres, OpenTelemetry, Go's
// HTTP and TLS or Azure's clients read; `mocktenant env` prints some of them.
var foreign = []string{
	"MOCKTENANT_", "DATABASE_URL", "PG", "OTEL_", "AZURE_", "GRAPH_", "MSAL_", "SSL_CERT_", "NODE_EXTRA_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}

// Clean unsets every variable that would change what a test sees, whoever set it.
// TestMain calls it first, unless the binary is there as a program.
func Clean() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(ours, name) && isForeign(name) {
			_ = os.Unsetenv(name) // it is there, and its name is valid
		}
	}
}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(strings.ToUpper(name), prefix) })
}

// Heavy skips a test that takes long, such as one that compiles the program, unless
// heavy tests are wanted.
func Heavy(tb testing.TB) {
	tb.Helper()
	if os.Getenv(heavyVariable) == "" {
		Skip(tb, "it is heavy; "+heavyVariable+"=1 runs it")
	}
}

// Often is how often a test does what is worth doing often only where heavy tests are
// wanted.
func Often(quick, heavy int) int {
	if os.Getenv(heavyVariable) == "" {
		return quick
	}
	return heavy
}

// Long skips a test that starts programs or takes seconds where -short asks for that.
// That is no skip of CI's, which never passes -short.
func Long(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("-short")
	}
}

// Skip skips the test for a reason, or fails it where CI wants no skips.
func Skip(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv(noSkipVariable) != "" {
		tb.Fatalf("would skip: %s", reason)
	}
	tb.Skip(reason)
}
