package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// sized is the entity of these tests: it has an enumeration and a collection.
var sized = &entity.DeviceAndAppManagementAssignmentFilter

// atoms are short expressions, one per type.
var atoms = map[odata.Type]string{
	odata.Null: "null", odata.Boolean: "true", odata.String: "'a'", odata.Enum: "platform", odata.Guid: "0e5f2a6b-0000-1000-8000-00805f9b34fb",
	odata.Int64: "2", odata.Decimal: "0.5", odata.Double: "1.5e0", odata.Date: "2020-01-01", odata.TimeOfDay: "12:00",
	odata.DateTimeOffset: "2020-01-01T00:00:00Z", odata.Duration: "duration'PT1S'",
}

// carriers make an expression of a type from a Boolean one, for each type that allows it.
var carriers = map[odata.Type]string{
	odata.Boolean: "%s", odata.String: "cast(%s,Edm.String)", odata.Int64: "length(cast(%s,Edm.String))",
	odata.Decimal: "cast(length(cast(%s,Edm.String)),Edm.Decimal)", odata.Double: "cast(length(cast(%s,Edm.String)),Edm.Double)",
	odata.Duration: "(duration'PT1S' mul length(cast(%s,Edm.String)))", odata.DateTimeOffset: "(now() add duration'PT1S' mul length(cast(%s,Edm.String)))",
	odata.Date: "date(now() add duration'PT1S' mul length(cast(%s,Edm.String)))", odata.TimeOfDay: "time(now() add duration'PT1S' mul length(cast(%s,Edm.String)))",
}

// uses lists every use of each operator and function in the language's own tables, as
// Boolean expressions with a %s for another expression.
func uses() (all []string) {
	for _, op := range odata.Operators() {
		for _, types := range combinations(2) {
			x, y := types[0], types[1]
			switch op {
			case "not", "neg":
				all = append(all, places(map[string]string{"not": "not (", "neg": "-("}[op], ")", "", types[:1])...)
			case "in":
				for _, list := range []string{"()", "(%s)", "(%[1]s,%[1]s)", "(null,%s)", "(1,%s,0.5,1.5e0,null)"} {
					text, _, _ := strings.Cut(fmt.Sprintf(list, atoms[y]), "%!")
					all = append(all, places("", " in "+text, "", types[:1])...)
				}
			default:
				all = append(all, places("", "", " "+op+" ", []odata.Type{x, y})...)
			}
		}
	}
	for _, f := range odata.Functions() {
		for n := range 4 {
			for _, types := range combinations(n) {
				all = append(all, places(f+"(", ")", ",", types)...)
			}
		}
		for t := range len(atoms) { // for cast and isof
			for _, types := range combinations(1) {
				all = append(all, places(f+"(", ","+odata.Type(t).String()+")", "", types)...)
			}
		}
	}
	for _, op := range odata.Lambdas() {
		all = append(all, "roleScopeTags/"+op+"(t:%s)")
	}
	return all
}

// combinations returns every choice of n types.
func combinations(n int) [][]odata.Type {
	if n == 0 {
		return [][]odata.Type{nil}
	}
	var all [][]odata.Type
	for _, rest := range combinations(n - 1) {
		for t := odata.Boolean; int(t) < len(atoms); t++ { // null is left out, because it is folded
			all = append(all, append(append([]odata.Type(nil), rest...), t))
		}
	}
	return all
}

// places puts a placeholder for another expression at each operand in turn.
func places(before, after, between string, types []odata.Type) (all []string) {
	for i, t := range types {
		if carriers[t] == "" {
			continue
		}
		var operands []string
		for j, u := range types {
			operands = append(operands, atoms[u])
			if i == j {
				operands[j] = carriers[t]
			}
		}
		all = append(all, "("+before+strings.Join(operands, between)+after+" ne null)")
	}
	return all
}

func parse(text string) (*odata.Expr, error) {
	q, err := odata.ParseQuery("$filter="+url.QueryEscape(text), newGenerator(0, sized, true).resource)
	return q.Filter, err
}

// nested nests a use n times in itself. Each range variable has another name.
func nested(use string, n int) string {
	text := "(displayName eq 'x')"
	for i := range n {
		text = strings.ReplaceAll(fmt.Sprintf(use, text), "(t:", fmt.Sprintf("(t%d:", i))
	}
	return text
}

// For every operator and function, the SQL of an expression and Postgres's plan grow
// linearly with the expression, and the expression isn't refused for its size. New
// operators are tested automatically.
func TestSizeIsLinear(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, use := range uses() {
		if _, err := parse(nested(use, 1)); err != nil || seen[use] {
			continue
		}
		seen[use] = true
		if len(seen)%testenv.Often(8, 1) != 0 { // each takes tenths of a second, and seconds under the race detector
			continue
		}
		t.Run(use, func(t *testing.T) {
			t.Parallel()
			growsLinearly(t, use)
		})
	}
	for _, name := range slices.Concat(odata.Operators(), odata.Functions(), odata.Lambdas()) {
		if name == "has" { // takes only a property and a literal
			continue
		}
		if name = strings.ReplaceAll(name, "neg", "-"); !strings.Contains(name, "datetime") && name != "now" && !used(seen, name) {
			t.Errorf("%s is not among them", name)
		}
	}
	t.Logf("%d uses", len(seen))
}

