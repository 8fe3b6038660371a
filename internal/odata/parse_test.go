package odata_test

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/odata"
)

var status = &odata.EnumType{Name: "microsoft.graph.remoteAssistanceOnboardingStatus", Members: []string{"notOnboarded", "onboarding", "onboarded"}}

var filterable = odata.Resource{
	Type:    "microsoft.graph.remoteAssistancePartner",
	Options: []string{odata.Filter, odata.OrderBy},
	Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "displayName", Type: odata.String, Nullable: true},
		{Name: "onboardingStatus", Type: odata.Enum, Enum: status},
		{Name: "lastConnectionDateTime", Type: odata.DateTimeOffset},
	},
	Now: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC),
}

// What is read is written back with every parenthesis that precedence implies
// (URL Conventions 5.1.1.17).
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"true or false and not true eq false":                        "(true or (false and (not (true) eq false)))",
		"1 add 2 mul 3 gt 4 sub 5 sub 6":                             "((1 add (2 mul 3)) gt ((4 sub 5) sub 6))",
		"length(displayName) eq 1 eq true":                           "((length(displayName) eq 1) eq true)",
		"not displayName in ('a','b')":                               "not ((displayName in ('a','b')))",
		"-1 eq - 1 and -(1) ne +1":                                   "((-1 eq -(1)) and (-(1) ne 1))",
		"onboardingStatus  eq\t'onboarded'":                          "(onboardingStatus eq 'onboarded')",
		"'1' ne OnboardingStatus":                                    "('onboarding' ne onboardingStatus)",
		"'2' in (graph.remoteAssistanceOnboardingStatus'onboarded')": "(microsoft.graph.remoteAssistanceOnboardingStatus'onboarded' in (microsoft.graph.remoteAssistanceOnboardingStatus'onboarded'))",
		"DisplayName in ( )":                                         "(displayName in ())",
		"lastconnectiondatetime gt 2013-05-24":                       "(lastConnectionDateTime gt 2013-05-24T00:00:00Z)",
		"2013-05-24 eq date(lastConnectionDateTime)":                 "(2013-05-24 eq date(lastConnectionDateTime))",
		"displayName eq 'O''Neil'":                                   "(displayName eq 'O''Neil')",
		"duration'P1DT2H3M4.5S' eq duration'-PT0.1S'":                "(duration'PT93784.5S' eq duration'-PT0.1S')",
		"now() eq lastConnectionDateTime":                            "(2026-01-02T03:04:05.0000006Z eq lastConnectionDateTime)",
		"0E5F2A6B-0000-1000-8000-00805F9B34FB eq null":               "(0e5f2a6b-0000-1000-8000-00805f9b34fb eq null)",
		"12:30 lt 23:59:59.9999999 and 2020-02-29 eq null":           "((12:30:00 lt 23:59:59.9999999) and (2020-02-29 eq null))",
		"1.50 eq 1e3 and INF ne -INF":                                "((1.50 eq 1e+03) and (INF ne -INF))",
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

// The rules of the standard's ABNF that fit an entity of primitive properties,
// each with what it takes and what it doesn't: testdata/abnf.tsv.
func TestABNF(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/abnf.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(f) != 3 || f[0] != "accept" && f[0] != "reject" {
			t.Fatalf("not a case: %q", line)
		}
		_, err := odata.ParseQuery("$filter="+url.QueryEscape(f[2]), filterable)
		if f[0] == "accept" && err != nil || f[0] == "reject" && err == nil {
			t.Errorf("%s: %s %s: %v", f[0], f[1], f[2], err)
		}
	}
}

// White space is whatever Unicode takes for it: line ends of a here-string, no-break
// spaces of a web page. In a string it stays as it is.
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

// An expression is as long as what it stands for: a parameter alias counts by its value,
// each time.
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
		{1, 9000, "The value of @a has 9002 bytes; at most 8192 are taken."},
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

// The query that a link repeats is taken, however much longer it is when it is written
// out: chains, what now() means, members by number, negations.
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

// Whatever is read, is written so that it reads the same again.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"displayName eq 'a' and not (lastConnectionDateTime gt 2020-01-01T00:00:00Z)", "onboardingStatus in ('onboarded', null)",
		"contains(tolower(displayName),'x') or length(displayName) add 1 divby 2 lt 0.5", "cast(onboardingStatus,Edm.String) eq 'x'",
		"isof(displayName,Edm.String)", "year(now()) eq -INF", "duration'P1D' mul 2 eq @p", "((((", "'", "-", "not", "2020-01-01T00:00:00+14:00 eq null",
	} {
		f.Add(seed)
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

// The same of an order.
func FuzzOrderBy(f *testing.F) {
	for _, seed := range []string{"displayName desc,id", "length(displayName) asc", "displayName eq 'a' desc, lastConnectionDateTime", ",", "id desc desc"} {
		f.Add(seed)
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
