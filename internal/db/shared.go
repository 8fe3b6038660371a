package db

import (
	"context"
	"sync"
)

// Shared lets callers who want to read the same thing at the same time have it read
// once. Unlike package singleflight, nobody gets what was read before they asked: who
// comes while it is read for another waits for the next time, with all who come
// meanwhile. The nil Shared shares nothing.
type Shared[K comparable, V any] struct {
	name    string // of the query, for the observer
	observe Observer

	mu      sync.Mutex
	reading map[K]*reading[V] // what is read, or about to be by one who has its turn
}

// NewShared returns a Shared for a query of the store; nil if the store doesn't
// gather.
func NewShared[K comparable, V any](s *Store, name string) *Shared[K, V] {
	if s.gets == nil {
		return nil
	}
	return &Shared[K, V]{name: name, observe: s.gets.observe, reading: map[K]*reading[V]{}}
}

// reading is one time that something is read.
type reading[V any] struct {
	outcome[V]
	calls   []context.Context // of those it is for, who wait or have waited
	waiting int
	turn    chan struct{} // holds something when one of them is to read
	done    chan struct{} // closed when there is the outcome
	next    *reading[V]   // nil: nobody has asked for it
}

func newReading[V any]() *reading[V] {
	return &reading[V]{turn: make(chan struct{}, 1), done: make(chan struct{})}
}

// Do returns what read does, or did for another who wanted the same key; alone tells
// that it is for this caller only. If ctx ends, its error is returned; the others that
// a read is for have it read anew, if it was this caller who read.
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
		return r.result, r.err
	case <-ctx.Done():
		s.leave(key, r)
		var none V
		return none, ctx.Err()
	}
	return s.do(ctx, key, r, func() (V, error) { return read(s.observed(ctx, r.calls), false) }) // nobody joins any more
}

// do reads, and gives the turn to those who have come meanwhile. If it is cut off
// because this caller's time is up, one of the others that it is for reads anew: each
// has its own time, and nobody's statement lasts longer than their request.
func (s *Shared[K, V]) do(ctx context.Context, key K, r *reading[V], read func() (V, error)) (V, error) {
	cutOff := false
	r.err = errNotExecuted // if it panics
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
	r.result, r.err = read()
	cutOff = r.err != nil && ctx.Err() != nil
	return r.result, r.err
}

// follow lets those who wait behind r read.
func (s *Shared[K, V]) follow(key K, r *reading[V]) {
	if r.next == nil {
		delete(s.reading, key)
		return
	}
	s.reading[key] = r.next
	r.next.turn <- struct{}{}
}

// leave is for one who waits no longer. If nobody else does, the turn goes on.
func (s *Shared[K, V]) leave(key K, r *reading[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.waiting--; r.waiting > 0 {
		return
	}
	switch first := s.reading[key]; {
	case first == nil: // it was read
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
