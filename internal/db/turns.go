package db

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// Turns is where those wait who would else wait for the lock of the same tenant:
// one after the other, and without a connection, of which there are few. It holds
// within a process; between processes the lock does. The zero value is ready.
type Turns = turnsOf[uuid.UUID]

// turnsOf are those of anything that is locked.
type turnsOf[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*turn
}

type turn struct {
	taken chan struct{} // of one
	calls int           // that have it or wait for it
}

// Take waits for the turn at a key, and returns what ends it; or the error of ctx.
func (t *turnsOf[K]) Take(ctx context.Context, key K) (end func(), err error) {
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

func (t *turnsOf[K]) join(key K) *turn {
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

func (t *turnsOf[K]) leave(key K, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.calls--; mine.calls == 0 {
		delete(t.locks, key)
	}
}
