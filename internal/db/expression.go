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

	"github.com/mocktenant/mocktenant/internal/odata"
)

// column says how a property is read in SQL, from the table as p.
type column struct {
	sql      string // as the type that sqlTypes names
	nullable bool

	// Of a date: the columns that hold it, which an index knows.
	at, hundredNs, offset string
}

// partnerColumns are the only names that get from a query into SQL.
var partnerColumns = map[string]column{
	"id":                              {sql: `(p.id::text COLLATE "C")`},
	"displayName":                     {sql: "p.display_name", nullable: true},
	"onboardingUrl":                   {sql: "p.onboarding_url", nullable: true},
	"onboardingStatus":                {sql: "p.onboarding_status"},
	"lastConnectionDateTime":          dateColumn("last_connection"),
	"onboardingRequestExpiryDateTime": dateColumn("request_expiry"),
}

func dateColumn(name string) column {
	c := column{at: "p." + name + "_at", hundredNs: "p." + name + "_100ns", offset: "p." + name + "_offset"}
	// A numeric, so exact; extract of a timestamptz counts from 1970.
	c.sql = fmt.Sprintf("((extract(epoch FROM %s) * 10000000)::bigint + %s)", c.at, c.hundredNs)
	return c
}

// sqlTypes are the types in which expressions are computed. What has to do with
// time is counted in ticks of 100 ns.
var sqlTypes = map[odata.Type]string{
	odata.Null: "text", odata.Boolean: "boolean", odata.String: "text", odata.Enum: "onboarding_status", odata.Guid: "uuid",
	odata.Int64: "bigint", odata.Decimal: "numeric", odata.Double: "float8",
	odata.Date: "bigint", odata.TimeOfDay: "bigint", odata.DateTimeOffset: "bigint", odata.Duration: "bigint",
}

// ticksPerDay is a day in ticks of 100 ns.
const ticksPerDay = 24 * 60 * 60 * odata.TicksPerSecond

// whiteSpace is what Unicode takes for white space, which trim removes.
const whiteSpace = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// maxStatement bounds the SQL and the parameters of one statement, in bytes. No
// expression comes near it, as each operand is written once; it is there for one that
// would after all. Postgres takes some hundred times as much to plan a statement.
const maxStatement = 256 << 10

// sqlBuilder writes SQL whose every value is a parameter. Each operand is written once:
// what is written twice doubles with each level of nesting.
type sqlBuilder struct {
	ctx  context.Context // of the request
	args []any
	size int   // of the parameters, in bytes
	err  error // once there is one, the SQL is worth nothing
}

// arg adds a parameter and returns how the SQL names it.
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

// bounded returns the SQL of an expression, or nothing, if it is too long or nobody
// waits for it any more; then there is an error.
func (b *sqlBuilder) bounded(text string) string {
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	if n := len(text) + b.size; b.err == nil && n > maxStatement {
		b.err = &odata.Error{Option: odata.Filter, Message: fmt.Sprintf("The query takes a statement of more than %d bytes. Ask for less at once.", maxStatement)}
	}
	if b.err != nil {
		return ""
	}
	return text
}

// once names values that result then uses as often as it likes, as v.name. It makes
// OFFSET 0 keep them apart: otherwise the planner copies each to wherever it is used,
// which doubles just as text does.
func once(values, result string) string {
	return "(SELECT " + result + " FROM (SELECT " + values + " OFFSET 0) AS v)"
}

// condition is a Boolean expression where null counts as false: at the top, and
// below "and" and "or" from there. Comparisons are written so that an index
// can serve.
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

// equal compares by "=" where one side is a value that isn't null, which comes to
// the same where null counts as false.
func (b *sqlBuilder) equal(x, y *odata.Expr) string {
	if x.Op != "literal" && y.Op != "literal" || x.Type == odata.Null || y.Type == odata.Null {
		return b.distinct(x, y)
	}
	left, right := b.numbers(x, y)
	return "(" + left + " = " + right + ")"
}

// indexed compares a property with a literal by the columns that an index knows.
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
	c := partnerColumns[property.Name]
	switch v := literal.Value.(type) {
	case time.Time:
		at, hundredNs, _ := SplitTime(v)
		return fmt.Sprintf("((%s, %s) %s (%s, %s))", c.at, c.hundredNs, operator, b.arg(at, "timestamptz"), b.arg(hundredNs, "smallint")), true
	case string:
		if id, ok := canonical(v); ok && property.Name == "id" && e.Op == "eq" {
			return "(p.id = " + b.arg(id, "uuid") + ")", true
		}
	}
	return "", false
}

// value is an expression exactly as OData defines it: equality and order are
// true or false, also of null; logic and functions may be null.
func (b *sqlBuilder) value(e *odata.Expr) string {
	if b.bounded("?") == "" {
		return ""
	}
	return b.bounded(b.write(e))
}

