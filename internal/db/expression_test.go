package db_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/odata"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var (
	seed  = flag.Uint64("seed", 0, "of random expressions; 0 takes another each time")
	pairs = flag.Int("pairs", testenv.Often(20_000, 120_000), "how many pairs of an expression and a partner to try")
)

var status = &odata.EnumType{Name: "microsoft.graph.remoteAssistanceOnboardingStatus", Members: []string{"notOnboarded", "onboarding", "onboarded"}}

var partnerResource = odata.Resource{
	Type:    "microsoft.graph.remoteAssistancePartner",
	Options: []string{odata.Filter, odata.OrderBy},
	Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "displayName", Type: odata.String, Nullable: true},
		{Name: "onboardingUrl", Type: odata.String, Nullable: true},
		{Name: "onboardingStatus", Type: odata.Enum, Enum: status},
		{Name: "lastConnectionDateTime", Type: odata.DateTimeOffset},
		{Name: "onboardingRequestExpiryDateTime", Type: odata.DateTimeOffset},
	},
	Now: time.Date(2026, 5, 6, 7, 8, 9, 1234567*100, time.UTC),
}

// generator writes random expressions as clients might.
type generator struct{ *rand.Rand }

func (g generator) pick(all ...string) string { return all[g.IntN(len(all))] }

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

func (g generator) boolean(depth int) string {
	if depth == 0 {
		return g.pick("true", "false", "null", "onboardingStatus eq 'onboarding'", "displayName eq null", "displayName ne "+g.quoted(), "contains(displayName,"+g.quoted()+")")
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
		return "(onboardingStatus " + g.comparison() + " " + g.pick("'onboarded'", "microsoft.graph.remoteAssistanceOnboardingStatus'onboarding'", "null", "onboardingStatus") + ")"
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
	return g.special(d)
}

// special is what is written in a way of its own.
func (g generator) special(d int) string {
	switch g.IntN(7) {
	case 0:
		return "(" + g.number(d) + " in (" + g.pick("", "null", "NaN", "1", "0.5,2", "1,0.5,null", "-1e0,2,0.5,NaN", "1,2,3,7") + "))"
	case 1:
		return "(" + g.date(d) + " in (" + g.literalInstant() + "," + g.pick("null", g.bareDate()) + "," + g.literalInstant() + "))"
	case 2:
		return "(" + g.pick("id in ("+g.quoted()+",'"+uuid.NewString()+"')", "id in ()", "onboardingStatus in ('onboarded')", "onboardingStatus in (null,'1')", "displayName in (null)", "not (null in (1,null))") + ")"
	case 3:
		return "(" + g.date(d) + " " + g.comparison() + " " + g.pick(g.bareDate(), "mindatetime()", "maxdatetime()") + ")"
	case 4:
		return "isof(" + g.pick(g.str(d), g.number(d), g.date(d), "onboardingStatus") + "," + g.pick("Edm.String", "Edm.Int64", "Edm.DateTimeOffset") + ")"
	case 5:
		return "(totaloffsetminutes(" + g.date(d) + ") " + g.comparison() + " " + g.pick("60", "-480", "null", g.integer(d)) + ")"
	}
	return "(" + g.pick("DISPLAYNAME", "DisplayName", "OnboardingURL") + g.pick("\u00a0", "\r\n", " ") + g.comparison() + g.pick("\r\n\t", " ") + g.quoted() + ")"
}

func (g generator) literalInstant() string {
	return g.instant().Format("2006-01-02T15:04:05.9999999Z07:00")
}

func (g generator) bareDate() string { return g.instant().Format(time.DateOnly) }

func (g generator) comparison() string { return g.pick("eq", "ne", "gt", "ge", "lt", "le") }

func (g generator) str(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.pick("displayName", "displayName", "onboardingUrl", "id", g.quoted(), g.quoted(), "null")
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
	return "cast(onboardingStatus,Edm.String)"
}

func (g generator) integer(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.pick("-3", "-1", "0", "1", "2", "7", "null")
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
		return g.pick("lastConnectionDateTime", "onboardingRequestExpiryDateTime", g.literalInstant(), "now()", "null")
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
		"(lastConnectionDateTime sub "+g.date(0)+")", "-("+g.duration(d)+")",
	)
}

