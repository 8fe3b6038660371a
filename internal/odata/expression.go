package odata

import (
	"strconv"
	"strings"
	"time"
)

// Type is a primitive type of the entity data model, as far as expressions know
// it; every integer is an Int64.
type Type int

// The types of expressions.
const (
	Null Type = iota // of the literal null, which is of every type
	Boolean
	String
	Enum
	Guid
	Int64
	Decimal
	Double
	Date
	TimeOfDay
	DateTimeOffset
	Duration
)

func (t Type) String() string {
	return [...]string{
		"null", "Edm.Boolean", "Edm.String", "enumeration", "Edm.Guid", "Edm.Int64", "Edm.Decimal", "Edm.Double",
		"Edm.Date", "Edm.TimeOfDay", "Edm.DateTimeOffset", "Edm.Duration",
	}[t]
}

func (t Type) numeric() bool { return t == Int64 || t == Decimal || t == Double }

// EnumType is an enumeration without flags.
type EnumType struct {
	Name    string   // qualified
	Members []string // in the order of their values, from 0
}

// Property is a property of the resource.
type Property struct {
	Name     string
	Type     Type
	Enum     *EnumType // of a property of type Enum
	Nullable bool
}

// Expr is a common expression (URL Conventions 5.1.1) whose names are resolved
// and whose types fit.
type Expr struct {
	// Op is "literal", "property", an operator (eq ne gt ge lt le and or not in
	// add sub mul div divby mod neg), or the name of a function, in lower case.
	Op   string
	Type Type
	Enum *EnumType
	Name string // of a property
	Args []*Expr

	// Value is that of a literal: nil, bool, string (also of Guid, Enum and
	// Decimal), int64, float64, time.Time of a DateTimeOffset, and ticks of 100
	// ns as an int64 of the others: since 1970 of a Date, since midnight of a
	// TimeOfDay.
	Value any
}

// Key is one key of $orderby (URL Conventions 5.1.4).
type Key struct {
	Expr       *Expr
	Descending bool
}

// TicksPerSecond is the number of ticks of 100 ns in a second.
const TicksPerSecond = int64(time.Second / tick)

// Ticks is how many ticks of 100 ns an instant is after 1970-01-01T00:00:00Z.
func Ticks(t time.Time) int64 { return t.Unix()*TicksPerSecond + int64(t.Nanosecond())/int64(tick) }

// String writes the expression back in OData's own words, fully parenthesised:
// two expressions that are written alike mean the same.
func (e *Expr) String() string { return string(e.append(nil)) }

func (e *Expr) append(b []byte) []byte {
	switch e.Op {
	case "literal":
		return append(b, e.literal()...)
	case "property":
		return append(b, e.Name...)
	case "not":
		return append(e.Args[0].append(append(b, "not ("...)), ')')
	case "neg":
		return append(e.Args[0].append(append(b, "-("...)), ')')
	case "in":
		b = append(e.Args[0].append(append(b, '(')), " in ("...)
		return append(appendAll(b, e.Args[1:], e.Args[0]), "))"...)
	}
	if _, ok := operators[e.Op]; ok {
		b = e.Args[0].appendBeside(append(b, '('), e.Args[1])
		b = append(append(append(b, ' '), e.Op...), ' ')
		return append(e.Args[1].appendBeside(b, e.Args[0]), ')')
	}
	b = append(append(b, e.Op...), '(')
	b = appendAll(b, e.Args, e)
	if e.Op == "cast" {
		b = append(append(b, ','), e.Name...)
	}
	return append(b, ')')
}

// appendAll appends expressions, with commas between them, that stand beside another.
func appendAll(b []byte, all []*Expr, other *Expr) []byte {
	for i, e := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.appendBeside(b, other)
	}
	return b
}

// appendBeside appends an operand. A member of an enumeration is a mere string where
// the other operand tells of which, as clients write it.
func (e *Expr) appendBeside(b []byte, other *Expr) []byte {
	if member, ok := e.Value.(string); ok && e.Type == Enum && other.Type == Enum && other.Op != "literal" {
		return append(b, quote(member)...)
	}
	return e.append(b)
}

func (e *Expr) literal() string {
	switch v := e.Value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return formatDouble(v)
	case time.Time:
		return string(AppendDateTimeOffset(nil, v))
	case int64:
		switch e.Type {
		case Date:
			return time.Unix(v/TicksPerSecond, 0).UTC().Format(time.DateOnly)
		case TimeOfDay:
			return time.Unix(0, v*int64(tick)).UTC().Format("15:04:05.9999999")
		case Duration:
			return "duration'" + formatDuration(v) + "'"
		}
		return strconv.FormatInt(v, 10)
	case string:
		switch e.Type {
		case Enum:
			return e.Enum.Name + quote(v)
		case String:
			return quote(v)
		}
		return v
	}
	return ""
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
