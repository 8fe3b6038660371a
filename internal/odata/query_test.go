package odata_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/odata"
)

var partners = odata.Resource{
	Type:       "microsoft.graph.remoteAssistancePartner",
	Options:    []string{odata.Count, odata.Expand, odata.Format, odata.Select, odata.Skip, odata.SkipToken, odata.Top},
	Navigation: []string{"messages", "assignments"},
	Properties: []odata.Property{{Name: "id", Type: odata.String}, {Name: "displayName", Type: odata.String, Nullable: true}, {Name: "onboardingUrl", Type: odata.String, Nullable: true}},
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw, encoded string
		want         odata.Query
	}{
		{"", "", odata.Query{Top: -1}},
		{"&&", "", odata.Query{Top: -1}},
		{"$top=5", "$top=5", odata.Query{Top: 5}},
		{"%24top=5", "$top=5", odata.Query{Top: 5}}, // Azure's SDKs encode the $
		{"top=5", "$top=5", odata.Query{Top: 5}},
		{"$TOP=5&Skip=2", "$skip=2&$top=5", odata.Query{Top: 5, Skip: 2}},
		{"$top=0&$skip=0", "$top=0", odata.Query{Top: 0}},
		{"$count=true", "$count=true", odata.Query{Top: -1, Count: true}},
		{"$count=FALSE", "", odata.Query{Top: -1}},
		{"$format=application/json;odata.metadata=none", "$format=application%2Fjson%3Bodata.metadata%3Dnone", odata.Query{Top: -1, Format: "application/json;odata.metadata=none"}},
		{"$expand=messages", "$expand=messages", odata.Query{Top: -1, Expand: []string{"messages"}}},
		{"$expand=MESSAGES,+assignments,messages", "$expand=assignments,messages", odata.Query{Top: -1, Expand: []string{"assignments", "messages"}}},
		{"$expand=assignments,*", "$expand=assignments,messages", odata.Query{Top: -1, Expand: []string{"assignments", "messages"}}},
		{"$select=id,displayName", "$select=id,displayName", odata.Query{Top: -1, Select: []string{"id", "displayName"}}},
		{"$select=displayName%2C+id,+displayName", "$select=displayName,id", odata.Query{Top: -1, Select: []string{"displayName", "id"}}},
		{"$select=DisplayName,ID,displayname", "$select=displayName,id", odata.Query{Top: -1, Select: []string{"displayName", "id"}}},
		{"$select=*", "", odata.Query{Top: -1}},
		{"$select=id,*", "", odata.Query{Top: -1}},
		{"$skiptoken=a%2Bb", "$skiptoken=a%2Bb", odata.Query{Top: -1, SkipToken: "a+b"}},
	} {
		got, err := odata.ParseQuery(tt.raw, partners)
		if err != nil {
			t.Errorf("ParseQuery(%q): %v", tt.raw, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseQuery(%q) (-want +got):\n%s", tt.raw, diff)
		}
		if encoded := got.Encode(); encoded != tt.encoded {
			t.Errorf("%q is encoded as %q, want %q", tt.raw, encoded, tt.encoded)
		}
	}
}

