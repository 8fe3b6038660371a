package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/gather"
)

// Entity serves the set of one entity for a Store. Frequent calls are gathered into a few
// statements. Every other call takes a connection from its tenant's share. Both return the
// same results.
type Entity struct {
	set   Set
	many  manySet // nil if the set has no statements for many calls
	store *Store

	creates gatherer[Create, Row] // nil if calls aren't gathered; so are the next three
	gets    gatherer[Key, Row]
	updates gatherer[Update, Row]
	changes gatherer[Change, string]
	rows    gather.Turns[Key] // queues changes that run alone, per entity, because others change it too
}

// gatherer runs concurrent calls in shared statements.
type gatherer[P, R any] interface {
	Do(ctx context.Context, params P) (R, error)
}

// newEntity returns the Entity for a set.
func newEntity(set Set, s *Store) *Entity {
	e := &Entity{set: set, store: s}
	var ok bool
	if e.many, ok = set.(manySet); !ok || s.gathering == NoGathering {
		return e
	}
	one := strings.ToUpper(set.Type().Name[:1]) + set.Type().Name[1:]
	e.creates = gathers(s, Create.key, func() *gather.Calls[Create, Row, Key] {
		return &gather.Calls[Create, Row, Key]{Name: "Create" + one, One: e.createOne, Many: e.createMany, Eager: true}
	})
	e.gets = gathers(s, Key.key, func() *gather.Calls[Key, Row, Key] {
		return &gather.Calls[Key, Row, Key]{Name: "Get" + one, One: e.getOne, Many: e.getMany}
	})
	if s.gathering == PerTenant { // changes of one tenant cost a cluster more together than alone
		return e
	}
	e.updates = gathers(s, Update.key, func() *gather.Calls[Update, Row, Key] { // each may wait for another change of the same entity
		return &gather.Calls[Update, Row, Key]{Name: "Update" + one, One: e.updateOne, Many: e.updateMany, Alone: e.updateAlone, Apart: Update.key, Waits: true}
	})
	e.changes = gathers(s, Change.key, func() *gather.Calls[Change, string, Key] {
		return &gather.Calls[Change, string, Key]{Name: "Change" + one, One: e.changeOne, Many: e.changeMany, Alone: e.changeAlone, Apart: Change.key, Waits: true}
	})
	return e
}

// gathers makes one gatherer for all tenants or one per tenant, as the Store is set up.
// Statements of one tenant take a connection from its share.
func gathers[P, R any](s *Store, key func(P) Key, newCalls func() *gather.Calls[P, R, Key]) gatherer[P, R] {
	observed := func() *gather.Calls[P, R, Key] {
		c := newCalls()
		c.Observe, c.Hopeless = s.observe, hopeless
		return c
	}
	if s.gathering == AcrossTenants {
		return observed()
	}
	tenant := func(p P) uuid.UUID { return key(p).TenantID }
	return &gather.Groups[uuid.UUID, P, R, Key]{Of: tenant, New: func() *gather.Calls[P, R, Key] {
		c := observed()
		c.Hopeless = func(err error) bool { return hopeless(err) || errors.Is(Classify(err), ErrNoTenant) } // all calls are of one
		one, many := c.One, c.Many
		c.One = func(ctx context.Context, p P) (R, error) { return within(ctx, s.shares, tenant(p), one, p) }
		c.Many = func(ctx context.Context, all []P) ([]gather.Outcome[R], error) {
			return within(ctx, s.shares, tenant(all[0]), many, all)
		}
		return c
	}}
}

// hopeless reports whether halves of a failed statement would fail the same way.
func hopeless(err error) bool { return errors.Is(classOf(err), ErrUnavailable) && !rolledBack(err) }

func (c Create) key() Key { return Key{c.TenantID, c.ID} }
func (k Key) key() Key    { return k }
func (u Update) key() Key { return Key{u.TenantID, u.ID} }
func (c Change) key() Key { return Key{c.TenantID, c.ID} }

// Create inserts an entity and returns it as committed. In a Store inside a transaction, a
// taken id leaves the transaction usable.
func (e *Entity) Create(ctx context.Context, c Create) (row Row, err error) {
	switch {
	case e.store.inside || e.set.Type().Parent != nil:
		err = e.inTransaction(ctx, c.TenantID, func(q *Queries) (err error) { // inside, a savepoint
			row, err = e.insert(ctx, q, c)
			return err
		})
		return row, err
	case e.creates == nil:
		return within(ctx, e.store.shares, c.TenantID, e.createOne, c)
	}
	return e.creates.Do(ctx, c)
}