func (b *sqlBuilder) write(e *odata.Expr) string {
	if e.Type == odata.Null { // whatever is computed of nothing but null
		return null(odata.Null)
	}
	switch e.Op {
	case "literal":
		return b.literal(e, e.Type)
	case "property":
		return partnerColumns[e.Name].sql
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

// distinct tells whether any two operands are equal. Null equals null; NaN, which
// Postgres takes for equal to itself, nothing.
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

// numbers writes two operands with null for NaN, which Postgres takes for greater than
// all numbers: it compares to nothing.
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

// in tells whether a value is in a list of literals. Null is where null is listed. As a
// condition it may be null for false, and has the form that an index serves.
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

// listed tells whether a value is in one of the lists of several types; null of null.
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

// lists are the values of a list but null and NaN, by the type in which each is compared
// with x, and these types in the order in which they occur.
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

// indexedIn compares a property that is never null with a list, by the columns that an
// index knows.
func (b *sqlBuilder) indexedIn(x *odata.Expr, items []*odata.Expr) (string, bool) {
	if x.Op != "property" || x.Name != "id" && partnerColumns[x.Name].at == "" {
		return "", false
	}
	var list []string
	for _, item := range items {
		switch v := item.Value.(type) {
		case time.Time:
			at, hundredNs, _ := SplitTime(v)
			list = append(list, "("+b.arg(at, "timestamptz")+", "+b.arg(hundredNs, "smallint")+")")
		case string:
			if id, ok := canonical(v); ok { // no other text is an id
				list = append(list, b.arg(id, "uuid"))
			}
		}
	}
	switch c := partnerColumns[x.Name]; {
	case len(list) == 0:
		return "FALSE", true
	case x.Name == "id":
		return "(p.id IN (" + strings.Join(list, ", ") + "))", true
	default:
		return "((" + c.at + ", " + c.hundredNs + ") IN (" + strings.Join(list, ", ") + "))", true
	}
}

// canonical reads an id as the service writes it.
func canonical(text string) (uuid.UUID, bool) {
	id, err := uuid.Parse(text)
	return id, err == nil && id.String() == text
}

func double(x, y *odata.Expr) bool { return x.Type == odata.Double || y.Type == odata.Double }

// operands writes two operands in the type that both have.
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

// typed writes an expression as a type: null becomes one of it, a number is
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
	if sqlTypes[t] == "text" {
		return `(NULL::text COLLATE "C")`
	}
	return "NULL::" + sqlTypes[t]
}

func (b *sqlBuilder) literal(e *odata.Expr, t odata.Type) string {
	switch v := e.Value.(type) {
	case time.Time:
		return b.arg(odata.Ticks(v), "bigint")
	default:
		text := b.arg(v, sqlTypes[e.Type])
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
	} else { // all in ticks, and numbers of them
		left, right = b.typed(x, odata.Int64), b.typed(y, odata.Int64)
	}
	operator := map[string]string{"add": "+", "sub": "-", "mul": "*", "div": "/", "divby": "/", "mod": "%"}[e.Op]
	text := "(" + left + " " + operator + " " + right + ")"
	if e.Type == odata.Date {
		return wholeDays(text)
	}
	return text
}

// wholeDays cuts ticks down to midnight.
func wholeDays(ticks string) string {
	return fmt.Sprintf("(floor((%s)::numeric / %d) * %[2]d)::bigint", ticks, ticksPerDay)
}

func (b *sqlBuilder) cast(e *odata.Expr) string {
	text := "(" + b.value(e.Args[0]) + ")::" + sqlTypes[e.Type]
	if e.Type == odata.String {
		return "(" + text + ` COLLATE "C")`
	}
	return text
}

// Parts of ticks t, of an instant or of a day.
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

// function is a canonical function of arguments that fit.
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
	panic("no SQL for the function " + e.Op) // the parser knows no other
}

// substring counts from 0, from the end where the start is negative, and takes
// nothing where the length is.
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

// rounded is round, floor or ceiling; a half goes away from zero, which float8
// does not do by itself.
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

// offset is the zone in which a date was given, in minutes.
func (b *sqlBuilder) offset(e *odata.Expr) string {
	switch v := e.Value.(type) {
	case time.Time:
		_, seconds := v.Zone()
		return b.arg(int64(seconds/60), "bigint")
	}
	switch e.Op {
	case "property":
		return partnerColumns[e.Name].offset + "::bigint"
	case "add", "sub":
		return "(CASE WHEN " + b.value(e.Args[1]) + " IS NOT NULL THEN " + b.offset(e.Args[0]) + " END)"
	}
	return "NULL::bigint"
}
