package admin_test

import (
	"testing"

	"github.com/mocktenant/mocktenant/api"
)

// A tenant with a user, an application and a token, by several at once.
func BenchmarkCreateTenant(b *testing.B) {
	c := setup(b)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.newTenant(api.TenantCreate{DisplayName: "bench"})
		}
	})
}
