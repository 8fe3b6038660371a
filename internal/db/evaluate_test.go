package db_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// evaluate computes an expression for a row as OData 4.01 defines it, in
// plain Go: the oracle that the SQL is held against. A result is nil for null,
// bool, string, int64 (ticks, too), *big.Rat of a Decimal, or float64.
func evaluate(e *odata.Expr, p *record) any {
	switch e.Op {
	case "literal":
		return literalValue(e)
	case "property":
		return propertyValue(e.Name, p)
	case "variable":
		return p.Items[e.Name]
	case "member":
		return evaluate(e.Args[0], p).(map[string]any)[e.Name]
	case "any", "all":
		return lambda(e, p)
	case "and", "or":
		return logic(e.Op, evaluate(e.Args[0], p), evaluate(e.Args[1], p))
	case "not":
		if b, ok := evaluate(e.Args[0], p).(bool); ok {
			return !b
		}
		return nil
	case "in":
		x := evaluate(e.Args[0], p)
		return slices.ContainsFunc(e.Args[1:], func(item *odata.Expr) bool { return equal(e.Args[0], x, evaluate(item, p)) })
	case "eq":
		return equal(e.Args[0], evaluate(e.Args[0], p), evaluate(e.Args[1], p))
	case "ne":
		return !equal(e.Args[0], evaluate(e.Args[0], p), evaluate(e.Args[1], p))
	}
	args := make([]any, len(e.Args))
	for i, a := range e.Args {
		if args[i] = evaluate(a, p); args[i] == nil {
			switch e.Op {
			case "gt", "ge", "lt", "le":
				return false
			}
			return nil
		}
	}
	return apply(e, args, p)
}

func literalValue(e *odata.Expr) any {
	switch v := e.Value.(type) {
	case time.Time:
		return odata.Ticks(v)
	case string:
		if e.Type == odata.Decimal {
			r, _ := new(big.Rat).SetString(v)
			return r
		}
		return v
	default:
		return v
	}
}

func propertyValue(name string, p *record) any {
	if name == "id" {
		return p.Type.Key(p.Key.ID, func(property int) entity.Value { return p.Values[property] })
	}
	v := p.value(name)
	if v.Null {
		return nil
	}
	return kinds[p.Type.Properties[p.Type.Index(name)].Kind].evaluated(v)
}

// offset returns the time zone of a date in minutes, taken from the date that it was
// computed from.
func offset(e *odata.Expr, p *record) int64 {
	switch e.Op {
	case "literal":
		_, seconds := e.Value.(time.Time).Zone()
		return int64(seconds / 60)
	case "add", "sub":
		return offset(e.Args[0], p)
	}
	return int64(p.value(e.Name).Offset)
}

// lambda decides for the items of a collection in turn until one settles it.
func lambda(e *odata.Expr, p *record) bool {
	for _, item := range items(p.value(e.Name)) {
		of := *p
		of.Items = maps.Clone(p.Items)
		if of.Items == nil {
			of.Items = map[string]any{}
		}
		if len(e.Args) > 0 {
			of.Items[e.Args[0].Name] = item
		}
		if satisfied := len(e.Args) == 0 || evaluate(e.Args[1], &of) == true; satisfied == (e.Op == "any") {
			return satisfied
		}
	}
	return e.Op == "all"
}

// items returns the items of a collection; null has none.
func items(v entity.Value) (all []any) {
	if v.Null {
		return nil
	}
	if err := json.Unmarshal([]byte(v.Text), &all); err != nil {
		panic(err) // the service stores only such collections
	}
	return all
}

func logic(op string, x, y any) any {
	decided := op == "or" // this value decides the result alone
	if x == decided || y == decided {
		return decided
	}
	if x == nil || y == nil {
		return nil
	}
	return !decided
}

func equal(x *odata.Expr, a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return compare(x, a, b) == 0
}

// compare returns -1, 0 or 1, or 2 if the values have no order (NaN).
func compare(x *odata.Expr, a, b any) int {
	switch v := a.(type) {
	case bool:
		if v == b {
			return 0
		}
		return 1
	case string:
		if x.Type == odata.Enum || x.Enum != nil {
			members := allMembers(x.Enum)
			return cmp.Compare(slices.Index(members, v), slices.Index(members, b.(string)))
		}
		return strings.Compare(v, b.(string))
	}
	if isFloat(a) || isFloat(b) {
		f, g := toFloat(a), toFloat(b)
		switch {
		case f < g:
			return -1
		case f > g:
			return 1
		case f == g:
			return 0
		}
		return 2
	}
	return toRat(a).Cmp(toRat(b))
}

// allMembers returns an enumeration's members in beta, because v1.0 also compares the stored
// values.
func allMembers(enum *odata.EnumType) []string {
	for _, t := range entity.All {
		for _, p := range t.Properties {
			if p.EnumV1 == enum {
				return p.Enum.Members
			}
		}
	}
	return enum.Members
}

func isFloat(v any) bool { _, ok := v.(float64); return ok }

func toRat(v any) *big.Rat {
	if n, ok := v.(int64); ok {
		return new(big.Rat).SetInt64(n)
	}
	return v.(*big.Rat)
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	}
	f, _ := v.(*big.Rat).Float64()
	return f
}

