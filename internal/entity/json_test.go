package entity_test

import (
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// BenchmarkAppendJSON measures writing the properties of one entity, which a list does for
// each.
func BenchmarkAppendJSON(b *testing.B) {
	t := &entity.RemoteAssistancePartner
	values := t.Defaults()
	values[t.Index("displayName")] = entity.Value{Text: "Display Name value"}
	values[t.Index("onboardingUrl")] = entity.Value{Text: "https://example.com/onboardingUrl/"}
	values[t.Index("onboardingStatus")] = entity.Value{Text: "onboarded"}
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = text[:0]
		for i := range t.Properties {
			text = t.Properties[i].AppendJSON(text, values[i], entity.Form{})
		}
	}
}
