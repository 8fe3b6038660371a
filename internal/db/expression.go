package db

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// column describes how SQL reads a property from the table p.
type column struct {
	sql      string
	sqlType  string
	nullable bool
	offset   string // for a date: the column of its offset
}

// column returns the column of a property. Names from a query reach the SQL only through
// it.
func (b *sqlBuilder) column(name string) column {
	if name == "id" {
		return column{sql: "(" + b.idText() + ` COLLATE "C")`, sqlType: "text"}
	}
	p := &b.set.Type().Properties[b.set.Type().Index(name)]
	c := column{sql: "p." + p.Columns()[0], nullable: p.Nullable}
	switch p.Kind {
	case entity.EnumKind, entity.FlagsKind:
		c.sqlType = b.enumType(p.Enum)
	case entity.StringsKind, entity.ObjectsKind, entity.ObjectKind: // lambda and object read it
	case entity.DateKind:
		c.sqlType, c.offset = "bigint", "p."+p.Columns()[1]
	default:
		t, _ := p.EDM()
		c.sqlType = sqlTypes[t]
	}
	return c
}

// idText is the SQL of an id as text. The id of a numbered entity is the number in its last
// twelve digits.
func (b *sqlBuilder) idText() string {
	if b.set.Type().Keys == entity.ComposedKeys {
		return "(" + b.plainColumn(b.set.Type().ParentID) + "::text || '_' || " + b.plainColumn(b.set.Type().KeyPart) + ")"
	}
	if b.set.Type().Keys == entity.CounterKeys {
		return "('x' || right(p.id::text, 12))::bit(48)::bigint::text"
	}
	return "p.id::text"
}

// plainColumn is the column of a property.
func (b *sqlBuilder) plainColumn(name string) string {
	t := b.set.Type()
	return "p." + t.Properties[t.Index(name)].Column
}

// sqlTypes are the types in which expressions are computed. Dates, times and durations are
// counted in ticks of 100 ns.
var sqlTypes = map[odata.Type]string{
	odata.Null: "text", odata.Boolean: "boolean", odata.String: "text", odata.Guid: "uuid",
	odata.Int64: "bigint", odata.Decimal: "numeric", odata.Double: "float8",
	odata.Date: "bigint", odata.TimeOfDay: "bigint", odata.DateTimeOffset: "bigint", odata.Duration: "bigint",
}

// sqlType returns the SQL type in which an expression is computed.
func (b *sqlBuilder) sqlType(e *odata.Expr) string {
	if e.Type == odata.Enum {
		return b.enumType(e.Enum)
	}
	return sqlTypes[e.Type]
}

// enumType returns the Postgres type of an enumeration.
func (b *sqlBuilder) enumType(enum *odata.EnumType) string {
	if enum != nil && enum.Flags {
		return "bigint"
	}
	properties := b.set.Type().Properties
	return properties[slices.IndexFunc(properties, func(p entity.Property) bool { return enum != nil && (p.Enum == enum || p.EnumV1 == enum) })].EnumSQL
}

// ticksPerDay is the length of a day in ticks of 100 ns.
const ticksPerDay = 24 * 60 * 60 * odata.TicksPerSecond

// whiteSpace lists Unicode's white space, which the function trim removes.
const whiteSpace = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// maxStatement bounds the SQL and the parameters of one statement, in bytes. No expression
// should come near it, because each operand is written once; it is a safeguard. Postgres
// needs about 100 bytes of memory per byte of SQL to plan a statement.
const maxStatement = 256 << 10

// sqlBuilder writes SQL in which every value is a parameter. It writes each operand once:
// an operand written twice would double the SQL at each level of nesting.
type sqlBuilder struct {
	ctx  context.Context // the request's
	set  Set
	args []any
	size int   // bytes in the parameters
	err  error // if set, the SQL is worthless

	variables []string // the range variables of the collections whose items are looked at
}

