package graph

import (
	"strconv"
	"strings"
)

// preferences are the client's preferences (RFC 7240; Protocol 8.2.8). Unknown ones and
// those that don't apply to a request are ignored, as the standard requires. The answer
// lists those that were applied.
type preferences struct {
	maxPageSize int64  // 0 if absent
	returns     string // "minimal", "representation" or ""
	omitNulls   bool
}

// preferences reads the Prefer headers. If a preference is repeated, the first one counts.
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

// writeApplied adds a preference to the answer's Preference-Applied header.
func (x *exchange) writeApplied(preference string) {
	if x.applied != "" {
		preference = x.applied + ", " + preference
	}
	x.applied = preference
	x.setHeader("Preference-Applied", preference)
}

// answerMinimal answers a change with only the entity's location if the client prefers that
// (Protocol 8.2.8.7, 8.3.4), and reports whether it did.
func (x *exchange) answerMinimal(entityURL string) bool {
	p := x.preferences()
	if p.returns != "" {
		x.writeApplied("return=" + p.returns)
	}
	if p.returns != "minimal" {
		return false
	}
	x.setHeader("OData-EntityId", entityURL)
	x.writeNoContent()
	return true
}

// applyOmitValues reports whether the client prefers answers without nulls (Protocol
// 8.2.8.6), and says so in the answer.
func (x *exchange) applyOmitValues() bool {
	omit := x.preferences().omitNulls
	if omit {
		x.writeApplied("omit-values=nulls")
	}
	return omit
}
