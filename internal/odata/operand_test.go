package odata_test

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Functions lists those that have a result type of their own, too.
func TestFunctions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cast", "concat", "isof"} {
		if !slices.Contains(odata.Functions(), name) {
			t.Errorf("%s is missing from %q", name, odata.Functions())
		}
	}
}

type operand struct{ letter, typeName, text string }

// operands has an expression of each type, with the type's letter in testdata/operators.txt.
var operands = []operand{
	{"n", "null", "null"},
	{"b", "Edm.Boolean", "true"},
	{"s", "Edm.String", "displayName"},
	{"e", "microsoft.graph.remoteAssistanceOnboardingStatus", "onboardingStatus"},
	{"g", "Edm.Guid", "0e5f2a6b-0000-1000-8000-00805f9b34fb"},
	{"i", "Edm.Int64", "1"},
	{"c", "Edm.Decimal", "1.5"},
	{"f", "Edm.Double", "1e0"},
	{"d", "Edm.Date", "date(now())"},
	{"t", "Edm.TimeOfDay", "time(now())"},
	{"o", "Edm.DateTimeOffset", "lastConnectionDateTime"},
	{"p", "Edm.Duration", "duration'P1D'"},
}

// The types of results, which error texts name, are those in testdata/operators.txt.
func TestOperandTypes(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/operators.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(data), "\n\n")
	_, tables, _ = strings.Cut(tables, "\n\n")
	var all []string
	for table := range strings.SplitSeq(tables, "\n\n") {
		operators, want, _ := strings.Cut(table, "\n")
		for op := range strings.FieldsSeq(operators) {
			all = append(all, op)
			got := " " + row(func(y operand) string { return y.letter })
			for _, x := range operands {
				got += x.letter + row(func(y operand) string {
					if op == "cast" {
						return letterOf(t, "cast("+x.text+","+y.typeName+")")
					}
					return letterOf(t, "("+x.text+" "+op+" "+y.text+")")
				})
			}
			if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", op, diff)
			}
		}
	}
	// The other operators aren't binary, or take only one type.
	if want := append(odata.Operators(), "cast"); len(all) != len(want)-len([]string{"has", "in", "neg", "not"}) {
		t.Errorf("testdata/operators.txt has %q, of %q", all, want)
	}
}

func row(cell func(operand) string) (cells string) {
	for _, o := range operands {
		cells += " " + cell(o)
	}
	return cells + "\n"
}

var typeInRefusal = regexp.MustCompile(`The operator 'has' takes an enumeration with flags, and its left operand has the type '(.*)' at `)

// letterOf returns the letter of an expression's type, or "." if the expression is refused.
func letterOf(t *testing.T, expression string) string {
	t.Helper()
	_, err := odata.ParseQuery("$filter="+url.QueryEscape(expression+" has 'x'"), filterable)
	if err == nil {
		t.Fatalf("%s has 'x' was accepted", expression)
	}
	found := typeInRefusal.FindStringSubmatch(err.Error())
	if found == nil {
		return "."
	}
	for _, o := range operands {
		if o.typeName == found[1] {
			return o.letter
		}
	}
	t.Fatalf("%s has the type %s", expression, found[1])
	return ""
}