// CreateWithinQuota works like Create, but returns ErrQuota if the tenant already has quota
// entities of the set. Concurrent calls for a tenant run one after another.
func (e *Entity) CreateWithinQuota(ctx context.Context, c Create, quota int32) (row Row, err error) {
	s := e.store
	if !s.inside { // inside a transaction, the call already has a connection
		end, err := s.turns.Take(ctx, c.TenantID)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	mine, err := s.shares.take(ctx, c.TenantID)
	if err != nil {
		return nil, err
	}
	defer s.shares.give(mine)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		q := New(tx)
		if _, err := q.LockTenant(ctx, c.TenantID); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				err = ErrNoTenant
			}
			return err
		}
		n, err := e.set.CountUpTo(ctx, q, c.TenantID, int64(quota))
		if err != nil {
			return err
		}
		if n >= int64(quota) {
			return ErrQuota
		}
		row, err = e.insert(ctx, q, c)
		return err
	})
	return row, err
}

// Get returns an entity as committed at the time of the call or later. It returns
// pgx.ErrNoRows if the entity doesn't exist.
func (e *Entity) Get(ctx context.Context, k Key) (Row, error) {
	if e.gets == nil {
		return within(ctx, e.store.shares, k.TenantID, e.getOne, k)
	}
	return e.gets.Do(ctx, k)
}

// Update changes an entity and returns it as committed. It returns pgx.ErrNoRows if the
// entity doesn't exist.
func (e *Entity) Update(ctx context.Context, u Update) (Row, error) {
	switch {
	case e.chooses(u):
		return e.updateChosen(ctx, u)
	case e.updates == nil:
		return e.updateAlone(ctx, u)
	}
	return e.updates.Do(ctx, u)
}

// Delete deletes an entity. It returns pgx.ErrNoRows if the entity doesn't exist.
func (e *Entity) Delete(ctx context.Context, c Change) error {
	c.Change = Delete
	if e.set.Type().Parent != nil {
		return e.deleteContained(ctx, c)
	}
	if len(e.set.Type().Children()) > 0 {
		return e.deleteParent(ctx, c)
	}
	_, err := e.change(ctx, c)
	return err
}

// Act runs an action and returns the state before it. If the action doesn't apply in that
// state, Act changes nothing. It returns pgx.ErrNoRows if the entity doesn't exist.
func (e *Entity) Act(ctx context.Context, a *entity.Action, c Change) (before string, err error) {
	return e.change(ctx, c.by(e.set.Type(), a))
}

// Act works like Entity.Act, but runs in the connection or transaction of q.
func Act(ctx context.Context, q *Queries, t *entity.Type, a *entity.Action, c Change) (before string, err error) {
	return SetOf(t).Change(ctx, q, c.by(t, a))
}

// by returns c with the changes that an action makes.
func (c Change) by(t *entity.Type, a *entity.Action) Change {
	c.Change, c.From = a.Change, strings.Join(a.States(t), ",")
	c.Values, c.Named = a.Values(t, c.ChangedAt)
	if i := t.Index(a.Link); i >= 0 && c.Portal != "" {
		c.Values[i], c.Named[i] = entity.Value{Text: c.Portal + PortalPath(c.key(), rand.Text())}, true
	}
	return c
}

// PortalPath returns the path of the partner's page for an entity. The secret makes it
// unguessable.
func PortalPath(k Key, secret string) string {
	return entity.PortalPath + k.TenantID.String() + "/" + k.ID.String() + "/" + secret
}

func (e *Entity) change(ctx context.Context, c Change) (string, error) {
	if e.changes == nil {
		return e.changeAlone(ctx, c)
	}
	return e.changes.Do(ctx, c)
}

// List calls each for every entity that p selects; see Queries.List.
func (e *Entity) List(ctx context.Context, p ListParams, each func(*Listed) error) error {
	mine, err := e.store.shares.take(ctx, p.TenantID)
	if err != nil {
		return err
	}
	defer e.store.shares.give(mine)
	return e.store.queries.List(ctx, e.set, p, each)
}

// Count counts the entities of a list, without its order, start and limit.
func (e *Entity) Count(ctx context.Context, p ListParams) (int64, error) {
	return within(ctx, e.store.shares, p.TenantID, func(ctx context.Context, p ListParams) (int64, error) {
		return e.store.queries.CountFiltered(ctx, e.set, p.TenantID, p.Filter, p.AsOf, p.Parents...)
	}, p)
}

// GetAsOf returns an entity as of a time; see Queries.GetAsOf.
func (e *Entity) GetAsOf(ctx context.Context, k Key, at time.Time) (Row, error) {
	return within(ctx, e.store.shares, k.TenantID, func(ctx context.Context, k Key) (Row, error) {
		return e.store.queries.GetAsOf(ctx, e.set, k, at)
	}, k)
}

// WasUsed reports whether an existing or deleted entity has the id.
func (e *Entity) WasUsed(ctx context.Context, k Key) (bool, error) {
	return within(ctx, e.store.shares, k.TenantID, func(ctx context.Context, k Key) (bool, error) {
		return e.set.WasUsed(ctx, e.store.queries, k)
	}, k)
}

