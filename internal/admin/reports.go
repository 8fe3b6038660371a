package admin

import (
	"context"
	"embed"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/oapi-codegen/nullable"
)

//go:embed reports/*.sql
var reportFiles embed.FS

// reports are questions about a tenant as SQL over schema reporting, by name.
var reports = sync.OnceValue(func() []Report {
	files, err := reportFiles.ReadDir("reports")
	if err != nil {
		panic(err) // they are embedded
	}
	var all []Report
	for _, f := range files {
		text, err := reportFiles.ReadFile("reports/" + f.Name())
		if err != nil {
			panic(err)
		}
		question, sql, _ := strings.Cut(string(text), "\n")
		all = append(all, Report{Name: strings.TrimSuffix(f.Name(), ".sql"), Question: strings.TrimPrefix(question, "-- "), Sql: sql})
	}
	return all
})

// reportTimeout bounds a report, in Postgres's units.
const reportTimeout = "30s"

// ListReports lists the reports.
func (a *API) ListReports(c *gin.Context) {
	a.answer(c, func(*call) (answer, error) { return ok(ReportList{Value: reports()}), nil })
}

// RunReport answers the rows of a report about one tenant.
func (a *API) RunReport(c *gin.Context, name string, p RunReportParams) {
	a.answer(c, func(x *call) (answer, error) {
		tenant, err := a.tenant(x, p.TenantId)
		if err != nil {
			return answer{}, err
		}
		for _, r := range reports() {
			if r.Name == name {
				result, err := a.runReport(c.Request.Context(), tenant.ID, r.Sql)
				return ok(result), err
			}
		}
		return answer{}, errNotFound("There is no report %q; see /v1/reports.", name)
	})
}

// runReport reads as a report login of the tenant would.
func (a *API) runReport(ctx context.Context, tenant uuid.UUID, sql string) (ReportResult, error) {
	result := ReportResult{Columns: []string{}, Rows: [][]nullable.Nullable[string]{}}
	err := pgx.BeginTxFunc(ctx, a.pool, oneMoment, func(tx pgx.Tx) error {
		const settings = "SELECT set_config('mocktenant.report_tenant', $1, true), set_config('statement_timeout', $2, true)"
		if _, err := tx.Exec(ctx, settings, tenant.String(), reportTimeout); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol) // which answers everything as text
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row []nullable.Nullable[string]
			for _, value := range rows.RawValues() {
				if value == nil {
					row = append(row, nullable.NewNullNullable[string]())
				} else {
					row = append(row, nullable.NewNullableWithValue(string(value)))
				}
			}
			result.Rows = append(result.Rows, row)
		}
		for _, f := range rows.FieldDescriptions() {
			result.Columns = append(result.Columns, f.Name)
		}
		return rows.Err()
	})
	return result, err
}
