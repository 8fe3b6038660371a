package console

import (
	"fmt"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

func showFaults(v *visit) (screen, error) {
	var list api.FaultList
	if err := v.call("listFaults", v.ofTenant(), &list); err != nil {
		return screen{}, err
	}
	rows := make([]g.Group, len(list.Value))
	for i, f := range list.Value {
		rows[i] = g.Group{
			part(f.Match, "every request"), part(&f.Effect, ""), part(f.Schedule, "every time"),
			html.Text(fmt.Sprint(f.Matched)), html.Text(fmt.Sprint(f.Fired)), v.when(&f.CreatedDateTime),
			html.Div(html.Class("buttons"), v.stopScenario(f), v.formLink("updateFault", "Edit", "button", v.ofTenant("faultId", f.Id.String())), v.button("deleteFault", "Delete", v.ofTenant("faultId", f.Id.String()))),
		}
	}
	found := table("faults", []string{"Matches", "Effect", "Schedule", "Matched", "Fired", "Created", ""}, rows)
	create := v.formLink("createFault", "Create fault", "button primary", v.ofTenant())
	if len(rows) == 0 {
		found = empty("No request fails on purpose. Create a rule that says which requests fail, how, and how often.", create)
	}
	quick := g.Group{}
	for _, s := range shortcuts {
		p := v.ofTenant()
		for name, value := range s.fields {
			p[name] = value
		}
		quick = append(quick, v.formLink("createFault", s.label, "button", p))
	}
	return screen{title: "Faults", body: g.Group{heading("Faults", v.formLink("startScenario", "Start scenario", "button", v.ofTenant()), create), found, g.If(v.may("createFault"), html.Section(html.H2(html.Text("Common faults")), html.Div(html.Class("buttons"), quick))), v.scenarios()}}, nil
}

// part shows a part of a rule, or what it means that the rule has none.
func part[T any](of *T, without string) g.Node {
	if of == nil {
		return html.Span(html.Class("note"), html.Text(without))
	}
	return block(indented(of))
}

// scenarios has a button for each scenario, which starts it.
func (v *visit) scenarios() g.Node {
	if !v.may("startScenario") {
		return nil
	}
	name := contract().schemas["ScenarioStart"].property("name")
	return html.Section(html.H2(html.Text("Scenarios")), html.P(html.Class("note"), html.Text("Each adds its rules at once; adversarial is for whole test runs.")),
		html.Div(html.Class("buttons"), g.Map(name.Enum, func(scenario string) g.Node {
			return v.switchButton("startScenario", scenario, "/name", scenario, v.ofTenant())
		})))
}

// stopScenario is a button that removes all rules of the scenario to which a rule belongs.
// It is nil for a rule without a scenario.
func (v *visit) stopScenario(f api.Fault) g.Node {
	if f.Scenario == nil {
		return nil
	}
	return v.button("stopScenario", "Stop "+*f.Scenario, v.ofTenant("scenario", *f.Scenario))
}

// shortcuts fill in the form for common faults.
var shortcuts = []struct {
	label  string
	fields map[string]string
}{
	{"Throttle the next request", map[string]string{"/effect/status": "429", "/effect/retryAfterSeconds": "2", "/schedule/times": "1"}},
	{"Fail the next request with 503", map[string]string{"/effect/status": "503", "/schedule/times": "1"}},
	{"Make every answer slow", map[string]string{"/effect/delayMilliseconds": "2000"}},
	{"Cut the next connection", map[string]string{"/effect/reset": "before", "/schedule/times": "1"}},
}
