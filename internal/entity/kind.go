package entity

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Kind says what values a property has, and how they are written and kept.
type Kind int

// The kinds of properties.
const (
	TextKind    Kind = iota // Edm.String; a text column, null for null
	URLKind                 // an Edm.String that holds an absolute http or https URL
	EnumKind                // an enumeration; a column of the enum type
	DateKind                // Edm.DateTimeOffset; two columns, x_ticks and x_offset
	BooleanKind             // Edm.Boolean; a boolean column
	ObjectsKind             // a collection of a complex type; a jsonb column
	StringsKind             // a collection of Edm.String; a jsonb column
	IntegerKind             // Edm.Int32; a bigint column
	FlagsKind               // several members of an enumeration; their sum in a bigint column
	GUIDKind                // Edm.Guid; a uuid column
)

// Value is the value of one property. Which field holds it follows from the kind.
type Value struct {
	Text   string // of a text, a URL and an enumeration; of a collection, its JSON
	Ticks  int64  // of a date, as odata.Ticks counts them
	Offset int16  // of a date: minutes east of UTC
	Number int64  // of an integer; of flags, their sum
	Bool   bool
	Null   bool
}

// NoDate is 0001-01-01T00:00:00Z, which Graph writes where a date that can't be null
// isn't set.
var NoDate = DateValue(time.Time{})

// DateValue is a date as the value of a property.
func DateValue(t time.Time) Value {
	_, seconds := t.Zone()
	return Value{Ticks: odata.Ticks(t), Offset: int16(seconds / 60)}
}

// Time is the date that a value holds, in its own offset.
func (v Value) Time() time.Time { return odata.Time(v.Ticks, v.Offset) }

// Text is a nullable Edm.String of at most limit characters.
func Text(name, column string, limit int) Property {
	return Property{Name: name, Column: column, Kind: TextKind, Max: limit, Nullable: true}
}

// URL is a nullable Edm.String that holds an absolute http or https URL.
func URL(name, column string, limit int) Property {
	return Property{Name: name, Column: column, Kind: URLKind, Max: limit, Nullable: true}
}

// Enum is an enumeration that is never null; its members are in the order of their
// values, from 0, and the first is the default. It is kept in a column of the Postgres
// type sqlType, whose members are the same in the same order.
func Enum(name, column, enumName, sqlType string, members ...string) Property {
	return Property{
		Name: name, Column: column, Kind: EnumKind, EnumSQL: sqlType,
		Enum: &odata.EnumType{Name: Namespace + "." + enumName, Members: members},
	}
}

// Date is an Edm.DateTimeOffset that is never null, kept in the columns column_ticks
// and column_offset.
func Date(name, column string) Property { return Property{Name: name, Column: column, Kind: DateKind} }

// Boolean is an Edm.Boolean that is never null and false by default.
func Boolean(name, column string) Property {
	return Property{Name: name, Column: column, Kind: BooleanKind}
}

// Objects is a nullable collection of a complex type, kept as jsonb.
func Objects(name, column string, object *Complex) Property {
	return Property{Name: name, Column: column, Kind: ObjectsKind, Object: object, Nullable: true}
}

// Strings is a collection of Edm.String, each of at most limit characters, kept as jsonb.
// Null in a body is the empty collection; the items given are the default.
func Strings(name, column string, limit int, items ...string) Property {
	text, err := json.Marshal(slices.Concat([]string{}, items))
	if err != nil {
		panic(err) // texts can be written
	}
	return Property{Name: name, Column: column, Kind: StringsKind, Max: limit, Initial: Value{Text: string(text)}}
}

// Integer is an Edm.Int32 that is never null, kept as bigint.
func Integer(name, column string, initial int64) Property {
	return Property{Name: name, Column: column, Kind: IntegerKind, Initial: Value{Number: initial}}
}

// Flags are members of an enumeration, each a bit, that are never null and kept as their sum;
// the first member is none of them, and the default. Filters don't know flags.
func Flags(name, column, enumName string, members ...string) Property {
	enum := &odata.EnumType{Name: Namespace + "." + enumName, Members: members, Flags: true, Values: []int{0}}
	for bit := range members[1:] {
		enum.Values = append(enum.Values, 1<<bit)
	}
	return Property{Name: name, Column: column, Kind: FlagsKind, Enum: enum}
}

