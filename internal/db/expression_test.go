package db_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
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

var (
	seed   = flag.Uint64("seed", 0, "of random expressions; 0 takes another each time")
	orders = flag.Int("orders", testenv.Often(4, 60), "how many orders to try, for each entity and version")
	pairs  = flag.Int("pairs", testenv.Often(2_000, 40_000), "how many pairs of an expression and a row to try, for each entity and version")
)

// generator writes random expressions about one entity as clients of a version might.
type generator struct {
	*rand.Rand
	entity   *entity.Type
	resource odata.Resource
	names    map[odata.Type][]string // the properties of each type, and the id
	enums    []*entity.Property
	special  []*entity.Property // of kinds that have conditions of their own
	beta     bool
}

func newGenerator(seed uint64, t *entity.Type, beta bool) generator {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 0)), entity: t, beta: beta, names: map[odata.Type][]string{odata.String: {"id"}}}
	g.resource = odata.Resource{
		Type: t.QualifiedName(), Options: []string{odata.Filter, odata.OrderBy},
		Properties: []odata.Property{{Name: "id", Type: odata.String}},
		Now:        time.Date(2026, 5, 6, 7, 8, 9, 1234567*100, time.UTC),
	}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.In(beta) {
			g.add(p)
		}
	}
	return g
}

// add lets expressions name a property.
func (g *generator) add(p *entity.Property) {
	edm, known := p.EDM()
	g.resource.Properties = append(g.resource.Properties, p.Queried(g.beta))
	switch {
	case kinds[p.Kind].condition != nil:
		g.special = append(g.special, p)
	case edm == odata.Enum:
		g.enums = append(g.enums, p)
	case known:
		g.names[edm] = append(g.names[edm], p.Name)
	}
}

// everyEntity calls f with a generator for each entity, in each version that has it.
func everyEntity(t *testing.T, f func(*testing.T, generator)) {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	for _, e := range entity.All {
		for _, beta := range []bool{false, true} {
			if e.BetaOnly && !beta {
				continue
			}
			t.Run(e.Name+map[bool]string{false: "/v1.0", true: "/beta"}[beta], func(t *testing.T) {
				t.Parallel()
				f(t, newGenerator(s, e, beta))
			})
		}
	}
}

// pick returns one of the texts.
func (g generator) pick(all ...string) string { return all[g.IntN(len(all))] }

// property returns the name of a property of a type, or one of the other texts.
func (g generator) property(t odata.Type, others ...string) string {
	return g.pick(append(slices.Clone(g.names[t]), others...)...)
}

var letters = []rune("aAbBäÖé\u00a0 %_'\\x1")

func (g generator) text() string {
	r := make([]rune, g.IntN(4))
	for i := range r {
		r[i] = letters[g.IntN(len(letters))]
	}
	return string(r)
}

func (g generator) quoted() string { return "'" + strings.ReplaceAll(g.text(), "'", "''") + "'" }

func (g generator) instant() time.Time {
	return time.Date(1900+g.IntN(200), time.Month(1+g.IntN(12)), 1+g.IntN(28), g.IntN(24), g.IntN(60), g.IntN(60), g.IntN(3)*1234567*100, time.UTC)
}

// zoned is an instant in some zone.
func (g generator) zoned() time.Time { return g.instant().In(time.FixedZone("", (g.IntN(29)-14)*3600)) }

func (g generator) boolean(depth int) string {
	if depth == 0 {
		text := g.property(odata.String)
		return g.property(odata.Boolean, "true", "false", "null", g.enumeration(), text+" eq null", text+" ne "+g.quoted(), "contains("+text+","+g.quoted()+")")
	}
	if len(g.special) > 0 && g.IntN(6) == 0 {
		p := g.special[g.IntN(len(g.special))]
		return kinds[p.Kind].condition(g, p, depth-1)
	}
	d := depth - 1
	switch g.IntN(18) {
	case 0:
		return "(" + g.boolean(d) + " and " + g.boolean(d) + ")"
	case 1:
		return "(" + g.boolean(d) + " or " + g.boolean(d) + ")"
	case 2:
		return "not (" + g.boolean(d) + ")"
	case 3:
		return "(" + g.boolean(d) + " " + g.pick("eq", "ne") + " (" + g.boolean(d) + "))"
	case 4:
		return "(" + g.str(d) + " " + g.comparison() + " " + g.str(d) + ")"
	case 5:
		return "(" + g.number(d) + " " + g.comparison() + " " + g.number(d) + ")"
	case 6:
		return "(" + g.date(d) + " " + g.comparison() + " " + g.date(d) + ")"
	case 7:
		return g.enumeration()
	case 8:
		return "(" + g.str(d) + " in (" + g.quoted() + "," + g.pick("null", g.quoted()) + "," + g.quoted() + "))"
	case 9:
		return g.pick("contains", "startswith", "endswith") + "(" + g.str(d) + "," + g.str(d) + ")"
	case 10:
		return "(" + g.duration(d) + " " + g.comparison() + " " + g.duration(d) + ")"
	}
	if g.IntN(3) == 0 {
		return "(" + g.pick("date", "time") + "(" + g.date(d) + ") " + g.comparison() + " " + g.pick("date", "date") + "(" + g.date(d) + "))"
	}
	return g.peculiar(d)
}

