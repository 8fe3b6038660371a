package entity

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Kind says which values a property has, and how they are written and stored.
type Kind int

// The kinds of properties.
const (
	TextKind    Kind = iota // Edm.String; a text column, null for null
	URLKind                 // an Edm.String with an absolute http or https URL
	EnumKind                // an enumeration; a column of the enum type
	DateKind                // Edm.DateTimeOffset; two columns, x_ticks and x_offset
	BooleanKind             // Edm.Boolean; a boolean column
	ObjectsKind             // a collection of a complex type; a jsonb column
	StringsKind             // a collection of Edm.String; a jsonb column
	IntegerKind             // Edm.Int32; a bigint column
	FlagsKind               // several members of an enumeration; their sum in a bigint column
	GUIDKind                // Edm.Guid; a uuid column
	ObjectKind              // a complex type; a jsonb column
)

// Value is the value of one property. The property's kind says which field has it. The
// compiler keeps four words in registers, and a longer value in memory, which slows lists.
type Value struct {
	Text   string // of a text, a URL and an enumeration; of a collection, its JSON
	Number int64  // of an integer; of flags, their sum; of a date, its odata.Ticks; of a boolean, 0 or 1
	Offset int16  // of a date: minutes east of UTC
	Null   bool
}

// BoolValue returns a boolean as the value of a property.
func BoolValue(b bool) Value {
	if b {
		return Value{Number: 1}
	}
	return Value{}
}

// Bool returns the boolean in a value.
func (v Value) Bool() bool { return v.Number != 0 }

// NoDate is 0001-01-01T00:00:00Z, which Graph writes for an unset date that can't be null.
var NoDate = DateValue(time.Time{})

// DateValue returns a date as the value of a property.
func DateValue(t time.Time) Value {
	_, seconds := t.Zone()
	return Value{Number: odata.Ticks(t), Offset: int16(seconds / 60)}
}

// Time returns the date in a value, in its own offset.
func (v Value) Time() time.Time { return odata.Time(v.Number, v.Offset) }

// Text returns a nullable Edm.String of at most limit characters.
func Text(name, column string, limit int) Property {
	return Property{Name: name, Column: column, Kind: TextKind, Max: limit, Nullable: true}
}

// URL returns a nullable Edm.String with an absolute http or https URL.
func URL(name, column string, limit int) Property {
	return Property{Name: name, Column: column, Kind: URLKind, Max: limit, Nullable: true}
}

// Enum returns an enumeration that can't be null. Its members are in the order of their
// values, from 0, and the first is the default. Its column has the Postgres type sqlType,
// with the same members in the same order.
func Enum(name, column, enumName, sqlType string, members ...string) Property {
	return Property{
		Name: name, Column: column, Kind: EnumKind, EnumSQL: sqlType,
		Enum: &odata.EnumType{Name: Namespace + "." + enumName, Members: members},
	}
}

// Date returns an Edm.DateTimeOffset that can't be null, with the columns column_ticks and
// column_offset.
func Date(name, column string) Property { return Property{Name: name, Column: column, Kind: DateKind} }

// Boolean returns an Edm.Boolean that can't be null and is false by default.
func Boolean(name, column string) Property {
	return Property{Name: name, Column: column, Kind: BooleanKind}
}

// Objects returns a nullable collection of a complex type, with a jsonb column.
func Objects(name, column string, object *Complex) Property {
	return Property{Name: name, Column: column, Kind: ObjectsKind, Object: object, Nullable: true}
}

// Strings returns a collection of Edm.String, each of at most limit characters, with a jsonb
// column. Null in a body means an empty collection. items is the default.
func Strings(name, column string, limit int, items ...string) Property {
	text, err := json.Marshal(slices.Concat([]string{}, items))
	if err != nil {
		panic(err) // can't happen for strings
	}
	return Property{Name: name, Column: column, Kind: StringsKind, Max: limit, Initial: Value{Text: string(text)}}
}

// Integer returns an Edm.Int32 that can't be null, with a bigint column.
func Integer(name, column string, initial int64) Property {
	return Property{Name: name, Column: column, Kind: IntegerKind, Initial: Value{Number: initial}}
}

// Flags returns an enumeration of which a value may have several members. Each is a bit, and
// a bigint column stores their sum. The first member means none of them and is the default.
func Flags(name, column, enumName string, members ...string) Property {
	enum := &odata.EnumType{Name: Namespace + "." + enumName, Members: members, Flags: true, Values: []int{0}}
	for bit := range members[1:] {
		enum.Values = append(enum.Values, 1<<bit)
	}
	return Property{Name: name, Column: column, Kind: FlagsKind, Enum: enum}
}

