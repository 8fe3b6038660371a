package odata

import (
	"slices"
	"strings"
	"time"
)

// binary makes an operator of two operands whose types must match, after converting
// literals to the type of the other operand.
func (p *parser) binary(op string, at int, x, y *Expr) (*Expr, error) {
	x, y = convert(x, y), convert(y, x)
	t, ok := resultType(op, x, y)
	if !ok {
		if x.Type == Enum && y.Op == "literal" && y.Type == String {
			return nil, p.failAt(at, "The string '%s' is not a valid enumeration type constant of '%s'", y.Value, x.Enum.Name)
		}
		if y.Type == Enum && x.Op == "literal" && x.Type == String {
			return nil, p.failAt(at, "The string '%s' is not a valid enumeration type constant of '%s'", x.Value, y.Enum.Name)
		}
		return nil, p.failAt(at, "A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator '%s'", x.typeName(), y.typeName(), op)
	}
	if (op == "div" || op == "mod" || op == "divby") && y.Op == "literal" && isZero(y) {
		return nil, p.failAt(at, "The right operand of '%s' is zero", op)
	}
	if op == "mod" && t == Double {
		return nil, p.failAt(at, "The operator 'mod' is not supported for Edm.Double")
	}
	return p.node(&Expr{Op: op, Type: t, Enum: nil, Args: []*Expr{x, y}})
}

func isZero(e *Expr) bool {
	switch v := e.Value.(type) {
	case int64:
		return v == 0
	case float64:
		return v == 0
	case string:
		return strings.Trim(v, "-0.") == ""
	}
	return false
}

// convert turns a string literal into an enumeration member or a duration if the other
// operand is one (URL Conventions 5.1.1.14.1), and a date into its midnight in UTC if the
// other operand is a point in time, as in Graph's examples.
// https://learn.microsoft.com/graph/filter-query-parameter
func convert(e, other *Expr) *Expr {
	if e.Op == "literal" && e.Type == Date && other.Type == DateTimeOffset {
		return literal(DateTimeOffset, time.Unix(e.Value.(int64)/TicksPerSecond, 0).UTC())
	}
	text, ok := e.Value.(string) // only literals have values
	if e.Type != String || !ok {
		return e
	}
	switch other.Type {
	case Enum:
		if member, ok := other.Enum.member(text); ok {
			return member
		}
	case Duration:
		if ticks, ok := parseDuration(text); ok {
			return literal(Duration, ticks)
		}
	}
	return e
}

// resultType returns the type of an operator's result; ok is false if it doesn't take these
// operands.
func resultType(op string, x, y *Expr) (Type, bool) {
	a, b := x.Type, y.Type
	switch op {
	case "and", "or":
		return Boolean, isOrNull(a, Boolean) && isOrNull(b, Boolean)
	case "eq", "ne", "has":
		return Boolean, comparable(x, y)
	case "gt", "ge", "lt", "le":
		return Boolean, comparable(x, y) && a.ordered() && b.ordered()
	}
	if a == Null || b == Null {
		if a == Null {
			a = b
		}
		return a, a == Null || a.numeric() || a == Duration || a == Date || a == DateTimeOffset
	}
	if a.numeric() && b.numeric() {
		return arithmetic(op, a, b), true
	}
	return temporal(op, a, b)
}

// ordered reports whether values of the type can be compared with gt, ge, lt and le.
func (t Type) ordered() bool { return t != Boolean && t != Guid }

func isOrNull(t, want Type) bool { return t == want || t == Null }

func comparable(x, y *Expr) bool {
	a, b := x.Type, y.Type
	switch {
	case a == Null, b == Null:
		return true
	case a.numeric() && b.numeric():
		return true
	}
	return a == b && x.Enum == y.Enum
}

// arithmetic promotes numbers (URL Conventions 5.1.1.2.7).
func arithmetic(op string, a, b Type) Type {
	switch {
	case a == Double || b == Double:
		return Double
	case a == Decimal || b == Decimal || op == "divby":
		return Decimal
	}
	return Int64
}