// enumeration compares an enumeration, or something else in an entity without one.
func (g generator) enumeration() string {
	if len(g.enums) == 0 {
		return "(" + g.property(odata.Boolean, "true", "null") + " " + g.pick("eq", "ne") + " " + g.pick("true", "null") + ")"
	}
	p := g.enums[g.IntN(len(g.enums))]
	member := g.member(p)
	if g.IntN(4) == 0 {
		return "(" + p.Name + " in (" + g.pick("'"+member+"'", "null,'"+g.memberNumber(p)+"'", "'"+member+"','"+g.member(p)+"'") + "))"
	}
	return "(" + p.Name + " " + g.comparison() + " " + g.pick("'"+member+"'", p.Enum.Name+"'"+member+"'", "null", p.Name) + ")"
}

// member is one that an enumeration has in the version.
func (g generator) member(p *entity.Property) string { return g.pick(p.EnumIn(g.beta).Members...) }

// memberNumber is the number of a member.
func (g generator) memberNumber(p *entity.Property) string {
	enum := p.EnumIn(g.beta)
	return strconv.Itoa(enum.Value(g.IntN(len(enum.Members))))
}

// enumName is an enumeration, or a text in an entity without one.
func (g generator) enumName() string {
	if len(g.enums) == 0 {
		return g.property(odata.String)
	}
	return g.enums[g.IntN(len(g.enums))].Name
}

// enumText is an enumeration as a text, or a text in an entity without one.
func (g generator) enumText() string {
	if len(g.enums) == 0 {
		return g.property(odata.String)
	}
	return "cast(" + g.enumName() + ",Edm.String)"
}

// peculiar returns an expression with a syntax of its own.
func (g generator) peculiar(d int) string {
	switch g.IntN(7) {
	case 0:
		return "(" + g.number(d) + " in (" + g.pick("", "null", "NaN", "1", "0.5,2", "1,0.5,null", "-1e0,2,0.5,NaN", "1,2,3,7") + "))"
	case 1:
		return "(" + g.date(d) + " in (" + g.literalInstant() + "," + g.pick("null", g.bareDate()) + "," + g.literalInstant() + "))"
	case 2:
		return "(" + g.pick("id in ("+g.quoted()+",'"+uuid.NewString()+"')", "id in ()", g.property(odata.String)+" in (null)", "not (null in (1,null))") + ")"
	case 3:
		return "(" + g.date(d) + " " + g.comparison() + " " + g.pick(g.bareDate(), "mindatetime()", "maxdatetime()") + ")"
	case 4:
		return "isof(" + g.pick(g.str(d), g.number(d), g.date(d), g.enumName()) + "," + g.pick("Edm.String", "Edm.Int64", "Edm.DateTimeOffset") + ")"
	case 5:
		return "(totaloffsetminutes(" + g.date(d) + ") " + g.comparison() + " " + g.pick("60", "-480", "null", g.integer(d)) + ")"
	}
	text := g.property(odata.String)
	return "(" + g.pick(strings.ToUpper(text), strings.ToLower(text), strings.ToUpper(text[:1])+text[1:]) + g.pick("\u00a0", "\r\n", " ") + g.comparison() + g.pick("\r\n\t", " ") + g.quoted() + ")"
}

func (g generator) literalInstant() string {
	return g.instant().Format("2006-01-02T15:04:05.9999999Z07:00")
}

func (g generator) bareDate() string { return g.instant().Format(time.DateOnly) }

func (g generator) comparison() string { return g.pick("eq", "ne", "gt", "ge", "lt", "le") }

func (g generator) str(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.property(odata.String, g.quoted(), g.quoted(), "null")
	}
	d := depth - 1
	switch g.IntN(7) {
	case 0:
		return "concat(" + g.str(d) + "," + g.str(d) + ")"
	case 1:
		return g.pick("tolower", "toupper", "trim") + "(" + g.str(d) + ")"
	case 2:
		return "substring(" + g.str(d) + "," + g.number(d) + ")"
	case 3:
		return "substring(" + g.str(d) + "," + g.integer(d) + "," + g.pick("0", "1", "2", "length("+g.str(d)+")") + ")"
	case 4:
		return "cast(" + g.integer(d) + ",Edm.String)"
	case 5:
		return "cast(" + g.boolean(d) + ",Edm.String)"
	}
	return g.enumText()
}