// arg adds a parameter and returns its name in the SQL.
func (b *sqlBuilder) arg(value any, sqlType string) string {
	b.args = append(b.args, value)
	b.size += len("2006-01-02 15:04:05.999999Z")
	if s, ok := value.(string); ok {
		b.size += len(s)
	}
	text := fmt.Sprintf("$%d::%s", len(b.args), sqlType)
	if sqlType == "text" {
		return "(" + text + ` COLLATE "C")`
	}
	return text
}

// bounded returns the SQL of an expression. If the SQL is too long or the request has
// ended, it returns nothing and sets the error.
func (b *sqlBuilder) bounded(text string) string {
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	if n := len(text) + b.size; b.err == nil && n > maxStatement {
		b.err = &odata.Error{Option: odata.Filter, Message: fmt.Sprintf("The query needs a statement of more than %d bytes. Make the query shorter.", maxStatement)}
	}
	if b.err != nil {
		return ""
	}
	return text
}

// once names values, so that result can use each of them any number of times as v.name.
// OFFSET 0 keeps the planner from copying the values into every use, which would double the
// work like a second copy in the text.
func once(values, result string) string {
	return "(SELECT " + result + " FROM (SELECT " + values + " OFFSET 0) AS v)"
}

// condition writes a Boolean expression in which null counts as false: the top level, and
// every operand of "and" and "or" directly below. It writes comparisons in a form that can
// use an index.
func (b *sqlBuilder) condition(e *odata.Expr) string {
	if b.bounded("?") == "" {
		return ""
	}
	switch e.Op {
	case "and", "or":
		return b.bounded("(" + b.condition(e.Args[0]) + " " + strings.ToUpper(e.Op) + " " + b.condition(e.Args[1]) + ")")
	case "eq", "gt", "ge", "lt", "le":
		if text, ok := b.indexed(e); ok {
			return text
		}
		if e.Op != "eq" {
			return b.bounded(b.ordered(e))
		}
		return b.bounded(b.equal(e.Args[0], e.Args[1]))
	case "in":
		return b.bounded(b.in(e, true))
	}
	return b.typed(e, odata.Boolean)
}

// equal compares with "=" if one side is a value other than null. The result differs from
// OData's only where null counts as false anyway.
func (b *sqlBuilder) equal(x, y *odata.Expr) string {
	if x.Op != "literal" && y.Op != "literal" || x.Type == odata.Null || y.Type == odata.Null {
		return b.distinct(x, y)
	}
	left, right := b.numbers(x, y)
	return "(" + left + " = " + right + ")"
}

