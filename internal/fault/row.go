package fault

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// Row returns the row of a new rule after a tenant's existing ones. scenario is nil for a
// rule that isn't part of one.
func Row(tenant uuid.UUID, r api.FaultCreate, scenario *string, now time.Time) (db.CreateFaultParams, error) {
	rule, err := json.Marshal(r)
	p := db.CreateFaultParams{TenantID: tenant, ID: uuid.Must(uuid.NewV7()), Rule: rule, Every: 1, Probability: 1, Scenario: scenario, CreatedAt: now}
	if s := r.Schedule; s != nil {
		replace(&p.Skip, s.After)
		replace(&p.Every, s.Every)
		replace(&p.Probability, s.Probability)
		replace(&p.Seed, s.Seed)
		p.Times = s.Times
	}
	return p, err
}
