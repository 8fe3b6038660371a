package odata

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is a primitive type of the entity data model that expressions support; every integer
// is an Int64.
type Type int

// The types of expressions.
const (
	Null Type = iota // the literal null, which has every type
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

// EnumType is an enumeration.
type EnumType struct {
	Name    string   // qualified
	Members []string // in the order of their values
	Values  []int    // nil means 0, 1, …
	Flags   bool     // whether a value may have several members; the first means none of them
}

// FlagNames returns the members whose values add up to sum, separated by commas.
func (t *EnumType) FlagNames(sum int64) string {
	var names []string
	for i, m := range t.Members {
		if bit := int64(t.Value(i)); sum&bit != 0 {
			names = append(names, m)
		}
	}
	if names == nil {
		return t.Members[0]
	}
	return strings.Join(names, ",")
}

// ParseFlags adds up the values of members that are separated by commas and optional spaces.
// unknown is the first member that the enumeration doesn't have.
func (t *EnumType) ParseFlags(text string) (sum int64, unknown string, ok bool) {
	for name := range strings.SplitSeq(text, ",") {
		i := slices.Index(t.Members, strings.TrimSpace(name))
		if i < 0 {
			return 0, strings.TrimSpace(name), false
		}
		sum |= int64(t.Value(i))
	}
	return sum, "", true
}

// sum reads members, or a number that is the sum of some.
func (t *EnumType) sum(text string) (int64, bool) {
	sum, _, ok := t.ParseFlags(text)
	if ok {
		return sum, true
	}
	number, err := strconv.ParseInt(text, 10, 64)
	sum, _, _ = t.ParseFlags(t.FlagNames(number))
	return number, err == nil && sum == number
}

// Value returns the value of the member at an index.
func (t *EnumType) Value(at int) int {
	if t.Values == nil {
		return at
	}
	return t.Values[at]
}

// Property is a property of the resource.
type Property struct {
	Name     string
	Type     Type
	Enum     *EnumType // if Type is Enum
	Nullable bool

	// Collection says that the property has any number of values of the type. Of these,
	// expressions take only any and all.
	Collection bool

	// Members are the properties of complex values. Expressions take paths to these.
	Members []Property

	// SelectOnly keeps the property out of expressions, which don't support its type.
	SelectOnly bool
}

// Expr is a common expression (URL Conventions 5.1.1) whose names are resolved and whose
// types are checked.
type Expr struct {
	// Op is "literal", "property", an operator (eq ne gt ge lt le has and or not in add sub
	// mul div divby mod neg), the lower-case name of a function, one of Lambdas, whose arguments
	// are a "variable" and what is asked of it ("any" may have none), or "member", of the
	// complex value that is its argument.
	Op   string
	Type Type
	Enum *EnumType
	Name string // of the property, member or variable
	Args []*Expr

	// Value is a literal's value: nil, bool, string (also for Guid, Enum and Decimal),
	// int64 (also for an Enum with flags), float64, time.Time for a DateTimeOffset, and otherwise ticks of 100 ns as an
	// int64: since 1970 for a Date, since midnight for a TimeOfDay.
	Value any
}

// Key is one key of $orderby (URL Conventions 5.1.4).
type Key struct {
	Expr       *Expr
	Descending bool
}

// TicksPerSecond is the number of ticks of 100 ns in a second.
const TicksPerSecond = int64(time.Second / tick)

// Ticks returns the number of ticks of 100 ns from 1970-01-01T00:00:00Z to t.
func Ticks(t time.Time) int64 { return t.Unix()*TicksPerSecond + int64(t.Nanosecond())/int64(tick) }

// String returns the expression in OData's syntax, fully parenthesised. Two expressions
// with equal strings mean the same.
func (e *Expr) String() string { return string(e.append(nil)) }

func (e *Expr) append(b []byte) []byte {
	switch e.Op {
	case "literal":
		return append(b, e.literal()...)
	case "property", "variable":
		return append(b, e.Name...)
	case "member":
		return append(append(e.Args[0].append(b), '/'), e.Name...)
	case "any", "all":
		return e.appendLambda(append(append(append(append(b, e.Name...), '/'), e.Op...), '('))
	case "not":
		return append(e.Args[0].append(append(b, "not ("...)), ')')
	case "neg":
		return append(e.Args[0].append(append(b, "-("...)), ')')
	case "in":
		b = append(e.Args[0].append(append(b, '(')), " in ("...)
		return append(appendAll(b, e.Args[1:], e.Args[0]), "))"...)
	}
	if _, ok := operators[e.Op]; ok || e.Op == "has" {
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

// appendLambda appends the variable of a lambda and what is asked of it.
func (e *Expr) appendLambda(b []byte) []byte {
	if len(e.Args) > 0 {
		b = e.Args[1].append(append(append(b, e.Args[0].Name...), ':'))
	}
	return append(b, ')')
}

// appendAll appends expressions separated by commas, each as an operand next to other.
func appendAll(b []byte, all []*Expr, other *Expr) []byte {
	for i, e := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.appendBeside(b, other)
	}
	return b
}

// appendBeside appends an operand. A member of an enumeration is written as a plain string
// if the other operand tells its type, as clients do.
func (e *Expr) appendBeside(b []byte, other *Expr) []byte {
	if e.Op == "literal" && e.Type == Enum && other.Type == Enum && other.Op != "literal" {
		return append(b, quote(e.members())...)
	}
	return e.append(b)
}

// members returns the value of an enumeration's literal.
func (e *Expr) members() string {
	if sum, ok := e.Value.(int64); ok {
		return e.Enum.FlagNames(sum)
	}
	return e.Value.(string)
}

func (e *Expr) literal() string {
	if e.Type == Enum {
		return e.Enum.Name + quote(e.members())
	}
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
		if e.Type == String {
			return quote(v)
		}
		return v
	}
	return ""
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
