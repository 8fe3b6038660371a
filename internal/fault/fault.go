// Package fault makes requests fail on purpose, by their tenants' rules. A rule matches
// requests, its schedule selects some of them, and its effect answers them, delays them,
// changes their answers or cuts their connection. Rules are counted in the database, so
// that a rule fires exactly as often as it should, across all clients and replicas.
package fault

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Header names the rule that fired, in the answers to requests that have it.
const Header = "x-mocktenant-fault"

// maxTenants is how many tenants' rules are cached.
const maxTenants = 1000

// Faults applies the rules of tenants.
type Faults struct {
	queries *db.Queries
	known   simplelru.LRUCache[uuid.UUID, *rules] // an lru.Cache
}

// New returns Faults that read rules with q.
func New(q *db.Queries) *Faults {
	known, err := lru.New[uuid.UUID, *rules](maxTenants)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Faults{q, known}
}

// Hook applies the rules to the requests of a front.
func (f *Faults) Hook() front.Hook { return front.Hook{Before: f.before, After: after} }

func (f *Faults) before(x *front.Exchange) *front.Refusal {
	if x.Tenant.FaultsVersion == 0 {
		return nil
	}
	fired, n, err := f.find(x)
	if err != nil {
		_ = x.Error(err) // for the log
		return &front.Refusal{Status: http.StatusServiceUnavailable, Code: "serviceNotAvailable", Message: "The service is temporarily unavailable", RetryAfter: 2 * time.Second}
	}
	if fired == nil {
		return nil
	}
	name(x, fired.id.String())
	return fired.apply(x, n)
}

// name records the rule that fired, and names it to a client that asks for it.
func name(x *front.Exchange, fault string) {
	x.Fault = fault
	x.Attrs = append(x.Attrs, slog.String("fault", fault))
	if len(x.Request.Header.Values(Header)) > 0 {
		x.Header(Header, fault)
	}
}

// find returns the first rule that matches the request and fires, with the number of its
// match, starting at 1, or nil.
func (f *Faults) find(x *front.Exchange) (*rule, int64, error) {
	ctx := x.Request.Context()
	all, err := f.rulesOf(ctx, x.Tenant)
	if err != nil {
		return nil, 0, err
	}
	matching := all.matching(x)
	if len(matching) == 0 { // the usual case
		return nil, 0, nil
	}
	ids := make([]uuid.UUID, len(matching))
	for i, at := range matching {
		ids[i] = all.all[at].id
	}
	fired, err := f.queries.MatchFaults(ctx, db.MatchFaultsParams{TenantID: x.Tenant.ID, Ids: ids})
	if err != nil || len(fired) == 0 { // or the rule was just removed
		return nil, 0, err
	}
	return &all.all[matching[slices.Index(ids, fired[0].ID)]], fired[0].Matched, nil
}

// rules are the rules of a tenant in their order, as of a version.
type rules struct {
	version int64
	all     []rule

	// These index the rules by what they match; "" means any. So a rule costs almost
	// nothing for requests that it doesn't match.
	byPath map[target][]int
}

type target struct{ method, path string }

type rule struct {
	id uuid.UUID
	api.FaultCreate
	matcher
}

func (f *Faults) rulesOf(ctx context.Context, t *tenant.Settings) (*rules, error) {
	if known, ok := f.known.Get(t.ID); ok && known.version == t.FaultsVersion {
		return known, nil
	}
	rows, err := f.queries.ListFaults(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	r := &rules{version: t.FaultsVersion, all: make([]rule, len(rows)), byPath: map[target][]int{}}
	for i, row := range rows {
		r.all[i].id = row.ID
		if err := json.Unmarshal(row.Rule, &r.all[i].FaultCreate); err != nil {
			return nil, err
		}
		r.all[i].matcher = newMatcher(&r.all[i].FaultCreate)
		key := r.all[i].target()
		r.byPath[key] = append(r.byPath[key], i)
	}
	f.known.Add(t.ID, r)
	return r, nil
}

// matching returns the indexes of the rules that match a request, in order.
func (r *rules) matching(x *front.Exchange) (found []int) {
	path := strings.ToLower(x.Request.URL.Path)
	body := &body{x: x}
	for _, key := range [...]target{{x.Request.Method, path}, {x.Request.Method, ""}, {"", path}, {"", ""}} {
		for _, i := range r.byPath[key] {
			if r.all[i].matches(x, path, body) {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	return found
}