// HiddenID returns a property with the key of another entity, which Graph doesn't show.
func HiddenID(name, column string) Property {
	return Property{Name: name, Column: column, Kind: GUIDKind, Hidden: true, Initial: Value{Text: uuid.Nil.String()}}
}

// NotNull makes a text that can't be null and is empty by default.
func (p Property) NotNull() Property { p.Nullable = false; return p }

// Computed makes a property that only the service sets; bodies may contain it without effect.
func (p Property) Computed() Property { p.ReadOnly = true; return p }

// Stamp makes a date that the service sets when an entity is created and, with changes, each
// time that it changes.
func (p Property) Stamp(changes bool) Property {
	p.ReadOnly, p.Stamped, p.Restamped = true, true, changes
	return p
}

// Starting makes a member of an enumeration the default.
func (p Property) Starting(member string) Property { p.Initial.Text = member; return p }

// Numbered sets the values of an enumeration's members if they aren't 0, 1, ….
func (p Property) Numbered(values ...int) Property { p.Enum.Values = values; return p }

// BetaMembers removes members of an enumeration from v1.0, which shows them as
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

// EnumIn returns the enumeration of a property in a version.
func (p *Property) EnumIn(beta bool) *odata.EnumType {
	if beta || p.EnumV1 == nil {
		return p.Enum
	}
	return p.EnumV1
}

// OrNull lets a property be null, and makes that the default.
func (p Property) OrNull() Property { p.Nullable = true; return p }

// Beta removes a property from v1.0.
func (p Property) Beta() Property { p.BetaOnly = true; return p }

// Doc sets a property's description.
func (p Property) Doc(text string) Property { p.Description = text; return p }

// Default returns the value of a property that a new entity's body leaves out.
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

// Queried describes a property, in a version of Graph, to expressions.
func (p *Property) Queried(beta bool) odata.Property {
	t, known := p.EDM()
	q := odata.Property{Name: p.Name, Type: t, Enum: p.EnumIn(beta), Nullable: p.Nullable, Collection: p.IsCollection()}
	if p.Object != nil {
		q.Members = p.Object.queried(beta)
		known = known || q.Members != nil
	}
	q.SelectOnly = !known
	return q
}

// queried describes the members of a complex type to expressions, which take texts only.
func (c *Complex) queried(beta bool) (all []odata.Property) {
	for _, m := range c.Members() {
		if beta || !m.BetaOnly {
			q := odata.Property{Name: m.Name, Type: odata.String, Nullable: true}
			if m.Object != nil && !m.Many {
				q.Members = m.Object.queried(beta)
			}
			q.SelectOnly = m.Many || m.Enum != nil || m.Object != nil && q.Members == nil
			all = append(all, q)
		}
	}
	return all
}

// EDM returns the type of a property in expressions, or of the items of a collection; ok is
// false if they don't support it.
func (p *Property) EDM() (t odata.Type, ok bool) {
	switch p.Kind {
	case TextKind, URLKind, StringsKind:
		return odata.String, true
	case EnumKind, FlagsKind:
		return odata.Enum, true
	case DateKind:
		return odata.DateTimeOffset, true
	case BooleanKind:
		return odata.Boolean, true
	case IntegerKind:
		return odata.Int64, true
	case GUIDKind:
		return odata.Guid, true
	default:
		return odata.Null, false
	}
}

// TypeName returns the type of a property as metadata names it, with the alias graph.
func (p *Property) TypeName() string {
	switch p.Kind {
	case EnumKind, FlagsKind:
		return "graph." + p.Enum.Name[len(Namespace)+1:]
	case GUIDKind:
		return "Edm.Guid"
	case ObjectKind:
		return "graph." + p.Object.Name
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

// MayBeNull reports whether metadata says that a property may be null. That includes
// collections of texts, for which null means an empty collection.
func (p *Property) MayBeNull() bool { return p.Nullable || p.Kind == StringsKind }

// IsCollection reports whether a property holds several values, as JSON.
func (p *Property) IsCollection() bool { return p.Kind == ObjectsKind || p.Kind == StringsKind }

// IsPrimitive reports whether a property holds one value without parts.
func (p *Property) IsPrimitive() bool { return !p.IsCollection() && p.Kind != ObjectKind }

// AbsoluteURL reports whether text is an http or https URL with a host.
func AbsoluteURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Columns returns the columns of a property.
func (p *Property) Columns() []string {
	if p.Kind == DateKind {
		return []string{p.Column + "_ticks", p.Column + "_offset"}
	}
	return []string{p.Column}
}
