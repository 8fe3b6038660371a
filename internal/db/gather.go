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

	// gatherTimeout bounds a statement: whoever waits for it may be gone.
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
// No goroutine works here but the callers': the first of those that wait runs
// the next statement, for all of them.
type gather[P, R any] struct {
	name string // of the query, for the observer
	one  func(context.Context, P) (R, error)
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
	leads  bool      // it was told to; under the gather's lock
}

// do makes the call and returns when its statement is committed, or failed.
// Returns ErrUnavailable if too many wait. If ctx ends while the call still waits
// it is not made; once it is in a statement, its outcome is awaited.
func (g *gather[P, R]) do(ctx context.Context, params P) (R, error) {
	c, ok := g.pool.Get().(*gathered[P, R])
	if !ok {
		c = &gathered[P, R]{wake: make(chan bool, 1)}
	}
	c.ctx, c.params = ctx, params
	g.call(ctx, c)
	o := c.outcome
	*c = gathered[P, R]{wake: c.wake}
	g.pool.Put(c) // not if the statement panicked
	if errors.Is(o.err, errApart) {
		return g.one(ctx, params)
	}
	return o.result, o.err
}

func (g *gather[P, R]) call(ctx context.Context, c *gathered[P, R]) {
	g.mu.Lock()
	switch {
	case g.flights == 0 && g.waits && !g.beside:
		g.beside = true
		g.mu.Unlock()
		defer func() { g.mu.Lock(); g.beside = false; g.mu.Unlock() }()
		c.result, c.err = g.one(g.observed(ctx, []*gathered[P, R]{c}), c.params)
		return
	case g.flights == 0:
		g.flights, g.calls = 1, 1
		g.mu.Unlock()
		g.run(ctx, []*gathered[P, R]{c})
		return
	case len(g.waiting) >= maxWaiting:
		g.mu.Unlock()
		c.err = fmt.Errorf("%w: %d calls wait already", ErrUnavailable, maxWaiting)
		return
	}
	g.waiting = append(g.waiting, c)
	if batch := g.second(); batch != nil {
		g.mu.Unlock()
		g.run(ctx, batch)
		return
	}
	g.mu.Unlock()
	var lead bool
	select {
	case lead = <-c.wake:
	case <-ctx.Done():
		if g.leave(c) {
			c.err = ctx.Err()
			return
		}
		lead = <-c.wake // if it leads, others rely on it
	}
	if lead {
		g.run(ctx, g.take())
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
	return g.apart == nil && len(g.waiting) >= max(secondFrom, g.calls) && !g.waiting[0].leads
}

// take removes the calls of the next statement from those that wait; the first
// is the caller's own.
func (g *gather[P, R]) take() []*gathered[P, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGathered)
	if g.apart == nil {
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.calls += n
		return batch
	}
	batch, left := make([]*gathered[P, R], 0, n), g.waiting[:0:0]
	seen := make(map[partnerKey]bool, n)
	for _, c := range g.waiting {
		if k := g.apart(c.params); len(batch) == maxGathered || seen[k] {
			left = append(left, c)
		} else {
			seen[k] = true
			batch = append(batch, c)
		}
	}
	g.waiting = left
	return batch
}

// leave removes a call that still waits. Returns false if it is in a statement,
// or was told to run one.
func (g *gather[P, R]) leave(c *gathered[P, R]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, c)
	if i < 0 || c.leads {
		return false
	}
	g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
	return true
}

// run executes a statement, whose first call is the caller's own, and then tells
// the first who waits to run the next, unless one is in flight that will do so.
func (g *gather[P, R]) run(ctx context.Context, batch []*gathered[P, R]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatherTimeout)
	defer cancel()
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

// next ends a statement of so many calls, and tells whether the first who waits is to
// run another.
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
	first := g.waiting[0]
	first.leads = true
	first.wake <- true
	return true
}
