package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// Actions, deletes and updates at once, gathered and alone, of the same few partners of
// two tenants that have the same ids, some by callers that go away: each that took
// effect is one version, made to what its caller was told, and no other is; one that
// can't be made takes nobody down.
func TestStoreGathersChanges(t *testing.T) {
	t.Parallel()
	const partners, calls = 4, 1200
	gathering, alone := db.NewStore(dbtest.Pool(t), true, nil), db.NewStore(dbtest.Pool(t), false, nil)
	tenants, id := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t)}, make([]uuid.UUID, partners)
	for i := range id {
		id[i] = uuid.Must(uuid.NewV7())
		for _, tenant := range tenants {
			createPartner(t, alone, tenant, id[i])
		}
	}
	poisoned := uuid.Must(uuid.NewV7()) // nothing ever changes it
	createPartner(t, alone, tenants[0], poisoned)
	calledAt := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	outcomes := make([]changeOutcome, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			store, ctx := gathering, t.Context()
			if i%4 == 3 {
				store = alone
			}
			if i%7 == 6 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(5000))*time.Microsecond)
				defer cancel()
			}
			tenant := tenants[i%2]
			p := db.BeginOnboardingRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: id[i/2%partners], ChangedAt: calledAt.Add(time.Duration(i) * time.Microsecond), ChangedBy: uuid.New(),
				RequestExpiryAt: calledAt.Add(time.Duration(i) * time.Hour), RequestExpiry100ns: int16(i % 10), RequestExpiryOffset: int16(i % 60),
			}
			o := changeOutcome{params: p}
			switch kind := i / 8 % 24; {
			case kind == 0:
				p.ID = uuid.New()
				if _, err := store.DisconnectRemoteAssistancePartner(t.Context(), db.DisconnectRemoteAssistancePartnerParams(p)); !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("of one that isn't there: %v", err)
				}
				return
			case kind == 1:
				p.TenantID, p.ID, p.RequestExpiryOffset = tenants[0].ID, poisoned, 2000 // beyond what the table allows
				var refusal *pgconn.PgError
				if _, err := store.BeginOnboardingRemoteAssistancePartner(t.Context(), p); !errors.As(err, &refusal) || refusal.Code != "23514" { // check_violation
					t.Errorf("of one that can't be made: %v", err)
				}
				return
			case kind == 2 && i > calls*3/4:
				o.kind = db.PartnerChangeDelete
				o.before, o.err = store.DeleteRemoteAssistancePartner(ctx, db.DeleteRemoteAssistancePartnerParams{TenantID: p.TenantID, ID: p.ID, ChangedAt: p.ChangedAt, ChangedBy: p.ChangedBy})
			case kind < 6:
				o.kind = db.PartnerChangeUpdate
				_, o.err = store.UpdateRemoteAssistancePartner(ctx, db.UpdateRemoteAssistancePartnerParams{
					TenantID: p.TenantID, ID: p.ID, ChangedAt: p.ChangedAt, ChangedBy: p.ChangedBy, OnboardingStatus: db.OnboardingStatusOnboarded, SetOnboardingStatus: true,
				})
			case kind < 15:
				o.kind = db.PartnerChangeBeginOnboarding
				o.before, o.err = store.BeginOnboardingRemoteAssistancePartner(ctx, p)
			default:
				o.kind = db.PartnerChangeDisconnect
				o.before, o.err = store.DisconnectRemoteAssistancePartner(ctx, db.DisconnectRemoteAssistancePartnerParams(p))
			}
			outcomes[i] = o
		})
	}
	wg.Wait()
	for _, tenant := range tenants {
		for _, id := range id {
			checkHistory(t, tenant.ID, id, outcomes)
		}
	}
	if row, err := alone.GetRemoteAssistancePartner(t.Context(), db.GetRemoteAssistancePartnerParams{TenantID: tenants[0].ID, ID: poisoned}); err != nil || row.Version != 1 {
		t.Errorf("the one that nothing changes: %+v, %v", row, err)
	}
}

