package reporting

import (
	"context"
	"embed"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/oapi-codegen/nullable"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

//go:embed reports/*.sql
var reportFiles embed.FS

// Reports maps names to reports: SQL over schema reporting about a tenant.
var Reports = sync.OnceValue(func() []api.Report {
	files, err := reportFiles.ReadDir("reports")
	if err != nil {
		panic(err) // they are embedded
	}
	var all []api.Report
	for _, f := range files {
		text, err := reportFiles.ReadFile("reports/" + f.Name())
		if err != nil {
			panic(err)
		}
		question, sql, _ := strings.Cut(string(text), "\n")
		all = append(all, api.Report{
			Name: strings.TrimSuffix(f.Name(), ".sql"), Question: strings.TrimPrefix(question, "-- "), Sql: sql, Parameters: parametersOf(sql),
		})
	}
	return all
})

// moment makes several statements read the same snapshot of the database.
var moment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// reportTimeout bounds a report, in Postgres's notation.
const reportTimeout = "30s"

// parameter matches a value that the caller of a report can choose: a name in a comment,
// followed by the default. So the SQL also runs unchanged.
var parameter = regexp.MustCompile(`/\*(\w+)\*/ (\d+|'[^']*')`)

func parametersOf(sql string) []api.ReportParameter {
	all := []api.ReportParameter{}
	for _, m := range parameter.FindAllStringSubmatch(sql, -1) {
		p := api.ReportParameter{Name: m[1], Default: strings.Trim(m[2], "'")}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// fill replaces the defaults of given parameters with arguments.
func fill(sql string, values map[string]any) (string, []any) {
	var args []any
	sql = parameter.ReplaceAllStringFunc(sql, func(found string) string {
		value, given := values[parameter.FindStringSubmatch(found)[1]]
		if !given {
			return found
		}
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	})
	return sql, args
}

// typeOf returns as what a client can read the values of a Postgres type.
func typeOf(oid uint32) api.ReportResultTypes {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		return api.ReportResultTypesNumber
	case pgtype.BoolOID:
		return api.ReportResultTypesBoolean
	}
	return api.ReportResultTypesText
}

// refuseCluster returns an Error if the tables are distributed, because a cluster can't
// execute the views of schema reporting, and reads tables with the login's rights instead
// of the views' owner's.
func refuseCluster(ctx context.Context, q db.DBTX) error {
	distributed, err := db.Distributed(ctx, q)
	if err == nil && distributed {
		err = &Error{Status: http.StatusConflict, Text: "The tables are distributed over a Citus cluster, where reports and report logins don't work."}
	}
	return err
}

// Run returns the rows of a report as a login of the tenant would read them when the service's
// clock shows now. The values replace the defaults of the report's parameters.
func Run(ctx context.Context, pool *db.Pool, tenant uuid.UUID, now time.Time, report api.Report, values map[string]any) (api.ReportResult, error) {
	result := api.ReportResult{Columns: []string{}, Types: []api.ReportResultTypes{}, Rows: [][]nullable.Nullable[string]{}}
	if err := refuseCluster(ctx, pool); err != nil {
		return result, err
	}
	err := pgx.BeginTxFunc(ctx, pool, moment, func(tx pgx.Tx) error {
		const settings = "SELECT set_config('mocktenant.report_tenant', $1, true), set_config('mocktenant.report_time', $2, true), set_config('statement_timeout', $3, true)"
		if _, err := tx.Exec(ctx, settings, tenant.String(), now.UTC().Format(time.RFC3339Nano), reportTimeout); err != nil {
			return err
		}
		sql, args := fill(report.Sql, values)
		rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...) // which returns every value as text
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
			result.Columns, result.Types = append(result.Columns, f.Name), append(result.Types, typeOf(f.DataTypeOID))
		}
		return rows.Err()
	})
	return result, err
}
