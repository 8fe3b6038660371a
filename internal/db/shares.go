package db

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/gather"
)

// shares divides the pool's connections among tenants. Each tenant may use a limited
// number; if more are wanted than exist, tenants take turns. So a tenant with many or slow
// queries delays only itself, and a waiting call holds no connection. Some connections stay
// outside the shares, for statements that serve all tenants and for signing in. A nil
// *shares limits nothing.
type shares struct {
	connections, total, each int // of the pool, for all tenants together, and for one tenant

	mu      sync.Mutex
	taken   int
	tenants map[uuid.UUID]*share
	turns   []*share // tenants with a waiting call and room for it, the next one first
}

// share is the part of one tenant.
type share struct {
	tenant  uuid.UUID
	taken   int
	waiting []chan struct{} // one channel per call; receives a value on its turn
	inTurn  bool            // it is in turns
}

// newShares divides a pool of the given size. A quarter stays outside the shares. Each
// tenant gets at most a quarter, or each connections if that is positive. A quarter is at
// least two, so that a change waiting for a lock doesn't hold up the tenant's reads.
func newShares(connections, each int) *shares {
	total := max(1, connections*3/4)
	if each <= 0 {
		each = max(2, connections/4)
	}
	return &shares{connections: connections, total: total, each: min(max(1, each), total), tenants: map[uuid.UUID]*share{}}
}

// within runs a query with a connection from the tenant's share.
func within[P, R any](ctx context.Context, s *shares, tenant uuid.UUID, query func(context.Context, P) (R, error), params P) (result R, err error) {
	mine, err := s.take(ctx, tenant)
	if err != nil {
		return result, err
	}
	defer s.give(mine)
	return query(ctx, params)
}

// take waits until the tenant may use one more connection. It returns ErrUnavailable if too
// many of the tenant's calls are waiting, or the error of ctx.
func (s *shares) take(ctx context.Context, tenant uuid.UUID) (*share, error) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	mine := s.tenants[tenant]
	if mine == nil {
		mine = &share{tenant: tenant}
		s.tenants[tenant] = mine
	}
	if mine.taken < s.each && s.taken < s.total && len(mine.waiting) == 0 && len(s.turns) == 0 {
		mine.taken++
		s.taken++
		s.mu.Unlock()
		return mine, nil
	}
	if len(mine.waiting) >= gather.MaxWaiting {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %d calls of the tenant are already waiting", ErrUnavailable, gather.MaxWaiting)
	}
	turn := make(chan struct{}, 1)
	mine.waiting = append(mine.waiting, turn)
	s.enqueue(mine)
	s.mu.Unlock()
	select {
	case <-turn:
		return mine, nil
	case <-ctx.Done():
		s.leave(mine, turn)
		return nil, ctx.Err()
	}
}

// give returns a connection to the share.
func (s *shares) give(mine *share) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine.taken--
	s.taken--
	s.enqueue(mine)
	for s.taken < s.total && len(s.turns) > 0 {
		next := s.turns[0]
		s.turns = slices.Delete(s.turns, 0, 1)
		next.inTurn = false
		next.waiting[0] <- struct{}{}
		next.waiting = slices.Delete(next.waiting, 0, 1)
		next.taken++
		s.taken++
		s.enqueue(next)
	}
	s.forget(mine)
}

// enqueue puts a tenant in line if it has a waiting call and room for it.
func (s *shares) enqueue(mine *share) {
	if !mine.inTurn && len(mine.waiting) > 0 && mine.taken < s.each {
		mine.inTurn = true
		s.turns = append(s.turns, mine)
	}
}

// leave removes a call that stopped waiting. If the call got a connection at that moment,
// leave gives it back.
func (s *shares) leave(mine *share, turn chan struct{}) {
	s.mu.Lock()
	i := slices.Index(mine.waiting, turn)
	if i < 0 {
		s.mu.Unlock()
		s.give(mine)
		return
	}
	defer s.mu.Unlock()
	mine.waiting = slices.Delete(mine.waiting, i, i+1)
	if mine.inTurn && len(mine.waiting) == 0 {
		mine.inTurn = false
		s.turns = slices.DeleteFunc(s.turns, func(t *share) bool { return t == mine })
	}
	s.forget(mine)
}

func (s *shares) forget(mine *share) {
	if mine.taken == 0 && len(mine.waiting) == 0 {
		delete(s.tenants, mine.tenant)
	}
}
