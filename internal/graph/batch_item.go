package graph

import (
	"errors"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// batchOptions read a batch as Graph does: names of members in any letter case, and numbers
// instead of texts, which PowerShell modules send as ids and header values. A repeated
// member is refused, even in a different letter case.
// https://learn.microsoft.com/graph/traverse-the-graph
var batchOptions = json.JoinOptions(
	json.MatchCaseInsensitiveNames(true),
	jsonv1.MatchCaseSensitiveDelimiter(true), // "depends_on" isn't dependsOn
	json.WithUnmarshalers(json.UnmarshalFromFunc(numberAsText)),
)

// numberAsText reads a number into a string, unchanged.
func numberAsText(d *jsontext.Decoder, text *string) error {
	if d.PeekKind() != '0' {
		return errors.ErrUnsupported // a string, or a value that can't be one
	}
	number, err := d.ReadValue()
	*text = string(number)
	return err
}

// twice returns the name of a header that occurs in two letter cases, or "". Names of
// headers are case-insensitive (RFC 9110 section 5.1).
func twice(headers map[string]string) string {
	seen := make(map[string]bool, len(headers))
	var names []string
	for name := range headers {
		canonical := http.CanonicalHeaderKey(name)
		if seen[canonical] {
			names = append(names, canonical)
		}
		seen[canonical] = true
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}
