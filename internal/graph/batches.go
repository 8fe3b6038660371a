package graph

import (
	"context"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
)

// How many batches this process works on at the same time, and how many a tenant has
// under way, until they are sent: a batch of the largest answers takes some 40 MB. Those
// that come meanwhile wait, in turn, until their request's time is up; beyond
// maxWaitingBatches of a tenant they are refused by 429.
const (
	maxBatches        = 8
	maxTenantBatches  = 2
	maxWaitingBatches = 32
)

// batches lets tenants share the work on batches.
type batches struct {
	work *semaphore.Weighted

	mu      sync.Mutex
	tenants map[uuid.UUID]*tenantBatches // that have any
}

type tenantBatches struct {
	turns *semaphore.Weighted
	calls int // that have a turn or wait for one
}

func newBatches() *batches {
	return &batches{work: semaphore.NewWeighted(maxBatches), tenants: map[uuid.UUID]*tenantBatches{}}
}

// take waits for a turn of a tenant, and returns what ends it; or the error of ctx, or
// that too many of the tenant's wait.
func (b *batches) take(ctx context.Context, tenant uuid.UUID) (end func(), err error) {
	mine, err := b.join(tenant)
	if err != nil {
		return nil, err
	}
	if err := mine.turns.Acquire(ctx, 1); err != nil {
		b.leave(tenant, mine)
		return nil, err
	}
	return func() {
		mine.turns.Release(1)
		b.leave(tenant, mine)
	}, nil
}

func (b *batches) join(tenant uuid.UUID) (*tenantBatches, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mine := b.tenants[tenant]
	if mine == nil {
		mine = &tenantBatches{turns: semaphore.NewWeighted(maxTenantBatches)}
		b.tenants[tenant] = mine
	}
	if mine.calls == maxTenantBatches+maxWaitingBatches {
		return nil, errTooManyRequests()
	}
	mine.calls++
	return mine, nil
}

func (b *batches) leave(tenant uuid.UUID, mine *tenantBatches) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if mine.calls--; mine.calls == 0 {
		delete(b.tenants, tenant)
	}
}
