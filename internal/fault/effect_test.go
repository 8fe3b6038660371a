package fault

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mocktenant/mocktenant/api"
)

// Delays follow from the seed and the count of the rule alone, so that each replica waits for
// as long as any other would.
func TestDelaysFollowTheSeed(t *testing.T) {
	t.Parallel()
	least, spread := int32(100), int32(50)
	for form, want := range map[api.FaultEffectDelayForm][]int64{ // microseconds
		api.FaultEffectDelayFormUniform:  {124521, 111809, 142651},
		api.FaultEffectDelayFormNormal:   {124907, 116712, 236389},
		api.FaultEffectDelayFormLongTail: {182283, 169844, 864954},
	} {
		var got []int64
		for n := range uint64(3) {
			e := api.FaultEffect{DelayMilliseconds: &least, DelaySpreadMilliseconds: &spread, DelayForm: &form}
			got = append(got, delay(e, rand.New(rand.NewPCG(7, n+1))).Microseconds()) //nolint:gosec // it has to be predictable
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", form, got, want)
		}
	}
}
