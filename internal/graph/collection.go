package graph

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// collection is the envelope of a list (JSON Format 13).
type collection struct {
	format   format
	context  string
	count    *int64 // nil if not requested
	nextLink string // "" on the last page
}

// head returns the envelope up to the items.
func (c collection) head() []byte {
	b := append(make([]byte, 0, 512), '{')
	if c.format.metadata != "none" {
		b = append(entity.AppendString(append(b, `"@odata.context":`...), c.context), ',')
	}
	if c.count != nil {
		b = append(c.appendCount(append(b, `"@odata.count":`...)), ',')
	}
	if c.nextLink != "" {
		b = append(entity.AppendString(append(b, `"@odata.nextLink":`...), c.nextLink), ',')
	}
	return append(b, `"value":[`...)
}

// tail returns the envelope after the items.
var tail = []byte("]}")

// appendCount appends the count, an Edm.Int64 (JSON Format 3.2).
func (c collection) appendCount(b []byte) []byte {
	if c.format.ieee754 {
		return append(strconv.AppendInt(append(b, '"'), *c.count, 10), '"')
	}
	return strconv.AppendInt(b, *c.count, 10)
}

// versionURL returns the root of the version in the request, with a trailing slash.
func (x *exchange) versionURL() string { return x.Base + "/" + x.version.name + "/" }

// contextURL returns the context of a set or, with entity, of one of its entities (Protocol
// 10). Its host, version and names are case-sensitive.
func (x *exchange) contextURL(set string, q odata.Query, entity bool) string {
	u := x.versionURL() + "$metadata#" + set
	parts := slices.Clone(q.Select)
	for _, name := range q.Expand {
		parts = append(parts, name+"()")
	}
	if parts != nil {
		u += "(" + strings.Join(parts, ",") + ")"
	}
	if entity {
		u += "/$entity"
	}
	return u
}

// nextLink returns the query with the token of the next page, and without $skip, which the
// first page has applied.
func (x *exchange) nextLink(set string, q odata.Query, token string) string {
	q.Skip, q.SkipToken = 0, token
	return x.versionURL() + set + "?" + q.Encode()
}

func (x *exchange) writeNoContent() { x.writeEmpty(http.StatusNoContent) }

// writeEmpty writes an answer without a body.
func (x *exchange) writeEmpty(status int) {
	x.setHeader("OData-Version", "4.0")
	x.Status(status)
	x.Writer.WriteHeaderNow()
}
