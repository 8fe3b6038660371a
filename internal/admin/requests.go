package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/journal"
	"github.com/mocktenant/mocktenant/internal/replicas"
)

// everywhere returns when every replica uses a change, and has written its earlier answers
// to the journal. A replica that is gone delays this once.
func (a *API) everywhere(ctx context.Context) error {
	if a.replicas == nil {
		return nil
	}
	if err := a.replicas.Call(ctx); !errors.Is(err, replicas.ErrGone) {
		return err
	}
	return nil
}

// readable waits until everything answered before is in the journal.
func (a *API) readable(ctx context.Context) error {
	if a.journal == nil {
		return &problem{status: http.StatusServiceUnavailable, detail: "The service has no request journal: start it with MOCKTENANT_JOURNAL_RATE above 0."}
	}
	if err := a.journal.Flush(ctx); err != nil {
		return err
	}
	return a.everywhere(ctx)
}

// requestFilter holds the filters from the parameters.
type requestFilter struct {
	journal.Range
	journal.Match
}

func newRequestFilter(tenant uuid.UUID, p api.ClearRequestsParams) (f requestFilter, err error) {
	f.Range = journal.Range{Tenant: tenant, Since: p.Since, Until: p.Until}
	f.Match, err = journal.Compile(api.RequestMatch{
		Front: p.Front, Method: p.Method, Path: p.Path, Status: p.Status, User: p.User, Application: p.Application, Rule: p.Rule, Batch: p.Batch, Text: p.Text,
	})
	return f, err
}

func listRequests(ctx context.Context, x *call, p api.ListRequestsParams) (api.RequestList, error) {
	return x.listRequests(ctx, x.tenant.ID, p)
}

func listServiceRequests(ctx context.Context, x *call, p api.ListServiceRequestsParams) (api.RequestList, error) {
	order := api.ListRequestsParamsOrder("")
	if p.Order != nil {
		order = api.ListRequestsParamsOrder(*p.Order)
	}
	return x.listRequests(ctx, journal.Service, api.ListRequestsParams{
		Top: p.Top, After: p.After, Order: &order, Since: p.Since, Until: p.Until, Front: p.Front, Method: p.Method, Path: p.Path,
		Status: p.Status, User: p.User, Application: p.Application, Rule: p.Rule, Batch: p.Batch, Text: p.Text,
	})
}

func (x *call) listRequests(ctx context.Context, tenant uuid.UUID, p api.ListRequestsParams) (found api.RequestList, err error) {
	f, err := newRequestFilter(tenant, api.ClearRequestsParams{
		Since: p.Since, Until: p.Until, Front: p.Front, Method: p.Method, Path: p.Path, Status: p.Status, User: p.User,
		Application: p.Application, Rule: p.Rule, Batch: p.Batch, Text: p.Text,
	})
	if err != nil {
		return found, err
	}
	f.Newest = p.Order != nil && *p.Order == api.ListRequestsParamsOrderNewest
	if f.After, err = parseAfter(p.After); err != nil {
		return found, err
	}
	if err := x.admin.readable(ctx); err != nil {
		return found, err
	}
	rows, err := f.find(ctx, x.admin.queries, int(limit(p.Top))+1)
	if err != nil {
		return found, err
	}
	rows, found.NextLink = page(x, rows, p.Top, func(e db.JournalEntry) string { return e.ID.String() })
	found.Value = each(rows, newRequest)
	found.Gaps, err = journal.Gaps(ctx, x.admin.queries, f.Range)
	return found, err
}

// find returns the first entries that match, at most as many as most says.
func (f requestFilter) find(ctx context.Context, q *db.Queries, most int) ([]db.JournalEntry, error) {
	rows := []db.JournalEntry{}
	err := journal.Each(ctx, q, f.Range, func(e *db.JournalEntry) bool {
		if f.Matches(e) {
			rows = append(rows, *e)
		}
		return len(rows) < most
	})
	return rows, err
}

func newRequest(e db.JournalEntry) api.Request {
	return api.Request{
		Id: e.ID, DateTime: e.At.UTC(), TookMilliseconds: float64(e.TookMicroseconds) / 1000, Front: api.RequestFront(e.Front), Method: e.Method,
		Url: e.Url, Path: e.Path, Route: textOr(e.Route), Status: e.Status, RequestId: e.RequestID, ClientRequestId: textOr(e.ClientRequestID),
		BatchId: e.BatchID, BatchItem: e.BatchItem, User: e.UserID, Application: textOr(e.Application), TokenExpiresDateTime: utc(e.TokenExpiresAt),
		Rule: textOr(e.Fault), Address: e.Address,
		Request:  api.RequestMessage{Headers: headersOf(e.RequestHeaders), Body: e.RequestBody, Size: e.RequestSize},
		Response: api.RequestMessage{Headers: headersOf(e.ResponseHeaders), Body: e.ResponseBody, Size: e.ResponseSize},
	}
}

// textOr returns a pointer to a text, or nil if it is empty.
func textOr(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func headersOf(text []byte) map[string]string {
	headers := map[string]string{}
	_ = json.Unmarshal(text, &headers) // the journal wrote it, so it is valid
	return headers
}

func clearRequests(ctx context.Context, c *change, p api.ClearRequestsParams) (api.RequestsCleared, error) {
	return c.clearRequests(ctx, c.tenant.ID, p)
}

func clearServiceRequests(ctx context.Context, c *change, p api.ClearServiceRequestsParams) (api.RequestsCleared, error) {
	return c.clearRequests(ctx, journal.Service, api.ClearRequestsParams(p))
}

// clearRequests removes requests that came before it. Clearing a range also removes its
// gaps.
func (c *change) clearRequests(ctx context.Context, tenant uuid.UUID, p api.ClearRequestsParams) (done api.RequestsCleared, err error) {
	f, err := newRequestFilter(tenant, p)
	if err != nil {
		return done, err
	}
	if err := c.x.admin.readable(ctx); err != nil {
		return done, err
	}
	if f.Everything() {
		done.Removed, err = c.queries.ClearJournal(ctx, db.ClearJournalParams{TenantID: tenant, Since: p.Since, Until: p.Until})
		return done, err
	}
	var ids []uuid.UUID
	if err := journal.Each(ctx, c.queries, f.Range, func(e *db.JournalEntry) bool {
		if f.Matches(e) {
			ids = append(ids, e.ID)
		}
		return true
	}); err != nil {
		return done, err
	}
	done.Removed, err = c.queries.DeleteJournalEntries(ctx, db.DeleteJournalEntriesParams{TenantID: tenant, Ids: ids})
	return done, err
}

// verifyPause is the time between checks of the journal.
const verifyPause = 100 * time.Millisecond

func verifyRequests(ctx context.Context, x *call, r api.RequestVerify) (result api.Verification, err error) {
	v, pointer, err := journal.NewVerification(r)
	if err != nil {
		return result, x.errAt(pointer, "%v.", err)
	}
	end := time.Now()
	if r.WaitSeconds != nil {
		end = end.Add(time.Duration(*r.WaitSeconds * float64(time.Second)))
	}
	for {
		if err := x.admin.readable(ctx); err != nil {
			return result, err
		}
		result, err = v.Check(ctx, x.admin.queries, x.tenant.ID)
		if err != nil || result.Verified || time.Now().After(end) {
			return result, err
		}
		select {
		case <-time.After(verifyPause):
		case <-ctx.Done():
			return result, ctx.Err()
		case <-x.admin.journal.Interrupted():
			return result, nil
		}
	}
}
