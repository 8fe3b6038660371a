package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

func newScenario(c *cli) *cobra.Command {
	return family("scenario", "Make requests of a tenant fail with named sets of rules.", newScenarioList(c), newScenarioStart(c), newScenarioStop(c))
}

var scenarioTable = table[api.Scenario]{
	[]string{"NAME", "RULES", "WHAT HAPPENS", "WHAT A GOOD CLIENT DOES"},
	func(s api.Scenario) []any { return []any{s.Name, len(s.Rules), s.Summary, s.GoodClient} },
}

func newScenarioList(c *cli) *cobra.Command {
	cmd := c.administer("list", "List the scenarios, and what a good client does in each.")
	return list(cmd, scenarioTable, func(ctx context.Context, s *session, _ *api.After) (*http.Response, error) {
		return s.ListScenarios(ctx)
	})
}

func newScenarioStart(c *cli) *cobra.Command {
	var r api.ScenarioStart
	var name string
	cmd := c.ofTenant("start <scenario>", "Add the rules of a scenario to a tenant. A running scenario is restarted.", textArg(&name))
	cmd.Flags().Func("seed", "The `SEED` for random decisions; an equal seed repeats a run.", optional(&r.Seed, readCount))
	return show(cmd, func(l api.FaultList) [][]string { return faultTable.all(l.Value) }, func(ctx context.Context, s *session) (*http.Response, error) {
		r.Name = api.ScenarioStartName(name)
		return s.StartScenario(ctx, s.tenant, r)
	})
}

func newScenarioStop(c *cli) *cobra.Command {
	var name string
	cmd := c.ofTenant("stop <scenario>", "Remove the rules of a scenario.", textArg(&name))
	return done(cmd, "Stopped scenario %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.StopScenario(ctx, s.tenant, name)
	})
}
