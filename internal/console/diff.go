package console

import (
	"net/url"
	"slices"
	"strings"

	g "maragu.dev/gomponents"
)

// diffSide shows one of two versions of a text. It marks the lines that the other version
// lacks with an element, ins or del.
func diffSide(text, other, element string) g.Node {
	if text == "" {
		return html.Span(html.Class("note"), html.Text("nothing"))
	}
	others := strings.Split(other, "\n")
	for i := range others {
		others[i] = strings.TrimSuffix(others[i], ",")
	}
	all := g.Group{}
	for line := range strings.Lines(text) {
		if slices.Contains(others, strings.TrimRight(line, ",\n")) {
			all = append(all, html.Text(line))
			continue
		}
		all = append(all, html.El(element, html.Text(line)))
	}
	return html.Pre(html.TabIndex("0"), html.Code(all)) // it may scroll
}

func queryEscape(text string) string { return url.QueryEscape(text) }
