package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

var reportTable = table[api.Report]{
	[]string{"name", "question", "parameters"},
	func(r api.Report) []any {
		var defaults []string
		for _, p := range r.Parameters {
			defaults = append(defaults, p.Name+"="+p.Default)
		}
		return []any{r.Name, r.Question, strings.Join(defaults, " ")}
	},
}

// reportPrinter is a printer that can also print CSV.
type reportPrinter struct{ printer }

func newReportPrinter(flags *pflag.FlagSet) *reportPrinter {
	o := &reportPrinter{}
	choiceFlag(flags, &o.format, "output", "o", "table", "The output format.", "table", "csv", "json")
	return o
}

func (o *reportPrinter) print(con console, value any, rows [][]string) error {
	if o.format == "csv" {
		return csv.NewWriter(con.out).WriteAll(rows)
	}
	return o.printer.print(con, value, rows)
}

func newReport(c *cli) *cobra.Command {
	var name string
	var p api.RunReportParams
	cmd := c.administer("report [<report>]", "Run a report about a tenant; without a name, list the reports.", textArg(&name))
	flags := cmd.Flags()
	flags.Func("tenant", "The `TENANT`, by its id, a domain or its name.", tenantArg(&p.TenantId)(cmd))
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	flags.Func("days", "How many `DAYS` back, for reports with this parameter.", optional(&p.Days, readInteger))
	flags.Func("who", "The `PERSON`, by name or id, for reports with this parameter.", optional(&p.Who, readText))
	output := newReportPrinter(flags)
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		if name == "" {
			all, err := client.Read[api.ReportList](s.ListReports(ctx))
			if err != nil {
				return err
			}
			return output.print(con, all.Value, reportTable.all(all.Value))
		}
		result, err := client.Read[api.ReportResult](s.RunReport(ctx, name, &p))
		if err != nil {
			return suggestReport(ctx, s, name, err)
		}
		objects, rows := readResult(result)
		return output.print(con, objects, rows)
	})
}

// suggestReport adds the most similar report to an error, or where to find them.
func suggestReport(ctx context.Context, s *session, name string, err error) error {
	var refused *api.Problem
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return err
	}
	all, listErr := client.Read[api.ReportList](s.ListReports(ctx))
	if listErr != nil {
		return err
	}
	var names []string
	for _, r := range all.Value {
		names = append(names, r.Name)
	}
	meant := cmp.Or(suggest(name, names, 3), ": mocktenant report lists them")
	return notFound(fmt.Sprintf("There is no report %q%s", name, meant))
}

// readResult returns the rows of a report as objects, and as texts under column heads.
func readResult(result api.ReportResult) (objects []map[string]any, rows [][]string) {
	objects, rows = []map[string]any{}, [][]string{result.Columns}
	for _, row := range result.Rows {
		object, texts := map[string]any{}, make([]string, len(row))
		for i, value := range row {
			object[result.Columns[i]] = nil
			if text, err := value.Get(); err == nil {
				texts[i], object[result.Columns[i]] = text, readValue(result.Types[i], text)
			}
		}
		objects, rows = append(objects, object), append(rows, texts)
	}
	return objects, rows
}

// readValue returns a value in Postgres's notation for JSON. Some of Postgres's numbers,
// such as NaN, aren't JSON.
func readValue(t api.ReportResultTypes, text string) any {
	switch {
	case t == api.ReportResultTypesNumber && json.Valid([]byte(text)):
		return json.Number(text)
	case t == api.ReportResultTypesBoolean:
		return text == "t"
	}
	return text
}
