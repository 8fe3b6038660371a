package graphtest_test

import (
	"os"
	"strings"
	"testing"
)

// The documentation of package graphtest shows the test that is in this module.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("graphtest_test.go")
	if err != nil {
		t.Fatal(err)
	}
	documented, err := os.ReadFile("../../../graphtest/graphtest.go")
	if err != nil {
		t.Fatal(err)
	}
	_, snippet, ok := strings.Cut(string(source), "\nfunc TestOnboarding(")
	if !ok {
		t.Fatal("TestOnboarding is missing")
	}
	var comment strings.Builder
	for line := range strings.Lines("func TestOnboarding(" + snippet) {
		if line != "\n" {
			line = "\t" + line
		}
		comment.WriteString("//" + line)
	}
	if !strings.Contains(string(documented), comment.String()) {
		t.Errorf("the documentation lacks\n%s", comment.String())
	}
}
