package db_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

// Gets at once, of several tenants and of partners that aren't there: each has its
// own, also if several want the same.
func TestStoreGathersGets(t *testing.T) {
	t.Parallel()
	gathering := db.NewStore(dbtest.Pool(t), true, nil)
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t)}
	id, want := uuid.Must(uuid.NewV7()), map[uuid.UUID]db.RemoteAssistancePartner{} // the same id in both
	for i, tenant := range tenants {
		p := db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: id, OnboardingStatus: db.OnboardingStatusOnboarding, CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		}
		if name := tenant.ID.String(); i == 0 {
			p.DisplayName = &name
		}
		row, err := gathering.CreateRemoteAssistancePartner(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		want[tenant.ID] = row
	}
	var wg sync.WaitGroup
	for i := range 600 {
		wg.Go(func() {
			p := db.GetRemoteAssistancePartnerParams{TenantID: tenants[i%2].ID, ID: id}
			if i%3 == 2 {
				p.ID = uuid.New()
			}
			got, err := gathering.GetRemoteAssistancePartner(t.Context(), p)
			if i%3 == 2 {
				if !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("of one that isn't there: %v", err)
				}
				return
			}
			if diff := cmp.Diff(want[p.TenantID], got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	wg.Wait()
}

// Updates at once, gathered and alone, of the same few partners: each is one
// version, none is lost, and one that can't be made takes nobody down.
func TestStoreGathersUpdates(t *testing.T) {
	t.Parallel()
	const partners, updates = 5, 400
	gathering, alone := db.NewStore(dbtest.Pool(t), true, nil), db.NewStore(dbtest.Pool(t), false, nil)
	tenant, id := dbtest.NewTenant(t), make([]uuid.UUID, partners)
	for i := range id {
		id[i] = uuid.Must(uuid.NewV7())
		_, err := alone.CreateRemoteAssistancePartner(t.Context(), db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: id[i], OnboardingStatus: db.OnboardingStatusOnboarding, CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	made := map[uuid.UUID]map[int64]string{} // names by version
	var wg sync.WaitGroup
	for i := range updates {
		wg.Go(func() {
			store, name := gathering, fmt.Sprint(i)
			if i%4 == 3 {
				store = alone
			}
			p := db.UpdateRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: id[i%partners], ChangedAt: time.Now(), ChangedBy: tenant.UserID, SetDisplayName: true, DisplayName: &name,
				OnboardingStatus: db.OnboardingStatusOnboarded, SetOnboardingStatus: i%2 == 0,
			}
			switch i % 10 {
			case 8:
				p.ID = uuid.New()
			case 9:
				name = strings.Repeat("x", 2000) // longer than the table allows
			}
			row, err := store.UpdateRemoteAssistancePartner(t.Context(), p)
			var refusal *pgconn.PgError
			switch {
			case i%10 == 8:
				if !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("of one that isn't there: %v", err)
				}
				return
			case i%10 == 9:
				if !errors.As(err, &refusal) || refusal.Code != "23514" { // check_violation
					t.Errorf("of one that can't be made: %v", err)
				}
				return
			case err != nil || row.ID != p.ID || *row.DisplayName != name || row.OnboardingUrl != nil || p.SetOnboardingStatus && row.OnboardingStatus != p.OnboardingStatus:
				t.Errorf("got %+v, %v", row, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if made[p.ID] == nil {
				made[p.ID] = map[int64]string{}
			}
			if other, taken := made[p.ID][row.Version]; taken {
				t.Errorf("version %d is %q and %q", row.Version, other, name)
			}
			made[p.ID][row.Version] = name
		})
	}
	wg.Wait()
	for i := range id {
		row, err := alone.GetRemoteAssistancePartner(t.Context(), db.GetRemoteAssistancePartnerParams{TenantID: tenant.ID, ID: id[i]})
		if err != nil || row.Version != int64(len(made[id[i]]))+1 || *row.DisplayName != made[id[i]][row.Version] {
			t.Errorf("kept %+v, %v; %d updates", row, err, len(made[id[i]]))
		}
		kept, err := dbtest.Pool(t).Query(t.Context(), "SELECT version, display_name FROM remote_assistance_partner_versions WHERE tenant_id = $1 AND id = $2", tenant.ID, id[i])
		if err != nil {
			t.Fatal(err)
		}
		versions, err := pgx.CollectRows(kept, pgx.RowToStructByPos[struct {
			Version int64
			Name    *string
		}])
		if err != nil || len(versions) != len(made[id[i]]) {
			t.Errorf("%d versions of %d, %v", len(versions), len(made[id[i]]), err)
		}
		for _, v := range versions {
			if v.Version > 1 && *v.Name != made[id[i]][v.Version] {
				t.Errorf("version %d is kept as %q, was %q", v.Version, *v.Name, made[id[i]][v.Version])
			}
		}
	}
}

// Whoever holds a partner keeps waiting those alone that want the same one.
func TestStoreWaitsForNobodyElse(t *testing.T) {
	t.Parallel()
	store, tenant := db.NewStore(dbtest.Pool(t), true, nil), dbtest.NewTenant(t)
	var id [2]uuid.UUID
	for i := range id {
		id[i] = uuid.Must(uuid.NewV7())
		_, err := store.CreateRemoteAssistancePartner(t.Context(), db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: id[i], OnboardingStatus: db.OnboardingStatusOnboarding, CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	update := func(id uuid.UUID) error {
		_, err := store.UpdateRemoteAssistancePartner(t.Context(), db.UpdateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID, OnboardingStatus: db.OnboardingStatusOnboarding,
		})
		return err
	}
	tx, err := dbtest.Pool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM remote_assistance_partners WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant.ID, id[0]); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 10)
	for range cap(held) {
		go func() { held <- update(id[0]) }()
	}
	for waiting := 0; waiting == 0; {
		err := dbtest.Pool(t).QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", tx.Conn().PgConn().PID()).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := update(id[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait() // while the first is held
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range cap(held) {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}
