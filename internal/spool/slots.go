package spool

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Slots limit how many callers do something concurrently. The zero Slots have no limit.
type Slots struct {
	places chan struct{}
	what   string // the callers do, in the plural
}

// NewSlots returns n slots, but at least one. Errors say what the slots are for, in the plural.
func NewSlots(n int, what string) Slots { return Slots{make(chan struct{}, max(1, n)), what} }

// Take waits for a slot and returns a function that gives it back. It returns an *Error if
// every slot stays taken for the time wait.
func (s Slots) Take(ctx context.Context, wait time.Duration) (func(), error) {
	if s.places == nil {
		return func() {}, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, &Error{
			Status: http.StatusServiceUnavailable,
			Text:   fmt.Sprintf("The limit of %d concurrent %s is reached, and none ended within %s. Try again in a moment.", cap(s.places), s.what, wait),
		}
	}
}
