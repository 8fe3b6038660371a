package clients_test

import (
	"os"
	"os/exec"
	"testing"
)

// Each page of the console shows the API's values, in Chromium. It has its own service, because it
// makes a key, which ends the open access of the other tests.
func TestConsoleValues(t *testing.T) {
	t.Parallel()
	wantNode(t)
	chromium := find(t, "chromium", "chromium-browser", "google-chrome")
	graph, console := freshServiceWith(t)
	run := exec.CommandContext(t.Context(), find(t, "node"), "--test", "console_values.mjs")
	run.Dir = "../node"
	run.Env = append(os.Environ(), "MOCKTENANT_CONSOLE_URL="+console, "MOCKTENANT_GRAPH_URL="+graph, "MOCKTENANT_TEST_CHROMIUM="+chromium)
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
