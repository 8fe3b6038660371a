package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// What is generated from the descriptions is current.
func TestFilesAreCurrent(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	all, err := files(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range all {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s isn't what the descriptions say (%v); run make generate", path, err)
		}
	}
}

// A property in the middle of a description comes last in the views that were published, and
// where it is in those that weren't.
func TestPromisedColumnsStay(t *testing.T) {
	t.Parallel()
	changed := entity.RoleScopeTag
	changed.Properties = slices.Insert(slices.Clone(changed.Properties), 1, entity.Text("colour", "colour", 10), entity.Date("seenDateTime", "seen"))
	s := newSource(&changed)
	names := func(all []reportColumn) string {
		var names []string
		for _, c := range all {
			names = append(names, c.Name)
		}
		return strings.Join(names, " ")
	}
	const before, after = "tenant_id id version display_name", "description is_built_in created_at created_by created_with"
	const added = "colour seen_at seen_offset_minutes"
	if got := names(s.ReportColumns()); got != before+" "+added+" "+after {
		t.Errorf("before the release: %s", got)
	}
	promise, err := readPromise(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	s.Promised = promise
	if got := names(s.ReportColumns()); got != before+" "+after+" "+added {
		t.Errorf("after it: %s", got)
	}
	if got := names(s.ChangesColumns()); got != "display_name description is_built_in "+added {
		t.Errorf("of changes, after it: %s", got)
	}
	if got := s.ReportList(); !strings.HasSuffix(got, "p.created_at, p.created_by, application_of(p.created_with) AS created_with,\n    p.colour,\n    instant_of(p.seen_ticks) AS seen_at,\n    p.seen_offset AS seen_offset_minutes") {
		t.Errorf("selected: %s", got)
	}
}
