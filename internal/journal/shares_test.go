package journal

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// What waits never takes more than the memory, and a tenant that sends much leaves room for one
// that sends little.
func TestSharesAreBounded(t *testing.T) {
	t.Parallel()
	const memory, size = 1 << 20, 1 << 10
	s := newShares(1_000_000, memory)
	loud, quiet, now := uuid.New(), uuid.New(), time.Now()
	taken := 0
	for range 5000 {
		if s.take(loud, size, now) {
			taken++
		}
	}
	if s.used != int64(taken)*size || s.used > memory*3/4 || s.used < memory/2 {
		t.Errorf("%d entries take %d bytes", taken, s.used)
	}
	for i := range minShare {
		if !s.take(quiet, size, now) {
			t.Errorf("the quiet tenant's entry %d is dropped", i)
		}
	}
	for range taken + minShare {
		s.free(size)
	}
	if s.used != 0 || !s.take(loud, size, now.Add(time.Second)) {
		t.Errorf("after all is written: %d bytes", s.used)
	}
	if s.full(quiet, size, now.Add(time.Second)) || s.used != size {
		t.Errorf("%d bytes of %d are used, and there is no room", s.used, memory)
	}
	if s.take(quiet, memory+1, now.Add(time.Second)) {
		t.Error("an entry larger than the memory was taken")
	}
}

// In a second, a process takes what its rate says, however many tenants send; each gets a share.
func TestSharesOfARate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rate, tenants, each, most int }{
		{rate: 10, tenants: 1, each: 100, most: 10}, {rate: 1000, tenants: 1, each: 5000, most: 1000}, {rate: 1000, tenants: 4, each: 5000, most: 1000}, {rate: 1000, tenants: 2, each: 100, most: 200}, {rate: 1, tenants: 1, each: 5, most: 1},
	} {
		s := newShares(tt.rate, 1<<40)
		all := make([]uuid.UUID, tt.tenants)
		for i := range all {
			all[i] = uuid.New()
		}
		now := time.Now()
		for _, tenant := range all { // a second in which all send
			s.take(tenant, 1, now)
		}
		taken := map[uuid.UUID]int{}
		total := 0
		for range tt.each {
			for _, tenant := range all {
				if s.take(tenant, 1, now.Add(time.Second)) {
					taken[tenant]++
					total++
				}
			}
		}
		for _, tenant := range all {
			if taken[tenant] != total/tt.tenants {
				t.Errorf("%+v: one tenant has %d of %d", tt, taken[tenant], total)
			}
		}
		if total != tt.most {
			t.Errorf("%+v: %d are taken", tt, total)
		}
	}
}
