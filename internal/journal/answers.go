package journal

import (
	"context"
	"sync"
	"time"
)

// answersPatience is how long a flush waits for answers that are being sent. An answer that
// takes longer hasn't reached its client yet.
const answersPatience = 500 * time.Millisecond

// answers counts the answers that have begun and aren't recorded yet; the client may
// already have read them. It counts in two periods, so that a flush waits only for answers
// that began before it.
type answers struct {
	mu      sync.Mutex
	period  int
	begun   [2]int
	changed chan struct{} // closed when a count reaches zero; nil if nothing waits
}

func (a *answers) begin() (period int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun[a.period]++
	return a.period
}

func (a *answers) end(period int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun[period]--; a.begun[period] == 0 && a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// wait waits a limited time until the answers that have begun are recorded.
func (a *answers) wait(ctx context.Context) {
	limit := time.NewTimer(answersPatience)
	defer limit.Stop()
	a.mu.Lock()
	old := a.period
	if a.begun[1-old] == 0 { // otherwise another flush is waiting for the previous period
		a.period = 1 - old
	}
	for a.begun[0]+a.begun[1]-a.since(old) > 0 {
		if a.changed == nil {
			a.changed = make(chan struct{})
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
		a.mu.Lock()
	}
	a.mu.Unlock()
}

// since returns how many answers have begun since a flush ended the old period.
func (a *answers) since(old int) int {
	if a.period == old {
		return 0 // these can't be told apart from earlier ones
	}
	return a.begun[a.period]
}
