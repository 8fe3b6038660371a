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
	"github.com/mocktenant/mocktenant/internal/entity"
)

// eachGathering tests stores that gather calls of all tenants, and stores as on a cluster, which
// refuses that.
func eachGathering(t *testing.T, test func(*testing.T, *db.Entity)) {
	t.Parallel()
	modes := map[string]db.Gathering{"across tenants": db.AcrossTenants, "per tenant": db.PerTenant}
	if dbtest.OnCluster() {
		delete(modes, "across tenants")
	}
	for name, gathering := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			if gathering == db.PerTenant {
				pool = pool.OnCluster()
			}
			test(t, db.NewStore(pool, gathering, nil).Entity(partner))
		})
	}
}

// Concurrent creates for many tenants, one of which doesn't exist, store the same rows as
// single creates. Failing ones don't affect the others.
func TestStoreGathersCreates(t *testing.T) { eachGathering(t, testStoreGathersCreates) }

func testStoreGathersCreates(t *testing.T, gathering *db.Entity) {
	alone := db.NewStore(dbtest.Pool(t), db.NoGathering, nil).Entity(partner)
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t), {ID: uuid.New(), UserID: uuid.New()}}
	texts := []entity.Value{{Null: true}, {}, {Text: "a"}, {Text: "O'Neil, {\"NULL\"} \\ \U0001f600"}, {Text: "NULL"}}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			tenant := tenants[i%len(tenants)]
			at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
			p := newPartner(tenant, uuid.Must(uuid.NewV7()), map[string]entity.Value{
				"displayName": texts[i%len(texts)], "onboardingUrl": texts[(i/len(texts))%len(texts)], "onboardingStatus": {Text: partner.Properties[partner.Index("onboardingStatus")].Enum.Members[i%3]},
				"lastConnectionDateTime": entity.DateValue(at.Add(time.Duration(i) * 100).In(time.FixedZone("", 60*i))),
			})
			p.CreatedAt = at
			got, err := gathering.Create(t.Context(), p)
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
			other, err := alone.Create(t.Context(), p)
			if err != nil {
				t.Error(err)
			}
			want := recordOf(partner, other)
			want.Key.ID = got.Key().ID
			if diff := cmp.Diff(want, recordOf(partner, got)); diff != "" {
				t.Errorf("(-alone +gathered):\n%s", diff)
			}
			kept, err := alone.Get(t.Context(), got.Key())
			if diff := cmp.Diff(recordOf(partner, got), recordOf(partner, kept)); err != nil || diff != "" {
				t.Errorf("%v (-answered +kept):\n%s", err, diff)
			}
		})
	}
	wg.Wait()
}

// Tenants with the same id seed create the same ids, even in one statement. Each gets its
// own row.
func TestStoreGathersSameIDs(t *testing.T) { eachGathering(t, testStoreGathersSameIDs) }

