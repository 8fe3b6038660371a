package graph_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/graph"
)

// encoded is the entity as beta has it, for encoding/json.
type encoded struct {
	Type                            string  `json:"@odata.type"`
	ID                              string  `json:"id"`
	DisplayName                     *string `json:"displayName"`
	OnboardingURL                   *string `json:"onboardingUrl"`
	OnboardingStatus                string  `json:"onboardingStatus"`
	LastConnectionDateTime          string  `json:"lastConnectionDateTime"`
	OnboardingRequestExpiryDateTime string  `json:"onboardingRequestExpiryDateTime"`
}

// The entity is written as encoding/json writes it, to the byte, but for two line
// ends, which that escapes for JavaScript's sake.
func FuzzEntity(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "TeamViewer", true, "https://example.com/", true, int64(1483257516667003), uint8(3), int16(-480))
	f.Add([]byte{}, "\u2028\u2029\\u2028 \"\\\b\f\n\r\t\x00\x1f\x7f<>&é\U0001f600", true, "", false, int64(-62135596800000000), uint8(0), int16(0))
	f.Fuzz(func(t *testing.T, id []byte, name string, hasName bool, address string, hasAddress bool, micros int64, ticks uint8, offset int16) {
		at := time.UnixMicro(micros).UTC()
		if !utf8.ValidString(name) || !utf8.ValidString(address) || at.Year() < 2 || at.Year() > 9998 || offset < -840 || offset > 840 {
			return // Postgres keeps no such
		}
		row := db.RemoteAssistancePartner{
			OnboardingStatus: db.AllOnboardingStatusValues()[int(ticks)%3], LastConnectionAt: at, LastConnection100ns: int16(ticks % 10), LastConnectionOffset: offset,
		}
		copy(row.ID[:], id)
		if hasName {
			row.DisplayName = &name
		}
		if hasAddress {
			row.OnboardingUrl = &address
		}
		want := encoded{
			Type: "#microsoft.graph.remoteAssistancePartner", ID: row.ID.String(), DisplayName: row.DisplayName, OnboardingURL: row.OnboardingUrl,
			OnboardingStatus:                string(row.OnboardingStatus),
			LastConnectionDateTime:          at.Add(time.Duration(ticks%10) * 100).In(time.FixedZone("", int(offset)*60)).Format("2006-01-02T15:04:05.9999999Z07:00"),
			OnboardingRequestExpiryDateTime: "0001-01-01T00:00:00Z",
		}
		if got := string(graph.AppendBetaPartner(nil, &row)); got != standard(t, want) {
			t.Errorf("got\n%s, encoding/json writes\n%s", got, standard(t, want))
		}
	})
}

func standard(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	// Not those that a doubled backslash precedes: that is a text of six letters.
	plain := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
	return plain.Replace(strings.TrimSuffix(b.String(), "\n"))
}

func BenchmarkEntity(b *testing.B) {
	name, address := "Display Name value", "https://example.com/onboardingUrl/"
	row := db.RemoteAssistancePartner{
		ID: uuid.New(), DisplayName: &name, OnboardingUrl: &address, OnboardingStatus: db.OnboardingStatusOnboarding,
		LastConnectionAt: time.Date(2016, 12, 31, 23, 58, 36, 667003000, time.UTC), LastConnection100ns: 3, LastConnectionOffset: -480,
	}
	b.ReportAllocs()
	for text := []byte(nil); b.Loop(); {
		text = graph.AppendBetaPartner(text[:0], &row)
	}
}
