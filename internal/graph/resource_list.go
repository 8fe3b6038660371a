package graph

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// These are the query options of a list and of its count.
var (
	listOptions  = []string{odata.Count, odata.Expand, odata.Filter, odata.Format, odata.OrderBy, odata.Select, odata.Skip, odata.SkipToken, odata.Top}
	countOptions = []string{odata.Filter}
)

func (r *resource) list(x *exchange) error {
	q, err := r.query(x, listOptions...)
	if err != nil {
		return err
	}
	parents, err := r.parents(x)
	if err != nil {
		return err
	}
	set := r.Set
	if parents != nil {
		set = r.containedIn(parents[0].String())
	}
	token, err := parseSkipToken(r.s.pageKey, x.caller.TenantID, set, q)
	if err != nil {
		return err
	}
	key := pageKey{
		tenant: x.caller.TenantID, set: set, base: x.Base, version: x.version.name, format: x.format,
		query: q.Encode(), size: x.applyPageSize(q, &token), omitNulls: x.applyOmitValues(),
	}
	key.preferredSize, key.most, key.asOf = token.Size, x.maxPage(), x.asOf()
	return buffered(func(b *[]byte) error {
		page, err := r.pages.Do(x.Request.Context(), key, func(ctx context.Context, alone bool) (page, error) {
			page, err := r.readPage(ctx, x, key, q, token, parents, b)
			if !alone { // the buffer belongs to this caller
				page.items = bytes.Clone(page.items)
			}
			return page, err
		})
		if err != nil {
			return err
		}
		x.writeJSON(http.StatusOK, page.head, page.items)
		return nil
	})
}

// pageKey identifies an answer to a list, apart from the entities' current values. Query
// includes the value of now().
type pageKey struct {
	tenant             uuid.UUID
	set, base, version string
	format             format
	query              string
	size               int64 // maximum number of entities
	most               int   // approximate maximum in bytes
	preferredSize      int64 // repeated in links
	omitNulls          bool
	asOf               time.Time // zero means now
}

// asOf returns the time as of which a rule wants reads answered, or zero.
func (x *exchange) asOf() time.Time {
	if x.Stale == 0 {
		return time.Time{}
	}
	return x.Now.Add(-x.Stale)
}

// applyPageSize returns how many entities a page has: the minimum of the tenant's setting,
// $top and the client's preference. It names an applied preference in the answer and in the
// token, because requests for later pages don't repeat it.
func (x *exchange) applyPageSize(q odata.Query, token *skipToken) int64 {
	size := x.Tenant.PageSize
	if x.PageSize > 0 {
		size = min(size, x.PageSize)
	}
	if q.Top >= 0 {
		size = min(size, q.Top)
	}
	if p := x.preferences().maxPageSize; p > 0 {
		token.Size = p
		x.writeApplied("odata.maxpagesize=" + strconv.FormatInt(p, 10))
	}
	if token.Size > 0 {
		size = min(size, token.Size)
	}
	return size
}

// maxPage bounds a page in bytes: a longer page ends early, and its link leads to the rest.
// A thousand remote assistance partners with usual names take a sixth of it, and five times
// as much with the longest names.
const maxPage = 2 << 20

// maxPage returns the size limit of a page. A batch, which holds all its answers in memory,
// divides one limit among its requests.
func (x *exchange) maxPage() int {
	if n, ok := x.Request.Context().Value(batchSizeKey{}).(int); ok {
		return min(maxPage, maxBatchAnswers/n)
	}
	return maxPage
}

// page is the body of a list: the envelope up to the items, and the items with the rest of
// the envelope.
type page struct{ head, items []byte }

// readPage reads a page into the buffer, and counts its list if that is requested.
func (r *resource) readPage(ctx context.Context, x *exchange, key pageKey, q odata.Query, token skipToken, parents []uuid.UUID, b *[]byte) (page, error) {
	params := db.ListParams{
		TenantID: key.tenant, Filter: q.Filter, OrderBy: q.OrderBy, After: token.position(), Skip: q.Skip, Limit: key.size + 1, AsOf: key.asOf, Parents: parents,
	}
	next, err := r.appendItems(ctx, x, key, q, params, b)
	if err != nil {
		return page{}, err
	}
	list := collection{format: x.format, context: x.contextURL(key.set, q, false)}
	if q.Count {
		total, err := r.s.queries.Entity(r.Type).Count(ctx, params)
		if err != nil {
			return page{}, err
		}
		list.count = &total
	}
	if next != nil {
		next.Size = token.Size
		list.nextLink = x.nextLink(key.set, q, next.encode(r.s.pageKey, x.caller.TenantID, key.set, q))
	}
	*b = append(*b, tail...)
	return page{list.head(), *b}, nil
}

// appendItems appends the entities of a page while they arrive from the database, and
// returns the position of the next page, if there is one. The page is sent only when
// complete: so the link can precede the items, as in Graph, and a failure still gets its
// status.
func (r *resource) appendItems(ctx context.Context, x *exchange, key pageKey, q odata.Query, params db.ListParams, b *[]byte) (next *skipToken, err error) {
	if q.Expand != nil {
		return r.appendExpanded(ctx, x, key, q, params, b)
	}
	var last skipToken
	n, full, more := int64(0), key.size == 0, false
	err = r.s.queries.Entity(r.Type).List(ctx, params, func(row *db.Listed) (err error) {
		if more = full; more { // one entity more, which begins the next page
			return nil
		}
		if n++; n > 1 {
			*b = append(*b, ',')
		}
		*b = r.append(x, *b, row.Row, "", q.Select, key.omitNulls)
		if full = n == key.size || len(*b) >= key.most; full {
			last.ID = row.Key().ID
			last.Keys, err = row.Keys()
		}
		return err
	})
	if err != nil || !more || key.size == 0 {
		return nil, err
	}
	return &last, nil
}
