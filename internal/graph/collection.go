package graph

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// collection is the frame of a list answer (JSON Format 13).
type collection struct {
	format   format
	context  string
	count    *int64 // nil: not asked for
	nextLink string // "" on the last page
}

// head is the frame up to the items.
func (c collection) head() []byte {
	b := append(make([]byte, 0, 512), '{')
	if c.format.metadata != "none" {
		b = append(appendString(append(b, `"@odata.context":`...), c.context), ',')
	}
	if c.count != nil {
		b = append(c.appendCount(append(b, `"@odata.count":`...)), ',')
	}
	if c.nextLink != "" {
		b = append(appendString(append(b, `"@odata.nextLink":`...), c.nextLink), ',')
	}
	return append(b, `"value":[`...)
}

// tail is the frame behind the items.
var tail = []byte("]}")

// appendCount appends the count, an Edm.Int64 (JSON Format 3.2).
func (c collection) appendCount(b []byte) []byte {
	if c.format.ieee754 {
		return append(strconv.AppendInt(append(b, '"'), *c.count, 10), '"')
	}
	return strconv.AppendInt(b, *c.count, 10)
}

// versionURL is the root of the version that was called, with a slash.
func (x *exchange) versionURL() string { return x.base + "/" + x.version.name + "/" }

// contextURL is the context of a set or, with entity, of one of its entities
// (Protocol 10). Hosts, versions and names in it are case-sensitive.
func (x *exchange) contextURL(set string, selected []string, entity bool) string {
	u := x.versionURL() + "$metadata#" + set
	if selected != nil {
		u += "(" + strings.Join(selected, ",") + ")"
	}
	if entity {
		u += "/$entity"
	}
	return u
}

// nextLink repeats the query with the token of the next page. What $skip asked
// is done by then.
func (x *exchange) nextLink(set string, q odata.Query, token string) string {
	q.Skip, q.SkipToken = 0, token
	return x.versionURL() + set + "?" + q.Encode()
}

func (x *exchange) writeNoContent() {
	x.setHeader("OData-Version", "4.0")
	x.Status(http.StatusNoContent)
	x.Writer.WriteHeaderNow()
}