// indexed compares a property with a literal through indexed columns.
func (b *sqlBuilder) indexed(e *odata.Expr) (string, bool) {
	property, literal := e.Args[0], e.Args[1]
	operator := map[string]string{"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}[e.Op]
	if property.Op == "literal" {
		property, literal = literal, property
		operator = map[string]string{"eq": "=", "gt": "<", "ge": "<=", "lt": ">", "le": ">="}[e.Op]
	}
	if property.Op != "property" || literal.Op != "literal" {
		return "", false
	}
	switch v := literal.Value.(type) {
	case time.Time:
		return "(" + b.column(property.Name).sql + " " + operator + " " + b.arg(odata.Ticks(v), "bigint") + ")", true
	case string:
		if id, ok := b.canonical(v); ok && property.Name == "id" && e.Op == "eq" {
			return "(p.id = " + b.arg(id, "uuid") + ")", true
		}
	}
	return "", false
}

// value writes an expression with OData's exact results: equality and order are true or
// false even for null; logic and functions may return null.
func (b *sqlBuilder) value(e *odata.Expr) string {
	if b.bounded("?") == "" {
		return ""
	}
	return b.bounded(b.write(e))
}

func (b *sqlBuilder) write(e *odata.Expr) string {
	if e.Type == odata.Null { // computed from null alone
		return null(odata.Null)
	}
	switch e.Op {
	case "literal":
		return b.literal(e, e.Type)
	case "property":
		return b.column(e.Name).sql
	case "variable":
		return "(" + b.object(e) + ` COLLATE "C")`
	case "member":
		return "((" + b.object(e.Args[0]) + " ->> '" + e.Name + `') COLLATE "C")`
	case "any", "all":
		return b.lambda(e)
	case "and", "or":
		x, y := b.typed(e.Args[0], odata.Boolean), b.typed(e.Args[1], odata.Boolean)
		return "(" + x + " " + strings.ToUpper(e.Op) + " " + y + ")"
	case "not":
		return "(NOT " + b.typed(e.Args[0], odata.Boolean) + ")"
	case "eq":
		return b.distinct(e.Args[0], e.Args[1])
	case "ne":
		return "(NOT " + b.distinct(e.Args[0], e.Args[1]) + ")"
	case "gt", "ge", "lt", "le":
		return "(" + b.ordered(e) + " IS TRUE)"
	case "has":
		members := b.literal(e.Args[1], odata.Enum)
		return "((" + b.value(e.Args[0]) + " & " + members + ") = " + members + ")"
	case "in":
		return b.in(e, false)
	case "neg":
		return "(- " + b.value(e.Args[0]) + ")"
	case "add", "sub", "mul", "div", "divby", "mod":
		return b.arithmetic(e)
	case "cast":
		return b.cast(e)
	}
	return b.function(e)
}

// item names the value of the range variable at an index.
func item(variable int) string { return "i" + strconv.Itoa(variable) }

// object writes a complex value, or the value of a range variable. The names of members come from
// the entity's description.
func (b *sqlBuilder) object(e *odata.Expr) string {
	switch e.Op {
	case "variable":
		return item(slices.Index(b.variables, e.Name)) + ".v"
	case "member":
		return "(" + b.object(e.Args[0]) + " -> '" + e.Name + "')"
	}
	return b.column(e.Name).sql
}

// lambda writes whether any or all items of a collection satisfy a condition. OFFSET 0 keeps the
// planner from joining the collections of a query, which would take it long for many of them.
func (b *sqlBuilder) lambda(e *odata.Expr) string {
	t, elements := b.set.Type(), "jsonb_array_elements_text"
	if t.Properties[t.Index(e.Name)].Kind == entity.ObjectsKind {
		elements = "jsonb_array_elements"
	}
	items := "EXISTS (SELECT FROM " + elements + "(" + b.column(e.Name).sql + ") AS " + item(len(b.variables)) + " (v)"
	if len(e.Args) == 0 {
		return "(" + items + " OFFSET 0))"
	}
	b.variables = append(b.variables, e.Args[0].Name)
	defer func() { b.variables = b.variables[:len(b.variables)-1] }()
	if e.Op == "any" {
		return "(" + items + " WHERE " + b.condition(e.Args[1]) + " OFFSET 0))"
	}
	return "(NOT " + items + " WHERE " + b.typed(e.Args[1], odata.Boolean) + " IS NOT TRUE OFFSET 0))"
}

// distinct reports whether two operands differ. Null equals null. NaN equals nothing in
// OData, although Postgres considers it equal to itself.
func (b *sqlBuilder) distinct(x, y *odata.Expr) string {
	left, right := b.operands(x, y)
	switch {
	case y.Type == odata.Null:
		return "(" + left + " IS NULL)"
	case x.Type == odata.Null:
		return "(" + right + " IS NULL)"
	case double(x, y):
		return once(left+" AS x, "+right+" AS y", "v.x IS NOT DISTINCT FROM v.y AND (v.x = 'NaN') IS NOT TRUE")
	}
	return "(" + left + " IS NOT DISTINCT FROM " + right + ")"
}

func (b *sqlBuilder) ordered(e *odata.Expr) string {
	x, y := b.numbers(e.Args[0], e.Args[1])
	return "(" + x + " " + map[string]string{"gt": ">", "ge": ">=", "lt": "<", "le": "<="}[e.Op] + " " + y + ")"
}

// numbers writes two operands with null instead of NaN. Postgres sorts NaN after all
// numbers; in OData it compares to nothing.
func (b *sqlBuilder) numbers(x, y *odata.Expr) (left, right string) {
	left, right = b.operands(x, y)
	if x.Type == odata.Double {
		left = "NULLIF(" + left + ", 'NaN')"
	}
	if y.Type == odata.Double {
		right = "NULLIF(" + right + ", 'NaN')"
	}
	return left, right
}

// in writes whether a value is in a list of literals. Null is in the list if null is
// listed. As a condition, the SQL may be null instead of false and can use an index.
func (b *sqlBuilder) in(e *odata.Expr, condition bool) string {
	x := e.Args[0]
	if text, ok := b.indexedIn(x, e.Args[1:]); ok {
		return text
	}
	hasNull := slices.ContainsFunc(e.Args[1:], func(item *odata.Expr) bool { return item.Type == odata.Null })
	if x.Type == odata.Null {
		return strings.ToUpper(strconv.FormatBool(hasNull))
	}
	types, lists := b.lists(x, e.Args[1:])
	if len(types) == 0 {
		if hasNull {
			return "(" + b.value(x) + " IS NULL)"
		}
		return "FALSE"
	}
	text := b.listed(x, types, lists)
	switch {
	case hasNull && condition && x.Op == "property":
		return "(" + text + " OR " + b.value(x) + " IS NULL)"
	case hasNull:
		return "(" + text + " IS NOT FALSE)"
	case condition:
		return text
	}
	return "(" + text + " IS TRUE)"
}

// listed writes whether a value is in one of several lists, one per type. It is null for
// null.
func (b *sqlBuilder) listed(x *odata.Expr, types []odata.Type, lists map[odata.Type][]string) string {
	if len(types) == 1 {
		return "(" + b.typed(x, types[0]) + " IN (" + strings.Join(lists[types[0]], ", ") + "))"
	}
	var any []string
	for _, t := range types { // of numbers
		any = append(any, "v.x::"+sqlTypes[t]+" IN ("+strings.Join(lists[t], ", ")+")")
	}
	return once(b.value(x)+" AS x", strings.Join(any, " OR "))
}

// lists returns the values of a list, without null and NaN, by the type in which each is
// compared with x. It also returns these types in the order in which they first occur.
func (b *sqlBuilder) lists(x *odata.Expr, items []*odata.Expr) (types []odata.Type, lists map[odata.Type][]string) {
	lists = map[odata.Type][]string{}
	for _, item := range items {
		if f, ok := item.Value.(float64); item.Type == odata.Null || ok && math.IsNaN(f) {
			continue
		}
		t := common(x.Type, item.Type)
		if len(lists[t]) == 0 {
			types = append(types, t)
		}
		lists[t] = append(lists[t], b.literal(item, t))
	}
	return types, lists
}

// indexedIn compares the id with a list through an indexed column.
func (b *sqlBuilder) indexedIn(x *odata.Expr, items []*odata.Expr) (string, bool) {
	if x.Op != "property" || x.Name != "id" || b.set.Type().Keys == entity.ComposedKeys {
		return "", false
	}
	var list []string
	for _, item := range items {
		if v, ok := item.Value.(string); ok {
			if id, ok := b.canonical(v); ok { // any other text isn't an id
				list = append(list, b.arg(id, "uuid"))
			}
		}
	}
	if len(list) == 0 {
		return "FALSE", true
	}
	return "(p.id IN (" + strings.Join(list, ", ") + "))", true
}

// canonical reads an id in the form in which the service writes it.
func (b *sqlBuilder) canonical(text string) (uuid.UUID, bool) {
	t := b.set.Type()
	id, ok := t.ParseKey(text)
	return id, ok && t.KeyText(id) == text
}

func double(x, y *odata.Expr) bool { return x.Type == odata.Double || y.Type == odata.Double }

// operands writes two operands in their common type.
func (b *sqlBuilder) operands(x, y *odata.Expr) (left, right string) {
	t := common(x.Type, y.Type)
	return b.typed(x, t), b.typed(y, t)
}

func common(a, c odata.Type) odata.Type {
	numbers := []odata.Type{odata.Null, odata.Int64, odata.Decimal, odata.Double}
	if i, j := slices.Index(numbers, a), slices.Index(numbers, c); i >= 0 && j >= 0 {
		return numbers[max(i, j)]
	}
	if a == odata.Null {
		return c
	}
	return a
}

// typed writes an expression as a type: null becomes a null of that type, and a number is
// promoted to it.
func (b *sqlBuilder) typed(e *odata.Expr, t odata.Type) string {
	if e.Type == odata.Null {
		return null(t)
	}
	if e.Op == "literal" {
		return b.literal(e, t)
	}
	text := b.value(e)
	if e.Type != t && (t == odata.Decimal || t == odata.Double) {
		text = "(" + text + ")::" + sqlTypes[t]
	}
	return text
}

func null(t odata.Type) string {
	switch {
	case t == odata.Enum: // Postgres infers the type from the other operand
		return "NULL"
	case sqlTypes[t] == "text":
		return `(NULL::text COLLATE "C")`
	}
	return "NULL::" + sqlTypes[t]
}

func (b *sqlBuilder) literal(e *odata.Expr, t odata.Type) string {
	switch v := e.Value.(type) {
	case time.Time:
		return b.arg(odata.Ticks(v), "bigint")
	default:
		text := b.arg(v, b.sqlType(e))
		if e.Type != t && (t == odata.Decimal || t == odata.Double) {
			text += "::" + sqlTypes[t]
		}
		return text
	}
}

func (b *sqlBuilder) arithmetic(e *odata.Expr) string {
	x, y := e.Args[0], e.Args[1]
	var left, right string
	if e.Type == odata.Int64 || e.Type == odata.Decimal || e.Type == odata.Double {
		left, right = b.typed(x, e.Type), b.typed(y, e.Type)
	} else { // dates and times in ticks, or numbers
		left, right = b.typed(x, odata.Int64), b.typed(y, odata.Int64)
	}
	operator := map[string]string{"add": "+", "sub": "-", "mul": "*", "div": "/", "divby": "/", "mod": "%"}[e.Op]
	text := "(" + left + " " + operator + " " + right + ")"
	if e.Type == odata.Date {
		return wholeDays(text)
	}
	return text
}

// wholeDays rounds ticks down to midnight.
func wholeDays(ticks string) string {
	return fmt.Sprintf("(floor((%s)::numeric / %d) * %[2]d)::bigint", ticks, ticksPerDay)
}

func (b *sqlBuilder) cast(e *odata.Expr) string {
	text := "(" + b.value(e.Args[0]) + ")::" + b.sqlType(e)
	if e.Type == odata.String {
		return "(" + text + ` COLLATE "C")`
	}
	return text
}

// These extract parts of v.t, the ticks of a point in time or of a day.
var (
	dayNumber = fmt.Sprintf("floor(v.t::numeric / %d)", ticksPerDay)
	timeOfDay = fmt.Sprintf("(v.t - (%s * %d)::bigint)", dayNumber, ticksPerDay)
	dateParts = map[string]string{
		"year":              "extract(year FROM date '1970-01-01' + " + dayNumber + "::integer)::bigint",
		"month":             "extract(month FROM date '1970-01-01' + " + dayNumber + "::integer)::bigint",
		"day":               "extract(day FROM date '1970-01-01' + " + dayNumber + "::integer)::bigint",
		"hour":              timeOfDay + " / 36000000000",
		"minute":            timeOfDay + " / 600000000 % 60",
		"second":            timeOfDay + " / 10000000 % 60",
		"fractionalseconds": "(" + timeOfDay + " % 10000000)::numeric / 10000000",
		"date":              "(" + dayNumber + fmt.Sprintf(" * %d)::bigint", ticksPerDay),
		"time":              timeOfDay,
		"totalseconds":      "v.t::numeric / 10000000",
	}
)

// function writes a canonical function. The parser has checked its arguments.
func (b *sqlBuilder) function(e *odata.Expr) string {
	if part, ok := dateParts[e.Op]; ok {
		return once(b.typed(e.Args[0], odata.Int64)+" AS t", part)
	}
	switch e.Op {
	case "totaloffsetminutes":
		return b.offset(e.Args[0])
	case "round", "floor", "ceiling":
		return b.rounded(e)
	case "substring":
		return b.substring(e)
	}
	var args []string
	for _, a := range e.Args {
		args = append(args, b.typed(a, odata.String))
	}
	switch e.Op {
	case "concat":
		return "(" + args[0] + " || " + args[1] + ")"
	case "contains":
		return "(strpos(" + args[0] + ", " + args[1] + ") > 0)"
	case "startswith":
		return "starts_with(" + args[0] + ", " + args[1] + ")"
	case "endswith":
		return once(args[0]+" AS s, "+args[1]+" AS e", "right(v.s, length(v.e)) = v.e")
	case "indexof":
		return "(strpos(" + args[0] + ", " + args[1] + ") - 1)::bigint"
	case "length":
		return "length(" + args[0] + ")::bigint"
	case "tolower":
		return "(lower(" + args[0] + ` COLLATE "und-x-icu") COLLATE "C")`
	case "toupper":
		return "(upper(" + args[0] + ` COLLATE "und-x-icu") COLLATE "C")`
	case "trim":
		return "btrim(" + args[0] + ", " + b.arg(whiteSpace, "text") + ")"
	}
	panic("no SQL for the function " + e.Op) // the parser accepts no other
}

// substring counts from 0. A negative start counts from the end; a negative length returns
// an empty text.
func (b *sqlBuilder) substring(e *odata.Expr) string {
	fields := b.typed(e.Args[0], odata.String) + " AS s, " + b.typed(e.Args[1], odata.Int64) + " AS n"
	known, length := "v.n IS NOT NULL", ""
	if len(e.Args) == 3 {
		fields += ", " + b.typed(e.Args[2], odata.Int64) + " AS m"
		known += " AND v.m IS NOT NULL"
		length = ", least(greatest(v.m, 0), 1000000)::integer"
	}
	start := "CASE WHEN v.n < 0 THEN greatest(length(v.s) + v.n, 0) ELSE least(v.n, 1000000) END::integer + 1"
	return once(fields, "CASE WHEN "+known+" THEN substr(v.s, "+start+length+") END")
}

// rounded writes round, floor or ceiling. round takes a half away from zero; Postgres
// rounds a float8 half to even.
func (b *sqlBuilder) rounded(e *odata.Expr) string {
	x := b.typed(e.Args[0], e.Type)
	switch {
	case e.Op == "round" && e.Type == odata.Double:
		return once(x+" AS x", "trunc(v.x + sign(v.x) * 0.5)")
	case e.Op == "ceiling":
		return "ceil(" + x + ")"
	}
	return e.Op + "(" + x + ")"
}

// offset is the time zone in which a date was given, in minutes.
func (b *sqlBuilder) offset(e *odata.Expr) string {
	switch v := e.Value.(type) {
	case time.Time:
		_, seconds := v.Zone()
		return b.arg(int64(seconds/60), "bigint")
	}
	switch e.Op {
	case "property":
		return b.column(e.Name).offset + "::bigint"
	case "add", "sub":
		return "(CASE WHEN " + b.value(e.Args[1]) + " IS NOT NULL THEN " + b.offset(e.Args[0]) + " END)"
	}
	return "NULL::bigint"
}
