//go:build linux

package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// After the service or its Postgres was killed or paused at any moment, and next to thousands of
// idle clients, no invariant is broken. `.ci/run chaos` runs all trials, more often.
func TestCrash(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	l, err := newLab(t.Context(), quick)
	if err != nil {
		t.Fatal(err)
	}
	l.say = t.Logf
	runs, err := l.all(t.Context(), regexp.MustCompile("killed|pauses|idle"))
	l.close(err != nil)
	if err != nil {
		t.Error(err)
	}
	for _, r := range runs {
		if r.figures.result != nil {
			t.Errorf("%s: %v", r.trial.name, r.figures.result)
		}
	}
}

// A run uses no database that the user's environment names.
func TestCleanEnvironment(t *testing.T) {
	for name, kept := range map[string]bool{
		"DATABASE_URL": false, "MOCKTENANT_DATA_DIR": false, "PGHOST": false, "OTEL_TRACES_EXPORTER": false, "PGOPTIONS": true, "PATH": true,
	} {
		t.Setenv(name, os.Getenv("PATH"))
		cleanEnvironment()
		if _, there := os.LookupEnv(name); there != kept {
			t.Errorf("%s: kept %t, want %t", name, there, kept)
		}
	}
}
