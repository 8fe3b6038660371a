package journal

import (
	"time"

	"github.com/google/uuid"
)

// minShare is how many entries a second a tenant may always record, unless the rate is
// lower.
const minShare = 100

// shares bounds the entries: their number per second, which tenants share equally, and the
// memory of waiting ones. The last quarter of the memory is reserved for tenants with few
// requests.
type shares struct {
	rate   int
	memory int64
	used   int64

	second time.Time
	taken  map[uuid.UUID]int // in this second
	before int               // how many tenants sent requests in the previous second
}

func newShares(rate int, memory int64) shares {
	return shares{rate: rate, memory: memory, taken: map[uuid.UUID]int{}}
}

// take reports whether an entry of a tenant may be recorded, and counts it.
func (s *shares) take(tenant uuid.UUID, size int64, now time.Time) bool {
	if s.full(tenant, size, now) {
		return false
	}
	s.taken[tenant]++
	s.used += size
	return true
}

// full reports whether a tenant's share of the second, or the memory, is used up.
func (s *shares) full(tenant uuid.UUID, size int64, now time.Time) bool {
	if now.Sub(s.second) >= time.Second {
		s.second, s.before = now, len(s.taken)
		clear(s.taken)
	}
	n := s.taken[tenant]
	room := s.memory
	if n >= minShare {
		room -= s.memory / 4
	}
	share := max(min(minShare, s.rate), s.rate/max(1, s.before, len(s.taken)))
	return n >= share || s.used+size > room
}

// free releases the memory of an entry.
func (s *shares) free(size int64) { s.used -= size }
