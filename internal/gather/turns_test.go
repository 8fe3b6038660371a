package gather

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// One caller at a time has the turn at a key, and other keys don't wait for it. A caller that
// gives up leaves the queue as it was, and a key is forgotten after its last turn.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns[int]
		end, err := turns.Take(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		other, err := turns.Take(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		other()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := turns.Take(ctx, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that gave up: %v", err)
			}
		})
		holding := 0
		for range 3 {
			wg.Go(func() {
				end, err := turns.Take(t.Context(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				if holding++; holding != 1 {
					t.Errorf("%d have the turn", holding)
				}
				synctest.Wait()
				holding--
				end()
			})
		}
		synctest.Wait()
		if holding != 0 {
			t.Errorf("%d have the turn of another", holding)
		}
		cancel()
		synctest.Wait()
		end()
		wg.Wait()
		if len(turns.locks) != 0 {
			t.Errorf("%d keys are left", len(turns.locks))
		}
	})
}
