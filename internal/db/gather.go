package db

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// maxGathered is how many calls one statement carries at most. Measured:
	// beyond that, a row costs no less.
	maxGathered = 128

	// maxWaiting is how many calls wait at most; one more is refused.
	maxWaiting = 4096

	// secondFrom is how many calls that wait are worth a second statement at least.
	// Measured: for fewer, Postgres does more for the same rows.
	secondFrom = 4

	// gatherTimeout bounds a statement of several calls, where the time of the one that
	// runs it doesn't.
	gatherTimeout = 10 * time.Second
)

// errApart is the outcome of a call that a statement passed over, so as not to keep
// the others waiting: the caller makes it by itself.
var errApart = errors.New("to be executed apart")

// errNotExecuted is for those whose statement another caller was to run.
var errNotExecuted = errors.New("the statement was not executed to its end")

// gather turns calls that are made at the same time into few statements. Two are in
// flight at a time, the second from when as many calls wait as are in the first: while
// one commits or is answered, the other keeps Postgres busy, and neither is small
// where much is called. What is called meanwhile goes into the next.
// Nobody waits for company: a call that finds no statement in flight is one of its
// own.
//
// No goroutine works here but the callers': the last of those that go into the next
// statement runs it, for all of them. It has the most time left, and the statement has
// as long: so nobody is held for longer than their request may take, and nobody is cut
// off with somebody else.
type gather[P, R any] struct {
	name string // of the query, for the observer
	one  func(context.Context, P) (R, error)

	// alone makes a call that a statement passed over; it may wait for what others hold.
	// If it is nil, none is passed over.
	alone func(context.Context, P) (R, error)

	many func(context.Context, []P) ([]outcome[R], error) // in the order of the calls

	// apart tells two calls that can't share a statement: those with the same key;
	// the later one waits for the next. If it is nil, all can.
	apart func(P) partnerKey

	// waits says that one may wait for what others hold, and many does not. Then one
	// is never what others wait for: it is in flight beside them.
	waits bool

	// eager lets the next statement go off before the answers of the last are written,
	// so that the disk is kept busy. Else some more calls come together meanwhile, which
	// is worth more where there is nothing to commit.
	eager bool

	observe Observer // nil: nobody

	mu      sync.Mutex
	flights int  // statements in flight; one too if a caller was told to run the next
	calls   int  // in those statements
	beside  bool // one is in flight that nobody waits for
	waiting []*gathered[P, R]
	lead    *gathered[P, R] // of those that wait, who was told to run the next; nil: nobody

	pool sync.Pool // of *gathered that nobody knows any more
}

// outcome is what came of a call.
type outcome[R any] struct {
	result R
	err    error
}

// gathered is one call.
type gathered[P, R any] struct {
	outcome[R]
	ctx    context.Context // of the caller, who waits as long as there is the call
	params P
	wake   chan bool // true: the caller is to run the next statement; false: there is an outcome
}

// do makes the call and returns when its statement is committed, or failed.
// Returns ErrUnavailable if too many wait. If ctx ends its error is returned: a call
// that still waits is not made then, and one that is in a statement may have been.
func (g *gather[P, R]) do(ctx context.Context, params P) (R, error) {
	c, ok := g.pool.Get().(*gathered[P, R])
	if !ok {
		c = &gathered[P, R]{wake: make(chan bool, 1)}
	}
	c.ctx, c.params = ctx, params
	if !g.call(ctx, c) {
		var none R
		return none, ctx.Err() // whoever runs the statement still knows the call
	}
	o := c.outcome
	*c = gathered[P, R]{wake: c.wake}
	g.pool.Put(c) // not if the statement panicked
	if errors.Is(o.err, errApart) {
		return g.alone(ctx, params)
	}
	return o.result, o.err
}

