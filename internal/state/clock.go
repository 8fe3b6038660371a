package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Clock is a tenant's clock that differs from the service's. It shows Now when the service's
// shows From and, without From, when a tenant gets the document.
type Clock struct {
	Now  time.Time `json:"now"`
	Rate *float64  `json:"rate,omitzero"` // nil: 1
	From time.Time `json:"from,omitzero"`
}

// maxRate is how many times as fast as time itself a clock runs at most.
const maxRate = 86400

func (c Clock) check() (string, string) {
	switch {
	case c.Now.IsZero():
		return "", "lacks now, the time that the clock shows"
	case c.Now.After(tenant.MaxTime):
		return "/now", fmt.Sprintf("%s is after %s, the maximum of a clock", c.Now.Format(time.RFC3339Nano), tenant.MaxTime.Format(time.RFC3339))
	case c.Rate != nil && (*c.Rate < 0 || *c.Rate > maxRate):
		return "/rate", fmt.Sprintf("%v: want 0 to %d", *c.Rate, maxRate)
	}
	return "", ""
}

// at returns what the clock shows when the service's shows a time.
func (c Clock) at(service time.Time) time.Time {
	return tenant.Clock{From: orNow(c.From, service), At: c.Now, Rate: c.rate()}.Now(service)
}

func (c Clock) rate() float64 {
	if c.Rate == nil {
		return 1
	}
	return *c.Rate
}

func loadClock(ctx context.Context, q *db.Queries, id uuid.UUID) (*Clock, error) {
	row, err := q.GetState(ctx, id)
	if err != nil || row.ClockAt == nil {
		return nil, err
	}
	c := &Clock{Now: row.ClockAt.UTC(), Rate: &row.ClockRate}
	if row.ClockFrom != nil {
		c.From = row.ClockFrom.UTC()
	}
	return c, nil
}

// clock sets the state's clock.
func (i *importing) clock(ctx context.Context, c Clock) error {
	p := db.SetTenantClockParams{TenantID: i.id, ClockAt: &c.Now, ClockRate: c.rate()}
	if !c.From.IsZero() {
		p.ClockFrom = &c.From
	}
	return i.q.SetTenantClock(ctx, p)
}

// errFound ends findClock's search.
var errFound = errors.New("found")

// findClock returns the clock of a document, wherever it is in the document. The import needs
// it first, because it dates everything that the document creates by this clock. findClock
// ignores other errors in the document, which the import reports.
func (d Document) findClock(m Importer) (found *Clock, err error) {
	r := d.values()
	_ = r.members(func(name string) error {
		if name != "clock" {
			return r.skip()
		}
		var c Clock
		if c, err = next(r, Clock.check); err != nil {
			return err
		}
		if shows := c.at(m.Now); shows.Before(m.Since) {
			err = r.refuse("/now", 0, fmt.Sprintf("the clock would show %s, before the tenant was made, %s", shows.UTC().Format(time.RFC3339Nano), m.Since.UTC().Format(time.RFC3339Nano)))
		}
		found = &c
		return errFound
	})
	return found, err
}
