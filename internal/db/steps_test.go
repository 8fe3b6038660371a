package db_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// Updates, actions and deletes, in a transaction and outside, answer and store the same in
// several statements, as on a cluster, as in one.
func TestChangesInSteps(t *testing.T) {
	t.Parallel()
	for _, set := range db.Sets() {
		t.Run(set.Type().Name, func(t *testing.T) {
			t.Parallel()
			want := changesOf(t, dbtest.Pool(t), set.Type())
			if diff := cmp.Diff(want, changesOf(t, dbtest.Pool(t).OnCluster(), set.Type())); diff != "" {
				t.Errorf("(-one statement +several):\n%s", diff)
			}
		})
	}
}

// changesOf makes every kind of change to entities of a type in a new tenant. It returns the
// answers and, at the end, the history.
func changesOf(t *testing.T, pool *db.Pool, kind *entity.Type) []string {
	t.Helper()
	c := &changer{t: t, tenant: dbtest.NewTenant(t).ID, kind: kind}
	c.make(db.NewStore(pool, db.NoGathering, nil))
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		c.make(db.Inside(tx))
		return pgx.BeginFunc(t.Context(), tx, func(savepoint pgx.Tx) error {
			c.make(db.Inside(savepoint))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), `SELECT concat_ws(' ', entity, id, version, row, change, changed_at AT TIME ZONE 'UTC', changed_by, changed_with, changed_request)
		FROM entity_versions WHERE tenant_id = $1 ORDER BY entity, id, version`, c.tenant)
	if err != nil {
		t.Fatal(err)
	}
	history, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(history) == 0 {
		t.Fatalf("a history of %d, %v", len(history), err)
	}
	return append(c.answers, history...)
}

// changer changes entities of a type.
type changer struct {
	t       *testing.T
	tenant  uuid.UUID
	kind    *entity.Type
	n       byte // counts ids
	answers []string
}

func (c *changer) answer(result any, err error) {
	if errors.Is(err, pgx.ErrNoRows) { // the error names the query, which differs
		err = pgx.ErrNoRows
	}
	c.answers = append(c.answers, fmt.Sprintf("%v, %v", result, err))
}

// make creates an entity, changes it in every way, and deletes it.
func (c *changer) make(store *db.Store) {
	c.t.Helper()
	parent, id := c.create(store, c.kind)
	e := store.Entity(c.kind)
	at := stamped(id)
	for i, p := range c.kind.Properties {
		if p.Kind == entity.TextKind && p.Name != c.kind.KeyPart {
			c.update(e, id, i, entity.Value{Text: "another"})
		}
	}
	if i := c.kind.Index(c.kind.Chosen); i >= 0 {
		c.update(e, id, i, entity.BoolValue(true))
	}
	states := []string{""}
	state := c.kind.Index(c.kind.State)
	if state >= 0 {
		states = c.kind.Properties[state].Enum.Members
	}
	for i := range c.kind.Actions {
		for _, from := range states {
			if state >= 0 {
				c.update(e, id, state, entity.Value{Text: from})
			}
			for _, key := range []uuid.UUID{id, uuid.Max} {
				c.answer(e.Act(c.t.Context(), &c.kind.Actions[i], db.Change{TenantID: c.tenant, ID: key, ChangedAt: at, ChangedBy: id, ChangedWith: id, ChangedRequest: id}))
			}
			c.get(e, id)
		}
	}
	last := len(c.kind.Properties) - 1
	c.update(e, uuid.Max, last, c.kind.Defaults()[last])
	gone := db.Change{TenantID: c.tenant, ID: id, ChangedAt: at, ChangedBy: id, ChangedWith: id, ChangedRequest: id}
	if c.kind.Parent != nil { // the parent takes it along
		e = store.Entity(c.kind.Parent)
		gone.ID = parent
	}
	c.answer(nil, e.Delete(c.t.Context(), gone))
	c.answer(nil, e.Delete(c.t.Context(), gone))
}

// create creates an entity and, if another one contains it, that one.
func (c *changer) create(store *db.Store, kind *entity.Type) (parent, id uuid.UUID) {
	c.t.Helper()
	values := kind.Defaults()
	if kind.Parent != nil {
		_, parent = c.create(store, kind.Parent)
		values[kind.Index(kind.ParentID)] = entity.Value{Text: parent.String()}
	}
	c.n++
	id = uuid.UUID{15: c.n}
	if _, err := store.Entity(kind).Create(c.t.Context(), db.Create{TenantID: c.tenant, ID: id, Values: values, CreatedAt: stamped(id), CreatedBy: id}); err != nil {
		c.t.Fatalf("create a %s: %v", kind.Name, err)
	}
	return parent, id
}

func (c *changer) update(e *db.Entity, id uuid.UUID, property int, v entity.Value) {
	u := db.Update{
		TenantID: c.tenant, ID: id, Values: c.kind.Defaults(), Named: make([]bool, len(c.kind.Properties)),
		ChangedAt: stamped(id), ChangedBy: id, ChangedWith: id, ChangedRequest: id,
	}
	u.Values[property], u.Named[property] = v, true
	if i := c.kind.Index(c.kind.ParentID); i >= 0 {
		u.Values[i] = entity.Value{Text: uuid.Nil.String()}
	}
	c.seen(e.Update(c.t.Context(), u))
}

func (c *changer) get(e *db.Entity, id uuid.UUID) {
	c.seen(e.Get(c.t.Context(), db.Key{TenantID: c.tenant, ID: id}))
}

// seen keeps an answer, without the tenant.
func (c *changer) seen(row db.Row, err error) {
	var r record
	if err == nil {
		r = recordOf(c.kind, row)
		r.Key.TenantID, r.Type = uuid.Nil, nil
	}
	c.answer(r, err)
}

// stamped is the time of an entity's changes.
func stamped(id uuid.UUID) time.Time { return time.Date(2026, 1, 1, 0, 0, int(id[15]), 0, time.UTC) }
