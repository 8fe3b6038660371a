// Package tenant provides what the fronts know of a tenant without asking the
// database each time: its settings, and whether its callers' tokens still count.
package tenant

import (
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Settings are a tenant's settings. Concurrent requests share them, so nobody may change them.
type Settings struct {
	ID        uuid.UUID
	CreatedAt time.Time
	ExpiresAt *time.Time // nil means never

	// ApplicationPermissions lets applications call without a user.
	ApplicationPermissions bool

	// ObservedStatuses answers, where they differ, with the statuses that clients met instead of
	// the documented ones.
	ObservedStatuses bool

	// PartnerPortal gives onboardings that begin a link to the page of the partner's side.
	PartnerPortal bool

	PageSize int64 // the maximum number of items on a page of a list

	// Repeatability is how long a change that is repeated with its client-request-id gets
	// its first answer again. With 0 it is made again.
	Repeatability time.Duration

	EntityQuota *int32  // the maximum number of entities in each set; nil is unlimited
	RequestRate *int32  // the maximum number of requests per second; nil is unlimited
	IDSeed      *string // the seed of new ids; nil makes them random

	Clock Clock

	Throttling *Throttling // nil simulates none of Graph's limits

	JournalLimit int32         // how many requests the journal keeps; 0 disables it
	JournalTime  time.Duration // how long it keeps them

	// OnboardingEnds is when the tenant's next onboarding expires, by its clock. It is zero
	// without onboardings.
	OnboardingEnds time.Time

	FaultsVersion int64 // changes with the tenant's faults; 0 if it never had any
}

// SettingsOf returns the settings in a tenant's row.
func SettingsOf(row *db.Tenant) *Settings {
	return &Settings{
		Clock: clockOf(row),
		ID:    row.ID, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		ApplicationPermissions: row.PermissionRule == db.PermissionRuleCurrent,
		ObservedStatuses:       row.StatusCodes == db.StatusCodesObserved,
		PartnerPortal:          row.PartnerPortal,
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
