package tenant

import (
	"math"
	"time"
)

// Clock is a tenant's clock. It shows At when the service's clock shows From, and runs Rate
// times as fast; 0 freezes it. The zero Clock is the service's.
type Clock struct {
	From, At time.Time
	Rate     float64
}

// MaxTime is the latest time that a clock shows. Times computed from it still have a year of
// four digits.
var MaxTime = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Moved reports whether the clock differs from the service's.
func (c Clock) Moved() bool { return !c.From.IsZero() }

// Now returns the clock's time when the service's clock shows the time service.
func (c Clock) Now(service time.Time) time.Time {
	if !c.Moved() {
		return service
	}
	run := max(0, service.Sub(c.From))
	if c.Rate == 1 {
		return c.At.Add(run)
	}
	seconds, rest := math.Modf(run.Seconds() * c.Rate)
	if seconds >= float64(MaxTime.Unix()-c.At.Unix()) {
		return MaxTime
	}
	return time.Unix(c.At.Unix()+int64(seconds), int64(c.At.Nanosecond())+int64(rest*1e9))
}