// apply computes an operator or a function whose arguments aren't null.
func apply(e *odata.Expr, args []any, p *record) any {
	switch e.Op {
	case "has":
		return args[0].(int64)&args[1].(int64) == args[1]
	case "gt", "ge", "lt", "le":
		c := compare(e.Args[0], args[0], args[1])
		return c != 2 && map[string]bool{"gt": c > 0, "ge": c >= 0, "lt": c < 0, "le": c <= 0}[e.Op]
	case "add", "sub", "mul", "div", "divby", "mod", "neg":
		return arithmetic(e, args)
	case "round", "floor", "ceiling":
		return rounded(e, args[0])
	case "cast":
		switch v := args[0].(type) {
		case int64:
			switch e.Type {
			case odata.Decimal:
				return toRat(v)
			case odata.Double:
				return float64(v)
			}
			return big.NewInt(v).String()
		case bool:
			return map[bool]string{true: "true", false: "false"}[v]
		case *big.Rat:
			return toFloat(v)
		}
		return args[0]
	case "totaloffsetminutes":
		return offset(e.Args[0], p)
	}
	if n, ok := args[0].(int64); ok {
		return timePart(e.Op, n)
	}
	return text(e.Op, args)
}

func arithmetic(e *odata.Expr, args []any) any {
	if e.Op == "neg" {
		switch v := args[0].(type) {
		case int64:
			return -v
		case float64:
			return -v
		}
		return new(big.Rat).Neg(args[0].(*big.Rat))
	}
	x, y := args[0], args[1]
	switch e.Type {
	case odata.Double:
		f, g := toFloat(x), toFloat(y)
		return map[string]float64{"add": f + g, "sub": f - g, "mul": f * g, "div": f / g, "divby": f / g}[e.Op]
	case odata.Decimal:
		r, a, b := new(big.Rat), toRat(x), toRat(y)
		switch e.Op {
		case "add":
			return r.Add(a, b)
		case "sub":
			return r.Sub(a, b)
		case "mul":
			return r.Mul(a, b)
		case "mod":
			q := new(big.Rat).Quo(a, b)
			whole := new(big.Int).Quo(q.Num(), q.Denom())
			return r.Sub(a, new(big.Rat).Mul(b, new(big.Rat).SetInt(whole)))
		}
		return r.Quo(a, b)
	}
	a, b := x.(int64), y.(int64)
	var n int64
	switch e.Op {
	case "add":
		n = a + b
	case "sub":
		n = a - b
	case "mul":
		n = a * b
	case "div":
		n = a / b
	case "mod":
		n = a % b
	}
	if e.Type == odata.Date {
		n -= sinceMidnight(n)
	}
	return n
}

// sinceMidnight returns the ticks since the last midnight.
func sinceMidnight(ticks int64) int64 { return ((ticks % 864000000000) + 864000000000) % 864000000000 }

func rounded(e *odata.Expr, v any) any {
	if f, ok := v.(float64); ok {
		return map[string]float64{"round": math.Round(f), "floor": math.Floor(f), "ceiling": math.Ceil(f)}[e.Op]
	}
	r := toRat(v)
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean division rounds down for a positive denominator
	whole := new(big.Rat).SetInt(floor)
	rest := new(big.Rat).Sub(r, whole)
	up := new(big.Rat).Add(whole, big.NewRat(1, 1))
	half := rest.Cmp(big.NewRat(1, 2))
	switch {
	case rest.Sign() == 0, e.Op == "floor", e.Op == "round" && (half < 0 || half == 0 && r.Sign() < 0):
		return whole
	}
	return up
}

func timePart(op string, ticks int64) any {
	t := time.Unix(0, 0).UTC().Add(time.Duration(sinceMidnight(ticks))*100).
		AddDate(0, 0, int((ticks-sinceMidnight(ticks))/864000000000))
	switch op {
	case "year":
		return int64(t.Year())
	case "month":
		return int64(t.Month())
	case "day":
		return int64(t.Day())
	case "hour":
		return int64(t.Hour())
	case "minute":
		return int64(t.Minute())
	case "second":
		return int64(t.Second())
	case "fractionalseconds":
		return big.NewRat(int64(t.Nanosecond()/100), 10000000)
	case "date":
		return ticks - sinceMidnight(ticks)
	case "time":
		return sinceMidnight(ticks)
	case "totalseconds":
		return big.NewRat(ticks, 10000000)
	}
	panic(op)
}

func text(op string, args []any) any {
	s := args[0].(string)
	switch op {
	case "length":
		return int64(utf8.RuneCountInString(s))
	case "tolower":
		return strings.ToLower(s)
	case "toupper":
		return strings.ToUpper(s)
	case "trim":
		return strings.TrimSpace(s)
	case "substring":
		r := []rune(s)
		from := args[1].(int64)
		if from < 0 {
			from = max(int64(len(r))+from, 0)
		}
		from = min(from, int64(len(r)))
		to := int64(len(r))
		if len(args) == 3 {
			to = min(to, from+max(args[2].(int64), 0))
		}
		return string(r[from:to])
	}
	other := args[1].(string)
	switch op {
	case "concat":
		return s + other
	case "contains":
		return strings.Contains(s, other)
	case "startswith":
		return strings.HasPrefix(s, other)
	case "endswith":
		return strings.HasSuffix(s, other)
	case "indexof":
		i := strings.Index(s, other)
		if i > 0 {
			i = utf8.RuneCountInString(s[:i])
		}
		return int64(i)
	}
	panic(op)
}
