// Package gather lets concurrent calls share the work that they have in common: Calls share
// statements, Shared shares readings, and Turns queues callers that would wait for each other.
// It knows neither SQL nor Postgres.
package gather

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// maxGathered is how many calls a statement may carry. Measured: with more, a row costs
	// no less.
	maxGathered = 128

	// MaxWaiting is how many calls may wait; more are refused.
	MaxWaiting = 4096

	// secondFrom is how many waiting calls justify a second statement. Measured: with
	// fewer, Postgres does more work for the same rows.
	secondFrom = 4

	// gatherTimeout bounds a statement of several calls if the call that runs it has no
	// deadline.
	gatherTimeout = 10 * time.Second
)

// ErrFull says that MaxWaiting calls are already waiting.
var ErrFull = errors.New("too many calls are already waiting")

// ErrApart is the outcome of a call that a statement skipped, so as not to delay the
// others. The caller then runs it separately.
var ErrApart = errors.New("must be executed separately")

// errNotExecuted is the outcome of calls whose statement another caller failed to run.
var errNotExecuted = errors.New("the statement was not executed completely")

// Observer is called before each statement that calls may share, with the statement's
// context, the name of the query that each call is, and the contexts of the calls, the
// first of which runs it. It returns the context that the statement is run in.
type Observer func(statement context.Context, query string, calls []context.Context) context.Context

// Calls combines concurrent calls into few statements. Two are in flight at a time; the
// second starts when as many calls wait as are in the first. While one commits or is
// answered, the other keeps Postgres busy, and neither is small under load. Calls that
// arrive meanwhile join the next statement. No call waits for others to join: if no
// statement is in flight, it is a statement of its own.
//
// Only the callers' goroutines work here. The last call to join the next statement runs it
// for all of them, because it has the most time left, and the statement has the same time
// limit. So nobody is held longer than their request may take, and nobody is cut off
// together with somebody else.
type Calls[P, R any, K comparable] struct {
	Name string // of the query, for the observer
	One  func(context.Context, P) (R, error)

	// Alone runs a call that a statement skipped; it may wait for locks. If it is nil, no
	// call is skipped.
	Alone func(context.Context, P) (R, error)

	Many func(context.Context, []P) ([]Outcome[R], error) // in the order of the calls

	// Apart returns a key: two calls with the same key can't share a statement, and the
	// later one waits for the next. If it is nil, all calls can share one.
	Apart func(P) K

	// Waits says that One may wait for locks, and Many doesn't. Then a running One doesn't
	// delay others: it runs in addition to the statements of many.
	Waits bool

	// Eager lets the next statement start before the answers of the last one are written,
	// which keeps the disk busy. Without commits it is better to wait, because more calls
	// can join meanwhile.
	Eager bool

	// Hopeless reports whether halves of a failed statement would fail the same way. If it
	// is nil, every failed statement of several calls is split.
	Hopeless func(error) bool

	Observe Observer // may be nil

	mu      sync.Mutex
	flights int  // running statements, including one that a caller was told to run
	calls   int  // in those statements
	beside  bool // one is running for which none waits
	waiting []*gathered[P, R]
	lead    *gathered[P, R] // the waiting call that was told to run the next statement, or nil

	pool sync.Pool // reuses *gathered
}

// Outcome is the result of a call.
type Outcome[R any] struct {
	Result R
	Err    error
}

// gathered is one call.
type gathered[P, R any] struct {
	Outcome[R]
	ctx    context.Context // of the caller, who waits for this call
	params P
	wake   chan bool // true: run the next statement; false: the outcome is known
}

// Do makes the call and returns when its statement is committed or has failed. It returns
// ErrFull if too many calls wait. If ctx ends, it returns ctx's error: a waiting call is
// then not made, and one that is in a statement may have been.
func (g *Calls[P, R, K]) Do(ctx context.Context, params P) (R, error) {
	c, ok := g.pool.Get().(*gathered[P, R])
	if !ok {
		c = &gathered[P, R]{wake: make(chan bool, 1)}
	}
	c.ctx, c.params = ctx, params
	if !g.call(ctx, c) {
		var none R
		return none, ctx.Err() // the running statement still uses the call
	}
	o := c.Outcome
	*c = gathered[P, R]{wake: c.wake}
	g.pool.Put(c) // not if the statement panicked
	if errors.Is(o.Err, ErrApart) {
		return g.Alone(ctx, params)
	}
	return o.Result, o.Err
}

// call runs c in a shared statement and reports whether it got an outcome. It gets none if ctx
// ends while the statement runs.
func (g *Calls[P, R, K]) call(ctx context.Context, c *gathered[P, R]) bool {
	g.mu.Lock()
	switch {
	case g.flights == 0 && g.Waits && !g.beside:
		g.beside = true
		g.mu.Unlock()
		defer func() { g.mu.Lock(); g.beside = false; g.mu.Unlock() }()
		c.Result, c.Err = g.One(g.observed(ctx, []*gathered[P, R]{c}), c.params)
		return true
	case g.flights == 0:
		g.flights, g.calls = 1, 1
		g.mu.Unlock()
		g.run(ctx, []*gathered[P, R]{c})
		return true
	case len(g.waiting) >= MaxWaiting:
		g.mu.Unlock()
		c.Err = ErrFull
		return true
	}
	g.waiting = append(g.waiting, c)
	if batch := g.second(); batch != nil {
		g.mu.Unlock()
		g.run(ctx, batch)
		return true
	}
	g.mu.Unlock()
	select {
	case lead := <-c.wake:
		if lead && ctx.Err() == nil {
			g.run(ctx, g.take(c))
		} else if lead {
			return g.leave(ctx, c)
		}
		return true
	case <-ctx.Done():
		return g.leave(ctx, c)
	}
}

