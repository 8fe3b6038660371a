package session

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// Clock sets a tenant's clock, which everything of the tenant follows.
type Clock struct{ tenant *Tenant }

// Clock returns the tenant's clock.
func (t *Tenant) Clock() Clock { return Clock{t} }

// Advance sets the clock ahead and returns it.
func (c Clock) Advance(tb testing.TB, by time.Duration) api.Clock {
	tb.Helper()
	return c.Set(tb, api.ClockSet{AdvanceSeconds: new(by.Seconds())})
}

// Set sets the clock ahead, or makes it run at another rate, and returns it. At the rate 0 it
// is frozen.
func (c Clock) Set(tb testing.TB, r api.ClockSet) api.Clock {
	tb.Helper()
	clock, err := client.Read[api.Clock](c.tenant.service.Admin().SetClock(lasting(tb), c.tenant.ID, r))
	check(tb, "set the clock", err)
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	c.tenant.moved = true
	return clock
}

// Fault makes requests of the tenant fail on purpose, and returns the rule. The rule stays
// until it is removed or the tenant ends.
func (t *Tenant) Fault(tb testing.TB, r api.FaultCreate) api.Fault {
	tb.Helper()
	made, err := client.Read[api.Fault](t.service.Admin().CreateFault(lasting(tb), t.ID, r))
	check(tb, "make a fault", err)
	return made
}

// ChangeFault replaces parts of a rule, whose counts stay, and returns it.
func (t *Tenant) ChangeFault(tb testing.TB, rule uuid.UUID, r api.FaultUpdate) api.Fault {
	tb.Helper()
	changed, err := client.Read[api.Fault](t.service.Admin().UpdateFault(lasting(tb), t.ID, rule, r))
	check(tb, "change a fault", err)
	return changed
}

// RemoveFault removes a rule.
func (t *Tenant) RemoveFault(tb testing.TB, rule uuid.UUID) {
	tb.Helper()
	check(tb, "remove a fault", client.Done(t.service.Admin().DeleteFault(lasting(tb), t.ID, rule)))
}

// StartScenario adds the rules of a scenario, such as throttle-storm or adversarial. The same
// seed makes the same requests fail again.
func (t *Tenant) StartScenario(tb testing.TB, name string, seed int64) {
	tb.Helper()
	err := client.Done(t.service.Admin().StartScenario(lasting(tb), t.ID, api.ScenarioStart{Name: api.ScenarioStartName(name), Seed: &seed}))
	check(tb, "start the scenario "+name, err)
}

// StopScenario removes the rules of a scenario.
func (t *Tenant) StopScenario(tb testing.TB, name string) {
	tb.Helper()
	check(tb, "stop the scenario "+name, client.Done(t.service.Admin().StopScenario(lasting(tb), t.ID, name)))
}

// Throttle simulates Graph's throttling of the tenant's requests, with Graph's limits or
// others.
func (t *Tenant) Throttle(tb testing.TB, r api.Throttling) {
	tb.Helper()
	err := client.Done(t.service.Admin().UpdateTenant(lasting(tb), t.ID, api.TenantUpdate{Settings: &api.TenantSettings{Throttling: &r}}))
	check(tb, "throttle", err)
}

// Requests returns the requests in the tenant's journal that match, from all pages, oldest
// first by default. It includes every request that was answered before the call. The test ends
// if the journal lacks any.
func (t *Tenant) Requests(tb testing.TB, p api.ListRequestsParams) []api.Request {
	tb.Helper()
	var all []api.Request
	for {
		page, err := client.Read[api.RequestList](t.service.Admin().ListRequests(lasting(tb), t.ID, &p))
		check(tb, "list requests", err)
		if len(page.Gaps) > 0 {
			gap := page.Gaps[0]
			tb.Fatalf("mocktenant: the journal lacks requests between %s and %s: %d, %s", gap.Since, gap.Until, gap.Count, gap.Kind)
		}
		all = append(all, page.Value...)
		if page.NextLink == nil {
			return all
		}
		p.After = new(page.Value[len(page.Value)-1].Id.String())
	}
}

// Verify checks what clients of the tenant sent, and fails the test with the checks that
// failed and the requests that came closest.
func (t *Tenant) Verify(tb testing.TB, r api.RequestVerify) {
	tb.Helper()
	v, err := client.Read[api.Verification](t.service.Admin().VerifyRequests(lasting(tb), t.ID, r))
	check(tb, "verify requests", err)
	if err := client.Unverified(v); err != nil {
		tb.Errorf("mocktenant: %v", err)
	}
}

// lasting returns a test's context for calls that its cleanups make too.
func lasting(tb testing.TB) context.Context {
	tb.Helper()
	return context.WithoutCancel(tb.Context())
}

// check ends the test if there is an error.
func check(tb testing.TB, doing string, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("mocktenant: %s: %v", doing, err)
	}
}
