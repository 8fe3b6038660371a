package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mocktenant/mocktenant/api"
)

// Unverified returns an error with the failed checks of a verification and the most similar
// requests, or nil if every check holds.
func Unverified(v api.Verification) error {
	if v.Verified {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "of %d requests:", v.Requests)
	for _, f := range v.Failures {
		fmt.Fprintf(&text, "\n%s: %s", f.Check, f.Detail)
		for _, miss := range f.Nearest {
			fmt.Fprintf(&text, "\n  nearest: %s %s %d (%s) %s", miss.Method, miss.Url, miss.Status, miss.Id, strings.Join(miss.Differences, "; "))
		}
	}
	return errors.New(text.String())
}
