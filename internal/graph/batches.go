package graph

import (
	"context"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
)

// These bound how many batches this process answers at once, and how many of them belong to
// one tenant, until they are sent: the largest answers to a batch take about 40 MB. Further
// batches wait in turn until their request's time is up. When maxWaitingBatches of a tenant
// are waiting, others get 429.
const (
	maxBatches        = 8
	maxTenantBatches  = 2
	maxWaitingBatches = 32
)

// batches shares the work on batches among tenants.
type batches struct {
	work *semaphore.Weighted

	mu      sync.Mutex
	tenants map[uuid.UUID]*tenantBatches // only tenants with batches
}

type tenantBatches struct {
	turns *semaphore.Weighted
	calls int // running and waiting
}

func newBatches() *batches {
	return &batches{work: semaphore.NewWeighted(maxBatches), tenants: map[uuid.UUID]*tenantBatches{}}
}

// take waits for the tenant's turn and returns a function that ends it. It returns the
// error of ctx, or a refusal if too many of the tenant's batches are waiting.
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
		return nil, errTooManyBatches()
	}
	mine.calls++
	return mine, nil
}

func errTooManyBatches() *graphError {
	return &graphError{status: http.StatusTooManyRequests, code: "TooManyRequests", message: "Too many requests", wrapped: true, retryAfter: throttleRetryAfter}
}

func (b *batches) leave(tenant uuid.UUID, mine *tenantBatches) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if mine.calls--; mine.calls == 0 {
		delete(b.tenants, tenant)
	}
}
