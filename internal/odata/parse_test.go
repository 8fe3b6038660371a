package odata_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/odata"
)

var status = &odata.EnumType{Name: "microsoft.graph.remoteAssistanceOnboardingStatus", Members: []string{"notOnboarded", "onboarding", "onboarded"}}

// management has members of status, but with other values.
var management = &odata.EnumType{Name: "microsoft.graph.managementState", Members: []string{"onboarded", "retired"}}

var branding = &odata.EnumType{Name: "microsoft.graph.notificationTemplateBrandingOptions", Members: []string{"none", "logo", "name", "link"}, Values: []int{0, 1, 2, 4}, Flags: true}

var actor = []odata.Property{
	{Name: "userId", Type: odata.String, Nullable: true},
	{Name: "type", Type: odata.Enum, Enum: status},
	{Name: "roles", SelectOnly: true},
	{Name: "address", Members: []odata.Property{{Name: "city", Type: odata.String}}},
}

var filterable = odata.Resource{
	Type:    "microsoft.graph.remoteAssistancePartner",
	Options: []string{odata.Filter, odata.OrderBy},
	Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "displayName", Type: odata.String, Nullable: true},
		{Name: "onboardingStatus", Type: odata.Enum, Enum: status},
		{Name: "managementState", Type: odata.Enum, Enum: management},
		{Name: "brandingOptions", Type: odata.Enum, Enum: branding},
		{Name: "lastConnectionDateTime", Type: odata.DateTimeOffset},
		{Name: "roleScopeTagIds", Type: odata.String, Collection: true},
		{Name: "actor", Members: actor},
		{Name: "resources", Collection: true, Members: actor[1:]},
		{Name: "payloads", Collection: true, SelectOnly: true},
	},
	Now: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC),
}

// An expression is written back with every parenthesis that precedence implies (URL
// Conventions 5.1.1.17).
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"true or false and not true eq false":                                "(true or (false and (not (true) eq false)))",
		"1 add 2 mul 3 gt 4 sub 5 sub 6":                                     "((1 add (2 mul 3)) gt ((4 sub 5) sub 6))",
		"length(displayName) eq 1 eq true":                                   "((length(displayName) eq 1) eq true)",
		"not displayName in ('a','b')":                                       "not ((displayName in ('a','b')))",
		"-1 eq - 1 and -(1) ne +1":                                           "((-1 eq -(1)) and (-(1) ne 1))",
		"onboardingStatus  eq\t'onboarded'":                                  "(onboardingStatus eq 'onboarded')",
		"'1' ne OnboardingStatus":                                            "('onboarding' ne onboardingStatus)",
		"'2' in (graph.remoteAssistanceOnboardingStatus'onboarded')":         "(microsoft.graph.remoteAssistanceOnboardingStatus'onboarded' in (microsoft.graph.remoteAssistanceOnboardingStatus'onboarded'))",
		"not brandingOptions has 'link, logo' eq true":                       "(not ((brandingOptions has 'logo,link')) eq true)",
		"BrandingOptions HAS '3' or brandingOptions has '0'":                 "((brandingOptions has 'logo,name') or (brandingOptions has 'none'))",
		"'name,logo' lt brandingOptions":                                     "('logo,name' lt brandingOptions)",
		"DisplayName in ( )":                                                 "(displayName in ())",
		"lastconnectiondatetime gt 2013-05-24":                               "(lastConnectionDateTime gt 2013-05-24T00:00:00Z)",
		"2013-05-24 eq date(lastConnectionDateTime)":                         "(2013-05-24 eq date(lastConnectionDateTime))",
		"displayName eq 'O''Neil'":                                           "(displayName eq 'O''Neil')",
		"duration'-P0D' eq null":                                             "(duration'PT0S' eq null)",
		"duration'P1DT2H3M4.5S' eq duration'-PT0.1S'":                        "(duration'PT93784.5S' eq duration'-PT0.1S')",
		"RoleScopeTagIds/ANY( T : t eq '0' or true)":                         "roleScopeTagIds/any(T:((T eq '0') or true))",
		"roleScopeTagIds/all(t:t in ('0')) eq roleScopeTagIds/any()":         "(roleScopeTagIds/all(t:(t in ('0'))) eq roleScopeTagIds/any())",
		"Actor/UserID ne actor/address/city":                                 "(actor/userId ne actor/address/city)",
		"resources/any(r:R/Type eq 'onboarded')":                             "resources/any(r:(r/type eq 'onboarded'))",
		"isof(null,Edm.String) or isof(id,Edm.Int64) or isof(id,Edm.String)": "((false or false) or (id ne null))",
		"now() eq lastConnectionDateTime":                                    "(2026-01-02T03:04:05.0000006Z eq lastConnectionDateTime)",
		"0E5F2A6B-0000-1000-8000-00805F9B34FB eq null":                       "(0e5f2a6b-0000-1000-8000-00805f9b34fb eq null)",
		"12:30 lt 23:59:59.9999999 and 2020-02-29 eq null":                   "((12:30:00 lt 23:59:59.9999999) and (2020-02-29 eq null))",
		"1.50 eq 1e3 and INF ne -INF":                                        "((1.50 eq 1e+03) and (INF ne -INF))",
	} {
		q, err := odata.ParseQuery("$filter="+url.QueryEscape(text), filterable)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := q.Filter.String(); got != want {
			t.Errorf("%s\nis %s\nwant %s", text, got, want)
		}
	}
}

