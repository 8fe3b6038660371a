package fault

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Throttling is the value of Exchange.Fault for a request refused by a simulated limit of
// Graph.
const Throttling = "throttling"

const (
	// maxLeases is how many scopes' leases this process remembers.
	maxLeases = 10_000

	// leases is into how many leases a limit is divided. Lower limits are granted one
	// request at a time, and so are exact across replicas. With others, each replica may
	// hold a lease that no other gets.
	leases = 64
)

// Throttle refuses requests above the limits that a tenant's settings simulate. Each
// request counts for its application and its tenant; a change counts twice, as a change and
// as a request. A refused request also counts in the limits that have room. A request
// before its wait is over restarts the wait.
// https://learn.microsoft.com/graph/throttling-limits#intune
type Throttle struct {
	queries *db.Queries
	mu      sync.Mutex
	granted simplelru.LRUCache[scope, *lease] // an lru.Cache
}

// scope is what a limit of a tenant counts: the requests or the changes of all applications or
// of one.
type scope struct {
	tenant             uuid.UUID
	limit, application string // the application is "" for all
}

// name is the scope's name within its tenant.
func (s scope) name() string { return strings.TrimSuffix(s.limit+" "+s.application, " ") }

// lease is how many more requests of a window this process may let through.
type lease struct {
	begun time.Time
	left  int64
}

// NewThrottle returns a Throttle that counts with q.
func NewThrottle(q *db.Queries) *Throttle {
	granted, err := lru.New[scope, *lease](maxLeases)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Throttle{queries: q, granted: granted}
}

// Hook limits the requests to Graph. It counts the requests in a batch, but not the batch.
func (t *Throttle) Hook() front.Hook { return front.Hook{Before: t.before} }

func (t *Throttle) before(x *front.Exchange) *front.Refusal {
	s := x.Tenant.Throttling
	if s == nil || x.Front != graph || strings.HasSuffix(x.Request.URL.Path, "/$batch") {
		return nil
	}
	until, err := t.take(x.Request.Context(), s, t.missing(x, s), x.Now)
	if err != nil {
		_ = x.Error(err) // for the log
		return &front.Refusal{Status: http.StatusServiceUnavailable, Code: "serviceNotAvailable", Message: "The service is temporarily unavailable", RetryAfter: 2 * time.Second}
	}
	if until.IsZero() {
		return nil
	}
	name(x, Throttling)
	if s.RetryAfter != tenant.RetryAfterNone {
		seconds := int32(max(1, (until.Sub(x.Now)+time.Second-1)/time.Second))
		x.Header("Retry-After", retryAfter(x.Now, seconds, api.FaultEffectRetryAfterForm(s.RetryAfter)))
	}
	return &front.Refusal{Status: http.StatusTooManyRequests, Code: tooMany, Message: "Too many requests"}
}

// missing counts a request in each of its scopes, and returns those for which this process
// has no lease left, with their limits.
func (t *Throttle) missing(x *front.Exchange, s *tenant.Throttling) (m missing) {
	reads := x.Request.Method == http.MethodGet || x.Request.Method == http.MethodHead
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range s.Limits() { // sorted by name, so that concurrent calls don't deadlock
		if l.Most == 0 || l.Writes && reads {
			continue
		}
		at := scope{tenant: x.Tenant.ID, limit: l.Name}
		if l.Application {
			at.application = x.Application
		}
		have, ok := t.granted.Get(at)
		if ok && have.left > 0 && !x.Now.Before(have.begun) && x.Now.Before(have.begun.Add(s.Window())) {
			have.left--
			continue
		}
		m.scopes = append(m.scopes, at)
		m.Scopes, m.Most, m.Leases = append(m.Scopes, at.name()), append(m.Most, l.Most), append(m.Leases, max(1, l.Most/leases))
	}
	return m
}

// missing are the scopes of a request that need leases, and what to ask for.
type missing struct {
	db.TakeThrottleParams

	scopes []scope // in the order of Scopes
}

// of returns the scope with a name.
func (m *missing) of(name string) scope { return m.scopes[slices.Index(m.Scopes, name)] }

// takeRest opens scopes that didn't exist when leases of the others were taken, and takes
// leases of them.
func (t *Throttle) takeRest(ctx context.Context, p db.TakeThrottleParams, taken []db.TakeThrottleRow) ([]db.TakeThrottleRow, error) {
	if err := t.queries.OpenThrottles(ctx, db.OpenThrottlesParams{TenantID: p.TenantID, Scopes: p.Scopes, Now: p.Now}); err != nil {
		return nil, err
	}
	rest := db.TakeThrottleParams{TenantID: p.TenantID, Now: p.Now, WindowSeconds: p.WindowSeconds}
	for i, name := range p.Scopes {
		if !slices.ContainsFunc(taken, func(r db.TakeThrottleRow) bool { return r.Scope == name }) {
			rest.Scopes, rest.Most, rest.Leases = append(rest.Scopes, name), append(rest.Most, p.Most[i]), append(rest.Leases, p.Leases[i])
		}
	}
	rows, err := t.queries.TakeThrottle(ctx, rest)
	return append(taken, rows...), err
}

// take takes the missing leases. It returns the end of the request's wait, or zero if it
// needn't wait.
func (t *Throttle) take(ctx context.Context, s *tenant.Throttling, m missing, now time.Time) (until time.Time, err error) {
	if len(m.scopes) == 0 {
		return until, nil
	}
	m.TenantID, m.Now, m.WindowSeconds = m.scopes[0].tenant, now, s.Window().Seconds()
	rows, err := t.queries.TakeThrottle(ctx, m.TakeThrottleParams)
	if err == nil && len(rows) < len(m.scopes) { // the first request of an application
		rows, err = t.takeRest(ctx, m.TakeThrottleParams, rows)
	}
	if err != nil {
		return until, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, row := range rows {
		switch {
		case row.Granted > 0:
			t.keep(m.of(row.Scope), row)
		case row.BlockedUntil != nil && row.BlockedUntil.After(until):
			until = *row.BlockedUntil
		}
	}
	return until, nil
}

// keep adds a new lease to what is left of its window, without the request that took it. The
// caller holds t.mu.
func (t *Throttle) keep(at scope, taken db.TakeThrottleRow) {
	have, ok := t.granted.Get(at)
	if !ok || !have.begun.Equal(taken.Begun) {
		have = &lease{begun: taken.Begun}
		t.granted.Add(at, have)
	}
	have.left += taken.Granted - 1
}
