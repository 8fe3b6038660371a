package entity

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Form is how values are written: complex values in the form of one version, with the
// types of those that have another than the declared one or without.
type Form struct{ Beta, Typed bool }

// AppendJSON appends a value of the property as JSON.
func (p *Property) AppendJSON(b []byte, v Value, form Form) []byte {
	if v.Null {
		return append(b, "null"...)
	}
	switch p.Kind {
	case DateKind:
		return append(odata.AppendTicks(append(b, '"'), v.Ticks, v.Offset), '"')
	case BooleanKind:
		return strconv.AppendBool(b, v.Bool)
	case IntegerKind:
		return strconv.AppendInt(b, v.Number, 10)
	case EnumKind:
		if p.EnumV1 != nil && !slices.Contains(p.EnumIn(form.Beta).Members, v.Text) {
			return append(b, `"unknownFutureValue"`...)
		}
	case FlagsKind:
		return append(append(append(b, '"'), p.Enum.FlagNames(v.Number)...), '"')
	case StringsKind:
		compact := jsontext.Value(v.Text) // jsonb has blanks
		_ = compact.Compact()             // it came out of Postgres
		return append(b, compact...)
	case ObjectsKind:
		return AppendObjects(b, p.Object, v.Text, form.Typed, form.Beta)
	}
	return AppendString(b, v.Text)
}

// AppendString appends text as JSON.
func AppendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, _ = jsontext.AppendQuote(b, text) // invalid UTF-8, its only error, can't come out of Postgres
			return b
		}
	}
	return append(append(append(b, '"'), text...), '"') // nearly all
}
