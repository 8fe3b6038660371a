package mocktenant_test

import (
	"testing"

	"github.com/testcontainers/testcontainers-go"

	mocktenant "github.com/mocktenant/mocktenant/testcontainers"
)

// BenchmarkRun measures the time until a container is ready, without the time to remove it.
func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		ctr, err := mocktenant.Run(b.Context(), standalone)
		b.StopTimer()
		if endErr := testcontainers.TerminateContainer(ctr); err != nil || endErr != nil {
			b.Fatal(err, endErr)
		}
		b.StartTimer()
	}
}

// BenchmarkNewTenant measures making and removing a tenant.
func BenchmarkNewTenant(b *testing.B) {
	ctr := sharedContainer(b)
	f := &fakeTB{}
	for b.Loop() {
		ctr.NewTenant(f)
		f.end()
	}
}
