package admin_test

import (
	"testing"

	"github.com/mocktenant/mocktenant/api"
)

// BenchmarkCreateTenant creates tenants with a user, an application and a token, from
// concurrent clients.
func BenchmarkCreateTenant(b *testing.B) {
	c := setup(b)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.newTenant(api.TenantCreate{DisplayName: "bench"})
		}
	})
}
