// Package tenant provides what the fronts know of a tenant without asking the
// database each time: its settings, and whether its callers' tokens still count.
package tenant

import (
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Settings hold what an administrator decided about a tenant. Requests share them:
// nobody changes them.
type Settings struct {
	ID        uuid.UUID
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never

	// ApplicationPermissions lets applications call in their own name.
	ApplicationPermissions bool

	PageSize int64 // how many items a page of a list holds at most

	// Repeatability is how long a change that is sent again with its
	// client-request-id is answered as before; 0: it is done again.
	Repeatability time.Duration

	EntityQuota *int32  // how many entities of each set the tenant may have; nil: any number
	RequestRate *int32  // how many requests a second it may send; nil: any number
	IDSeed      *string // the seed of the ids of what is created; nil: they are random

	Clock Clock

	Throttling *Throttling // nil: none of Graph's limits

	JournalLimit int32         // how many requests its journal keeps; 0: it has none
	JournalTime  time.Duration // for how long

	// OnboardingEnds is when the first of the tenant's onboardings ends, by its clock. It is
	// zero without onboardings.
	OnboardingEnds time.Time

	FaultsVersion int64 // changes with the tenant's faults; 0: it never had any
}

// SettingsOf returns the settings that a tenant's row holds.
func SettingsOf(row *db.Tenant) *Settings {
	return &Settings{
		Clock: clockOf(row),
		ID:    row.ID, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		ApplicationPermissions: row.PermissionRule == db.PermissionRuleCurrent,
		PageSize:               int64(row.PageSize),
		Repeatability:          time.Duration(row.RepeatabilitySeconds) * time.Second,
		EntityQuota:            row.EntityQuota,
		RequestRate:            row.RequestRate,
		IDSeed:                 row.IDSeed,
		FaultsVersion:          row.FaultsVersion,
		Throttling:             throttlingOf(row.Throttling),
		JournalLimit:           row.JournalLimit,
		JournalTime:            time.Duration(row.JournalSeconds) * time.Second,
	}
}

func clockOf(row *db.Tenant) Clock {
	if row.ClockFrom == nil || row.ClockAt == nil {
		return Clock{}
	}
	return Clock{From: *row.ClockFrom, At: *row.ClockAt, Rate: row.ClockRate}
}
