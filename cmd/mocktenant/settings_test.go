package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// settingsPage documents the service's settings. The part below generatedBelow is generated
// from the flags.
const (
	settingsPage   = "../../docs/settings.md"
	generatedBelow = "<!-- make golden writes all below this line from the flags -->\n"
)

// TestSettingsPage compares docs/settings.md with the flags of the service.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	written, _, found := strings.Cut(string(text), generatedBelow)
	if !found {
		t.Fatalf("%s lacks the line %q", settingsPage, generatedBelow)
	}
	want := written + generatedBelow + settingsTables()
	if *update {
		if err := os.WriteFile(settingsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s differs from the flags: run make golden", settingsPage)
	}
}

// settingsTables returns a table for each heading of the help.
func settingsTables() string {
	root := newRoot(&cli{})
	var headings []string
	tables := map[string]*strings.Builder{}
	add := func(flag *pflag.Flag) {
		variable := flag.Annotations[variableOfFlag]
		if variable == nil {
			return
		}
		heading := strings.Replace(headingOf(flag), "Flags", "Service", 1)
		if !slices.Contains(headings, heading) {
			headings = append(headings, heading)
			tables[heading] = &strings.Builder{}
		}
		_, usage := pflag.UnquoteUsage(flag)
		usage = strings.ReplaceAll(strings.TrimSuffix(usage, " ($"+variable[0]+")"), "*", `\*`)
		if c, ok := flag.Value.(choice); ok {
			usage += " One of " + strings.Join(c.values(), ", ") + "."
		}
		fmt.Fprintf(tables[heading], "| `%s` | `--%s` | %s | %s |\n", variable[0], flag.Name, shownDefault(flag), usage)
	}
	root.Flags().VisitAll(add)
	root.PersistentFlags().VisitAll(add)
	var page strings.Builder
	for _, heading := range headings {
		fmt.Fprintf(&page, "\n## %s\n\n| variable | flag | default | what it does |\n|---|---|---|---|\n%s", heading, tables[heading])
	}
	return page.String()
}

func shownDefault(flag *pflag.Flag) string {
	if slices.Contains([]string{"", "[]", "<nil>"}, flag.DefValue) {
		return ""
	}
	return "`" + strings.Trim(flag.DefValue, "[]") + "`" // lists have brackets
}