// testdata/abnf.tsv has the rules of the standard's ABNF that apply to an entity with
// primitive properties, each with examples of what it accepts and refuses.
func TestABNF(t *testing.T) {
	t.Parallel()
	for _, c := range readABNF(t) {
		_, err := odata.ParseQuery("$filter="+url.QueryEscape(c.text), filterable)
		if accepted := err == nil; accepted != c.accept {
			t.Errorf("%s %s: accepted %v, want %v: %v", c.rule, c.text, accepted, c.accept, err)
		}
	}
}

type abnfCase struct {
	rule, text string
	accept     bool
}

func readABNF(tb testing.TB) (cases []abnfCase) {
	tb.Helper()
	data, err := os.ReadFile("testdata/abnf.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(f) != 3 {
			tb.Fatalf("not a case: %q", line)
		}
		if f[0] != "accept" && f[0] != "reject" {
			tb.Fatalf("neither accept nor reject: %q", line)
		}
		cases = append(cases, abnfCase{rule: f[1], text: f[2], accept: f[0] == "accept"})
	}
	return cases
}

// White space is what Unicode defines as such, including the line ends of a here-string and
// the no-break spaces of a web page. White space in a string is preserved.
func TestWhiteSpace(t *testing.T) {
	t.Parallel()
	const text = "not (displayName eq 'a b') and onboardingStatus in ('onboarded', '0') or length ( displayName ) add 1 gt - 2"
	for _, space := range []string{"\t", "\r\n", "\n\n  ", "\u00a0", "\u2003", "\u3000 "} {
		spaced := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, " ", space), "a"+space+"b", "a b"), "length"+space, "length")
		q, err := odata.ParseQuery("$filter="+url.QueryEscape(space+spaced+space)+"&$orderby="+url.QueryEscape(space+"id"+space+"desc"+space+","+space+"displayName"+space), filterable)
		if err != nil {
			t.Errorf("%q: %v", space, err)
			continue
		}
		const want = "((not ((displayName eq 'a b')) and (onboardingStatus in ('onboarded','notOnboarded'))) or ((length(displayName) add 1) gt -(2)))"
		if got := q.Filter.String(); got != want {
			t.Errorf("%q: %s, want %s", space, got, want)
		}
		if len(q.OrderBy) != 2 || !q.OrderBy[0].Descending {
			t.Errorf("%q: order %v", space, q.OrderBy)
		}
	}
}

