package gather

import (
	"context"
	"sync"
	"testing"
)

// Calls of different groups share no statement, and a group is forgotten after its last call.
func TestGroups(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{}
	shared := 0
	var mu sync.Mutex
	g := &Groups[int, int, int, int]{Of: func(n int) int { return n % 3 }, New: func() *Calls[int, int, int] {
		c := d.gather()
		many := c.Many
		c.Many = func(ctx context.Context, ns []int) ([]Outcome[int], error) {
			mu.Lock()
			defer mu.Unlock()
			shared++
			for _, n := range ns {
				if n%3 != ns[0]%3 {
					t.Errorf("a statement carries %v", ns)
				}
			}
			return many(ctx, ns)
		}
		return c
	}}
	for shared == 0 {
		var wg sync.WaitGroup
		for n := range 300 {
			wg.Go(func() {
				if got, err := g.Do(t.Context(), n); got != 2*n || err != nil {
					t.Errorf("Do(%d) = %d, %v", n, got, err)
				}
			})
		}
		wg.Wait()
	}
	if len(g.groups) != 0 {
		t.Errorf("%d groups are left", len(g.groups))
	}
}
