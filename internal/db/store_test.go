package db_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// Creates of many tenants at once, one of which doesn't exist: each row is as
// it would be alone, and the bad ones take nobody down.
func TestStoreGathersCreates(t *testing.T) {
	t.Parallel()
	gathering, alone := db.NewStore(dbtest.Pool(t), true, nil), db.NewStore(dbtest.Pool(t), false, nil)
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t), {ID: uuid.New(), UserID: uuid.New()}}
	text := func(s string) *string { return &s }
	texts := []*string{nil, text(""), text("a"), text("O'Neil, {\"NULL\"} \\ \U0001f600"), text("NULL")}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			tenant := tenants[i%len(tenants)]
			p := db.CreateRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: uuid.Must(uuid.NewV7()),
				DisplayName: texts[i%len(texts)], OnboardingUrl: texts[(i/len(texts))%len(texts)],
				OnboardingStatus: db.AllOnboardingStatusValues()[i%3],
				CreatedAt:        time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), CreatedBy: tenant.UserID,
			}
			p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(p.CreatedAt.Add(time.Duration(i) * 100).In(time.FixedZone("", 60*i)))
			p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(time.Time{})
			got, err := gathering.CreateRemoteAssistancePartner(t.Context(), p)
			if i%len(tenants) == 2 {
				if !errors.Is(db.Classify(err), db.ErrNoTenant) {
					t.Errorf("in no tenant: %v", err)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			p.ID = uuid.Must(uuid.NewV7())
			want, err := alone.CreateRemoteAssistancePartner(t.Context(), p)
			if err != nil {
				t.Error(err)
			}
			want.ID = got.ID
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-alone +gathered):\n%s", diff)
			}
			kept, err := alone.GetRemoteAssistancePartner(t.Context(), db.GetRemoteAssistancePartnerParams{TenantID: tenant.ID, ID: got.ID})
			if diff := cmp.Diff(got, kept); err != nil || diff != "" {
				t.Errorf("%v (-answered +kept):\n%s", err, diff)
			}
		})
	}
	wg.Wait()
}

// Tenants whose ids come of the same seed create the same ids, also in one
// statement: each gets its own row.
func TestStoreGathersSameIDs(t *testing.T) {
	t.Parallel()
	gathering := db.NewStore(dbtest.Pool(t), true, nil)
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t), dbtest.NewTenant(t)}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			tenant := tenants[i%len(tenants)]
			name := tenant.ID.String()
			p := db.CreateRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: db.SeededID("the same", "partner", int64(i/len(tenants))), DisplayName: &name,
				OnboardingStatus: db.OnboardingStatusOnboarding, CreatedAt: time.Now(), CreatedBy: tenant.UserID,
			}
			got, err := gathering.CreateRemoteAssistancePartner(t.Context(), p)
			if err != nil || got.TenantID != tenant.ID || got.ID != p.ID || got.DisplayName == nil || *got.DisplayName != name {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}
