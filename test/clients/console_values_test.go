package clients_test

import "testing"

// Each page of the console shows the API's values, in Chromium. It has its own service, because it
// makes a key, which ends the open access of the other tests.
func TestConsoleValues(t *testing.T) {
	t.Parallel()
	graph, console := freshServiceWith(t)
	runNode(t, []string{"MOCKTENANT_CONSOLE_URL=" + console, "MOCKTENANT_GRAPH_URL=" + graph}, "console_values.mjs")
}
