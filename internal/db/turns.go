package db

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// Turns is where those wait who would else wait for the lock of the same tenant:
// one after the other, and without a connection, of which there are few. It holds
// within a process; between processes the lock does. The zero value is ready.
type Turns struct {
	mu      sync.Mutex
	tenants map[uuid.UUID]*turn
}

type turn struct {
	taken chan struct{} // of one
	calls int           // that have it or wait for it
}

// Take waits for a tenant's turn, and returns what ends it; or the error of ctx.
func (t *Turns) Take(ctx context.Context, tenant uuid.UUID) (end func(), err error) {
	mine := t.join(tenant)
	select {
	case mine.taken <- struct{}{}:
		return func() {
			<-mine.taken
			t.leave(tenant, mine)
		}, nil
	case <-ctx.Done():
		t.leave(tenant, mine)
		return nil, ctx.Err()
	}
}

func (t *Turns) join(tenant uuid.UUID) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tenants == nil {
		t.tenants = map[uuid.UUID]*turn{}
	}
	mine := t.tenants[tenant]
	if mine == nil {
		mine = &turn{taken: make(chan struct{}, 1)}
		t.tenants[tenant] = mine
	}
	mine.calls++
	return mine
}

func (t *Turns) leave(tenant uuid.UUID, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.calls--; mine.calls == 0 {
		delete(t.tenants, tenant)
	}
}
