package admin

import (
	"context"
	"maps"
	"slices"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

func listReports(context.Context, *call, none) (api.ReportList, error) {
	return api.ReportList{Value: reporting.Reports()}, nil
}

type runReportRequest struct {
	Report string
	api.RunReportParams
}

// runReport answers with the rows of a report about one tenant.
func runReport(ctx context.Context, x *call, r runReportRequest) (api.ReportResult, error) {
	found, err := x.admin.tenant(x, r.TenantId)
	if err != nil {
		return api.ReportResult{}, err
	}
	all := reporting.Reports()
	at := slices.IndexFunc(all, func(known api.Report) bool { return known.Name == r.Report })
	if at < 0 {
		return api.ReportResult{}, errNotFound("There is no report %q; see /v1/reports.", r.Report)
	}
	values, err := valuesOf(all[at], r.RunReportParams)
	if err != nil {
		return api.ReportResult{}, err
	}
	now := tenant.SettingsOf(&found).Clock.Now(x.Arrived)
	if err := db.ExpireOnboardings(ctx, x.admin.queries, found.ID, now); err != nil {
		return api.ReportResult{}, err
	}
	return reporting.Run(ctx, x.admin.pool, found.ID, x.Arrived, all[at], values)
}

// valuesOf returns the values in a request for a report's parameters.
func valuesOf(report api.Report, p api.RunReportParams) (map[string]any, error) {
	values := map[string]any{}
	if p.Days != nil {
		values["days"] = *p.Days
	}
	if p.Who != nil {
		values["who"] = *p.Who
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(report.Parameters, func(p api.ReportParameter) bool { return p.Name == name }) {
			return nil, errBadRequest("The report %s has no parameter %s; /v1/reports lists what each has.", report.Name, name)
		}
	}
	return values, nil
}
