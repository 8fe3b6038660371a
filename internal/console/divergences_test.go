package console_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// The page has every row of docs/divergences.md, and finds those with a text.
func TestDivergences(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := string(must(os.ReadFile("../../docs/divergences.md"))(t))
	want := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| here |") {
			want++
		}
	}
	rows := func(query string) (all []string) {
		for _, n := range b.get("/console/divergences" + query).find(func(n *html.Node) bool { return attr(n, "data-testid") == "divergences-row" }) {
			all = append(all, inner(n))
		}
		return all
	}
	all := rows("")
	if len(all) != want || want < 100 {
		t.Errorf("%d rows, the documentation has %d", len(all), want)
	}
	for _, row := range all {
		if strings.ContainsAny(row, "`|") || strings.Contains(row, "](") {
			t.Errorf("shows Markdown: %s", row)
		}
	}
	found := rows("?search=SkipToken")
	if len(found) == 0 || len(found) == want || !strings.Contains(strings.ToLower(found[0]), "skiptoken") {
		t.Errorf("found %q", found)
	}
	if p := b.get("/console/divergences?search=nobody+wrote+this"); !strings.Contains(p.byTestID("empty"), "nobody wrote this") {
		t.Errorf("nothing found: %q", p.byTestID("empty"))
	}
}