// fill makes partners of random values in a new tenant.
func (g generator) fill(t *testing.T, n int) (uuid.UUID, []db.RemoteAssistancePartner) {
	t.Helper()
	tenant := dbtest.NewTenant(t)
	q := db.New(dbtest.Pool(t))
	var rows []db.RemoteAssistancePartner
	maybe := func() *string {
		if g.IntN(4) == 0 {
			return nil
		}
		s := g.text()
		return &s
	}
	for range n {
		p := db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: uuid.Must(uuid.NewV7()), DisplayName: maybe(), OnboardingUrl: maybe(),
			OnboardingStatus: db.OnboardingStatus(status.Members[g.IntN(3)]), CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		}
		zoned := func() time.Time { return g.instant().In(time.FixedZone("", (g.IntN(29)-14)*3600)) }
		p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(zoned())
		p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(zoned())
		row, err := q.CreateRemoteAssistancePartner(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return tenant.ID, rows
}

// Whatever an expression is, Postgres finds for each partner what OData defines:
// as a filter, and with null told from false.
func TestExpressionsAgree(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	g := generator{rand.New(rand.NewPCG(s, 0))}
	const rows, together = 50, 40
	tenant, all := g.fill(t, rows)
	tried := 0
	for tried < *pairs && !t.Failed() {
		var texts []string
		var expressions []*odata.Expr
		for len(expressions) < together {
			text := g.boolean(1 + g.IntN(4))
			q, err := odata.ParseQuery("$filter="+url.QueryEscape(text), partnerResource)
			if err != nil {
				if !strings.Contains(err.Error(), "incompatible type") && !strings.Contains(err.Error(), "No function signature") && !strings.Contains(err.Error(), "is zero") {
					t.Fatalf("%s: %v", text, err)
				}
				continue
			}
			texts, expressions = append(texts, text), append(expressions, q.Filter)
		}
		agree(t, tenant, all, texts, expressions)
		tried += rows * together
	}
	t.Logf("%d pairs", tried)
}

// agree computes expressions for all partners, both ways.
func agree(t *testing.T, tenant uuid.UUID, all []db.RemoteAssistancePartner, texts []string, expressions []*odata.Expr) {
	t.Helper()
	b := db.NewBuilder(t.Context())
	columns := []string{"p.id"}
	for _, e := range expressions {
		columns = append(columns, "("+b.Condition(e)+") IS TRUE", "("+b.Value(e)+")::boolean")
	}
	query := fmt.Sprintf("SELECT %s FROM remote_assistance_partners AS p WHERE p.tenant_id = '%s' ORDER BY p.id", strings.Join(columns, ", "), tenant)
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
				t.Errorf("%s\nof %s %v %s\nis %v, as a filter %v; want %v", texts[j], deref(all[i].DisplayName), all[i].LastConnectionAt, all[i].OnboardingStatus, values[2+2*j], values[1+2*j], want)
			}
		}
	}
	if err := rows.Err(); err != nil {
		for j, e := range expressions { // find the one that fails
			b := db.NewBuilder(t.Context())
			one := fmt.Sprintf("SELECT %s FROM remote_assistance_partners AS p WHERE p.tenant_id = '%s'", b.Value(e), tenant)
			if _, err := dbtest.Pool(t).Exec(t.Context(), one, b.Args()...); err != nil {
				t.Errorf("%s: %v\n%s", texts[j], err, one)
			}
		}
		t.Fatal(err)
	}
}

// What is tried at random is the whole language.
func TestGeneratorKnowsTheLanguage(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(1, 0))}
	missing := map[string]string{} // by what is in the text of an expression that has it
	for _, op := range odata.Operators() {
		missing[" "+op+" "] = op
	}
	missing[" in ("], missing["not ("], missing["-("] = "in", "not", "neg"
	delete(missing, " in ")
	delete(missing, " not ")
	delete(missing, " neg ")
	for _, f := range odata.Functions() {
		missing[f+"("] = f
	}
	for range 10_000 {
		text := g.boolean(4)
		for mark := range missing {
			if strings.Contains(text, mark) {
				delete(missing, mark)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("never tried: %v", missing)
	}
}

func deref(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}