// A query takes 50 options. The standard names none of them more than once, so most are aliases.
func TestManyOptions(t *testing.T) {
	t.Parallel()
	for count, message := range map[int]string{50: "", 51: "A query takes at most 50 options."} {
		var raw strings.Builder
		for i := range count {
			fmt.Fprintf(&raw, "&@p%d=1", i)
		}
		got := ""
		if _, err := odata.ParseQuery(raw.String(), filterable); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, message) || (got == "") != (message == "") {
			t.Errorf("%d options: %q, want %q", count, got, message)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, option, message string }{
		{"$filter=id eq '1'", "$filter", "The query option '$filter' is not supported."},
		{"$filter=a eq 'b;c'", "$filter", "The query option '$filter' is not supported."},
		{"filter=x", "$filter", "The query option '$filter' is not supported."},
		{"$orderby=id", "$orderby", "The query option '$orderby' is not supported."},
		{"$index=1", "$index", "The query option '$index' is not supported."},
		{"@p=1", "@p", "The query option '@p' is not supported."},
		{"$nonsense=1", "$nonsense", "The query option '$nonsense' is not supported."},
		{"custom=1", "custom", "The query option 'custom' is not supported."},
		{"custom", "custom", "The query option 'custom' is not supported."},
		{"$top=1&top=1", "$top", "Query option '$top' was specified more than once, but it must be specified at most once."},
		{"$top=", "$top", "Invalid value '' for $top query option found. The $top query option requires a non-negative integer value."},
		{"$top=-1", "$top", "Invalid value '-1' for $top query option found. The $top query option requires a non-negative integer value."},
		{"$top=+1", "$top", "Invalid value ' 1' for $top query option found. The $top query option requires a non-negative integer value."},
		{"$top=1.5", "$top", "Invalid value '1.5' for $top query option found. The $top query option requires a non-negative integer value."},
		{"$skip=99999999999", "$skip", "Invalid value '99999999999' for $skip query option found. The $skip query option requires a non-negative integer value."},
		{"$count=1", "$count", "Invalid value '1' for $count query option found. Valid values are 'true' and 'false'."},
		{"$select=", "$select", "Parsing OData Select and Expand failed: Could not find a property named '' on type 'microsoft.graph.remoteAssistancePartner'."},
		{"$select=display_name", "$select", "Parsing OData Select and Expand failed: Could not find a property named 'display_name' on type 'microsoft.graph.remoteAssistancePartner'."},
		{"$expand=nonsense", "$expand", "Parsing OData Select and Expand failed: Could not find a property named 'nonsense' on type 'microsoft.graph.remoteAssistancePartner'."},
		{"$expand=displayName", "$expand", "Property 'displayName' on type 'microsoft.graph.remoteAssistancePartner' is not a navigation property or complex property. Only navigation properties can be expanded."},
		{"$expand=*($levels=2)", "$expand", "Parsing OData Select and Expand failed: Could not find a property named '*' on type 'microsoft.graph.remoteAssistancePartner'."},
		{"$expand=messages($select=id)", "$expand", "The $expand of 'messages' has '$select=id', which is not supported. Name the property alone."},
		{"$expand=messages/$ref", "$expand", "The $expand of 'messages' has '$ref', which is not supported. Name the property alone."},
		{"$expand=/messages", "$expand", "Parsing OData Select and Expand failed: Could not find a property named '' on type 'microsoft.graph.remoteAssistancePartner'."},
		{"$select=%zz", "$select", "The value of the query option '$select' is not well encoded: invalid URL escape \"%zz\"."},
		{"%zz=1", "%zz", "The query option '%zz' is not well encoded: invalid URL escape \"%zz\"."},
	} {
		_, err := odata.ParseQuery(tt.raw, partners)
		var refusal *odata.Error
		if !errors.As(err, &refusal) {
			t.Errorf("ParseQuery(%q): %v, want an *odata.Error", tt.raw, err)
			continue
		}
		if refusal.Option != tt.option || refusal.Message != tt.message {
			t.Errorf("ParseQuery(%q):\n got %s: %s\nwant %s: %s", tt.raw, refusal.Option, refusal.Message, tt.option, tt.message)
		}
	}
}

// An accepted query, encoded and read again, is the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "$top=5&$skip=1", "%24select=id,displayName&$count=true", "$skiptoken=%7B%7D", "$expand=*&$format=json", "a;b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := odata.ParseQuery(raw, partners)
		if err != nil {
			return
		}
		again, err := odata.ParseQuery(q.Encode(), partners)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, q.Encode(), err)
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Errorf("%q became %q (-want +got):\n%s", raw, q.Encode(), diff)
		}
	})
}
