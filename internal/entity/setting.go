package entity

import (
	"time"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// member sets an enumeration to one of its members.
func member(name string) Setting { return Setting{Value: Value{Text: name}} }

// never sets a date to NoDate.
var never = Setting{Value: NoDate}

// in sets a date to the time of the call plus a period.
func in(period time.Duration) Setting {
	return Setting{Now: true, After: int64(period / (time.Second / time.Duration(odata.TicksPerSecond)))}
}

// At returns the value that a call at a time sets.
func (s Setting) At(now time.Time) Value {
	if !s.Now {
		return s.Value
	}
	v := DateValue(now.UTC())
	v.Number += s.After
	return v
}

// States returns the states in which the action has an effect.
func (a *Action) States(t *Type) []string {
	if a.From != nil || t.State == "" {
		return a.From
	}
	return t.Properties[t.Index(t.State)].Enum.Members
}

// Values returns the values that a call of the action at a time sets; named says which
// properties it sets.
func (a *Action) Values(t *Type, now time.Time) (values []Value, named []bool) {
	values, named = t.Defaults(), make([]bool, len(t.Properties))
	for i := range t.Properties {
		if s, sets := a.To[t.Properties[i].Name]; sets {
			values[i], named[i] = s.At(now), true
		}
	}
	return values, named
}
