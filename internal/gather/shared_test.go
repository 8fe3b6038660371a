package gather

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newShared() *Shared[string, int64] {
	return NewShared[string, int64]("", nil)
}

// awaitWaiting waits until n calls wait for the next reading of a key.
func (s *Shared[K, V]) awaitWaiting(t *testing.T, key K, n int) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Microsecond) {
		s.mu.Lock()
		got := 0
		if first := s.reading[key]; first != nil && first.next != nil {
			got = first.next.waiting
		}
		s.mu.Unlock()
		if got == n {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("%d calls wait, want %d", got, n)
		}
	}
}

// Those who come while something is read for another share the next reading.
func TestSharedShares(t *testing.T) {
	t.Parallel()
	s := newShared()
	var readings atomic.Int64
	hold := make(chan struct{})
	do := func(key string, alone *bool) (int64, error) {
		return s.Do(t.Context(), key, func(_ context.Context, a bool) (int64, error) {
			*alone = a
			n := readings.Add(1)
			if n == 1 {
				<-hold
			}
			return n, nil
		})
	}
	var wg sync.WaitGroup
	results, alones := make([]int64, 11), make([]bool, 11)
	for i := range results {
		wg.Go(func() { results[i], _ = do("a", &alones[i]) })
		if i == 0 {
			for readings.Load() == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	s.awaitWaiting(t, "a", 10)
	var alone bool
	if n, err := do("b", &alone); n != 2 || !alone || err != nil { // another key waits for nobody
		t.Errorf("another key: reading %d, alone %t, %v", n, alone, err)
	}
	close(hold)
	wg.Wait()
	for i, n := range results {
		if want := map[bool]int64{true: 1, false: 3}[i == 0]; n != want {
			t.Errorf("call %d: reading %d, want %d", i, n, want)
		}
	}
	if !alones[0] || len(s.reading) != 0 {
		t.Errorf("the first was alone: %t; %d readings are left", alones[0], len(s.reading))
	}
}

// Nobody gets what was read before they asked, whoever else comes, goes away or fails.
func TestSharedIsFresh(t *testing.T) {
	t.Parallel()
	s := newShared()
	var clock atomic.Int64
	refusal := errors.New("refused")
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 300 {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if rand.IntN(3) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
				}
				asked := clock.Add(1)
				n, err := s.Do(ctx, []string{"a", "b", "c"}[rand.IntN(3)], func(ctx context.Context, _ bool) (int64, error) {
					n := clock.Add(1)
					time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
					if rand.IntN(10) == 0 {
						return 0, refusal
					}
					return n, nil
				})
				if err == nil && n < asked || err != nil && !errors.Is(err, refusal) && !errors.Is(err, ctx.Err()) {
					t.Errorf("asked at %d, read at %d, %v", asked, n, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if len(s.reading) != 0 {
		t.Errorf("%d readings are left", len(s.reading))
	}
}

// If all who wait go away, nothing is read for them, and who comes then has their turn.
func TestSharedCancel(t *testing.T) {
	t.Parallel()
	s := newShared()
	hold, ended := make(chan struct{}), make(chan error, 3)
	go func() {
		_, err := s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { <-hold; return 1, nil })
		ended <- err
	}()
	for len(s.copied()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		go func() {
			_, err := s.Do(ctx, "a", func(context.Context, bool) (int64, error) { t.Error("was read"); return 0, nil })
			ended <- err
		}()
	}
	s.awaitWaiting(t, "a", 2)
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, err := s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { return 2, nil }); n != 2 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// A reading that fails in time has failed for all who wait for it: nobody reads again.
func TestSharedFails(t *testing.T) {
	t.Parallel()
	s := newShared()
	hold := make(chan struct{})
	go func() {
		_, _ = s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { <-hold; return 1, nil })
	}()
	await(t, func() bool { return len(s.copied()) == 1 })
	bad := errors.New("bad")
	var reads atomic.Int32
	ended := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { reads.Add(1); return 0, bad })
			ended <- err
		}()
	}
	s.awaitWaiting(t, "a", 3)
	close(hold)
	for range 3 {
		if err := <-ended; !errors.Is(err, bad) {
			t.Error(err)
		}
	}
	if got := reads.Load(); got != 1 {
		t.Errorf("%d readings", got)
	}
}

// A panic is its caller's; those who wait for the same reading are told that it failed.
func TestSharedPanics(t *testing.T) {
	t.Parallel()
	s := newShared()
	hold := make(chan struct{})
	go func() {
		_, _ = s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { <-hold; return 1, nil })
	}()
	for len(s.copied()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	outcomes := make(chan any, 2)
	for range 2 {
		go func() {
			defer func() {
				if v := recover(); v != nil {
					outcomes <- v
				}
			}()
			_, err := s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { panic("at the disco") })
			outcomes <- err
		}()
	}
	s.awaitWaiting(t, "a", 2)
	close(hold)
	seen := map[any]bool{<-outcomes: true, <-outcomes: true}
	if !seen["at the disco"] || !seen[errNotExecuted] || len(s.copied()) != 0 {
		t.Errorf("outcomes %v, %d readings are left", seen, len(s.copied()))
	}
}

func (s *Shared[K, V]) copied() map[K]*reading[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.reading)
}

// A reading ends with its reader's time; one of the others that wait for it reads again.
func TestSharedReadsAnew(t *testing.T) {
	t.Parallel()
	s := newShared()
	hold := make(chan struct{})
	go func() {
		_, _ = s.Do(t.Context(), "a", func(context.Context, bool) (int64, error) { <-hold; return 1, nil })
	}()
	for len(s.copied()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	reads := make(chan context.CancelFunc)
	outcomes := make(chan error, 3)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			n, err := s.Do(ctx, "a", func(ctx context.Context, _ bool) (int64, error) {
				reads <- cancel
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case <-hold:
					return 2, nil
				}
			})
			if err == nil && n != 2 {
				err = errors.New("another reading's")
			}
			outcomes <- err
		}()
	}
	s.awaitWaiting(t, "a", 3)
	hold <- struct{}{} // the first ends
	for range 2 {
		(<-reads)()
		if err := <-outcomes; !errors.Is(err, context.Canceled) {
			t.Errorf("who went away: %v", err)
		}
	}
	<-reads
	hold <- struct{}{}
	if err := <-outcomes; err != nil {
		t.Errorf("the last: %v", err)
	}
	for len(s.copied()) != 0 {
		time.Sleep(100 * time.Microsecond)
	}
}