// temporal types the arithmetic of dates and durations (URL Conventions 5.1.1.2.1 to 4).
func temporal(op string, a, b Type) (Type, bool) {
	switch op {
	case "add":
		switch {
		case a == DateTimeOffset && b == Duration, a == Date && b == Duration, a == Duration && b == Duration:
			return a, true
		}
	case "sub":
		switch {
		case a == b && (a == DateTimeOffset || a == Date || a == Duration):
			return Duration, true
		case (a == DateTimeOffset || a == Date) && b == Duration:
			return a, true
		}
	case "mul":
		return Duration, a == Duration && b == Int64 || a == Int64 && b == Duration
	case "div":
		return Duration, a == Duration && b == Int64
	}
	return Null, false
}

// signature is one way to call a function.
type signature struct {
	args   []Type
	result Type
}

// functions are the canonical functions (URL Conventions 5.1.1.4 to 9), by lower-case name.
var functions = map[string][]signature{
	"concat":             {{[]Type{String, String}, String}},
	"contains":           {{[]Type{String, String}, Boolean}},
	"endswith":           {{[]Type{String, String}, Boolean}},
	"indexof":            {{[]Type{String, String}, Int64}},
	"length":             {{[]Type{String}, Int64}},
	"startswith":         {{[]Type{String, String}, Boolean}},
	"substring":          {{[]Type{String, Int64}, String}, {[]Type{String, Int64, Int64}, String}},
	"tolower":            {{[]Type{String}, String}},
	"toupper":            {{[]Type{String}, String}},
	"trim":               {{[]Type{String}, String}},
	"year":               {{[]Type{DateTimeOffset}, Int64}, {[]Type{Date}, Int64}},
	"month":              {{[]Type{DateTimeOffset}, Int64}, {[]Type{Date}, Int64}},
	"day":                {{[]Type{DateTimeOffset}, Int64}, {[]Type{Date}, Int64}},
	"hour":               {{[]Type{DateTimeOffset}, Int64}, {[]Type{TimeOfDay}, Int64}},
	"minute":             {{[]Type{DateTimeOffset}, Int64}, {[]Type{TimeOfDay}, Int64}},
	"second":             {{[]Type{DateTimeOffset}, Int64}, {[]Type{TimeOfDay}, Int64}},
	"fractionalseconds":  {{[]Type{DateTimeOffset}, Decimal}, {[]Type{TimeOfDay}, Decimal}},
	"date":               {{[]Type{DateTimeOffset}, Date}},
	"time":               {{[]Type{DateTimeOffset}, TimeOfDay}},
	"totaloffsetminutes": {{[]Type{DateTimeOffset}, Int64}},
	"totalseconds":       {{[]Type{Duration}, Decimal}},
	"now":                {{nil, DateTimeOffset}},
	"mindatetime":        {{nil, DateTimeOffset}},
	"maxdatetime":        {{nil, DateTimeOffset}},
	"round":              {{[]Type{Decimal}, Decimal}, {[]Type{Double}, Double}, {[]Type{Int64}, Decimal}},
	"floor":              {{[]Type{Decimal}, Decimal}, {[]Type{Double}, Double}, {[]Type{Int64}, Decimal}},
	"ceiling":            {{[]Type{Decimal}, Decimal}, {[]Type{Double}, Double}, {[]Type{Int64}, Decimal}},
}

// Functions lists the names of the supported functions.
func Functions() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range functions {
			if !yield(name) {
				return
			}
		}
		_ = yield("cast") && yield("isof")
	})
}

// refused are functions of the standard that aren't supported, each with the reason.
var refused = map[string]string{
	"matchespattern": "regular expressions are not run here", "hassubset": "of collections, expressions take only any and all", "hassubsequence": "of collections, expressions take only any and all",
	"geo.distance": "there are no places", "geo.intersects": "there are no places", "geo.length": "there are no places",
	"case": "conditional expressions are not served", "any": "it follows a collection and a slash", "all": "it follows a collection and a slash",
}

// minDateTime and maxDateTime bound Edm.DateTimeOffset here.
var (
	minDateTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	maxDateTime = time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)
)