func createPartner(t *testing.T, store *db.Store, tenant dbtest.Tenant, id uuid.UUID) {
	t.Helper()
	_, err := store.CreateRemoteAssistancePartner(t.Context(), db.CreateRemoteAssistancePartnerParams{
		TenantID: tenant.ID, ID: id, OnboardingStatus: db.OnboardingStatusNotOnboarded, CreatedAt: time.Now(), CreatedBy: tenant.UserID,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// changeOutcome is what came of a change.
type changeOutcome struct {
	kind   db.PartnerChange
	params db.BeginOnboardingRemoteAssistancePartnerParams
	before db.OnboardingStatus // unless it is an update
	err    error
}

// takesEffect is the rule of each change.
func (o changeOutcome) takesEffect(before db.OnboardingStatus) bool {
	switch o.kind {
	case db.PartnerChangeBeginOnboarding:
		return before == db.OnboardingStatusNotOnboarded
	case db.PartnerChangeDisconnect:
		return before != db.OnboardingStatusNotOnboarded
	default:
		return true
	}
}

// version is one of a partner, and what replaced it; the last, which nothing did, has
// no change.
type version struct {
	Version       int64
	Status        db.OnboardingStatus
	Expiry        time.Time
	Expiry100ns   int16
	ExpiryOffset  int16
	Change        *db.PartnerChange
	ChangedAt     *time.Time
	ChangedByUser *uuid.UUID
}

func versionsOf(t *testing.T, tenant, id uuid.UUID) []version {
	t.Helper()
	rows, err := dbtest.Pool(t).Query(t.Context(), `
		SELECT version, onboarding_status, request_expiry_at, request_expiry_100ns, request_expiry_offset, replaced_by_change, replaced_at, replaced_by
		FROM remote_assistance_partner_versions WHERE tenant_id = $1 AND id = $2
		UNION ALL SELECT version, onboarding_status, request_expiry_at, request_expiry_100ns, request_expiry_offset, NULL, NULL, NULL
		FROM remote_assistance_partners WHERE tenant_id = $1 AND id = $2 ORDER BY version`, tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[version])
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

// checkHistory holds what is kept of a partner against what the callers were told.
func checkHistory(t *testing.T, tenant, id uuid.UUID, outcomes []changeOutcome) {
	t.Helper()
	versions := versionsOf(t, tenant, id)
	replaced := map[uuid.UUID]int{} // by whom, each call's own
	for i, v := range versions {
		if v.Version != int64(i)+1 {
			t.Fatalf("version %d stands in place %d", v.Version, i+1)
		}
		if v.Change != nil {
			replaced[*v.ChangedByUser] = i
		} else if i != len(versions)-1 {
			t.Fatalf("version %d was replaced by nothing, of %d", v.Version, len(versions))
		}
	}
	deleted := len(replaced) == len(versions)
	for _, o := range outcomes {
		if o.params.TenantID != tenant || o.params.ID != id {
			continue
		}
		i, made := replaced[o.params.ChangedBy]
		delete(replaced, o.params.ChangedBy)
		switch {
		case errors.Is(o.err, pgx.ErrNoRows) && deleted && !made:
			continue
		case errors.Is(o.err, context.DeadlineExceeded):
			if !made { // it may be either
				continue
			}
			o.before = versions[i].Status
		case o.err != nil:
			t.Errorf("%s: %v", o.kind, o.err)
			continue
		case o.kind == db.PartnerChangeUpdate && made:
			o.before = versions[i].Status
		}
		if made != o.takesEffect(o.before) {
			t.Errorf("%s of %s was made: %v", o.kind, o.before, made)
		}
		if made {
			checkVersion(t, o, versions[i:])
		}
	}
	if len(replaced) > 0 {
		t.Errorf("%d changes that nobody made", len(replaced))
	}
}

// checkVersion holds a version, and the one behind it, against the change between them.
func checkVersion(t *testing.T, o changeOutcome, versions []version) {
	t.Helper()
	v, last := versions[0], len(versions) == 1
	if *v.Change != o.kind || !v.ChangedAt.Equal(o.params.ChangedAt) || v.Status != o.before || last != (o.kind == db.PartnerChangeDelete) {
		t.Errorf("%s at %s of %s is kept as %+v, last: %v", o.kind, o.params.ChangedAt, o.before, v, last)
	}
	if last {
		return
	}
	want := map[db.PartnerChange]db.OnboardingStatus{
		db.PartnerChangeUpdate: db.OnboardingStatusOnboarded, db.PartnerChangeBeginOnboarding: db.OnboardingStatusOnboarding, db.PartnerChangeDisconnect: db.OnboardingStatusNotOnboarded,
	}
	at, hundredNs, offset := o.params.RequestExpiryAt, o.params.RequestExpiry100ns, o.params.RequestExpiryOffset
	if o.kind == db.PartnerChangeUpdate {
		at, hundredNs, offset = v.Expiry, v.Expiry100ns, v.ExpiryOffset
	}
	if next := versions[1]; next.Status != want[o.kind] || !next.Expiry.Equal(at) || next.Expiry100ns != hundredNs || next.ExpiryOffset != offset {
		t.Errorf("%s made %+v", o.kind, next)
	}
}

// Whoever holds a partner keeps waiting those alone that want the same one.
func TestStoreWaitsForNobodyElse(t *testing.T) {
	t.Parallel()
	store, tenant := db.NewStore(dbtest.Pool(t), true, nil), dbtest.NewTenant(t)
	for name, change := range map[string]func(uuid.UUID) error{
		"update": func(id uuid.UUID) error {
			_, err := store.UpdateRemoteAssistancePartner(t.Context(), db.UpdateRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID, OnboardingStatus: db.OnboardingStatusOnboarding,
			})
			return err
		},
		"disconnect": func(id uuid.UUID) error {
			_, err := store.DisconnectRemoteAssistancePartner(t.Context(), db.DisconnectRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID,
			})
			return err
		},
		"delete": func(id uuid.UUID) error {
			_, err := store.DeleteRemoteAssistancePartner(t.Context(), db.DeleteRemoteAssistancePartnerParams{
				TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID,
			})
			if errors.Is(err, pgx.ErrNoRows) { // another one did
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waitsForNobodyElse(t, store, tenant, change)
		})
	}
}

func waitsForNobodyElse(t *testing.T, store *db.Store, tenant dbtest.Tenant, change func(uuid.UUID) error) {
	t.Helper()
	id := [2]uuid.UUID{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())}
	for _, id := range id {
		createPartner(t, store, tenant, id)
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
		go func() { held <- change(id[0]) }()
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
			if err := change(id[1]); err != nil {
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
