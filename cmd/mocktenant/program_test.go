package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

var reflects = regexp.MustCompile(`(\S+) <ReflectMethod>`)

// Nothing in the program looks up methods by names that the linker can't know, as
// text/template does. Otherwise the linker would keep every exported method of every type,
// which would make the program a quarter larger.
func TestLinkerDropsMethods(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	if _, err := exec.LookPath("go"); err != nil {
		testenv.Skip(t, "go is not installed")
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags=nomsgpack,grpcnotrace", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "program"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nmain.main -> ") {
		t.Fatalf("it tells of no dependencies: %v, %.1000s", err, out)
	}
	var who []string
	for line := range strings.Lines(string(out)) {
		m := reflects.FindStringSubmatch(line)
		if m != nil && !strings.HasPrefix(line, "type:") && !slices.Contains(who, m[1]) { // a type keeps its own methods
			who = append(who, m[1])
		}
	}
	if who != nil {
		t.Errorf("the linker keeps all methods, because of %s; go build -ldflags=-dumpdep says who uses them", strings.Join(who, ", "))
	}
}

// The build context of the images has every folder with the program's sources.
func TestImageContext(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	ignored, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/mocktenant/mocktenant/"
	for name := range strings.Lines(string(out)) {
		path, ours := strings.CutPrefix(name, module)
		folder, _, _ := strings.Cut(strings.TrimSpace(path), "/")
		if ours && !strings.Contains(string(ignored), "\n!"+folder+"\n") {
			t.Errorf(".dockerignore leaves %s out", folder)
		}
	}
	if !strings.Contains(string(out), module) {
		t.Errorf("go list says %s", out)
	}
}
