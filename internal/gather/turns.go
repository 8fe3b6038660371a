package gather

import (
	"context"
	"sync"
)

// Turns queues, by key, callers that would otherwise each hold a pooled connection while
// waiting for the same row's lock. It works within a process; between processes the lock
// does. The zero value is ready to use.
type Turns[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*turn
}

type turn struct {
	taken chan struct{} // capacity 1
	calls int           // holding or waiting for the turn
}

// Take waits for the turn at a key and returns a function that ends it, or the error of
// ctx.
func (t *Turns[K]) Take(ctx context.Context, key K) (end func(), err error) {
	mine := t.join(key)
	select {
	case mine.taken <- struct{}{}:
		return func() {
			<-mine.taken
			t.leave(key, mine)
		}, nil
	case <-ctx.Done():
		t.leave(key, mine)
		return nil, ctx.Err()
	}
}

func (t *Turns[K]) join(key K) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.locks == nil {
		t.locks = map[K]*turn{}
	}
	mine := t.locks[key]
	if mine == nil {
		mine = &turn{taken: make(chan struct{}, 1)}
		t.locks[key] = mine
	}
	mine.calls++
	return mine
}

func (t *Turns[K]) leave(key K, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.calls--; mine.calls == 0 {
		delete(t.locks, key)
	}
}