func (g generator) integer(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.property(odata.Int64, "-3", "-1", "0", "1", "2", "7", "null")
	}
	d := depth - 1
	switch g.IntN(6) {
	case 0:
		return "(" + g.integer(d) + " " + g.pick("add", "sub", "mul") + " " + g.integer(d) + ")"
	case 1:
		return "(" + g.integer(d) + " " + g.pick("div", "mod") + " " + g.pick("2", "-3", "5") + ")"
	case 2:
		return "length(" + g.str(d) + ")"
	case 3:
		return "indexof(" + g.str(d) + "," + g.str(d) + ")"
	case 4:
		return "-(" + g.integer(d) + ")"
	}
	return g.pick("year", "month", "day", "hour", "minute", "second", "totaloffsetminutes") + "(" + g.date(d) + ")"
}

func (g generator) number(depth int) string {
	if depth == 0 || g.IntN(2) == 0 {
		return g.integer(depth)
	}
	d := depth - 1
	switch g.IntN(7) {
	case 0:
		return g.pick("0.5", "-2.25", "1.5e0", "INF", "NaN", "-INF", "12345678901234567890")
	case 1:
		return "(" + g.number(d) + " " + g.pick("add", "sub") + " " + g.number(d) + ")"
	case 2:
		return "(" + g.integer(d) + " divby " + g.pick("2", "4", "-8") + ")"
	case 3:
		return g.pick("round", "floor", "ceiling") + "(" + g.number(d) + ")"
	case 4:
		return "fractionalseconds(" + g.date(d) + ")"
	case 5:
		return "cast(" + g.integer(d) + "," + g.pick("Edm.Double", "Edm.Decimal") + ")"
	}
	return "totalseconds(" + g.duration(d) + ")"
}

func (g generator) date(depth int) string {
	if depth == 0 || g.IntN(3) > 0 {
		return g.property(odata.DateTimeOffset, g.literalInstant(), "now()", "null")
	}
	return "(" + g.date(depth-1) + " " + g.pick("add", "sub") + " " + g.duration(depth-1) + ")"
}

func (g generator) duration(depth int) string {
	if depth == 0 || g.IntN(3) > 0 {
		return g.pick("duration'P1D'", "duration'-PT1H2M3.0000004S'", "duration'PT0S'", "null")
	}
	d := depth - 1
	return g.pick(
		"("+g.duration(d)+" add "+g.duration(d)+")", "("+g.duration(d)+" mul "+g.pick("2", "-3")+")", "("+g.duration(d)+" div 7)",
		"("+g.property(odata.DateTimeOffset, "now()")+" sub "+g.date(0)+")", "-("+g.duration(d)+")",
	)
}

// fill makes entities of random values in a new tenant, and returns them in the order of
// their UUIDs.
func (g generator) fill(t *testing.T, n int) (uuid.UUID, []record) {
	t.Helper()
	tenant, set := dbtest.NewTenant(t), db.SetOf(g.entity)
	var rows []record
	for i := range n {
		c := db.Create{TenantID: tenant.ID, ID: uuid.Must(uuid.NewV7()), CreatedAt: time.Now(), CreatedBy: tenant.UserID}
		if g.entity.Keys == entity.CounterKeys {
			c.ID = entity.CounterID(uint64(i + 1))
		}
		for i := range g.entity.Properties {
			c.Values = append(c.Values, g.value(&g.entity.Properties[i]))
		}
		if at := g.entity.Index(g.entity.KeyPart); at >= 0 { // no two keys are alike
			c.Values[at].Text += strconv.Itoa(i)
		}
		row, err := set.Create(t.Context(), db.New(dbtest.Pool(t)), c)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, recordOf(g.entity, row))
	}
	return tenant.ID, rows
}

// value returns a random value of a property.
func (g generator) value(p *entity.Property) entity.Value {
	if p.Nullable && g.IntN(4) == 0 {
		return entity.Value{Null: true}
	}
	return kinds[p.Kind].random(g, p)
}

// Whatever an expression is, and of whichever entity, Postgres finds for each row what OData
// defines: as a filter, and with null told from false.
func TestExpressionsAgree(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	everyEntity(t, func(t *testing.T, g generator) {
		const rows, together = 50, 40
		tenant, all := g.fill(t, rows)
		tried := 0
		for tried < *pairs && !t.Failed() {
			texts, expressions := g.expressions(t, together)
			agree(t, tenant, all, texts, expressions)
			tried += rows * together
		}
		t.Logf("%d pairs", tried)
	})
}

