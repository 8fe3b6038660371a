package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/fault"
)

func listFaults(ctx context.Context, x *call, _ none) (found api.FaultList, err error) {
	rows, err := x.admin.queries.ListFaults(ctx, x.tenant.ID)
	if err != nil {
		return found, err
	}
	found.Value = make([]api.Fault, len(rows))
	for i, row := range rows {
		if found.Value[i], err = newFault(row); err != nil {
			return found, err
		}
	}
	return found, nil
}

func newFault(row db.Fault) (f api.Fault, err error) {
	err = json.Unmarshal(row.Rule, &f)
	f.Id, f.Matched, f.Fired, f.CreatedDateTime = row.ID, row.Matched, row.Fired, row.CreatedAt.UTC()
	f.Scenario = row.Scenario
	return f, err
}

// checkFault checks what the contract can't.
func checkFault(_ context.Context, x *call, r *api.FaultCreate) error {
	if f := x.admin.checkFault(r, x.Now); f != nil {
		return x.errAt(f.Pointer, "%s", f.Message)
	}
	return nil
}

// checkFault refuses a rule that makes no sense or names an unknown route.
func (a *API) checkFault(r *api.FaultCreate, now time.Time) *fault.Fault {
	if m := r.Match; m != nil && m.Route != nil {
		there := func(route string) bool {
			method, path, _ := strings.Cut(route, " ")
			return path == *m.Route && (m.Method == nil || method == *m.Method)
		}
		if !slices.ContainsFunc(a.routes(), there) {
			return &fault.Fault{Pointer: "/match/route", Message: fmt.Sprintf("%q isn't a route with that method, so the rule would never match: want one such as /v1.0/deviceManagement/remoteAssistancePartners/:id.", *m.Route)}
		}
	}
	return fault.Check(r, now)
}

// checkRule says what is wrong with a rule in a document. It checks the same as for a client's
// rule, but accepts rules whose time is past.
func (a *API) checkRule(rule []byte) (pointer, message string) {
	op := contract().find(http.MethodPost, "/v1/tenants/:tenantId/faults")
	if !op.fits(rule) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{"Content-Type": {jsonType}}, Body: io.NopCloser(bytes.NewReader(rule))}
		input := &openapi3filter.RequestValidationInput{Request: r, Route: op.route}
		if err := openapi3filter.ValidateRequestBody(context.Background(), input, op.route.Operation.RequestBody.Value); err != nil {
			p := describe(err, rule)
			return p.pointer, strings.TrimPrefix(p.detail, cmp.Or(p.pointer, "The body")+": ")
		}
	}
	var r api.FaultCreate
	if err := json.Unmarshal(rule, &r); err != nil {
		return "", err.Error()
	}
	if f := a.checkFault(&r, time.Time{}); f != nil {
		return f.Pointer, f.Message
	}
	return "", ""
}

// createFault adds a rule after the existing ones.
func createFault(ctx context.Context, c *change, r api.FaultCreate) (api.Fault, error) {
	made, err := c.addFaults(ctx, nil, r)
	if err != nil {
		return api.Fault{}, err
	}
	return made[0], nil
}

// addFaults adds rules after the existing ones, as parts of a scenario if one is given.
func (c *change) addFaults(ctx context.Context, scenario *string, rules ...api.FaultCreate) ([]api.Fault, error) {
	n, err := c.queries.CountFaults(ctx, c.tenant.ID)
	if err != nil {
		return nil, err
	}
	if n+int64(len(rules)) > fault.MaxRules {
		return nil, errConflict("The tenant has %d rules and may have %d. Remove some.", n, fault.MaxRules)
	}
	made := make([]api.Fault, len(rules))
	for i, r := range rules {
		p, err := fault.Row(c.tenant.ID, r, scenario, c.x.Now)
		if err != nil {
			return nil, err
		}
		if err := c.queries.CreateFault(ctx, p); err != nil {
			return nil, err
		}
		c.target = p.ID.String()
		made[i] = api.Fault{Id: p.ID, Scenario: scenario, Match: r.Match, Schedule: r.Schedule, Effect: r.Effect, CreatedDateTime: p.CreatedAt.UTC()}
	}
	return made, c.queries.ChangeFaults(ctx, c.tenant.ID)
}

// faultUpdate is a request to change a rule.
type faultUpdate struct {
	FaultID uuid.UUID
	api.FaultUpdate
}

// updateFault replaces parts of a rule. Its place and its counts stay.
func updateFault(ctx context.Context, c *change, r faultUpdate) (api.Fault, error) {
	rule, err := c.updatedRule(ctx, r)
	if err != nil {
		return api.Fault{}, err
	}
	p, err := fault.Row(c.tenant.ID, rule, nil, c.x.Now)
	if err != nil {
		return api.Fault{}, err
	}
	row, err := c.queries.UpdateFault(ctx, db.UpdateFaultParams{
		TenantID: p.TenantID, ID: r.FaultID, Rule: p.Rule, Skip: p.Skip, Every: p.Every, Times: p.Times, Probability: p.Probability, Seed: p.Seed,
	})
	if err != nil {
		return api.Fault{}, err
	}
	if err := c.queries.ChangeFaults(ctx, c.tenant.ID); err != nil {
		return api.Fault{}, err
	}
	return newFault(row)
}

// updatedRule returns a stored rule with the members that a request replaces.
func (c *change) updatedRule(ctx context.Context, r faultUpdate) (rule api.FaultCreate, err error) {
	row, err := c.queries.GetFault(ctx, db.GetFaultParams{TenantID: c.tenant.ID, ID: r.FaultID})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no rule %s.", r.FaultID)
	}
	if err != nil {
		return rule, err
	}
	if err := json.Unmarshal(row.Rule, &rule); err != nil {
		return rule, err
	}
	if r.Match != nil {
		rule.Match = r.Match
	}
	if r.Schedule != nil {
		rule.Schedule = r.Schedule
	}
	set(&rule.Effect, r.Effect)
	return rule, checkFault(ctx, c.x, &rule)
}

func deleteFault(ctx context.Context, c *change, r struct{ FaultID uuid.UUID }) (none, error) {
	n, err := c.queries.DeleteFault(ctx, db.DeleteFaultParams{TenantID: c.tenant.ID, ID: r.FaultID})
	if err == nil && n == 0 {
		err = errNotFound("The tenant has no rule %s.", r.FaultID)
	}
	if err != nil {
		return none{}, err
	}
	return none{}, c.queries.ChangeFaults(ctx, c.tenant.ID)
}
