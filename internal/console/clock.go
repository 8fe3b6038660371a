package console

import (
	"fmt"
	"slices"
	"time"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

func showClock(v *visit) (screen, error) {
	var c api.Clock
	if err := v.call("getClock", v.ofTenant(), &c); err != nil {
		return screen{}, err
	}
	soon, err := v.expiring()
	if err != nil {
		return screen{}, err
	}
	moved := "It follows the service's clock."
	if c.Moved {
		moved = "It differs from the service's clock."
	}
	return screen{title: "Clock", body: g.Group{
		heading("Clock", v.formLink("setClock", "Set clock", "button primary", v.ofTenant()), v.button("resetClock", "Back to the service's", v.ofTenant())),
		facts(
			html.Text("Now"), html.Time(testID("clock-now"), html.DateTime(c.Now.Format(time.RFC3339Nano)), html.Text(c.Now.Format(time.RFC3339Nano))),
			html.Text("Rate"), html.Text(fmt.Sprintf("%g", c.Rate)), html.Text("Moved"), html.Text(moved),
		),
		html.Div(html.Class("buttons"),
			v.formLink("setClock", "Freeze", "button", v.ofTenant("/rate", "0")),
			v.formLink("setClock", "Advance by an hour", "button", v.ofTenant("/advanceSeconds", "3600")),
			v.formLink("setClock", "Advance by eight days", "button", v.ofTenant("/advanceSeconds", "691200"))),
		soon,
		html.P(html.Class("note"), html.Text("Everything in the tenant follows its clock: tokens, onboarding requests, heartbeats. It never runs backwards, except to return to the service's clock.")),
	}}, nil
}

// maxExpiring is how many items a page shows that expire next.
const maxExpiring = 20

// expiry is when something of a tenant expires.
type expiry struct {
	of   g.Node
	what string
	at   time.Time
}

// expiring shows what expires next by the tenant's clock, so that people see how far to advance
// it: onboarding requests, and the credentials of the first hundred applications.
func (v *visit) expiring() (g.Node, error) {
	all, err := v.onboardingExpiries()
	if err != nil {
		return nil, err
	}
	credentials, err := v.credentialExpiries()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(append(all, credentials...), func(e expiry) bool { return !e.at.After(v.now) })
	slices.SortStableFunc(all, func(a, b expiry) int { return a.at.Compare(b.at) })
	rows := make([]g.Group, min(len(all), maxExpiring))
	for i := range rows {
		rows[i] = g.Group{all[i].of, html.Text(all[i].what), v.when(&all[i].at)}
	}
	found := table("expiring", []string{"Of", "What", "Expires"}, rows)
	if len(rows) == 0 {
		found = html.P(html.Class("note"), html.Text("No onboarding request and no application's credential is going to expire."))
	}
	return html.Section(html.H2(html.Text("Expires next")), found), nil
}

func (v *visit) onboardingExpiries() (all []expiry, err error) {
	t := &entity.RemoteAssistancePartner
	var list api.EntityList
	err = v.call("listEntities", v.ofTenant("entitySet", t.SetName(), "filter", "onboardingStatus eq 'onboarding'", "orderBy", "onboardingRequestExpiryDateTime", "top", "100"), &list)
	for _, e := range list.Value {
		text, _ := e.Properties["onboardingRequestExpiryDateTime"].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			continue // it has none
		}
		name, _ := e.Properties["displayName"].(string)
		all = append(all, expiry{named(v.at("entities", t.SetName(), e.Id), name, e.Id), "onboarding request", at})
	}
	return all, err
}

func (v *visit) credentialExpiries() (all []expiry, err error) {
	var list api.ApplicationList
	err = v.call("listApplications", v.ofTenant("top", "100"), &list)
	for _, a := range list.Value {
		id := a.ClientId.String()
		of := named(v.at("applications", id), a.DisplayName, id)
		for _, s := range a.Secrets {
			all = append(all, expiry{of, "secret " + s.Hint + "…", s.ExpiresDateTime})
		}
		for _, c := range a.Certificates {
			all = append(all, expiry{of, "certificate " + c.Thumbprint, c.ExpiresDateTime})
		}
	}
	return all, err
}
