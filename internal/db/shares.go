package db

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// shares divides the connections among tenants: each has a bounded number, and where
// those that want one are more than there are, tenants take turns. So a tenant that
// asks for much, or for what takes long, waits for itself; and who waits has no
// connection. Some are left to those who take no share: statements that calls of all
// tenants have in common, and signing in. The nil shares divides nothing.
type shares struct {
	connections, total, each int // of the pool, of all tenants together, and of one

	mu      sync.Mutex
	taken   int
	tenants map[uuid.UUID]*share
	turns   []*share // of tenants with somebody who waits and room for one, the next first
}

// share is one tenant's.
type share struct {
	tenant  uuid.UUID
	taken   int
	waiting []chan struct{} // each of one; holds something when it is its turn
	inTurn  bool            // it is in turns
}

// newShares divides so many connections: a quarter is left, and each tenant has a
// quarter at most, or as many as each says. A quarter is two at least, so that a change
// that waits for a lock doesn't hold up the tenant's reads.
func newShares(connections, each int) *shares {
	total := max(1, connections*3/4)
	if each <= 0 {
		each = max(2, connections/4)
	}
	return &shares{connections: connections, total: total, each: min(max(1, each), total), tenants: map[uuid.UUID]*share{}}
}

// within runs a query by a connection of the tenant's share.
func within[P, R any](ctx context.Context, s *shares, tenant uuid.UUID, query func(context.Context, P) (R, error), params P) (result R, err error) {
	mine, err := s.take(ctx, tenant)
	if err != nil {
		return result, err
	}
	defer s.give(mine)
	return query(ctx, params)
}

// take waits until the tenant may use one more connection. Returns ErrUnavailable if
// too many of its calls wait, or the error of ctx.
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
	if len(mine.waiting) >= maxWaiting {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %d calls of the tenant wait already", ErrUnavailable, maxWaiting)
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

// give gives a connection back.
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

// enqueue gives a tenant its place in the turns, if it is due one.
func (s *shares) enqueue(mine *share) {
	if !mine.inTurn && len(mine.waiting) > 0 && mine.taken < s.each {
		mine.inTurn = true
		s.turns = append(s.turns, mine)
	}
}

// leave is for one who waits no longer. What it got at that moment goes back.
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
