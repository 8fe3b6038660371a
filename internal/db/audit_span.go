package db

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// auditSpan are the times, as SQL, between which the events of a page are, both included. The
// conditions of the page apply in addition. Without a narrow span, a page would compute every event
// of the tenant to find the first few.
type auditSpan struct{ since, until string }

// narrow excludes times that p excludes.
func (s *auditSpan) narrow(b *sqlBuilder, p ListParams) {
	whole := s.filter(b, p.Filter)
	if !p.AsOf.IsZero() {
		s.until = earliest(s.until, b.arg(p.AsOf, "timestamptz"))
	}
	if p.ID != uuid.Nil {
		s.since = b.arg(eventTime(p.ID), "timestamptz")
		s.until = s.since
		return
	}
	byTime, descending := timeOrder(p.OrderBy)
	if !byTime {
		return
	}
	if p.After != nil && descending {
		s.until = earliest(s.until, b.arg(eventTime(p.After.ID), "timestamptz"))
	} else if p.After != nil {
		s.since = latest(s.since, b.arg(eventTime(p.After.ID), "timestamptz"))
	}
	if whole && p.Limit > 0 {
		s.end(b, p, descending)
	}
}

func earliest(a, b string) string { return "least(" + a + ", " + b + ")" }

func latest(a, b string) string { return "greatest(" + a + ", " + b + ")" }

// filter excludes times by those comparisons of a filter that all events must meet. It reports
// whether the filter asks for nothing else.
func (s *auditSpan) filter(b *sqlBuilder, e *odata.Expr) (whole bool) {
	if e == nil {
		return true
	}
	if e.Op == "and" {
		x, y := s.filter(b, e.Args[0]), s.filter(b, e.Args[1])
		return x && y
	}
	if len(e.Args) != 2 || e.Args[0].Op != "property" || e.Args[0].Name != "activityDateTime" {
		return false
	}
	at, ok := e.Args[1].Value.(time.Time)
	if !ok {
		return false
	}
	switch e.Op {
	case "gt", "ge":
		s.since = latest(s.since, b.arg(at.Truncate(time.Microsecond), "timestamptz"))
	case "lt":
		at = at.Add(-1)
		fallthrough
	case "le": // the first time, in microseconds as in Postgres, that the filter excludes
		s.until = earliest(s.until, b.arg(at.Truncate(time.Microsecond).Add(time.Microsecond), "timestamptz"))
	default:
		return false
	}
	return true
}

// timeOrder reports whether an order is by time first, and in which direction. The default order,
// by id, is.
func timeOrder(order []odata.Key) (byTime, descending bool) {
	if len(order) == 0 {
		return true, false
	}
	e := order[0].Expr
	return e.Op == "property" && (e.Name == "id" || e.Name == "activityDateTime"), order[0].Descending
}

// eventTime is the time in an event's id.
func eventTime(id uuid.UUID) time.Time {
	milliseconds := binary.BigEndian.Uint64(append([]byte{0, 0}, id[:6]...))
	microseconds := int64(binary.BigEndian.Uint16(id[6:8]) & 0xfff)
	return time.UnixMilli(int64(milliseconds)).Add(time.Duration(microseconds) * time.Microsecond).UTC()
}

// end ends the span with the last event of the page, and includes others of that time. It doesn't
// count events of the first time, because the page before may have some of them.
func (s *auditSpan) end(b *sqlBuilder, p ListParams, descending bool) {
	last := fmt.Sprintf(`(SELECT c.at FROM (%s
    ) AS c WHERE c.made_with <> '%s' AND c.at > %s AND c.at < %s ORDER BY c.at%s LIMIT 1 OFFSET %s)`,
		strings.ReplaceAll(auditChanges(), "{tenant}", b.arg(p.TenantID, "uuid")), uuid.Nil, s.since, s.until, map[bool]string{true: " DESC"}[descending], b.arg(p.Skip+p.Limit-1, "bigint"))
	if descending {
		s.since = "coalesce(" + last + ", " + s.since + ")"
	} else {
		s.until = "coalesce(" + last + ", " + s.until + ")"
	}
}