// function reads the arguments of a function and finds the signature that they match.
func (p *parser) function(name string, at int) (*Expr, error) {
	lower := strings.ToLower(name)
	if lower == "cast" || lower == "isof" {
		return p.typeFunction(lower, at)
	}
	if why, ok := refused[lower]; ok {
		return nil, p.failAt(at, "The function '%s' is not supported: %s", name, why)
	}
	ways, ok := functions[lower]
	if !ok {
		return nil, p.failAt(at, "An unknown function with name '%s' was found", name)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	for _, way := range ways {
		if !way.takes(args) {
			continue
		}
		if err := p.checkArguments(lower, args, at); err != nil {
			return nil, err
		}
		switch lower {
		case "now":
			return p.node(literal(DateTimeOffset, p.resource.Now))
		case "mindatetime":
			return p.node(literal(DateTimeOffset, minDateTime))
		case "maxdatetime":
			return p.node(literal(DateTimeOffset, maxDateTime))
		}
		return p.node(&Expr{Op: lower, Type: way.result, Args: args})
	}
	var types []string
	for _, a := range args {
		types = append(types, a.typeName())
	}
	return nil, p.failAt(at, "No function signature for the function with name '%s' matches the specified arguments (%s)", name, strings.Join(types, ", "))
}

func (w signature) takes(args []*Expr) bool {
	return slices.EqualFunc(w.args, args, func(want Type, a *Expr) bool { return isOrNull(a.Type, want) })
}

// checkArguments refuses what a service that keeps its dates in UTC can't answer (URL
// Conventions 5.1.1.8.4), and negative lengths.
func (p *parser) checkArguments(name string, args []*Expr, at int) error {
	for i, a := range args {
		if t, ok := a.Value.(time.Time); ok && name != "totaloffsetminutes" {
			if _, offset := t.Zone(); offset != 0 {
				return p.failAt(at, "The function '%s' is answered in UTC, and its argument is in another zone", name)
			}
		}
		if n, _ := a.Value.(int64); i == 2 && n < 0 { // no other function has three
			return p.failAt(at, "The length argument of 'substring' is negative")
		}
	}
	return nil
}

func (p *parser) arguments() ([]*Expr, error) {
	p.take('(')
	var args []*Expr
	for p.space(); !p.take(')'); p.space() {
		if len(args) > 0 && !p.take(',') {
			return nil, p.syntax()
		}
		a, err := p.expression(1)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	return args, nil
}

// typeNames are the types that cast and isof accept.
var typeNames = map[string]Type{
	"Edm.Boolean": Boolean, "Edm.String": String, "Edm.Guid": Guid, "Edm.Int64": Int64, "Edm.Int32": Int64, "Edm.Decimal": Decimal,
	"Edm.Double": Double, "Edm.Date": Date, "Edm.TimeOfDay": TimeOfDay, "Edm.DateTimeOffset": DateTimeOffset, "Edm.Duration": Duration,
}

// typeFunction reads cast(x,T) and isof(x,T) (URL Conventions 5.1.1.10). What doesn't
// depend on the row is evaluated at once.
func (p *parser) typeFunction(name string, at int) (*Expr, error) {
	p.take('(')
	x, err := p.expression(1)
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.take(',') {
		return nil, p.failAt(at, "The function '%s' takes an expression and a type", name)
	}
	p.space()
	typeAt := p.at
	word := p.word()
	to, ok := typeNames[word]
	if x.Enum != nil && word == x.Enum.Name {
		to, ok = Enum, true
	}
	if p.space(); !ok || !p.take(')') {
		return nil, p.failAt(typeAt, "'%s' is not a type that '%s' supports", word, name)
	}
	if name == "isof" {
		if x.Type == Null {
			return p.node(literal(Boolean, false))
		}
		// An expression has its type unless it is null.
		if x.Type != to {
			return p.node(literal(Boolean, false))
		}
		return p.node(&Expr{Op: "ne", Type: Boolean, Args: []*Expr{x, literal(Null, nil)}})
	}
	if x.Type == to || x.Type == Null {
		return x, nil
	}
	if !castable(x.Type, to) || x.Type == Enum && x.Enum.Flags {
		return nil, p.failAt(at, "A cast of '%s' to '%s' is not supported", x.typeName(), word)
	}
	return p.node(&Expr{Op: "cast", Type: to, Name: word, Args: []*Expr{x}})
}

// castable reports which casts are supported: those that can't fail.
func castable(from, to Type) bool {
	switch to {
	case String:
		return from == Enum || from == Int64 || from == Boolean
	case Decimal:
		return from == Int64
	case Double:
		return from == Int64 || from == Decimal
	}
	return false
}
