package db

import (
	"fmt"
	"slices"
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

// sqlBuilder writes SQL whose every value is a parameter.
type sqlBuilder struct {
	args []any
}

// arg adds a parameter and returns how the SQL names it.
func (b *sqlBuilder) arg(value any, sqlType string) string {
	b.args = append(b.args, value)
	text := fmt.Sprintf("$%d::%s", len(b.args), sqlType)
	if sqlType == "text" {
		return "(" + text + ` COLLATE "C")`
	}
	return text
}

// condition is a Boolean expression where null counts as false: at the top, and
// below "and" and "or" from there. Comparisons are written so that an index
// can serve.
func (b *sqlBuilder) condition(e *odata.Expr) string {
	switch e.Op {
	case "and", "or":
		return "(" + b.condition(e.Args[0]) + " " + strings.ToUpper(e.Op) + " " + b.condition(e.Args[1]) + ")"
	case "eq", "gt", "ge", "lt", "le":
		if text, ok := b.indexed(e); ok {
			return text
		}
		if e.Op != "eq" {
			x, y := b.operands(e.Args[0], e.Args[1])
			return b.ordered(e, x, y)
		}
		return b.equal(e.Args[0], e.Args[1])
	case "in":
		var any []string
		for _, item := range e.Args[1:] {
			any = append(any, b.condition(&odata.Expr{Op: "eq", Type: odata.Boolean, Args: []*odata.Expr{e.Args[0], item}}))
		}
		return "(" + strings.Join(any, " OR ") + ")"
	}
	return b.typed(e, odata.Boolean)
}

// equal compares by "=" where one side is a value that isn't null, which comes to
// the same where null counts as false.
func (b *sqlBuilder) equal(x, y *odata.Expr) string {
	if double(x, y) {
		return b.distinct(&odata.Expr{Op: "eq", Args: []*odata.Expr{x, y}})
	}
	left, right := b.operands(x, y)
	switch {
	case y.Type == odata.Null:
		return "(" + left + " IS NULL)"
	case x.Type == odata.Null:
		return "(" + right + " IS NULL)"
	case x.Op == "literal" || y.Op == "literal":
		return "(" + left + " = " + right + ")"
	}
	return "(" + left + " IS NOT DISTINCT FROM " + right + ")"
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
		if id, err := uuid.Parse(v); err == nil && property.Name == "id" && e.Op == "eq" && id.String() == v {
			return "(p.id = " + b.arg(id, "uuid") + ")", true
		}
	}
	return "", false
}

// value is an expression exactly as OData defines it: equality and order are
// true or false, also of null; logic and functions may be null.
func (b *sqlBuilder) value(e *odata.Expr) string {
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
	case "eq", "ne":
		return b.distinct(e)
	case "gt", "ge", "lt", "le":
		x, y := b.operands(e.Args[0], e.Args[1])
		return "(" + b.ordered(e, x, y) + " IS TRUE)"
	case "in":
		var any []string
		for _, item := range e.Args[1:] {
			any = append(any, b.distinct(&odata.Expr{Op: "eq", Type: odata.Boolean, Args: []*odata.Expr{e.Args[0], item}}))
		}
		return "(" + strings.Join(any, " OR ") + ")"
	case "neg":
		return "(- " + b.value(e.Args[0]) + ")"
	case "add", "sub", "mul", "div", "divby", "mod":
		return b.arithmetic(e)
	case "cast":
		return b.cast(e)
	}
	return b.function(e)
}

// distinct is eq or ne of any operands.
func (b *sqlBuilder) distinct(e *odata.Expr) string {
	x, y := b.operands(e.Args[0], e.Args[1])
	text := "(" + x + " IS NOT DISTINCT FROM " + y + ")"
	if double(e.Args[0], e.Args[1]) { // NaN is not equal to itself
		text = "((" + x + " IS NOT DISTINCT FROM " + y + ") AND (" + x + " = 'NaN') IS NOT TRUE)"
	}
	if e.Op == "ne" {
		return "(NOT " + text + ")"
	}
	return text
}

func (b *sqlBuilder) ordered(e *odata.Expr, x, y string) string {
	operator := map[string]string{"gt": ">", "ge": ">=", "lt": "<", "le": "<="}[e.Op]
	text := "(" + x + " " + operator + " " + y + ")"
	if double(e.Args[0], e.Args[1]) {
		text = "(" + text + " AND " + x + " <> 'NaN' AND " + y + " <> 'NaN')"
	}
	return text
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

// ticks wraps arithmetic on a number of ticks t, which is computed once.
func ticks(value, result string) string {
	return "(SELECT " + result + " FROM (SELECT " + value + " AS t) AS v)"
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
		return ticks(b.typed(e.Args[0], odata.Int64), part)
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
		return "(SELECT right(v.s, length(v.e)) = v.e FROM (SELECT " + args[0] + " AS s, " + args[1] + " AS e) AS v)"
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
	return "(SELECT CASE WHEN " + known + " THEN substr(v.s, " + start + length + ") END FROM (SELECT " + fields + ") AS v)"
}

// rounded is round, floor or ceiling; a half goes away from zero, which float8
// does not do by itself.
func (b *sqlBuilder) rounded(e *odata.Expr) string {
	x := b.typed(e.Args[0], e.Type)
	switch {
	case e.Op == "round" && e.Type == odata.Double:
		return "(SELECT trunc(v.x + sign(v.x) * 0.5) FROM (SELECT " + x + " AS x) AS v)"
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
		return b.offset(e.Args[0])
	}
	return "NULL::bigint"
}
