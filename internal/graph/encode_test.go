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
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/graph"
)

// madeUp is a row of any entity with random values.
type madeUp struct {
	key    db.Key
	values []entity.Value
}

func (r madeUp) Key() db.Key                { return r.key }
func (r madeUp) Head() db.Head              { return db.Head{} }
func (r madeUp) Value(i int) entity.Value   { return r.values[i] }
func (r *madeUp) set(p int, v entity.Value) { r.values[p] = v }
func newMadeUp(e *entity.Type, id []byte) madeUp {
	r := madeUp{values: e.Defaults()}
	copy(r.key.ID[:], id)
	return r
}

// Every entity is written as by encoding/json, byte for byte, except two line separators,
// which encoding/json escapes for JavaScript.
func FuzzEntity(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "TeamViewer", uint16(0), int64(1483257516667003), uint8(3), int16(-480))
	f.Add([]byte{}, "\u2028\u2029\\u2028 \"\\\b\f\n\r\t\x00\x1f\x7f<>&é\U0001f600", uint16(1), int64(-62135596800000000), uint8(0), int16(0))
	f.Add([]byte{1}, "x", uint16(0xffff), int64(0), uint8(7), int16(840))
	f.Fuzz(func(t *testing.T, id []byte, text string, nulls uint16, micros int64, ticks uint8, offset int16) {
		at := time.UnixMicro(micros).UTC()
		if !utf8.ValidString(text) || at.Year() < 2 || at.Year() > 9998 || offset < -840 || offset > 840 {
			return // Postgres can't store it
		}
		for _, e := range entity.All {
			row, want := newMadeUp(e, id), ""
			for i := range e.Properties {
				p := &e.Properties[i]
				if p.Hidden {
					continue
				}
				if null := nulls>>(i%16)&1 == 1; !p.Nullable || !null {
					row.set(i, random(p, text, micros*10+int64(ticks%10), offset))
				}
				want += `,"` + p.Name + `":` + standard(t, plain(p, row.Value(i)))
			}
			want = `"id":` + standard(t, e.Key(row.key.ID, row.Value)) + want
			if e.Typed {
				want = `"@odata.type":"#` + e.QualifiedName() + `",` + want
			}
			if got := string(graph.AppendBeta(e, nil, row)); got != "{"+want+"}" {
				t.Errorf("got\n%s, encoding/json writes\n{%s}", got, want)
			}
		}
	})
}

// random returns a random value of the property.
func random(p *entity.Property, text string, ticks int64, offset int16) entity.Value {
	switch p.Kind {
	case entity.TextKind, entity.URLKind:
		return entity.Value{Text: text}
	case entity.EnumKind:
		return entity.Value{Text: p.Enum.Members[int(uint64(ticks)%uint64(len(p.Enum.Members)))]}
	case entity.DateKind:
		return entity.Value{Number: ticks, Offset: offset}
	case entity.BooleanKind:
		return entity.BoolValue(ticks%2 == 0)
	}
	return p.Default()
}

// plain returns a value for encoding/json, which doesn't know the form of complex values
// and numbers. Golden exchanges show that form.
func plain(p *entity.Property, v entity.Value) any {
	switch {
	case v.Null:
		return nil
	case p.Kind == entity.DateKind:
		return v.Time().Format("2006-01-02T15:04:05.9999999Z07:00")
	case p.Kind == entity.BooleanKind:
		return v.Bool()
	case p.Kind == entity.TextKind, p.Kind == entity.URLKind, p.Kind == entity.EnumKind:
		return v.Text
	}
	return json.RawMessage(p.AppendJSON(nil, v, entity.Form{Beta: true, Typed: true}))
}

func standard(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	// Skip escapes after a doubled backslash: those are literal text.
	plain := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
	return plain.Replace(strings.TrimSuffix(b.String(), "\n"))
}

func BenchmarkEntity(b *testing.B) {
	name, address := "Display Name value", "https://example.com/onboardingUrl/"
	row := db.RemoteAssistancePartner{
		ID: uuid.New(), DisplayName: &name, OnboardingUrl: &address, OnboardingStatus: db.OnboardingStatusOnboarding,
		LastConnectionTicks: 14832575166670033, LastConnectionOffset: -480, RequestExpiryTicks: entity.NoDate.Number,
	}
	b.ReportAllocs()
	for text := []byte(nil); b.Loop(); {
		text = graph.AppendBeta(&entity.RemoteAssistancePartner, text[:0], &row)
	}
}
