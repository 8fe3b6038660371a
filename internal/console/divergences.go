package console

import (
	"regexp"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/docs"
)

// divergence is a row of docs/divergences.md.
type divergence struct{ of, here, there, why string }

// showDivergences shows how the service differs from Microsoft Graph.
func showDivergences(v *visit) (screen, error) {
	search := v.Query("search")
	rows := []g.Group{}
	for _, d := range divergences(docs.Divergences) {
		if strings.Contains(strings.ToLower(d.of+"\n"+d.here+"\n"+d.there+"\n"+d.why), strings.ToLower(search)) {
			rows = append(rows, g.Group{html.Text(d.of), markdown(d.here), markdown(d.there), markdown(d.why)})
		}
	}
	found := table("divergences", []string{"Of", "Here", "Microsoft Graph", "Why"}, rows)
	if len(rows) == 0 {
		found = empty("No known difference is about “"+search+"”.", html.A(html.Class("button"), html.Href(v.withQuery("search", "")), html.Text("Show all")))
	}
	return screen{title: "Differences from Microsoft Graph", body: g.Group{
		heading("Differences from Microsoft Graph"), searchBox("Search differences", search), found,
	}}, nil
}

// divergences returns the rows of the page's tables, each with its section's heading.
func divergences(page string) (all []divergence) {
	section, body := "", false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "## "):
			section, body = line[3:], false
		case strings.HasPrefix(line, "|---"):
			body = true
		case body && len(cells) > 4:
			all = append(all, divergence{section, strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])})
		}
	}
	return all
}

// links matches a link in Markdown.
var links = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// markdown shows a line of Markdown: code, and links as their texts.
func markdown(line string) (all g.Group) {
	for i, part := range strings.Split(links.ReplaceAllString(line, "$1"), "`") {
		if i%2 == 1 {
			all = append(all, code(part))
			continue
		}
		all = append(all, html.Text(part))
	}
	return all
}
