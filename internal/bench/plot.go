//go:build linux

package main

import (
	"os"
	"path/filepath"

	"github.com/go-analyze/charts"
)

// plots is the folder for plots, below the page that shows them.
const plots = "docs/plots"

// plot is a chart of lines over the same x values.
type plot struct {
	name, title, x, y string
	labels            []string // of the x values
	lines             []line
}

type line struct {
	name   string
	values []float64
}

// link returns the Markdown that shows the plot in docs/performance.md.
func (p plot) link() string {
	return "![" + p.title + "](" + filepath.Base(plots) + "/" + p.name + ".svg)\n"
}

// write writes the plot as SVG.
func (p plot) write() error {
	var names []string
	var values [][]float64
	for _, l := range p.lines {
		names, values = append(names, l.name), append(values, l.values)
	}
	options := charts.NewLineChartOptionWithData(values)
	options.Title.Text = p.title
	options.Title.Offset = charts.OffsetCenter
	options.Legend.SeriesNames = names
	options.Legend.Offset = charts.OffsetStr{Top: "40"}
	options.XAxis.Labels, options.XAxis.Title = p.labels, p.x
	options.XAxis.BoundaryGap = charts.Ptr(false)
	options.YAxis[0].Title, options.YAxis[0].Min = p.y, charts.Ptr(0.0)
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 720, Height: 400})
	if err := painter.LineChart(options); err != nil {
		return err
	}
	svg, err := painter.Bytes()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(plots, p.name+".svg"), svg, 0o644)
}