// A refusal says where the fault is, and quotes at most 20 characters from there.
func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "Expression expected at position 0, the end.",
		"not ":                    "Expression expected at position 4, the end.",
		"nope eq 123456789012":    "Could not find a property named 'nope' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'nope eq 123456789012'.",
		"nope eq 1234567890123":   "Could not find a property named 'nope' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'nope eq 123456789012…'.",
		"a09zAZ_.$À eq 1":         "Could not find a property named 'a09zAZ_.$À' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'a09zAZ_.$À eq 1'.",
		"a/b eq 1":                "Could not find a property named 'a' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'a/b eq 1'.",
		"a:b eq 1":                "Could not find a property named 'a' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'a:b eq 1'.",
		"displayName/x eq 1":      "The property 'displayName' is not a collection and has no properties of its own at position 11, before '/x eq 1'.",
		"onboardingStatus eq 'x'": "The string 'x' is not a valid enumeration type constant of 'microsoft.graph.remoteAssistanceOnboardingStatus' at position 17, before 'eq 'x''.",
		"'x' eq onboardingStatus": "The string 'x' is not a valid enumeration type constant of 'microsoft.graph.remoteAssistanceOnboardingStatus' at position 4, before 'eq onboardingStatus'.",
		"onboardingStatus eq id":  incompatible("microsoft.graph.remoteAssistanceOnboardingStatus", "Edm.String", "eq at position 17, before 'eq id'."),
		"id eq onboardingStatus":  incompatible("Edm.String", "microsoft.graph.remoteAssistanceOnboardingStatus", "eq at position 3, before 'eq onboardingStatus'."),
		"onboardingStatus eq 1":   incompatible("microsoft.graph.remoteAssistanceOnboardingStatus", "Edm.Int64", "eq at position 17, before 'eq 1'."),
		"1 eq onboardingStatus":   incompatible("Edm.Int64", "microsoft.graph.remoteAssistanceOnboardingStatus", "eq at position 2, before 'eq onboardingStatus'."),
		"id eq 1":                 incompatible("Edm.String", "Edm.Int64", "eq at position 3, before 'eq 1'."),
		"1 eq 'x'":                incompatible("Edm.Int64", "Edm.String", "eq at position 2, before 'eq 'x''."),
		"actor/x eq 1":            "Could not find a property named 'x' on the complex value 'actor' at position 6, before 'x eq 1'.",
		"actor eq 1":              "'actor' has complex values, of which expressions take only members, as in 'actor/userId' at position 0, before 'actor eq 1'.",
		"actor/roles eq 1":        "The value of 'roles' is not one that expressions take here at position 6, before 'roles eq 1'.",
	} {
		_, err := odata.ParseQuery("$filter="+url.QueryEscape(text), filterable)
		if want := "Invalid filter clause: " + want; err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// incompatible is the refusal of two operands; at begins with the operator.
func incompatible(left, right, at string) string {
	op, at, _ := strings.Cut(at, " ")
	return fmt.Sprintf("A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator '%s' %s", left, right, op, at)
}

// Each limit is exact. The query in a link may be longer and deeper.
func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string { return strings.Repeat("(", levels-1) + "true" + strings.Repeat(")", levels-1) }
	long := func(bytes int) string { return "true" + strings.Repeat(" ", bytes-len("true")) }
	for _, tt := range []struct{ query, refused string }{
		{"$filter=" + long(8192), ""},
		{"$filter=" + long(8193), "The value of $filter has 8193 bytes; at most 8192 are allowed."},
		{"$filter=@a&@a=" + long(8190), ""},
		{"$filter=@a&@a=" + long(8191), "the expression that uses @a has more than 8192 bytes."},
		{"$filter=" + nested(100), ""},
		{"$filter=" + nested(101), "nests deeper than 100 levels"},
		{"$filter=@a&@a=" + nested(99), ""},
		{"$filter=@a&@a=" + nested(100), "nests deeper than 100 levels"},
		{"$filter=not true" + strings.Repeat(" or true", 499), ""},
		{"$filter=not not true" + strings.Repeat(" or true", 499), "has more than 1000 operators and operands"},
		{"$orderby=id" + strings.Repeat(",id", 7), ""},
		{"$orderby=id" + strings.Repeat(",id", 8), "$orderby takes at most 8 keys."},
		{"$filter=true\xff", "is not valid UTF-8 text."},
		{"$filter='\x00' eq id", "is not valid UTF-8 text."},
		{"$skiptoken=x&$filter=" + long(6*8192), ""},
		{"$skiptoken=x&$filter=" + long(6*8192+1), "The value of $filter has 49153 bytes; at most 49152 are allowed."},
		{"$skiptoken=x&$filter=" + nested(2000), ""},
		{"$skiptoken=x&$filter=" + nested(2001), "nests deeper than 2000 levels"},
	} {
		got := ""
		if _, err := odata.ParseQuery(strings.ReplaceAll(tt.query, " ", "%20"), linked); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.refused) || (got == "") != (tt.refused == "") {
			t.Errorf("%.40s…, %d bytes: %q, want %q", tt.query, len(tt.query), got, tt.refused)
		}
	}
}