// second removes the calls of a second statement from the waiting ones, if one should
// start. The last of them, which has just arrived, must run it and is the first in it.
func (g *Calls[P, R, K]) second() []*gathered[P, R] {
	n := len(g.waiting)
	if g.flights != 1 || n > maxGathered || !g.worthSecond() {
		return nil
	}
	batch := g.waiting[:n:n]
	batch[0], batch[n-1] = batch[n-1], batch[0]
	g.waiting = nil
	g.flights = 2
	g.calls += n
	return batch
}

// worthSecond reports whether the waiting calls justify a second statement. They don't if
// one of them was already told to run the next.
func (g *Calls[P, R, K]) worthSecond() bool {
	return g.Apart == nil && len(g.waiting) >= max(secondFrom, g.calls) && g.lead == nil
}

// take removes the calls of the next statement from the waiting ones. The first is the one
// that runs it.
func (g *Calls[P, R, K]) take(lead *gathered[P, R]) []*gathered[P, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lead = nil
	batch, left := g.fitting()
	g.waiting = left
	if g.Apart == nil {
		g.calls += len(batch)
	}
	i := slices.Index(batch, lead)
	batch[0], batch[i] = batch[i], batch[0]
	return batch
}

// fitting splits the waiting calls into those of the next statement, longest waiting first,
// and the rest.
func (g *Calls[P, R, K]) fitting() (batch, left []*gathered[P, R]) {
	n := min(len(g.waiting), maxGathered)
	if g.Apart == nil {
		return g.waiting[:n:n], g.waiting[n:]
	}
	batch, left = make([]*gathered[P, R], 0, n), g.waiting[:0:0]
	seen := make(map[K]bool, n)
	for _, c := range g.waiting {
		if k := g.Apart(c.params); len(batch) == maxGathered || seen[k] {
			left = append(left, c)
		} else {
			seen[k] = true
			batch = append(batch, c)
		}
	}
	return batch, left
}

// appoint tells the last call of the next statement to run it. It returns false if none
// waits.
func (g *Calls[P, R, K]) appoint() bool {
	if len(g.waiting) == 0 {
		return false
	}
	batch, _ := g.fitting()
	g.lead = batch[len(batch)-1]
	g.lead.wake <- true
	return true
}

// leave removes a call whose time is up. It returns false if the call is in a statement
// without an outcome yet. Otherwise the call isn't made, and if it should have run the next
// statement, another call does.
func (g *Calls[P, R, K]) leave(ctx context.Context, c *gathered[P, R]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, c)
	if i < 0 {
		select {
		case <-c.wake:
			return true
		default:
			return false
		}
	}
	c.Err = ctx.Err()
	g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
	if g.lead != c {
		return true
	}
	select {
	case <-c.wake:
	default: // the message was received
	}
	if g.lead = nil; !g.appoint() {
		g.flights--
	}
	return true
}

// run executes a statement, whose first call is the caller's own. Then it tells a waiting
// call to run the next one, unless a running statement will do that.
func (g *Calls[P, R, K]) run(ctx context.Context, batch []*gathered[P, R]) {
	if len(batch) > 1 { // a call that goes away must not cancel the others
		end, ok := ctx.Deadline()
		if !ok {
			end = time.Now().Add(gatherTimeout)
		}
		lasting, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
		defer cancel()
		ctx = lasting
	}
	executed := false
	defer func() { // even if a query panics, because others wait
		for _, c := range batch[1:] {
			if !executed {
				c.Err = errNotExecuted
			}
			c.wake <- false // from now on another call may use it
		}
		if g.next(len(batch)) && g.Eager {
			runtime.Gosched()
		}
	}()
	g.execute(ctx, batch)
	executed = true
}

func (g *Calls[P, R, K]) execute(ctx context.Context, batch []*gathered[P, R]) {
	if len(batch) == 1 && !g.Waits {
		c := batch[0]
		c.Result, c.Err = g.One(g.observed(ctx, batch), c.params)
		return
	}
	params := make([]P, len(batch))
	for i, c := range batch {
		params[i] = c.params
	}
	outcomes, err := g.Many(g.observed(ctx, batch), params)
	switch {
	case err == nil:
		for i, c := range batch {
			c.Outcome = outcomes[i]
		}
	case len(batch) == 1, g.Hopeless != nil && g.Hopeless(err):
		for _, c := range batch {
			c.Err = err
		}
	default: // one call failed the statement for all: split it, to affect few
		g.execute(ctx, batch[:len(batch)/2])
		g.execute(ctx, batch[len(batch)/2:])
	}
}

// observed returns the context of a statement for these calls.
func (g *Calls[P, R, K]) observed(ctx context.Context, calls []*gathered[P, R]) context.Context {
	if g.Observe == nil {
		return ctx
	}
	all := make([]context.Context, len(calls))
	for i, c := range calls {
		all[i] = c.ctx
	}
	return g.Observe(ctx, g.Name, all)
}

// next ends a statement with this many calls, and reports whether another should start.
func (g *Calls[P, R, K]) next(calls int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Apart == nil {
		g.calls -= calls
	}
	if len(g.waiting) == 0 || g.flights == 2 && !g.worthSecond() {
		g.flights--
		return false
	}
	return g.appoint()
}
