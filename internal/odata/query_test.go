package odata_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/odata"
)

var partners = odata.Resource{
	Type:       "microsoft.graph.remoteAssistancePartner",
	Options:    []string{odata.Count, odata.Select, odata.Skip, odata.SkipToken, odata.Top},
	Properties: []odata.Property{{Name: "id", Type: odata.String}, {Name: "displayName", Type: odata.String, Nullable: true}, {Name: "onboardingUrl", Type: odata.String, Nullable: true}},
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw  string
		want odata.Query
	}{
		{"", odata.Query{Top: -1}},
		{"&&", odata.Query{Top: -1}},
		{"$top=5", odata.Query{Top: 5}},
		{"%24top=5", odata.Query{Top: 5}}, // Azure's SDKs encode the $
		{"top=5", odata.Query{Top: 5}},
		{"$TOP=5&Skip=2", odata.Query{Top: 5, Skip: 2}},
		{"$top=0", odata.Query{Top: 0}},
		{"$count=true", odata.Query{Top: -1, Count: true}},
		{"$count=FALSE", odata.Query{Top: -1}},
		{"$select=id,displayName", odata.Query{Top: -1, Select: []string{"id", "displayName"}}},
		{"$select=displayName%2C+id,+displayName", odata.Query{Top: -1, Select: []string{"displayName", "id"}}},
		{"$select=DisplayName,ID,displayname", odata.Query{Top: -1, Select: []string{"displayName", "id"}}},
		{"$select=*", odata.Query{Top: -1}},
		{"$select=id,*", odata.Query{Top: -1}},
		{"$skiptoken=a%2Bb", odata.Query{Top: -1, SkipToken: "a+b"}},
	} {
		got, err := odata.ParseQuery(tt.raw, partners)
		if err != nil {
			t.Errorf("ParseQuery(%q): %v", tt.raw, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseQuery(%q) (-want +got):\n%s", tt.raw, diff)
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
		{"$expand=x", "$expand", "The query option '$expand' is not supported."},
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
	for _, seed := range []string{"", "$top=5&$skip=1", "%24select=id,displayName&$count=true", "$skiptoken=%7B%7D", "a;b=c"} {
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