// NextID returns, as a key, the number after the highest one ever used. Concurrent callers
// may get the same number; then all but one of them fail to create with ErrTaken.
func (e *Entity) NextID(ctx context.Context, tenant uuid.UUID) (uuid.UUID, error) {
	return within(ctx, e.store.shares, tenant, func(ctx context.Context, tenant uuid.UUID) (uuid.UUID, error) {
		last, err := e.set.(countedSet).lastID(ctx, e.store.queries, tenant)
		if errors.Is(err, pgx.ErrNoRows) {
			last, err = entity.CounterID(0), nil
		}
		return entity.NextID(last), err
	}, tenant)
}

// These run one call each.

func (e *Entity) createOne(ctx context.Context, c Create) (Row, error) {
	return e.set.Create(ctx, e.store.queries, c)
}

func (e *Entity) getOne(ctx context.Context, k Key) (Row, error) {
	return e.set.Get(ctx, e.store.queries, k)
}

func (e *Entity) updateOne(ctx context.Context, u Update) (Row, error) {
	return e.set.Update(ctx, e.store.queries, u)
}

func (e *Entity) changeOne(ctx context.Context, c Change) (string, error) {
	return e.set.Change(ctx, e.store.queries, c)
}

// These run one call each, and wait for concurrent changes of the same entity.

func (e *Entity) updateAlone(ctx context.Context, u Update) (Row, error) {
	end, err := e.rows.Take(ctx, u.key())
	if err != nil {
		return nil, err
	}
	defer end()
	return within(ctx, e.store.shares, u.TenantID, e.updateOne, u)
}

func (e *Entity) changeAlone(ctx context.Context, c Change) (string, error) {
	end, err := e.rows.Take(ctx, c.key())
	if err != nil {
		return "", err
	}
	defer end()
	return within(ctx, e.store.shares, c.TenantID, e.changeOne, c)
}

// These run many calls in one statement.

func (e *Entity) createMany(ctx context.Context, calls []Create) ([]gather.Outcome[Row], error) {
	place := make(map[Key]int, len(calls))
	for i := range calls {
		place[calls[i].key()] = i
	}
	create := e.many.createMany
	if e.store.gathering == PerTenant {
		create = e.many.createManyOfTenant
	}
	rows, err := create(ctx, e.store.queries, calls)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrNoTenant
	}
	if len(rows) != len(calls) {
		return nil, fmt.Errorf("created %d of %d entities", len(rows), len(calls))
	}
	outcomes := make([]gather.Outcome[Row], len(rows))
	for _, row := range rows {
		outcomes[place[row.Key()]].Result = row
	}
	return outcomes, nil
}

func (e *Entity) getMany(ctx context.Context, keys []Key) ([]gather.Outcome[Row], error) {
	tenants, ids := make([]uuid.UUID, 0, len(keys)), make([]uuid.UUID, 0, len(keys))
	place := make(map[Key]int, len(keys)) // several calls may ask for the same key
	for _, k := range keys {
		if _, known := place[k]; !known {
			place[k] = len(ids)
			tenants, ids = append(tenants, k.TenantID), append(ids, k.ID)
		}
	}
	found := make([]Row, len(ids))
	rows, err := e.queryMany(ctx, tenants, ids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for r := (reader{rows: rows}); rows.Next(); {
		row := e.set.newRow()
		if err := r.read(row); err != nil {
			return nil, err
		}
		found[place[row.Key()]] = row
	}
	outcomes := make([]gather.Outcome[Row], len(keys))
	for i, k := range keys {
		if outcomes[i].Result = found[place[k]]; outcomes[i].Result == nil {
			outcomes[i].Err = pgx.ErrNoRows
		}
	}
	return outcomes, rows.Err()
}

// queryMany queries the entities of keys, in any order.
func (e *Entity) queryMany(ctx context.Context, tenants, ids []uuid.UUID) (pgx.Rows, error) {
	if e.store.gathering == PerTenant {
		return e.store.queries.db.Query(ctx, e.many.getManyOfTenantQuery(), ids, tenants[0])
	}
	return e.store.queries.db.Query(ctx, e.many.getManyQuery(), tenants, ids)
}

func (e *Entity) updateMany(ctx context.Context, calls []Update) ([]gather.Outcome[Row], error) {
	place, outcomes := make(map[Key]int, len(calls)), make([]gather.Outcome[Row], len(calls))
	for i := range calls {
		place[calls[i].key()] = i
		outcomes[i].Err = gather.ErrApart // stays if no row comes: the entity doesn't exist or is locked
	}
	rows, err := e.many.updateMany(ctx, e.store.queries, calls)
	for _, row := range rows {
		outcomes[place[row.Key()]] = gather.Outcome[Row]{Result: row}
	}
	return outcomes, err
}

func (e *Entity) changeMany(ctx context.Context, calls []Change) ([]gather.Outcome[string], error) {
	place, outcomes := make(map[Key]int, len(calls)), make([]gather.Outcome[string], len(calls))
	for i := range calls {
		place[calls[i].key()] = i
		outcomes[i].Err = gather.ErrApart // the row is as of another call's update
	}
	rows, err := e.many.changeMany(ctx, e.store.queries, calls)
	for _, c := range rows {
		outcomes[place[c.key]] = gather.Outcome[string]{Result: c.before}
	}
	return outcomes, err
}
