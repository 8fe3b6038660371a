package console

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func (v *visit) reports() ([]api.Report, error) {
	var list api.ReportList
	err := v.call("listReports", nil, &list)
	return list.Value, err
}

// showReportList shows every report's question and SQL. To run one, choose a tenant first.
func showReportList(v *visit) (screen, error) {
	all, err := v.reports()
	return screen{title: "Reports", body: g.Group{
		heading("Reports", html.A(html.Class("button"), html.Href(Root+"/report-logins"), html.Text("Report logins"))),
		html.P(html.Text("Each answers a question about one tenant; choose the tenant first.")),
		html.Div(g.Map(all, func(r api.Report) g.Node {
			return html.Details(html.Summary(html.Text(r.Question)), block(r.Sql))
		})),
	}}, err
}

func showReports(v *visit) (screen, error) {
	all, err := v.reports()
	return screen{title: "Reports", body: g.Group{
		heading("Reports"),
		html.Ul(html.Class("links"), g.Map(all, func(r api.Report) g.Node {
			return html.Li(html.A(html.Href(v.at("reports", r.Name)), testID("report-"+r.Name), html.Text(r.Question)))
		})),
	}}, err
}

// report returns the report with a name.
func (v *visit) report(name string) (*api.Report, error) {
	all, err := v.reports()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r api.Report) bool { return r.Name == name })
	if i < 0 {
		return nil, refusal(http.StatusNotFound, "There is no report "+name+".")
	}
	return &all[i], nil
}

// showReport shows a report at once, and leads to its answer, which takes seconds for a hundred
// thousand entities. The script adds the answer later.
func showReport(v *visit) (screen, error) {
	name := v.Param("report")
	report, err := v.report(name)
	if err != nil {
		return screen{}, err
	}
	answer := v.at("reports", name, "answer") + "?" + v.Request.URL.RawQuery
	return screen{title: report.Question, body: g.Group{
		heading(report.Question, html.A(html.Class("button"), testID("csv"), html.Data("file", ""), html.Href(v.at("reports", name, "csv")+"?"+v.Request.URL.RawQuery), html.Text("Download as CSV"))),
		v.reportForm(report),
		html.Div(html.ID("later"), html.Data("later", answer), html.A(html.Class("button"), testID("answer"), html.Href(answer), html.Text("Show the answer"))),
		html.Details(html.Summary(html.Text("SQL")), block(report.Sql)),
	}}, nil
}

// maxReportRows bounds the rows of an answer on its page.
const maxReportRows = 200

func showReportAnswer(v *visit) (screen, error) {
	report, result, err := v.answer()
	if err != nil {
		return screen{}, err
	}
	drawn := chart(report.Name, result) // of all rows
	var more g.Node
	if n := len(result.Rows); n > maxReportRows {
		result.Rows = result.Rows[:maxReportRows]
		more = html.P(html.Class("note"), testID("more"), html.Text(fmt.Sprintf("These are the first %d of %d rows. Download all as CSV.", maxReportRows, n)))
	}
	found := v.reportTable("report", result)
	if len(result.Rows) == 0 {
		found = empty("The answer has no rows.")
	}
	return screen{title: report.Question, body: g.Group{
		heading(report.Question, html.A(html.Class("button"), html.Href(v.at("reports", report.Name)+"?"+v.Request.URL.RawQuery), html.Text("The report"))),
		html.Div(html.ID("later"), drawn, more, found),
	}}, nil
}

// answer runs the report that the path names.
func (v *visit) answer() (*api.Report, api.ReportResult, error) {
	var result api.ReportResult
	report, err := v.report(v.Param("report"))
	if err != nil {
		return nil, result, err
	}
	of := v.ofTenant("report", report.Name)
	for _, p := range report.Parameters {
		of[p.Name] = v.Query(p.Name)
	}
	return report, result, v.call("runReport", of, &result)
}

func (v *visit) reportForm(r *api.Report) g.Node {
	if len(r.Parameters) == 0 {
		return nil
	}
	return html.Form(html.Class("search"), html.Method("get"), g.Map(r.Parameters, func(p api.ReportParameter) g.Node {
		return html.Input(html.Name(p.Name), html.Value(v.Query(p.Name)), html.Placeholder(p.Name+": "+strings.Trim(p.Default, "'")), html.Aria("label", words(p.Name)))
	}), html.Button(html.Text("Run")))
}

// cells returns a row's values, with "" for null.
func cells(r api.ReportResult, row int) []string {
	all := make([]string, len(r.Columns))
	for i, cell := range r.Rows[row] {
		if value, err := cell.Get(); err == nil {
			all[i] = value
		}
	}
	return all
}

func (v *visit) reportTable(name string, r api.ReportResult) g.Node {
	columns := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		columns[i] = spaced(c)
	}
	rows := make([]g.Group, len(r.Rows))
	for i := range r.Rows {
		for _, value := range cells(r, i) {
			rows[i] = append(rows[i], v.cell(value))
		}
	}
	return table(name, columns, rows)
}

// cell shows a value of a report: an instant relative to now, an id on one line.
func (v *visit) cell(value string) g.Node {
	if t, err := time.Parse("2006-01-02 15:04:05.999999999-07", value); err == nil {
		return v.when(&t)
	}
	if _, err := uuid.Parse(value); err == nil {
		return code(value)
	}
	return text(value)
}

// errSent says that the answer has already been sent.
var errSent = errors.New("the answer was sent")

// sendReport sends the answer as a file.
func sendReport(v *visit) (screen, error) {
	report, result, err := v.answer()
	if err != nil {
		return screen{}, err
	}
	v.Header("Content-Type", "text/csv; charset=utf-8")
	v.Header("Content-Disposition", `attachment; filename="`+report.Name+`.csv"`)
	w := csv.NewWriter(v.Writer)
	_ = w.Write(result.Columns) // fails only if the client is gone
	for i := range result.Rows {
		_ = w.Write(cells(result, i))
	}
	w.Flush()
	return screen{}, errSent
}

func showReportLogins(v *visit) (screen, error) {
	var list api.ReportLoginList
	if err := v.call("listReportLogins", v.pageParams(params{}), &list); err != nil {
		return screen{}, err
	}
	back := v.Request.URL.RequestURI()
	rows := make([]g.Group, len(list.Value))
	for i, l := range list.Value {
		tenants := make([]string, len(l.TenantIds))
		for i, id := range l.TenantIds {
			tenants[i] = id.String()
		}
		of := params{"login": l.Login}
		rows[i] = g.Group{
			code(l.Login), optional(l.Label), lines(tenants), v.when(&l.CreatedDateTime), v.when(l.ExpiresDateTime),
			html.Div(html.Class("buttons"), v.button("rotateReportLogin", "New password", of), v.sure("revokeReportLogin", "Revoke", back, of)),
		}
	}
	found := table("report-logins", []string{"Login", "Label", "Tenants", "Created", "Expires", ""}, rows)
	create := v.formLink("createReportLogin", "Create report login", "button primary", nil)
	if len(rows) == 0 {
		found = empty("Nobody can query the reporting views yet. Create a Postgres login for a tenant.", create)
	}
	return screen{title: "Report logins", body: g.Group{heading("Report logins", create), found, v.pager(list.NextLink)}}, nil
}