func testStoreGathersSameIDs(t *testing.T, gathering *db.Entity) {
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t), dbtest.NewTenant(t)}
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			tenant := tenants[i%len(tenants)]
			name := tenant.ID.String()
			p := newPartner(tenant, db.SeededID("the same", "partner", int64(i/len(tenants))), map[string]entity.Value{"displayName": {Text: name}})
			row, err := gathering.Create(t.Context(), p)
			if got := recordOf(partner, row); err != nil || got.Key.TenantID != tenant.ID || got.Key.ID != p.ID || got.value("displayName").Text != name {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// Concurrent gets for several tenants, also for missing partners and for the same one, each
// return their own result.
func TestStoreGathersGets(t *testing.T) { eachGathering(t, testStoreGathersGets) }

func testStoreGathersGets(t *testing.T, gathering *db.Entity) {
	tenants := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t)}
	id, want := uuid.Must(uuid.NewV7()), map[uuid.UUID]record{} // equal in both tenants
	for i, tenant := range tenants {
		p := newPartner(tenant, id, nil)
		if i == 0 {
			p.Values[partner.Index("displayName")] = entity.Value{Text: tenant.ID.String()}
		}
		row, err := gathering.Create(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		want[tenant.ID] = recordOf(partner, row)
	}
	var wg sync.WaitGroup
	for i := range 600 {
		wg.Go(func() {
			p := db.Key{TenantID: tenants[i%2].ID, ID: id}
			if i%3 == 2 {
				p.ID = uuid.New()
			}
			got, err := gathering.Get(t.Context(), p)
			if i%3 == 2 {
				if !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("of one that isn't there: %v", err)
				}
				return
			}
			if diff := cmp.Diff(want[p.TenantID], recordOf(partner, got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	wg.Wait()
}

// Concurrent updates of the same few partners, gathered and single: each makes one version,
// none is lost, and a failing one doesn't affect the others.
func TestStoreGathersUpdates(t *testing.T) { eachGathering(t, testStoreGathersUpdates) }

func testStoreGathersUpdates(t *testing.T, gathering *db.Entity) {
	const partners, updates = 5, 400
	alone := db.NewStore(dbtest.Pool(t), db.NoGathering, nil).Entity(partner)
	tenant, id := dbtest.NewTenant(t), make([]uuid.UUID, partners)
	for i := range id {
		id[i] = uuid.Must(uuid.NewV7())
		createPartner(t, alone, tenant, id[i])
	}
	var mu sync.Mutex
	made := map[uuid.UUID]map[int64]string{} // names, by version
	var wg sync.WaitGroup
	for i := range updates {
		wg.Go(func() {
			store, name := gathering, fmt.Sprint(i)
			if i%4 == 3 {
				store = alone
			}
			if i%10 == 9 {
				name = strings.Repeat("x", 2000) // longer than the table allows
			}
			named := map[string]entity.Value{"displayName": {Text: name}}
			if i%2 == 0 {
				named["onboardingStatus"] = entity.Value{Text: "onboarded"}
			}
			p := update(tenant, id[i%partners], named)
			if i%10 == 8 {
				p.ID = uuid.New()
			}
			updated, err := store.Update(t.Context(), p)
			row := recordOf(partner, updated)
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
			case err != nil || row.Key.ID != p.ID || row.value("displayName").Text != name || !row.value("onboardingUrl").Null:
				t.Errorf("got %+v, %v", row, err)
				return
			case i%2 == 0 && row.value("onboardingStatus").Text != "onboarded":
				t.Errorf("got %+v", row)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if made[p.ID] == nil {
				made[p.ID] = map[int64]string{}
			}
			if other, taken := made[p.ID][row.Head.Version]; taken {
				t.Errorf("version %d is %q and %q", row.Head.Version, other, name)
			}
			made[p.ID][row.Head.Version] = name
		})
	}
	wg.Wait()
	for i := range id {
		got, err := alone.Get(t.Context(), db.Key{TenantID: tenant.ID, ID: id[i]})
		row := recordOf(partner, got)
		if err != nil || row.Head.Version != int64(len(made[id[i]]))+1 || row.value("displayName").Text != made[id[i]][row.Head.Version] {
			t.Errorf("kept %+v, %v; %d updates", row, err, len(made[id[i]]))
		}
		kept, err := dbtest.Pool(t).Query(t.Context(), "SELECT version, row ->> 'display_name' FROM entity_versions WHERE tenant_id = $1 AND id = $2", tenant.ID, id[i])
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

// Concurrent actions, deletes and updates, gathered and single, of the same few partners in
// two tenants with equal ids, some by callers that go away. Each one that takes effect
// makes one version, from the state that its caller was told; the others make none. A
// failing one doesn't affect the others.
func TestStoreGathersChanges(t *testing.T) { eachGathering(t, testStoreGathersChanges) }

func testStoreGathersChanges(t *testing.T, gathering *db.Entity) {
	const partners, calls = 4, 1200
	alone := db.NewStore(dbtest.Pool(t), db.NoGathering, nil).Entity(partner)
	tenants, id := []dbtest.Tenant{dbtest.NewTenant(t), dbtest.NewTenant(t)}, make([]uuid.UUID, partners)
	for i := range id {
		id[i] = uuid.Must(uuid.NewV7())
		for _, tenant := range tenants {
			createPartner(t, alone, tenant, id[i])
		}
	}
	poisoned := uuid.Must(uuid.NewV7()) // never changed
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
			p := db.Change{TenantID: tenant.ID, ID: id[i/2%partners], ChangedAt: calledAt.Add(time.Duration(i) * time.Microsecond), ChangedBy: uuid.New()}
			o := changeOutcome{params: p}
			switch kind := i / 8 % 24; {
			case kind == 0:
				p.ID = uuid.New()
				if _, err := store.Act(t.Context(), action(t, "disconnect"), p); !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("of one that isn't there: %v", err)
				}
				return
			case kind == 1:
				p.TenantID, p.ID = tenants[0].ID, poisoned
				bad := *action(t, "beginOnboarding")
				bad.To = map[string]entity.Setting{"onboardingRequestExpiryDateTime": {Value: entity.Value{Offset: 2000}}} // beyond what the table allows
				var refusal *pgconn.PgError
				if _, err := store.Act(t.Context(), &bad, p); !errors.As(err, &refusal) || refusal.Code != "23514" { // check_violation
					t.Errorf("of one that can't be made: %v", err)
				}
				return
			case kind == 2 && i > calls*3/4:
				o.kind, o.err = db.Delete, store.Delete(ctx, p)
			case kind < 6:
				u := update(tenant, p.ID, map[string]entity.Value{"onboardingStatus": {Text: "onboarded"}})
				u.ChangedAt, u.ChangedBy = p.ChangedAt, p.ChangedBy
				o.kind = "update"
				_, o.err = store.Update(ctx, u)
			case kind < 15:
				o.kind = "beginOnboarding"
				o.before, o.err = store.Act(ctx, action(t, "beginOnboarding"), p)
			default:
				o.kind = "disconnect"
				o.before, o.err = store.Act(ctx, action(t, "disconnect"), p)
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
	if row, err := alone.Get(t.Context(), db.Key{TenantID: tenants[0].ID, ID: poisoned}); err != nil || row.Head().Version != 1 {
		t.Errorf("the one that nothing changes: %+v, %v", row, err)
	}
}

func createPartner(t *testing.T, store *db.Entity, tenant dbtest.Tenant, id uuid.UUID) {
	t.Helper()
	if _, err := store.Create(t.Context(), newPartner(tenant, id, nil)); err != nil {
		t.Fatal(err)
	}
}

// changeOutcome is a change and its result.
type changeOutcome struct {
	kind   string
	params db.Change
	before string // not known for an update or a delete
	err    error
}

// takesEffect reports whether the change applies in a state.
func (o changeOutcome) takesEffect(before string) bool {
	switch o.kind {
	case "beginOnboarding":
		return before == "notOnboarded"
	case "disconnect":
		return before != "notOnboarded"
	default:
		return true
	}
}

// version is a version of a partner and the change that replaced it. The last version has
// no change.
type version struct {
	Version       int64
	Status        string
	Expiry        int64
	ExpiryOffset  int16
	Change        *string
	ChangedAt     *time.Time
	ChangedByUser *uuid.UUID
}

func versionsOf(t *testing.T, tenant, id uuid.UUID) []version {
	t.Helper()
	rows, err := dbtest.Pool(t).Query(t.Context(), `
		SELECT version, row ->> 'onboarding_status', (row ->> 'request_expiry_ticks')::bigint, (row ->> 'request_expiry_offset')::smallint, change, changed_at, changed_by
		FROM entity_versions WHERE tenant_id = $1 AND id = $2
		UNION ALL SELECT version, onboarding_status::text, request_expiry_ticks, request_expiry_offset, NULL, NULL, NULL
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

// checkHistory compares a partner's stored versions with what the callers were told.
func checkHistory(t *testing.T, tenant, id uuid.UUID, outcomes []changeOutcome) {
	t.Helper()
	versions := versionsOf(t, tenant, id)
	replaced := map[uuid.UUID]int{} // by changed_by, which differs for each call
	for i, v := range versions {
		if v.Version != int64(i)+1 {
			t.Fatalf("version %d is in place %d", v.Version, i+1)
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
			if !made { // it may or may not have been made
				continue
			}
			o.before = versions[i].Status
		case o.err != nil:
			t.Errorf("%s: %v", o.kind, o.err)
			continue
		case (o.kind == "update" || o.kind == db.Delete) && made:
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
		t.Errorf("%d changes without a call", len(replaced))
	}
}

// checkVersion compares a version, and the one after it, with the change between them.
func checkVersion(t *testing.T, o changeOutcome, versions []version) {
	t.Helper()
	v, last := versions[0], len(versions) == 1
	if *v.Change != o.kind || !v.ChangedAt.Equal(o.params.ChangedAt) || v.Status != o.before || last != (o.kind == db.Delete) {
		t.Errorf("%s at %s of %s is kept as %+v, last: %v", o.kind, o.params.ChangedAt, o.before, v, last)
	}
	if last {
		return
	}
	want := map[string]string{"update": "onboarded", "beginOnboarding": "onboarding", "disconnect": "notOnboarded"}
	expiry := map[string]entity.Value{
		"update": {Number: v.Expiry, Offset: v.ExpiryOffset}, "disconnect": entity.NoDate,
		"beginOnboarding": entity.DateValue(o.params.ChangedAt.Add(7 * 24 * time.Hour)),
	}[o.kind]
	if next := versions[1]; next.Status != want[o.kind] || next.Expiry != expiry.Number || next.ExpiryOffset != expiry.Offset {
		t.Errorf("%s made %+v", o.kind, next)
	}
}

// A locked partner delays only calls for the same partner.
func TestStoreWaitsForNobodyElse(t *testing.T) {
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	eachGathering(t, testStoreWaitsForNobodyElse)
}

func testStoreWaitsForNobodyElse(t *testing.T, store *db.Entity) {
	tenant := dbtest.NewTenant(t)
	for name, change := range map[string]func(uuid.UUID) error{
		"update": func(id uuid.UUID) error {
			_, err := store.Update(t.Context(), update(tenant, id, nil))
			return err
		},
		"disconnect": func(id uuid.UUID) error {
			_, err := store.Act(t.Context(), action(t, "disconnect"), db.Change{TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID})
			return err
		},
		"delete": func(id uuid.UUID) error {
			err := store.Delete(t.Context(), db.Change{TenantID: tenant.ID, ID: id, ChangedAt: time.Now(), ChangedBy: tenant.UserID})
			if errors.Is(err, pgx.ErrNoRows) { // another call deleted it
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

func waitsForNobodyElse(t *testing.T, store *db.Entity, tenant dbtest.Tenant, change func(uuid.UUID) error) {
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
	wg.Wait() // while the first lock is held
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range cap(held) {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}
