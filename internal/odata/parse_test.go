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
		"true or false and not true eq false":              "(true or (false and (not (true) eq false)))",
		"1 add 2 mul 3 gt 4 sub 5 sub 6":                   "((1 add (2 mul 3)) gt ((4 sub 5) sub 6))",
		"length(displayName) eq 1 eq true":                 "((length(displayName) eq 1) eq true)",
		"not displayName in ('a','b')":                     "not ((displayName in ('a','b')))",
		"-1 eq - 1 and -(1) ne +1":                         "((-1 eq -(1)) and (-(1) ne 1))",
		"onboardingStatus  eq\t'onboarded'":                "(onboardingStatus eq microsoft.graph.remoteAssistanceOnboardingStatus'onboarded')",
		"displayName eq 'O''Neil'":                         "(displayName eq 'O''Neil')",
		"duration'P1DT2H3M4.5S' eq duration'-PT0.1S'":      "(duration'PT93784.5S' eq duration'-PT0.1S')",
		"now() eq lastConnectionDateTime":                  "(2026-01-02T03:04:05.0000006Z eq lastConnectionDateTime)",
		"0E5F2A6B-0000-1000-8000-00805F9B34FB eq null":     "(0e5f2a6b-0000-1000-8000-00805f9b34fb eq null)",
		"12:30 lt 23:59:59.9999999 and 2020-02-29 eq null": "((12:30:00 lt 23:59:59.9999999) and (2020-02-29 eq null))",
		"1.50 eq 1e3 and INF ne -INF":                      "((1.50 eq 1e+03) and (INF ne -INF))",
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
		again, err := odata.ParseQuery("$filter="+url.QueryEscape(written), filterable)
		if err != nil {
			if strings.Contains(err.Error(), "at most") || strings.Contains(err.Error(), "deeper") {
				return // written out it is longer
			}
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
		again, err := odata.ParseQuery(q.Encode(), filterable)
		if err != nil {
			if strings.Contains(err.Error(), "at most") || strings.Contains(err.Error(), "deeper") {
				return
			}
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
