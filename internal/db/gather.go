package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxGathered is how many calls one statement carries at most. Measured:
	// beyond that, a row costs no less.
	maxGathered = 128

	// maxWaiting is how many calls wait at most; one more is refused.
	maxWaiting = 4096

	// gatherTimeout bounds a statement: whoever waits for it may be gone.
	gatherTimeout = 10 * time.Second
)

// errNotExecuted is for those whose statement another caller was to run.
var errNotExecuted = errors.New("the statement was not executed to its end")

// gather turns calls that are made at the same time into few statements, each
// with one commit. One statement is in flight at a time; what is called
// meanwhile goes into the next. Nobody waits for company: a call that finds no
// statement in flight is one of its own.
//
// No goroutine works here but the callers': the first of those that wait runs
// the next statement, for all of them.
type gather[P, R any] struct {
	one  func(context.Context, P) (R, error)
	many func(context.Context, []P) ([]R, error) // results in the order of the calls

	observe Observer // nil: nobody

	mu      sync.Mutex
	busy    bool // a statement is in flight, or a caller was told to run the next
	waiting []*gathered[P, R]
}

// gathered is one call.
type gathered[P, R any] struct {
	ctx    context.Context // of the caller, who waits as long as there is the call
	params P
	turn   chan struct{} // closed when the caller is to run the next statement
	done   chan struct{} // closed when there is a result
	result R
	err    error
}

// do makes the call and returns when its row is committed, or failed. Returns
// ErrUnavailable if too many wait. If ctx ends while the call still waits it is
// not made; once it is in a statement, its outcome is awaited.
func (g *gather[P, R]) do(ctx context.Context, params P) (R, error) {
	c := &gathered[P, R]{ctx: ctx, params: params, turn: make(chan struct{}), done: make(chan struct{})}
	g.mu.Lock()
	switch {
	case !g.busy:
		g.busy = true
		g.mu.Unlock()
		g.run(ctx, []*gathered[P, R]{c})
		return c.result, c.err
	case len(g.waiting) >= maxWaiting:
		g.mu.Unlock()
		return c.result, fmt.Errorf("%w: %d calls wait already", ErrUnavailable, maxWaiting)
	}
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	select {
	case <-c.turn:
		g.run(ctx, g.take())
	case <-c.done:
	case <-ctx.Done():
		if g.leave(c) {
			return c.result, ctx.Err()
		}
		select {
		case <-c.turn: // told to run the next statement: others rely on it
			g.run(ctx, g.take())
		case <-c.done:
		}
	}
	return c.result, c.err
}

// take removes the calls of the next statement from those that wait; the first
// is the caller's own.
func (g *gather[P, R]) take() []*gathered[P, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGathered)
	batch := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return batch
}

// leave removes a call that still waits. Returns false if it is in a statement,
// or was told to run one.
func (g *gather[P, R]) leave(c *gathered[P, R]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w != c {
			continue
		}
		select {
		case <-c.turn:
			return false
		default:
		}
		g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
		return true
	}
	return false
}

// run executes a statement, and then tells the first who waits to run the next.
func (g *gather[P, R]) run(ctx context.Context, batch []*gathered[P, R]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatherTimeout)
	defer cancel()
	executed := false
	defer func() { // also if a query panics: nobody may be left waiting
		for _, c := range batch {
			if !executed {
				c.err = errNotExecuted
			}
			close(c.done)
		}
		g.next()
	}()
	g.execute(ctx, batch)
	executed = true
}

func (g *gather[P, R]) execute(ctx context.Context, batch []*gathered[P, R]) {
	if len(batch) > 1 {
		params := make([]P, len(batch))
		for i, c := range batch {
			params[i] = c.params
		}
		results, err := g.many(g.observed(ctx, batch...), params)
		if err == nil {
			for i, c := range batch {
				c.result = results[i]
			}
			return
		}
		if errors.Is(classOf(err), ErrUnavailable) { // it would fail one by one as well
			for _, c := range batch {
				c.err = err
			}
			return
		}
	}
	// Alone, or one of them failed the statement and all its rows: apart, each
	// has its own outcome.
	for _, c := range batch {
		c.result, c.err = g.one(g.observed(ctx, c), c.params)
	}
}

// observed is the context of a statement that is for these calls.
func (g *gather[P, R]) observed(ctx context.Context, calls ...*gathered[P, R]) context.Context {
	if g.observe == nil {
		return ctx
	}
	all := make([]context.Context, len(calls))
	for i, c := range calls {
		all[i] = c.ctx
	}
	return g.observe(ctx, all)
}

func (g *gather[P, R]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.busy, g.waiting = false, nil
		return
	}
	close(g.waiting[0].turn)
}
