package console

import (
	"fmt"
	"slices"
	"strconv"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

// The size of a chart, in units that the page scales.
const (
	barHeight  = 22
	labelWidth = 190
	chartWidth = 640
)

// chart draws a report's first column of numbers as bars, labeled with the report's first
// column. It returns nil if no column has only numbers. Screen readers skip it, because the
// table next to it has the same values.
func chart(r api.ReportResult) g.Node {
	at, values := numbers(r)
	if at < 0 || len(values) < 2 {
		return nil
	}
	most, bars := slices.Max(values), g.Group{}
	if most <= 0 {
		return nil
	}
	for i, value := range values {
		y, width := i*barHeight, int(value/most*(chartWidth-labelWidth-70))
		row := cells(r, i)
		bars = append(bars,
			svgText(labelWidth-8, y+15, "end", shorten(row[0], 26)),
			g.El("rect", g.Attr("x", strconv.Itoa(labelWidth)), g.Attr("y", strconv.Itoa(y+3)), g.Attr("width", strconv.Itoa(max(width, 1))), g.Attr("height", strconv.Itoa(barHeight-6)), g.Attr("rx", "3")),
			svgText(labelWidth+width+6, y+15, "start", row[at]))
	}
	return html.SVG(html.Class("chart"), testID("chart"), html.Aria("hidden", "true"), g.Attr("viewBox", fmt.Sprintf("0 0 %d %d", chartWidth, len(values)*barHeight)), bars)
}

// numbers returns the first column, apart from the report's very first, that has only
// numbers, and its values; at is -1 if no column has.
func numbers(r api.ReportResult) (at int, values []float64) {
	const most = 60 // more bars are hard to tell apart
	for at := 1; at < len(r.Columns) && len(r.Rows) <= most; at++ {
		values = values[:0]
		for i := range r.Rows {
			if value, err := strconv.ParseFloat(cells(r, i)[at], 64); err == nil {
				values = append(values, value)
			}
		}
		if len(values) == len(r.Rows) {
			return at, values
		}
	}
	return -1, nil
}

func svgText(x, y int, anchor, text string) g.Node {
	return g.El("text", g.Attr("x", strconv.Itoa(x)), g.Attr("y", strconv.Itoa(y)), g.Attr("text-anchor", anchor), g.Text(text))
}

// shorten cuts a text to a maximum number of characters.
func shorten(text string, most int) string {
	if all := []rune(text); len(all) > most {
		return string(all[:most-1]) + "…"
	}
	return text
}

// funnel draws how many of the tenant's partners reached each onboarding status.
func (v *visit) funnel() (g.Node, error) {
	var result api.ReportResult
	if err := v.call("runReport", v.ofTenant("report", "onboarding-funnel"), &result); err != nil {
		return nil, err
	}
	drawn := chart(result)
	if drawn == nil {
		return nil, nil
	}
	return html.Section(html.H2(g.Text("Onboarding")), html.Div(html.Class("panel"), drawn,
		html.Details(html.Summary(g.Text("As a table")), v.reportTable("funnel", result)))), nil
}