// expressions are n random filters, as text and parsed.
func (g generator) expressions(t *testing.T, n int) (texts []string, expressions []*odata.Expr) {
	t.Helper()
	for len(expressions) < n {
		text := g.boolean(1 + g.IntN(4))
		q, err := odata.ParseQuery("$filter="+url.QueryEscape(text), g.resource)
		switch {
		case err == nil:
			texts, expressions = append(texts, text), append(expressions, q.Filter)
		case !slices.ContainsFunc(expectedRefusals, func(part string) bool { return strings.Contains(err.Error(), part) }):
			t.Fatalf("%s: %v", text, err)
		}
	}
	return texts, expressions
}

// expectedRefusals are parts of the errors that the generator, which knows types only
// roughly, may cause.
var expectedRefusals = []string{"incompatible type", "No function signature", "is zero"}

// agree computes expressions for all rows of an entity, both ways.
func agree(t *testing.T, tenant uuid.UUID, all []record, texts []string, expressions []*odata.Expr) {
	t.Helper()
	of := all[0].Type
	b := db.NewBuilder(t.Context(), of)
	columns := []string{"p.id"}
	for _, e := range expressions {
		columns = append(columns, "("+b.Condition(e)+") IS TRUE", "("+b.Value(e)+")::boolean")
	}
	query := fmt.Sprintf("SELECT %s FROM %s AS p WHERE p.tenant_id = '%s' ORDER BY p.id", strings.Join(columns, ", "), of.Table, tenant)
	rows, err := dbtest.Pool(t).Query(t.Context(), query, b.Args()...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		for j, e := range expressions {
			want := evaluate(e, &all[i])
			if values[1+2*j] != (want == true) || values[2+2*j] != want {
				t.Errorf("%s\nof %+v\nis %v, as a filter %v; want %v", texts[j], all[i].Values, values[2+2*j], values[1+2*j], want)
			}
		}
	}
	if err := rows.Err(); err != nil {
		for j, e := range expressions { // find the one that fails
			b := db.NewBuilder(t.Context(), of)
			one := fmt.Sprintf("SELECT %s FROM %s AS p WHERE p.tenant_id = '%s'", b.Value(e), of.Table, tenant)
			if _, err := dbtest.Pool(t).Exec(t.Context(), one, b.Args()...); err != nil {
				t.Errorf("%s: %v\n%s", texts[j], err, one)
			}
		}
		t.Fatal(err)
	}
}

// What is tried at random is the whole language, and every property of every entity.
func TestGeneratorKnowsTheLanguage(t *testing.T) {
	t.Parallel()
	everyEntity(t, func(t *testing.T, g generator) {
		missing := language()
		if !slices.ContainsFunc(g.special, func(p *entity.Property) bool { return p.Kind == entity.FlagsKind }) {
			delete(missing, " has ")
		}
		for _, p := range g.resource.Properties {
			if !p.SelectOnly {
				missing[p.Name] = p.Name
			}
		}
		for _, p := range g.special {
			missing[p.Name] = p.Name
			for _, op := range odata.Lambdas() {
				if p.IsCollection() {
					missing["/"+op+"("] = op
				}
			}
		}
		for range 10_000 {
			if len(missing) == 0 {
				return
			}
			text := g.boolean(4)
			maps.DeleteFunc(missing, func(mark, _ string) bool { return strings.Contains(text, mark) })
		}
		t.Errorf("never tried: %v", missing)
	})
}

// language lists the operators and functions, by what is in the text of an expression that
// has it.
func language() map[string]string {
	marks := map[string]string{" in (": "in", "not (": "not", "-(": "neg"}
	for _, op := range odata.Operators() {
		if op != "in" && op != "not" && op != "neg" {
			marks[" "+op+" "] = op
		}
	}
	for _, f := range odata.Functions() {
		marks[f+"("] = f
	}
	return marks
}

// Every kind that an entity has is known, and each that operators take can be evaluated.
func TestKindsAreKnown(t *testing.T) {
	t.Parallel()
	for _, e := range entity.All {
		for _, p := range e.Properties {
			known := kinds[p.Kind]
			if _, typed := p.EDM(); known.random == nil || typed && known.evaluated == nil {
				t.Errorf("kinds doesn't say how to try %s of %s", p.Name, e.Name)
			}
		}
	}
}

// A name that the entity doesn't have is never taken for that of another property.
func TestEvaluateRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	for _, e := range entity.All {
		row := record{Type: e, Values: e.Defaults()}
		for _, name := range []string{"unknown", "ID", ""} {
			if _, refused := tryEvaluate(&odata.Expr{Op: "property", Name: name}, &row); !refused {
				t.Errorf("%s: %q has a value", e.Name, name)
			}
		}
	}
}

// tryEvaluate reports whether evaluate panics.
func tryEvaluate(e *odata.Expr, row *record) (value any, refused bool) {
	defer func() { refused = recover() != nil }()
	return evaluate(e, row), false
}
