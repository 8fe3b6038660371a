package tenant

import (
	"encoding/json"
	"time"
)

// Throttling simulates Graph's limits on the requests of a tenant.
type Throttling struct {
	Mode                string `json:"limits"`
	WindowSeconds       int64  `json:"windowSeconds,omitempty"`
	ApplicationRequests int64  `json:"applicationRequests,omitempty"` // 0 is unlimited, here and below
	ApplicationWrites   int64  `json:"applicationWrites,omitempty"`
	TenantRequests      int64  `json:"tenantRequests,omitempty"`
	TenantWrites        int64  `json:"tenantWrites,omitempty"`
	RetryAfter          string `json:"retryAfter,omitempty"`
}

// Values of Mode and RetryAfter that the service treats specially.
const (
	LimitsGraph    = "graph"
	RetryAfterNone = "none"
)

// graphThrottling has the limits that Graph documents for remote assistance.
// https://learn.microsoft.com/graph/throttling-limits#intune-remote-assistance-service-limits
var graphThrottling = Throttling{WindowSeconds: 20, ApplicationRequests: 1000, ApplicationWrites: 100, TenantRequests: 2000, TenantWrites: 200}

// Limit is the maximum number of requests in a window: of all requests or only writes, by the
// whole tenant or by each of its applications.
type Limit struct {
	Name                string
	Most                int64
	Writes, Application bool
}

// Limits lists the limits with their names.
func (t *Throttling) Limits() [4]Limit {
	return [4]Limit{
		{Name: "application requests", Most: t.ApplicationRequests, Application: true},
		{Name: "application writes", Most: t.ApplicationWrites, Writes: true, Application: true},
		{Name: "tenant requests", Most: t.TenantRequests},
		{Name: "tenant writes", Most: t.TenantWrites, Writes: true},
	}
}

// Window returns the length of a window.
func (t *Throttling) Window() time.Duration { return time.Duration(t.WindowSeconds) * time.Second }

// throttlingOf reads the throttling in a tenant's row. It returns nil if the tenant has none.
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
