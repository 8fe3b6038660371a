package graph

import (
	"strconv"
	"strings"
)

// preferences are what a client would like (RFC 7240; Protocol 8.2.8). Those
// that are not known, or not meant for a request, are passed over, as they are
// meant to be; those that are met are named in the answer.
type preferences struct {
	maxPageSize int64  // 0 if none was named
	returns     string // "minimal", "representation" or ""
	omitNulls   bool
}

// preferences reads the Prefer headers. Of a preference that comes twice, the
// first counts.
func (x *exchange) preferences() preferences {
	var p preferences
	for _, header := range x.Request.Header.Values("Prefer") {
		for part := range strings.SplitSeq(header, ",") {
			part, _, _ = strings.Cut(part, ";")
			name, value, _ := strings.Cut(part, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "odata.") {
			case "maxpagesize":
				if n, err := strconv.ParseUint(value, 10, 31); err == nil && n > 0 && p.maxPageSize == 0 {
					p.maxPageSize = int64(n)
				}
			case "return":
				if p.returns == "" && (value == "minimal" || value == "representation") {
					p.returns = value
				}
			case "omit-values":
				p.omitNulls = p.omitNulls || value == "nulls"
			}
		}
	}
	return p
}

// applied names a preference that is met.
func (x *exchange) applied(preference string) {
	if before := x.Writer.Header().Get("Preference-Applied"); before != "" {
		preference = before + ", " + preference
	}
	x.setHeader("Preference-Applied", preference)
}

// minimal answers a change by nothing but where the entity is, if the client
// prefers that (Protocol 8.2.8.7, 8.3.4), and tells whether it did.
func (x *exchange) minimal(entityURL string) bool {
	p := x.preferences()
	if p.returns != "" {
		x.applied("return=" + p.returns)
	}
	if p.returns != "minimal" {
		return false
	}
	x.setHeader("OData-EntityId", entityURL)
	x.writeNoContent()
	return true
}

// omitsNulls tells whether the client prefers answers without nulls (Protocol
// 8.2.8.6), and says that it is met.
func (x *exchange) omitsNulls() bool {
	omit := x.preferences().omitNulls
	if omit {
		x.applied("omit-values=nulls")
	}
	return omit
}
