package front

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/mask"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Exchange is a request to a front and its answer. It embeds Gin's context with the request
// and the writer of the answer; errors added to the context go to the log.
type Exchange struct {
	*gin.Context
	Front    string    // the name of the front
	ID       string    // the request's id, as in the answer
	ClientID string    // the client's own id of the request; "" if the front has none
	Base     string    // the scheme and host that links start with
	Arrived  time.Time // when the request came, by the service's clock
	Now      time.Time // the same by the tenant's clock, once the tenant is known

	Tenant *tenant.Settings // nil before Enter
	Named  *tenant.Settings // the token's tenant, even if the token is refused; nil without one

	// These describe the caller of Graph, before Enter; they are zero in other fronts.
	User        uuid.UUID
	Application string

	TokenExpires time.Time // by the tenant's clock; zero without a token

	// These describe the authority's decision: the grant with which it issued a token, or
	// the AADSTS number of its refusal.
	Grant  string
	AADSTS int

	// Fault names the cause of a request that failed on purpose: the id of a rule, or "throttling" for
	// a simulated limit of Graph. The service's own limits leave it "".
	Fault string

	// These are set by rules and change how the request is served.
	Stale    time.Duration // a read shows the state of this long ago
	Discard  bool          // a change is answered but not made
	PageSize int64         // maximum number of entities in a list; 0 uses the tenant's

	// Batch is the Entry of the $batch that the request is part of, and BatchItem its id
	// there; both are zero for other requests.
	Batch     uuid.UUID
	BatchItem string

	Entry uuid.UUID // the request's id in the journal
	Cut   bool      // the connection was cut instead of answered

	Attrs []slog.Attr // further attributes of the line in the log
	Quiet bool        // keeps the line out of the log, unless the level is debug or the request failed

	start time.Time // real time, whatever the service's clock says
	hooks []Hook
}

// batchKey is the context key of the batchItem of a request.
type batchKey struct{}

type batchItem struct {
	batch uuid.UUID
	id    string
}

// InBatch returns the context of a request that is part of this one, a $batch, with its id
// there.
func (x *Exchange) InBatch(id string) context.Context {
	return context.WithValue(x.Request.Context(), batchKey{}, batchItem{x.Entry, id})
}

// RequestBase returns the scheme and host that the client used.
func (x *Exchange) RequestBase() string { return requestBase(x.Request) }

func requestBase(r *http.Request) string { return cmp.Or(r.URL.Scheme, "http") + "://" + r.Host }

// describe returns the attributes of a request's line in the log. It omits queries and
// bodies, which contain codes, passwords and tokens.
func (x *Exchange) describe(a Answer) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("front", x.Front),
		slog.String("method", x.Request.Method),
		slog.String("route", x.FullPath()),
		slog.Int("status", a.Status),
		slog.Duration("took", a.Took),
		slog.String("request-id", x.ID),
	}
	if x.ClientID != "" {
		attrs = append(attrs, slog.String("client-request-id", mask.Text(x.ClientID)))
	}
	if x.Tenant != nil {
		attrs = append(attrs, slog.String("tenant", x.Tenant.ID.String()))
	}
	attrs = append(attrs, x.Attrs...)
	if a.Err != nil {
		attrs = append(attrs, slog.String("error", mask.Text(a.Err.Error())))
	}
	return attrs
}
