package graphtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

var goBlock = regexp.MustCompile("(?s)\n```go\n(package .*?)```\n")

// The tests shown in the documentation run exactly as shown.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	for _, page := range []string{"../README.md", "../docs/graphtest.md", "../docs/test-control.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(block[1], "graphtest.NewServer") {
				runTest(t, page, block[1])
				shown++
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no test", page)
		}
	}
}

// program is what a shown test calls: it creates three partners, and waits when it is throttled.
const program = `package partners_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func createThree(t *testing.T, c *http.Client) {
	for created := 0; created < 3; {
		r, err := c.Post("https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode == http.StatusCreated {
			created++
		} else if wait, err := time.ParseDuration(r.Header.Get("Retry-After") + "s"); err == nil {
			time.Sleep(wait)
		} else {
			t.Fatal(r.Status)
		}
	}
}
`

// runTest runs a test's source in a folder of this module that ./... ignores.
func runTest(t *testing.T, page, source string) {
	t.Helper()
	const parent = "testdata"
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(parent, "shown-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(parent) // if it is empty
	})
	for name, text := range map[string]string{"shown_test.go": source, "program_test.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-v", "-count=1", "./"+dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: Test") {
		t.Errorf("%s: %v\n%s", page, err, out)
	}
}
