package spool

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Slots bound how many callers do something at the same time. The zero Slots let all do
// it.
type Slots struct {
	places chan struct{}
	what   string // they do
}

// NewSlots returns n slots, at least one; what they do, in the plural, is for the error.
func NewSlots(n int, what string) Slots { return Slots{make(chan struct{}, max(1, n)), what} }

// Take waits for a slot, and returns what gives it back. If none is free within wait, the
// error is an *Error.
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
			Text:   fmt.Sprintf("%d %s are under way, the most that may be; none ended within %s. Try again in a moment.", cap(s.places), s.what, wait),
		}
	}
}