// The length of an expression includes each use of a parameter alias as the alias's value.
func TestAliasesCount(t *testing.T) {
	t.Parallel()
	const more = "the expression that uses @a has more than 8192 bytes"
	for _, tt := range []struct {
		uses, length int
		refused      string
	}{
		{1, 8000, ""},
		{40, 150, ""},
		{1, 8180, more},
		{2, 4200, more},
		{45, 160, more},
		{245, 8000, more},
		{1, 9000, "The value of @a has 9002 bytes; at most 8192 are allowed."},
	} {
		for _, option := range []string{"$filter=", "$orderby="} {
			filter := "displayName eq @a" + strings.Repeat(" or displayName eq @a", tt.uses-1)
			_, err := odata.ParseQuery(option+url.QueryEscape(filter)+"&@a='"+strings.Repeat("x", tt.length)+"'", filterable)
			if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s%d uses of %d bytes: %v", option, tt.uses, tt.length, err)
			}
		}
	}
}

// The query in a link is accepted even if it is much longer than the original: chains, what
// now() means, members by number, negations.
func TestLinksAreTaken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"true" + strings.Repeat(" or true", 499),
		"now() lt now()" + strings.Repeat(" or now() lt now()", 240),
		"onboardingStatus in ('1'" + strings.Repeat(",'1'", 490) + ")",
		strings.Repeat("not ", 97) + "true",
		strings.Repeat("- ", 97) + "1 lt 2",
		"duration'P1D' in ('P1D'" + strings.Repeat(",'P1D'", 490) + ")",
		"lastConnectionDateTime in (2013-05-24" + strings.Repeat(",2013-05-24", 490) + ")",
		strings.Repeat("cast(length(", 49) + "displayName" + strings.Repeat("),Edm.String)", 49) + " eq 'a'",
	} {
		for _, option := range []string{"$filter=", "$orderby="} {
			q, err := odata.ParseQuery(option+url.QueryEscape(text), linked)
			if err != nil {
				t.Errorf("%.40s: %v", text, err)
				continue
			}
			q.SkipToken = "x"
			again, err := odata.ParseQuery(q.Encode(), linked)
			if err != nil || again.Encode() != q.Encode() {
				t.Errorf("%.40s… of a link: %v", text, err)
			}
		}
	}
}

var linked = func() odata.Resource {
	r := filterable
	r.Options = append(r.Options, odata.SkipToken)
	return r
}()

// Every accepted expression is written in a form that reads back as the same.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"displayName eq 'a' and not (lastConnectionDateTime gt 2020-01-01T00:00:00Z)", "onboardingStatus in ('onboarded', null)",
		"contains(tolower(displayName),'x') or length(displayName) add 1 divby 2 lt 0.5", "cast(onboardingStatus,Edm.String) eq 'x'",
		"isof(displayName,Edm.String)", "year(now()) eq -INF", "duration'P1D' mul 2 eq @p", "((((", "'", "-", "not", "not(", "2020-01-01T00:00:00+14:00 eq null",
		"9999-12-31T23:59:59-14:00 eq null", "2020-02-30T00:00:00Z eq null", "displayNamé eq 1", "substring(,", "cast(", "cast(id,", "\xff", "",
	} {
		f.Add(seed)
	}
	for _, c := range readABNF(f) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := odata.ParseQuery("$filter="+url.QueryEscape(text), filterable)
		if err != nil {
			return
		}
		written := q.Filter.String()
		again, err := odata.ParseQuery("$skiptoken=x&$filter="+url.QueryEscape(written), linked)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, written, err)
		}
		if got := again.Filter.String(); got != written {
			t.Errorf("%q became %q, then %q", text, written, got)
		}
	})
}

// The same for $orderby.
func FuzzOrderBy(f *testing.F) {
	for _, seed := range []string{"displayName desc,id", "length(displayName) asc", "displayName eq 'a' desc, lastConnectionDateTime", ",", "id desc desc", "\xff", ""} {
		f.Add(seed)
	}
	for _, c := range readABNF(f) {
		f.Add(c.text + " desc")
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := odata.ParseQuery("$orderby="+url.QueryEscape(text), filterable)
		if err != nil {
			return
		}
		q.SkipToken = "x"
		again, err := odata.ParseQuery(q.Encode(), linked)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, q.Encode(), err)
		}
		if again.Encode() != q.Encode() {
			t.Errorf("%q became %q, then %q", text, q.Encode(), again.Encode())
		}
	})
}

func BenchmarkParseFilter(b *testing.B) {
	raw := "$filter=" + url.QueryEscape("onboardingStatus eq 'onboarded' and (contains(displayName,'x') or lastConnectionDateTime gt 2020-01-01T00:00:00Z)")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := odata.ParseQuery(raw, filterable); err != nil {
			b.Fatal(err)
		}
	}
}
