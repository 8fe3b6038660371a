package admin

import (
	"context"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// getClock shows a tenant's clock.
func getClock(_ context.Context, x *call, _ none) (api.Clock, error) {
	return newClock(tenant.SettingsOf(&x.tenant).Clock, x.Arrived), nil
}

func newClock(c tenant.Clock, service time.Time) api.Clock {
	clock := api.Clock{Now: c.Now(service).UTC().Truncate(time.Microsecond), Rate: 1, Moved: c.Moved()}
	if c.Moved() {
		clock.Rate = c.Rate
	}
	return clock
}

// clockOf returns the clock that a tenant gets of a state at a time of the service's clock.
func clockOf(kept db.Tenant, service time.Time) tenant.Clock {
	if kept.ClockAt != nil && kept.ClockFrom == nil {
		kept.ClockFrom = &service
	}
	return tenant.SettingsOf(&kept).Clock
}

// setClock sets a tenant's clock, moves it ahead, or changes its rate.
func setClock(ctx context.Context, c *change, r api.ClockSet) (api.Clock, error) {
	before := newClock(tenant.SettingsOf(&c.tenant).Clock, c.x.Arrived)
	clock := tenant.Clock{From: c.x.Arrived, At: before.Now, Rate: before.Rate}
	switch {
	case r.Now != nil && r.AdvanceSeconds != nil:
		return before, c.x.errAt("/advanceSeconds", "excludes now: set a clock to a time, or move it ahead by seconds.")
	case r.Now != nil:
		clock.At = r.Now.UTC().Truncate(time.Microsecond)
	case r.AdvanceSeconds != nil:
		clock.At = clock.At.Add(time.Duration(*r.AdvanceSeconds * float64(time.Second))).Truncate(time.Microsecond)
	}
	set(&clock.Rate, r.Rate)
	switch {
	case clock.At.Before(before.Now):
		return before, errConflict("A clock never runs backwards: it shows %s, which is after %s. Reset it, or restore a snapshot.", before.Now.Format(time.RFC3339Nano), clock.At.Format(time.RFC3339Nano))
	case clock.At.After(tenant.MaxTime):
		return before, c.x.errAt("/now", "%s is after %s, the maximum of a clock.", clock.At.Format(time.RFC3339Nano), tenant.MaxTime.Format(time.RFC3339))
	}
	err := c.queries.SetTenantClock(ctx, db.SetTenantClockParams{TenantID: c.tenant.ID, ClockFrom: &clock.From, ClockAt: &clock.At, ClockRate: clock.Rate})
	return newClock(clock, c.x.Arrived), err
}

// resetClock resets a tenant's clock to the service's.
func resetClock(ctx context.Context, c *change, _ none) (none, error) {
	return none{}, c.queries.SetTenantClock(ctx, db.SetTenantClockParams{TenantID: c.tenant.ID, ClockRate: 1})
}