// HiddenID is the key of another entity, which Graph doesn't show as a property.
func HiddenID(name, column string) Property {
	return Property{Name: name, Column: column, Kind: GUIDKind, Hidden: true, Initial: Value{Text: uuid.Nil.String()}}
}

// NotNull takes null from a text; its default is the empty one.
func (p Property) NotNull() Property { p.Nullable = false; return p }

// Computed leaves a property to the service: bodies may name it, to no effect.
func (p Property) Computed() Property { p.ReadOnly = true; return p }

// Stamp lets the service set a date whenever an entity is created and, with changes,
// whenever one is changed.
func (p Property) Stamp(changes bool) Property {
	p.ReadOnly, p.Stamped, p.Restamped = true, true, changes
	return p
}

// Starting makes a member of an enumeration the default.
func (p Property) Starting(member string) Property { p.Initial.Text = member; return p }

// Numbered gives the members of an enumeration their values, where these aren't 0, 1, ….
func (p Property) Numbered(values ...int) Property { p.Enum.Values = values; return p }

// BetaMembers takes members of an enumeration out of v1.0, which shows them as
// unknownFutureValue.
func (p Property) BetaMembers(names ...string) Property {
	p.EnumV1 = &odata.EnumType{Name: p.Enum.Name}
	for i, m := range p.Enum.Members {
		if !slices.Contains(names, m) {
			p.EnumV1.Members, p.EnumV1.Values = append(p.EnumV1.Members, m), append(p.EnumV1.Values, p.Enum.Value(i))
		}
	}
	return p
}

// EnumIn is the enumeration of a property in a version.
func (p *Property) EnumIn(beta bool) *odata.EnumType {
	if beta || p.EnumV1 == nil {
		return p.Enum
	}
	return p.EnumV1
}

// OrNull lets a property be null, which is its default then.
func (p Property) OrNull() Property { p.Nullable = true; return p }

// Beta takes a property out of v1.0.
func (p Property) Beta() Property { p.BetaOnly = true; return p }

// Doc gives a property its description.
func (p Property) Doc(text string) Property { p.Description = text; return p }

// Default is the value of a property that a new entity's body doesn't name.
func (p *Property) Default() Value {
	switch {
	case p.Nullable:
		return Value{Null: true}
	case p.Kind == EnumKind && p.Initial.Text == "":
		return Value{Text: p.Enum.Members[0]}
	case p.Kind == DateKind:
		return NoDate
	}
	return p.Initial
}

// EDM is the type of a property as expressions know it; ok is false if they don't.
func (p *Property) EDM() (t odata.Type, ok bool) {
	switch p.Kind {
	case TextKind, URLKind:
		return odata.String, true
	case EnumKind:
		return odata.Enum, true
	case DateKind:
		return odata.DateTimeOffset, true
	case BooleanKind:
		return odata.Boolean, true
	case IntegerKind:
		return odata.Int64, true
	default:
		return odata.Null, false
	}
}

// TypeName is the type of a property as metadata names it, with the alias graph.
func (p *Property) TypeName() string {
	switch p.Kind {
	case EnumKind, FlagsKind:
		return "graph." + p.Enum.Name[len(Namespace)+1:]
	case GUIDKind:
		return "Edm.Guid"
	case ObjectsKind:
		return "Collection(graph." + p.Object.Name + ")"
	case StringsKind:
		return "Collection(Edm.String)"
	case IntegerKind:
		return "Edm.Int32"
	default:
		t, _ := p.EDM()
		return t.String()
	}
}

// MayBeNull reports whether metadata says that a property may be null: a collection of
// texts may, and null is its empty one.
func (p *Property) MayBeNull() bool { return p.Nullable || p.Kind == StringsKind }

// IsCollection reports whether a property holds several values, as JSON.
func (p *Property) IsCollection() bool { return p.Kind == ObjectsKind || p.Kind == StringsKind }

// AbsoluteURL reports whether text is an http or https URL with a host, as a URL must be.
func AbsoluteURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Columns are the columns that hold a property.
func (p *Property) Columns() []string {
	if p.Kind == DateKind {
		return []string{p.Column + "_ticks", p.Column + "_offset"}
	}
	return []string{p.Column}
}
