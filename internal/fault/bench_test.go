package fault

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// BenchmarkIdle measures what rules cost a create that they aren't about.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := &rules{all: make([]rule, n), byPath: map[target][]int{}}
			for i := range r.all {
				path, status := fmt.Sprintf("/v1.0/deviceManagement/other%d", i), int32(500)
				r.all[i].FaultCreate = api.FaultCreate{Match: &api.FaultMatch{Path: &path}, Effect: api.FaultEffect{Status: &status}}
				r.all[i].matcher = newMatcher(&r.all[i].FaultCreate)
				key := r.all[i].target()
				r.byPath[key] = append(r.byPath[key], i)
			}
			c, _ := gin.CreateTestContext(httptest.NewRecorder())
			c.Request = httptest.NewRequestWithContext(b.Context(), "POST", "/v1.0/deviceManagement/remoteAssistancePartners", nil)
			x := &front.Exchange{Context: c, Front: graph}
			b.ReportAllocs()
			for b.Loop() {
				if len(r.matching(x)) > 0 {
					b.Fatal("a rule matched")
				}
			}
		})
	}
}
