package admin

import (
	"context"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/fault"
)

// listScenarios lists the scenarios.
func listScenarios(context.Context, *call, none) (api.ScenarioList, error) {
	return api.ScenarioList{Value: each(fault.Scenarios, func(s fault.Scenario) api.Scenario {
		return api.Scenario{Name: s.Name, Summary: s.Summary, GoodClient: s.GoodClient, Rules: s.Rules(0)}
	})}, nil
}

// startScenario adds the rules of a scenario after the existing ones. A running scenario is
// restarted.
func startScenario(ctx context.Context, c *change, r api.ScenarioStart) (api.FaultList, error) {
	name := string(r.Name)
	s, ok := fault.FindScenario(name)
	if !ok {
		return api.FaultList{}, errNotFound("There is no scenario %q.", name)
	}
	if _, err := c.queries.DeleteScenario(ctx, db.DeleteScenarioParams{TenantID: c.tenant.ID, Scenario: name}); err != nil {
		return api.FaultList{}, err
	}
	var seed int64
	set(&seed, r.Seed)
	rules, err := c.addFaults(ctx, &name, s.Rules(seed)...)
	c.target = name
	return api.FaultList{Value: rules}, err
}

// stopScenario removes the rules of a scenario.
func stopScenario(ctx context.Context, c *change, r struct{ Scenario string }) (none, error) {
	n, err := c.queries.DeleteScenario(ctx, db.DeleteScenarioParams{TenantID: c.tenant.ID, Scenario: r.Scenario})
	if err == nil && n == 0 {
		err = errNotFound("No scenario %q runs in the tenant.", r.Scenario)
	}
	if err != nil {
		return none{}, err
	}
	return none{}, c.queries.ChangeFaults(ctx, c.tenant.ID)
}
