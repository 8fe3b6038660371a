//go:build linux

package main

import (
	"errors"
	"testing"
	"time"
)

func TestRowsAreReplaced(t *testing.T) {
	t.Parallel()
	const section = "On 2026-11-29, version a.\n\n| trial |\n| soak | old |\n| soak of two | stays |\n\n"
	r := &run{trial: trial{name: "soak", does: "load"}, figures: figures{took: time.Second, result: errors.New("a | b")}}
	const want = "On 2026-11-29, version a.\n\n| trial |\n| soak | load |  |  |  |  |  | 1s | **failed**: a / b |\n| soak of two | stays |\n\n" +
		"The row *soak* is of a later run: on 2026-11-30, version b.\n\n"
	got, err := replaceRows(section, []*run{r}, "on 2026-11-30, version b")
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if again, err := replaceRows(got, []*run{r}, "on 2026-11-30, version b"); err != nil || again != want {
		t.Errorf("a second time: %v\n%s", err, again)
	}
	r.trial.name = "unknown"
	if _, err := replaceRows(section, []*run{r}, ""); err == nil {
		t.Error("a row that isn't there was replaced")
	}
}
