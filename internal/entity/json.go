package entity

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Form says how values are written: complex values with the properties of one version, and
// with or without the names of derived types.
type Form struct{ Beta, Typed bool }

// AppendJSON appends a value of the property as JSON.
func (p *Property) AppendJSON(b []byte, v Value, form Form) []byte {
	if v.Null {
		return append(b, "null"...)
	}
	switch p.Kind {
	case DateKind:
		return append(odata.AppendTicks(append(b, '"'), v.Number, v.Offset), '"')
	case BooleanKind:
		return strconv.AppendBool(b, v.Bool())
	case IntegerKind:
		return strconv.AppendInt(b, v.Number, 10)
	case EnumKind:
		if p.EnumV1 != nil && !slices.Contains(p.EnumIn(form.Beta).Members, v.Text) {
			return append(b, `"unknownFutureValue"`...)
		}
		return append(append(append(b, '"'), v.Text...), '"') // a name
	case FlagsKind:
		return append(append(append(b, '"'), p.Enum.FlagNames(v.Number)...), '"')
	case StringsKind:
		compact := jsontext.Value(v.Text) // jsonb contains spaces
		_ = compact.Compact()             // can't fail: Postgres returns valid JSON
		return append(b, compact...)
	case ObjectKind:
		return appendKept(b, p.Object, v.Text, form)
	case ObjectsKind:
		return AppendObjects(b, p.Object, v.Text, form.Typed, form.Beta)
	}
	return AppendString(b, v.Text)
}

// unescaped has the bytes that JSON shows as they are.
var unescaped = func() (all [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		all[c] = c != '"' && c != '\\'
	}
	return all
}()

// AppendString appends text as JSON.
func AppendString(b []byte, text string) []byte {
	for i := range len(text) {
		if !unescaped[text[i]] {
			b, _ = jsontext.AppendQuote(b, text) // fails only for invalid UTF-8, which Postgres doesn't store
			return b
		}
	}
	return append(append(append(b, '"'), text...), '"') // nearly all
}
