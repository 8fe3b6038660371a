package console

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

// charts draw reports, by name; other reports are only tables. A chart is as wide as the page
// allows: it uses percentages, so texts keep their size. Each mark has its value as the report
// writes it, for programs that read pages and for those who point at it.
var charts = map[string]func(api.ReportResult) g.Node{
	"onboarding-funnel":                barsOf("reached", "step_name"),
	"entities-by-status":               barsOf("entities", "entity_set", "status"),
	"changes-by-person":                barsOf("changes", "change", "entity_set", "who"),
	"waiting-requests":                 barsOf("waiting_for", "display_name"),
	"time-to-onboard":                  acrossBars("median", "nine_in_ten"),
	"stale-remote-assistance-partners": countBars("staleness"),
	"status-by-day":                    columnsByDay,
}

// chart draws a report, or returns nil if it has nothing to draw.
func chart(report string, r api.ReportResult) g.Node {
	if draw := charts[report]; draw != nil {
		return draw(r)
	}
	return nil
}

// mark is a bar, or a part of a column.
type mark struct {
	label string
	exact string // the value in the report
	value float64
}

// attributes say what a mark shows.
func (m mark) attributes() g.Group {
	return g.Group{html.Data("label", m.label), html.Data("value", m.exact)}
}

func (m mark) title() g.Node { return html.El("title", html.Text(m.label+": "+m.exact)) }

// columnOf returns the index of a report's column, or -1.
func columnOf(r api.ReportResult, name string) int { return slices.Index(r.Columns, name) }

// amount converts a number or a duration of a report, in seconds.
func amount(text string) (float64, bool) {
	if value, err := strconv.ParseFloat(text, 64); err == nil {
		return value, true
	}
	return seconds(text)
}

// seconds converts a duration as Postgres writes it, of days and a time: 1 day 02:03:04.5.
func seconds(text string) (sum float64, ok bool) {
	words := strings.Fields(text)
	for ; len(words) > 1 && (words[1] == "day" || words[1] == "days"); words = words[2:] {
		days, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			return 0, false
		}
		sum, ok = sum+days*24*60*60, true
	}
	if len(words) == 0 {
		return sum, ok
	}
	var h, m int
	var s float64
	if n, err := fmt.Sscanf(words[0], "%d:%d:%g", &h, &m, &s); len(words) > 1 || n != 3 || err != nil {
		return 0, false
	}
	return sum + float64(h*60+m)*60 + s, true
}

// barsOf draws a bar for each row, of one column's value, labeled with other columns.
func barsOf(value string, labels ...string) func(api.ReportResult) g.Node {
	return func(r api.ReportResult) g.Node {
		var all []mark
		for i := range r.Rows {
			row := cells(r, i)
			names := make([]string, len(labels))
			for j, name := range labels {
				names[j] = row[columnOf(r, name)]
			}
			exact := row[columnOf(r, value)]
			if n, ok := amount(exact); ok {
				all = append(all, mark{strings.Join(names, ", "), exact, n})
			}
		}
		return bars(all)
	}
}

// acrossBars draws a bar for each of several columns of the only row.
func acrossBars(columns ...string) func(api.ReportResult) g.Node {
	return func(r api.ReportResult) g.Node {
		var all []mark
		for i := range r.Rows {
			for _, name := range columns {
				exact := cells(r, i)[columnOf(r, name)]
				if n, ok := amount(exact); ok {
					all = append(all, mark{spaced(name), exact, n})
				}
			}
		}
		return bars(all)
	}
}

// countBars draws how many rows have each value of a column, in the report's order.
func countBars(column string) func(api.ReportResult) g.Node {
	return func(r api.ReportResult) g.Node {
		var all []mark
		for i := range r.Rows {
			label := cells(r, i)[columnOf(r, column)]
			at := slices.IndexFunc(all, func(m mark) bool { return m.label == label })
			if at < 0 {
				at, all = len(all), append(all, mark{label: label})
			}
			all[at].value++
			all[at].exact = fmt.Sprint(all[at].value)
		}
		return bars(all)
	}
}

// spaced returns the name of a report's column in words.
func spaced(column string) string { return strings.ReplaceAll(column, "_", " ") }

const (
	maxBars  = 30 // more are hard to compare
	maxLabel = 60 // characters; narrow pages cut labels off, and the mark's title has the rest

	barRow    = 40 // from a bar to the next one, in pixels: a line for its label, and the bar
	barLength = 62 // of the longest bar, in percent, so that its value fits next to it
)

// bars draws marks below each other, each with its label above and its value behind.
func bars(all []mark) g.Node {
	drawn := all[:min(len(all), maxBars)]
	most := 0.0
	for _, m := range drawn {
		most = max(most, m.value)
	}
	if most <= 0 {
		return nil
	}
	rows := g.Map(drawn, func(m mark) g.Node { return m.bar(most) })
	for i := range rows {
		rows[i] = html.El("svg", html.Attr("y", strconv.Itoa(i*barRow)), html.Attr("height", strconv.Itoa(barRow)), rows[i])
	}
	return html.El("figure", html.Class("chart"), testID("chart"), picture(len(drawn)*barRow, rows), g.If(len(all) > maxBars, caption(fmt.Sprintf("The first %d of %d.", maxBars, len(all)))))
}

// bar draws a mark; the bar of most has the full length.
func (m mark) bar(most float64) g.Node {
	length := percent(barLength * max(m.value, 0) / most)
	shown, _, _ := strings.Cut(m.exact, ".") // of a duration; counts have no fractions
	return html.El("g", m.attributes(), m.title(),
		html.El("text", html.Attr("x", "0"), html.Attr("y", "14"), html.Text(shorten(cmp.Or(m.label, "none"), maxLabel))),
		html.El("rect", html.Attr("x", "0"), html.Attr("y", "20"), html.Attr("width", length), html.Attr("height", "13"), html.Attr("rx", "3")),
		html.El("text", html.Attr("x", length), html.Attr("dx", "6"), html.Attr("y", "31"), html.Text(shown)))
}

func percent(value float64) string { return strconv.FormatFloat(value, 'f', 2, 64) + "%" }

// picture is a drawing of a height in pixels. Screen readers skip it, because the table next to
// it has the same values.
func picture(height int, content g.Node) g.Node {
	return html.SVG(html.Aria("hidden", "true"), html.Width("100%"), html.Height(strconv.Itoa(height)), content)
}

func caption(text string) g.Node { return html.El("figcaption", html.Class("note"), html.Text(text)) }

// shorten cuts a text to a maximum number of characters.
func shorten(text string, most int) string {
	if all := []rune(text); len(all) > most {
		return string(all[:most-1]) + "…"
	}
	return text
}

// funnel draws how many of the tenant's partners reached each onboarding status.
func (v *visit) funnel() (g.Node, error) {
	const name = "onboarding-funnel"
	var result api.ReportResult
	if err := v.call("runReport", v.ofTenant("report", name), &result); err != nil {
		return nil, err
	}
	drawn := chart(name, result)
	if drawn == nil {
		return nil, nil
	}
	return html.Section(html.H2(html.Text("Onboarding")), html.Div(html.Class("panel"), drawn,
		html.Details(html.Summary(html.Text("As a table")), v.reportTable("funnel", result)))), nil
}
