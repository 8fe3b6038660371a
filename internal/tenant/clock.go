package tenant

import (
	"math"
	"time"
)

// Clock is a tenant's time: it shows At when the service's clock shows From, and runs
// Rate times as fast, 0 being frozen. The zero Clock is the service's.
type Clock struct {
	From, At time.Time
	Rate     float64
}

// MaxTime is the last time that a clock shows: what is computed from it still has a year
// of four digits.
var MaxTime = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Moved reports whether the clock differs from the service's.
func (c Clock) Moved() bool { return !c.From.IsZero() }

// Now returns what the clock shows when the service's shows a time.
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
