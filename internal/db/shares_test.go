package db

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Tenants take turns, whatever the order and number of their calls.
func TestSharesTakeTurns(t *testing.T) {
	t.Parallel()
	s := newShares(4, 2) // three in all, two per tenant
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	got := make(chan uuid.UUID, 20)
	ask := func(tenant uuid.UUID) {
		t.Helper()
		s.mu.Lock()
		before := s.asking()
		s.mu.Unlock()
		go func() {
			if _, err := s.take(t.Context(), tenant); err != nil {
				t.Error(err)
			}
			got <- tenant
		}()
		for asked := before; asked == before; {
			s.mu.Lock()
			asked = s.asking()
			s.mu.Unlock()
		}
	}
	for range 6 {
		ask(a)
	}
	if len(s.tenants[a].waiting) != 4 || s.taken != 2 {
		t.Fatalf("a has %d, and %d wait; want 2 and 4", s.taken, len(s.tenants[a].waiting))
	}
	for _, tenant := range []uuid.UUID{b, b, c} {
		ask(tenant)
	}
	in := map[uuid.UUID]int{}
	for range 3 { // immediately
		in[<-got]++
	}
	if in[a] != 2 || in[b] != 1 {
		t.Fatalf("%v are in", in)
	}
	for i, step := range []struct{ gives, next uuid.UUID }{{a, b}, {b, c}, {b, a}, {a, a}, {a, a}, {a, a}} {
		s.mu.Lock()
		mine := s.tenants[step.gives]
		s.mu.Unlock()
		s.give(mine)
		if tenant := <-got; tenant != step.next {
			t.Errorf("turn %d is %s's, want %s's (a %s, b %s, c %s)", i, tenant, step.next, a, b, c)
		}
	}
}

// asking returns how many calls have a connection or wait for one.
func (s *shares) asking() int {
	n := s.taken
	for _, tenant := range s.tenants {
		n += len(tenant.waiting)
	}
	return n
}

// Calls that come, give up and give back at random exceed no limit and lose no connection.
func TestSharesUnderRace(t *testing.T) {
	t.Parallel()
	s := newShares(8, 3)
	tenants := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	var all atomic.Int64
	each := make([]atomic.Int64, len(tenants))
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 200 {
				i := rand.IntN(len(tenants))
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Microsecond)
				mine, err := s.take(ctx, tenants[i])
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					continue
				}
				if n, m := all.Add(1), each[i].Add(1); err != nil || n > 6 || m > 3 {
					t.Errorf("%d at a time, of one tenant %d, %v", n, m, err)
				}
				all.Add(-1)
				each[i].Add(-1)
				s.give(mine)
			}
		})
	}
	wg.Wait()
	if s.taken != 0 || len(s.tenants) != 0 || len(s.turns) != 0 {
		t.Errorf("left: %d taken, %d tenants, %d turns", s.taken, len(s.tenants), len(s.turns))
	}
}
