package tenant

import (
	"encoding/json"
	"time"
)

// Throttling is how a tenant's requests to Graph are limited as Graph limits them.
type Throttling struct {
	Mode                string `json:"limits"`
	WindowSeconds       int64  `json:"windowSeconds,omitempty"`
	ApplicationRequests int64  `json:"applicationRequests,omitempty"` // 0: no limit, as below
	ApplicationWrites   int64  `json:"applicationWrites,omitempty"`
	TenantRequests      int64  `json:"tenantRequests,omitempty"`
	TenantWrites        int64  `json:"tenantWrites,omitempty"`
	RetryAfter          string `json:"retryAfter,omitempty"`
}

// The values of Mode and RetryAfter that mean something by themselves.
const (
	LimitsGraph    = "graph"
	RetryAfterNone = "none"
)

// graphThrottling has the limits that Graph documents for remote assistance.
// https://learn.microsoft.com/graph/throttling-limits#intune-remote-assistance-service-limits
var graphThrottling = Throttling{WindowSeconds: 20, ApplicationRequests: 1000, ApplicationWrites: 100, TenantRequests: 2000, TenantWrites: 200}

// Limit is how many requests a window may have: all or changes, of the tenant or of one of
// its applications.
type Limit struct {
	Name                string
	Most                int64
	Writes, Application bool
}

// Limits lists the limits, by their names.
func (t *Throttling) Limits() [4]Limit {
	return [4]Limit{
		{Name: "application requests", Most: t.ApplicationRequests, Application: true},
		{Name: "application writes", Most: t.ApplicationWrites, Writes: true, Application: true},
		{Name: "tenant requests", Most: t.TenantRequests},
		{Name: "tenant writes", Most: t.TenantWrites, Writes: true},
	}
}

// Window is how long a window lasts.
func (t *Throttling) Window() time.Duration { return time.Duration(t.WindowSeconds) * time.Second }

// throttlingOf reads what a tenant's row holds; nil doesn't limit.
func throttlingOf(raw []byte) *Throttling {
	var t Throttling
	if raw == nil || json.Unmarshal(raw, &t) != nil {
		return nil
	}
	form := t.RetryAfter
	if t.Mode == LimitsGraph {
		t = graphThrottling
	}
	if t.WindowSeconds == 0 {
		t.WindowSeconds = graphThrottling.WindowSeconds
	}
	t.RetryAfter = form
	return &t
}
