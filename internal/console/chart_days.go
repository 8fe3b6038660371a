package console

import (
	"fmt"
	"slices"
	"strconv"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

const (
	maxDays = 92 // more are hard to tell apart

	columnHeight = 130 // of the highest column, in pixels
	columnTop    = 18  // the line above it, for its value
	columnGap    = 2   // between parts, so that they differ without their colors

	manyColors = 6 // in the stylesheet
)

// history has the counts of one set of entities on consecutive days.
type history struct {
	set      string
	statuses []string
	days     []day
}

// day has a count for each status.
type day struct {
	date  string
	marks []mark
}

func (d day) total() (sum float64) {
	for _, m := range d.marks {
		sum += m.value
	}
	return sum
}

// columnsByDay draws for each set of entities a column for each day, with a part for each status.
func columnsByDay(r api.ReportResult) g.Node {
	all := g.Group{}
	for _, h := range histories(r) {
		if drawn := h.draw(); drawn != nil {
			all = append(all, drawn)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// histories groups the rows of the report, which are in the order of their days.
func histories(r api.ReportResult) (all []*history) {
	date, set, status, entities := columnOf(r, "day"), columnOf(r, "entity_set"), columnOf(r, "status"), columnOf(r, "entities")
	for i := range r.Rows {
		row := cells(r, i)
		at := slices.IndexFunc(all, func(h *history) bool { return h.set == row[set] })
		if at < 0 {
			at, all = len(all), append(all, &history{set: row[set]})
		}
		value, _ := amount(row[entities])
		all[at].add(row[date], row[status], mark{row[set] + ", " + row[date] + ", " + row[status], row[entities], value})
	}
	return all
}

func (h *history) add(date, status string, m mark) {
	if n := len(h.days); n == 0 || h.days[n-1].date != date {
		h.days = append(h.days, day{date: date})
	}
	last := &h.days[len(h.days)-1]
	last.marks = append(last.marks, m)
	if !slices.Contains(h.statuses, status) {
		h.statuses = append(h.statuses, status)
	}
}

// draw returns the chart with a legend, or nil if there were never any entities.
func (h *history) draw() g.Node {
	drawn, most := h.days[max(0, len(h.days)-maxDays):], 0.0
	for _, d := range drawn {
		most = max(most, d.total())
	}
	if most == 0 {
		return nil
	}
	columns := g.Group{axisText("0", 12, "start", strconv.FormatFloat(most, 'f', -1, 64))}
	colors := colors(h.statuses)
	for i, d := range drawn {
		columns = append(columns, d.column(float64(i)*100/float64(len(drawn)), 100/float64(len(drawn)), most, colors))
	}
	const below = columnTop + columnHeight + 16
	columns = append(columns, axisText("0", below, "start", drawn[0].date))
	if len(drawn) > 1 {
		columns = append(columns, axisText("100%", below, "end", drawn[len(drawn)-1].date))
	}
	return html.El("figure", html.Class("chart"), testID("chart"), caption(words(h.set)), picture(below+6, columns), h.legend(colors),
		g.If(len(drawn) < len(h.days), caption(fmt.Sprintf("The last %d of %d days.", len(drawn), len(h.days)))))
}

func axisText(x string, y int, anchor, text string) g.Node {
	return html.El("text", html.Attr("x", x), html.Attr("y", strconv.Itoa(y)), html.Attr("text-anchor", anchor), html.Text(text))
}

// column draws a day from x on, both in percent of the chart's width.
func (d day) column(x, width, most float64, colors []string) g.Node {
	parts, bottom := g.Group{}, float64(columnTop+columnHeight)
	for i, m := range d.marks {
		height := m.value / most * columnHeight
		bottom -= height
		parts = append(parts, html.El("rect", m.attributes(), html.Class(colors[i]), html.Attr("x", percent(x+width*.1)), html.Attr("width", percent(width*.8)),
			html.Attr("y", pixels(bottom)), html.Attr("height", pixels(max(height-columnGap, min(height, 1)))), m.title()))
	}
	return parts
}

func pixels(value float64) string { return strconv.FormatFloat(value, 'f', 1, 64) }

// fixedColors are the colors of statuses whose meaning suggests one: green, red and gray. Other
// statuses take the colors that remain.
var fixedColors = map[string]int{"onboarded": 2, "enabled": 2, "rejected": 4, "unknown": 5}

// colors returns a class of the stylesheet for each status.
func colors(statuses []string) []string {
	taken, next, all := map[int]bool{}, 0, make([]string, len(statuses))
	for _, status := range statuses {
		if fixed, ok := fixedColors[status]; ok {
			taken[fixed] = true
		}
	}
	for i, status := range statuses {
		color, ok := fixedColors[status]
		for ; !ok && taken[next%manyColors] && next < manyColors; next++ {
		}
		if !ok {
			color, next = next%manyColors, next+1
		}
		all[i] = "color-" + strconv.Itoa(color)
	}
	return all
}

// legend names the colors, with the counts of the last day.
func (h *history) legend(colors []string) g.Node {
	items, last := g.Group{}, h.days[len(h.days)-1]
	for i, status := range h.statuses {
		items = append(items, html.Li(html.Span(html.Class("swatch "+colors[i])), html.Text(status+": "+last.marks[i].exact)))
	}
	return html.Ul(html.Class("legend"), items)
}
