package admin

import "time"

// LimitReports sets how long a transaction of a report login may take, and the time
// between two looks at them, before GuardReports.
func (a *API) LimitReports(longest, pause time.Duration) {
	a.guard.longest, a.guard.pause = longest, pause
}