func growsLinearly(t *testing.T, use string) {
	t.Helper()
	const step = 4 // a third of the maximum depth
	var sizes [3]int
	for i := range sizes {
		sizes[i] = size(t, nested(use, step*(i+1)))
	}
	if grown := sizes[1] - sizes[0]; sizes[2]-sizes[1] > grown+grown/10+50 {
		t.Errorf("SQL of %v bytes", sizes)
	}
	if n := plan(t, nested(use, 2*step)); n > 2*sizes[1] { // two copies per level would make it a hundred times as long
		t.Errorf("a plan of %d bytes of SQL of %d", n, sizes[1])
	}
}

func used(uses map[string]bool, name string) bool {
	for use := range uses {
		if strings.Contains(use, name+"(") || strings.Contains(use, " "+name+" ") || strings.Contains(use, name+" (") {
			return true
		}
	}
	return false
}

// size returns the size of a list's statement with an expression as its filter and order,
// including parameters, in bytes.
func size(t *testing.T, filter string) int {
	t.Helper()
	e, err := parse(filter)
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	text, n, err := db.NewBuilder(t.Context(), sized).List(db.ListParams{Filter: e, OrderBy: []odata.Key{{Expr: e}}})
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	return len(text) + n
}

// plan returns the length of a filter's plan without white space.
func plan(t *testing.T, filter string) (n int) {
	t.Helper()
	e, err := parse(filter)
	if err != nil {
		t.Fatal(err)
	}
	b := db.NewBuilder(t.Context(), sized)
	text := b.Condition(e)
	rows, err := dbtest.Pool(t).Query(t.Context(), "EXPLAIN (VERBOSE, COSTS OFF) SELECT FROM "+sized.Table+" AS p WHERE p.tenant_id = '00000000-0000-0000-0000-000000000001' AND ("+text+")", b.Args()...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		n += len(strings.Join(strings.Fields(line), ""))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	return n
}

// The widest accepted expressions fit into a statement, even for later pages.
func TestWidestFits(t *testing.T) {
	t.Parallel()
	for _, use := range uses() {
		one := fmt.Sprintf(use, "true")
		if _, err := parse(one); err != nil {
			continue
		}
		chain := func(n int) string { return one + strings.Repeat(" or "+one, n) }
		e, err := parse(chain(sort.Search(8192/len(one), func(n int) bool { // the longest that is accepted
			_, err := parse(chain(n + 1))
			return err != nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []db.ListParams{
			{Filter: e, OrderBy: []odata.Key{{Expr: e}}}, {Filter: e, OrderBy: []odata.Key{{Expr: e}}, After: &db.Position{Keys: []*string{nil}}},
		} {
			if sql, size, err := db.NewBuilder(t.Context(), sized).List(p); err != nil || len(sql)+size > db.MaxStatement {
				t.Errorf("%s: %d bytes, %v", one, len(sql)+size, err)
			}
		}
	}
}

// Compiling stops when the request ends.
func TestCompilingEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := parse("displayName eq 'a' or length(displayName) gt 1")
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := db.NewBuilder(ctx, sized).List(db.ListParams{Filter: e}); !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := db.New(dbtest.Pool(t)).CountFiltered(ctx, db.SetOf(sized), uuid.New(), e, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Statements have a size limit, whatever they are made of.
func TestStatementIsBounded(t *testing.T) {
	t.Parallel()
	long := &odata.Expr{Op: "literal", Type: odata.String, Value: strings.Repeat("x", db.MaxStatement)}
	text := &odata.Expr{Op: "property", Type: odata.String, Name: "displayName"}
	many := &odata.Expr{Op: "eq", Type: odata.Boolean, Args: []*odata.Expr{text, text}}
	for range 20 { // written out, there are a million of them
		many = &odata.Expr{Op: "or", Type: odata.Boolean, Args: []*odata.Expr{many, many}}
	}
	for _, e := range []*odata.Expr{many, {Op: "eq", Type: odata.Boolean, Args: []*odata.Expr{text, long}}} {
		_, size, err := db.NewBuilder(t.Context(), sized).List(db.ListParams{Filter: e})
		var refusal *odata.Error
		if !errors.As(err, &refusal) || refusal.Option != odata.Filter || size > 2*db.MaxStatement {
			t.Errorf("%d bytes of parameters, %v", size, err)
		}
	}
}
