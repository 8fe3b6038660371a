package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// demoPublicClient is the demo tenant's public application, as in docs/clients.md.
const demoPublicClient = "4b7e2d90-1c3a-4f58-8d21-6a9c0e5b7f32"

// noSkip turns a skip into a failure: CI sets it.
var noSkip = os.Getenv("MOCKTENANT_NO_SKIP") != ""

// find looks for one of the programs, or ends the test.
func find(t *testing.T, programs ...string) string {
	t.Helper()
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	if noSkip {
		t.Fatalf("%s is not installed", strings.Join(programs, " or "))
	}
	t.Skipf("%s is not installed", strings.Join(programs, " or "))
	return ""
}

// MSAL Node, @azure/identity, ADAL, MSAL.js, the Graph client for JavaScript, the pages in
// Chromium, and the snippet of docs/clients.md.
func TestNode(t *testing.T) {
	t.Parallel()
	find(t, "openssl")
	env := append(slices.Clone(tenant.env), "MOCKTENANT_TEST_PUBLIC_CLIENT_ID="+demoPublicClient,
		"MOCKTENANT_TEST_BINARY="+tenant.binary, "MOCKTENANT_TEST_SETS="+describeSets(t))
	runNode(t, env, "--test-concurrency=8") // they wait for devices and browsers
	snippet := exec.CommandContext(t.Context(), find(t, "node"), filepath.Base(file(t, "../node", "snippet.mjs", snippet(t, "js"))))
	snippet.Dir = "../node"
	created(t, snippet)
}
