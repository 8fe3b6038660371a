package gather

import (
	"context"
	"sync"
)

// Groups lets only the calls of one group share statements: each group has separate Calls.
type Groups[G comparable, P, R any, K comparable] struct {
	Of  func(P) G
	New func() *Calls[P, R, K]

	mu     sync.Mutex
	groups map[G]*group[P, R, K]
}

// group has the calls of a group as long as there are any.
type group[P, R any, K comparable] struct {
	calls *Calls[P, R, K]
	users int
}

// Do works like Calls.Do, within the group of the call.
func (g *Groups[G, P, R, K]) Do(ctx context.Context, params P) (R, error) {
	key := g.Of(params)
	mine := g.join(key)
	defer g.leave(key, mine)
	return mine.calls.Do(ctx, params)
}

func (g *Groups[G, P, R, K]) join(key G) *group[P, R, K] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.groups == nil {
		g.groups = map[G]*group[P, R, K]{}
	}
	mine := g.groups[key]
	if mine == nil {
		mine = &group[P, R, K]{calls: g.New()}
		g.groups[key] = mine
	}
	mine.users++
	return mine
}

func (g *Groups[G, P, R, K]) leave(key G, mine *group[P, R, K]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(g.groups, key)
	}
}