// call returns false if there is no outcome: ctx ended while the call was in a statement.
func (g *gather[P, R]) call(ctx context.Context, c *gathered[P, R]) bool {
	g.mu.Lock()
	switch {
	case g.flights == 0 && g.waits && !g.beside:
		g.beside = true
		g.mu.Unlock()
		defer func() { g.mu.Lock(); g.beside = false; g.mu.Unlock() }()
		c.result, c.err = g.one(g.observed(ctx, []*gathered[P, R]{c}), c.params)
		return true
	case g.flights == 0:
		g.flights, g.calls = 1, 1
		g.mu.Unlock()
		g.run(ctx, []*gathered[P, R]{c})
		return true
	case len(g.waiting) >= maxWaiting:
		g.mu.Unlock()
		c.err = fmt.Errorf("%w: %d calls wait already", ErrUnavailable, maxWaiting)
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

// second removes the calls of a second statement from those that wait, if there is to
// be one. The last of them, who has just come, is to run it and is first in it.
func (g *gather[P, R]) second() []*gathered[P, R] {
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

// worthSecond tells whether those that wait are worth a statement beside the one in
// flight. They are not if one of them was told to run the next anyway.
func (g *gather[P, R]) worthSecond() bool {
	return g.apart == nil && len(g.waiting) >= max(secondFrom, g.calls) && g.lead == nil
}

// take removes the calls of the next statement from those that wait; the first is that
// of the one who leads.
func (g *gather[P, R]) take(lead *gathered[P, R]) []*gathered[P, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lead = nil
	batch, left := g.fitting()
	g.waiting = left
	if g.apart == nil {
		g.calls += len(batch)
	}
	i := slices.Index(batch, lead)
	batch[0], batch[i] = batch[i], batch[0]
	return batch
}

// fitting parts those that wait into the calls of the next statement, the longest
// waiting first, and those that are left.
func (g *gather[P, R]) fitting() (batch, left []*gathered[P, R]) {
	n := min(len(g.waiting), maxGathered)
	if g.apart == nil {
		return g.waiting[:n:n], g.waiting[n:]
	}
	batch, left = make([]*gathered[P, R], 0, n), g.waiting[:0:0]
	seen := make(map[partnerKey]bool, n)
	for _, c := range g.waiting {
		if k := g.apart(c.params); len(batch) == maxGathered || seen[k] {
			left = append(left, c)
		} else {
			seen[k] = true
			batch = append(batch, c)
		}
	}
	return batch, left
}

// appoint tells the last of those that go into the next statement to run it. Returns
// false if nobody waits.
func (g *gather[P, R]) appoint() bool {
	if len(g.waiting) == 0 {
		return false
	}
	batch, _ := g.fitting()
	g.lead = batch[len(batch)-1]
	g.lead.wake <- true
	return true
}

// leave is for a call whose time is up. Returns false if it is in a statement that has
// no outcome yet; else it is not made, and who was to run the next statement leaves
// that to another.
func (g *gather[P, R]) leave(ctx context.Context, c *gathered[P, R]) bool {
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
	c.err = ctx.Err()
	g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
	if g.lead != c {
		return true
	}
	select {
	case <-c.wake:
	default: // it was heard
	}
	if g.lead = nil; !g.appoint() {
		g.flights--
	}
	return true
}

// run executes a statement, whose first call is the caller's own, and then tells
// one of those that wait to run the next, unless one is in flight that will do so.
func (g *gather[P, R]) run(ctx context.Context, batch []*gathered[P, R]) {
	if len(batch) > 1 { // who goes away takes nobody along
		end := time.Now().Add(gatherTimeout)
		if mine, ok := ctx.Deadline(); ok && mine.Before(end) {
			end = mine
		}
		lasting, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
		defer cancel()
		ctx = lasting
	}
	executed := false
	defer func() { // also if a query panics: nobody may be left waiting
		for _, c := range batch[1:] {
			if !executed {
				c.err = errNotExecuted
			}
			c.wake <- false // from now on it is another's
		}
		if g.next(len(batch)) && g.eager {
			runtime.Gosched()
		}
	}()
	g.execute(ctx, batch)
	executed = true
}

func (g *gather[P, R]) execute(ctx context.Context, batch []*gathered[P, R]) {
	if len(batch) == 1 && !g.waits {
		c := batch[0]
		c.result, c.err = g.one(g.observed(ctx, batch), c.params)
		return
	}
	params := make([]P, len(batch))
	for i, c := range batch {
		params[i] = c.params
	}
	outcomes, err := g.many(g.observed(ctx, batch), params)
	switch {
	case err == nil:
		for i, c := range batch {
			c.outcome = outcomes[i]
		}
	case len(batch) == 1, errors.Is(classOf(err), ErrUnavailable) && !rolledBack(err): // it would fail in halves as well
		for _, c := range batch {
			c.err = err
		}
	default: // one of them failed the statement and all its rows: in halves, it takes few down
		g.execute(ctx, batch[:len(batch)/2])
		g.execute(ctx, batch[len(batch)/2:])
	}
}

// observed is the context of a statement that is for these calls.
func (g *gather[P, R]) observed(ctx context.Context, calls []*gathered[P, R]) context.Context {
	if g.observe == nil {
		return ctx
	}
	all := make([]context.Context, len(calls))
	for i, c := range calls {
		all[i] = c.ctx
	}
	return g.observe(ctx, g.name, all)
}

// next ends a statement of so many calls, and tells whether there is to be another.
func (g *gather[P, R]) next(calls int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.apart == nil {
		g.calls -= calls
	}
	if len(g.waiting) == 0 || g.flights == 2 && !g.worthSecond() {
		g.flights--
		return false
	}
	return g.appoint()
}
