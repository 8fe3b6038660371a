package gather

import (
	"context"
	"sync"
)

// Shared lets concurrent callers share reads. Unlike singleflight, it never returns data
// read before the call: a caller that arrives during a read shares the next one with all
// others that arrive meanwhile. A nil *Shared shares nothing.
type Shared[K comparable, V any] struct {
	name    string // of the query, for the observer
	observe Observer

	mu      sync.Mutex
	reading map[K]*reading[V] // the current or next read per key
}

// NewShared returns a Shared for a query; the observer may be nil.
func NewShared[K comparable, V any](name string, observer Observer) *Shared[K, V] {
	return &Shared[K, V]{name: name, observe: observer, reading: map[K]*reading[V]{}}
}

// reading is one read.
type reading[V any] struct {
	Outcome[V]
	calls   []context.Context // of the callers that it serves
	waiting int
	turn    chan struct{} // receives an element when a caller must read
	done    chan struct{} // closed when the outcome is known
	next    *reading[V]   // nil until a caller arrives
}

func newReading[V any]() *reading[V] {
	return &reading[V]{turn: make(chan struct{}, 1), done: make(chan struct{})}
}

// Do returns the result of read, called now or by another caller that wanted the same key;
// alone reports that it is only for this caller. If ctx ends, Do returns its error; if this
// caller was reading, the others that wait have it read again.
func (s *Shared[K, V]) Do(ctx context.Context, key K, read func(ctx context.Context, alone bool) (V, error)) (V, error) {
	if s == nil {
		return read(ctx, true)
	}
	s.mu.Lock()
	first, ok := s.reading[key]
	if !ok {
		r := newReading[V]()
		s.reading[key] = r
		s.mu.Unlock()
		return s.do(ctx, key, r, func() (V, error) { return read(s.observed(ctx, []context.Context{ctx}), true) })
	}
	if first.next == nil {
		first.next = newReading[V]()
	}
	r := first.next
	r.calls = append(r.calls, ctx)
	r.waiting++
	s.mu.Unlock()

	select {
	case <-r.turn:
	case <-r.done:
		return r.Result, r.Err
	case <-ctx.Done():
		s.leave(key, r)
		var none V
		return none, ctx.Err()
	}
	return s.do(ctx, key, r, func() (V, error) { return read(s.observed(ctx, r.calls), false) }) // no caller can join any more
}

// do reads, and passes the turn to the callers that have arrived meanwhile. If this
// caller's time ends during the read, one of the others reads again: each has its own time,
// and nobody's statement lasts longer than their request.
func (s *Shared[K, V]) do(ctx context.Context, key K, r *reading[V], read func() (V, error)) (V, error) {
	cutOff := false
	r.Err = errNotExecuted // if it panics
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.waiting--; cutOff && r.waiting > 0 {
			r.turn <- struct{}{}
			return
		}
		s.follow(key, r)
		close(r.done)
	}()
	r.Result, r.Err = read()
	cutOff = r.Err != nil && ctx.Err() != nil
	return r.Result, r.Err
}

// follow lets the callers that wait for the read after r start.
func (s *Shared[K, V]) follow(key K, r *reading[V]) {
	if r.next == nil {
		delete(s.reading, key)
		return
	}
	s.reading[key] = r.next
	r.next.turn <- struct{}{}
}

// leave removes a caller that stops waiting. If it is the last one, the turn passes on.
func (s *Shared[K, V]) leave(key K, r *reading[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.waiting--; r.waiting > 0 {
		return
	}
	switch first := s.reading[key]; {
	case first == nil: // the read is done
	case first.next == r:
		first.next = nil
	case first == r && len(r.turn) == 1:
		<-r.turn
		s.follow(key, r)
	}
}

func (s *Shared[K, V]) observed(ctx context.Context, calls []context.Context) context.Context {
	if s.observe == nil {
		return ctx
	}
	return s.observe(ctx, s.name, calls)
}
