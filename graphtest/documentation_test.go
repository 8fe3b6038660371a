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
	shown := 0
	for _, page := range []string{"../README.md", "../docs/graphtest.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(block[1], "graphtest.NewServer") {
				runTest(t, page, block[1])
				shown++
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a test")
	}
}

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
	if err := os.WriteFile(filepath.Join(dir, "shown_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-v", "-count=1", "./"+dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: Test") {
		t.Errorf("%s: %v\n%s", page, err, out)
	}
}
