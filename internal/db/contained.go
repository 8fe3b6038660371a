package db

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// Whoever changes which entities another one contains, or which of them is chosen, locks that
// one first, in a transaction. So it exists as long as they do, and shows the chosen one.

// inTransaction runs f in a transaction, on a connection of the tenant's share.
func (e *Entity) inTransaction(ctx context.Context, tenant uuid.UUID, f func(q *Queries) error) error {
	mine, err := e.store.shares.take(ctx, tenant)
	if err != nil {
		return err
	}
	defer e.store.shares.give(mine)
	return pgx.BeginFunc(ctx, e.store.pool, func(tx pgx.Tx) error { return f(New(tx)) })
}

// insert creates an entity within what q runs in. For one that another contains, that must be
// a transaction.
func (e *Entity) insert(ctx context.Context, q *Queries, c Create) (Row, error) {
	t := e.set.Type()
	if t.Parent == nil {
		return e.set.Create(ctx, q, c)
	}
	parent, err := lockParent(ctx, q, t, c.TenantID, parentOf(t, func(p int) entity.Value { return c.Values[p] }))
	if err != nil {
		return nil, err
	}
	row, err := e.set.Create(ctx, q, c)
	if err == nil && c.Values[t.Index(t.Chosen)].Bool() {
		err = choose(ctx, q, t, parent, row, stamp{c.CreatedAt, c.CreatedBy, c.CreatedWith, c.CreatedRequest})
	}
	return row, err
}

// chooses reports whether an update makes an entity the chosen one of its parent.
func (e *Entity) chooses(u Update) bool {
	i := e.set.Type().Index(e.set.Type().Chosen)
	return i >= 0 && u.Named[i] && u.Values[i].Bool()
}

// updateChosen works like Update for an entity that becomes the chosen one.
func (e *Entity) updateChosen(ctx context.Context, u Update) (row Row, err error) {
	err = e.inTransaction(ctx, u.TenantID, func(q *Queries) error {
		_, parent, err := e.lockContained(ctx, q, Key{u.TenantID, u.ID})
		if err != nil {
			return err
		}
		if row, err = e.set.Update(ctx, q, u); err != nil {
			return err
		}
		return choose(ctx, q, e.set.Type(), parent, row, stamp{u.ChangedAt, u.ChangedBy, u.ChangedWith, u.ChangedRequest})
	})
	return row, err
}

// deleteContained deletes an entity that another contains.
func (e *Entity) deleteContained(ctx context.Context, c Change) error {
	return e.inTransaction(ctx, c.TenantID, func(q *Queries) error {
		t := e.set.Type()
		row, parent, err := e.lockContained(ctx, q, Key{c.TenantID, c.ID})
		if err != nil {
			return err
		}
		if row.Value(t.Index(t.Chosen)).Bool() {
			if err := show(ctx, q, t, parent, entity.Value{Null: true}, stamp{c.ChangedAt, c.ChangedBy, c.ChangedWith, c.ChangedRequest}); err != nil {
				return err
			}
		}
		_, err = e.set.Change(ctx, q, c)
		return err
	})
}

// deleteParent deletes an entity and what it contains.
func (e *Entity) deleteParent(ctx context.Context, c Change) error {
	return e.inTransaction(ctx, c.TenantID, func(q *Queries) error {
		if _, err := e.set.(parentSet).lock(ctx, q, Key{c.TenantID, c.ID}); err != nil {
			return err
		}
		for _, child := range e.set.Type().Children() {
			if err := SetOf(child).(childSet).deleteOf(ctx, q, c); err != nil {
				return err
			}
		}
		_, err := e.set.Change(ctx, q, c)
		return err
	})
}

// lockContained reads an entity and locks its parent.
func (e *Entity) lockContained(ctx context.Context, q *Queries, k Key) (row, parent Row, err error) {
	if row, err = e.set.Get(ctx, q, k); err != nil {
		return nil, nil, err
	}
	if parent, err = lockParent(ctx, q, e.set.Type(), k.TenantID, parentOf(e.set.Type(), row.Value)); err != nil {
		return nil, nil, err
	}
	row, err = e.set.Get(ctx, q, k) // as it is now that nobody changes what is chosen
	return row, parent, err
}

func lockParent(ctx context.Context, q *Queries, t *entity.Type, tenant, id uuid.UUID) (Row, error) {
	return SetOf(t.Parent).(parentSet).lock(ctx, q, Key{tenant, id})
}

// parentOf is the key of an entity's parent, by the entity's values.
func parentOf(t *entity.Type, value func(property int) entity.Value) uuid.UUID {
	return uuid.MustParse(value(t.Index(t.ParentID)).Text)
}

// stamp says who changes something, when, with which application and by which request.
type stamp struct {
	at                time.Time
	by, with, request uuid.UUID
}

// choose makes an entity of a locked parent the chosen one, instead of any other.
func choose(ctx context.Context, q *Queries, t *entity.Type, parent, row Row, s stamp) error {
	set, chosen := SetOf(t), t.Index(t.Chosen)
	var others []uuid.UUID
	p := ListParams{TenantID: parent.Key().TenantID, Parents: []uuid.UUID{parent.Key().ID}, Limit: 1 << 31}
	p.Filter = &odata.Expr{Op: "property", Type: odata.Boolean, Name: t.Chosen}
	err := q.List(ctx, set, p, func(l *Listed) error {
		others = append(others, l.Key().ID)
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range slices.DeleteFunc(others, func(id uuid.UUID) bool { return id == row.Key().ID }) {
		if err := setOne(ctx, q, t, Key{p.TenantID, id}, chosen, entity.Value{}, s); err != nil {
			return err
		}
	}
	return show(ctx, q, t, parent, row.Value(t.Index(t.KeyPart)), s)
}

// ShowChosen lets the entities of a tenant show those that are chosen among what they contain,
// after a document brought both.
func ShowChosen(ctx context.Context, q *Queries, tenant uuid.UUID) error {
	for _, s := range sets {
		if s, ok := s.(chosenSet); ok {
			if err := s.showChosen(ctx, q, tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// show lets a locked parent show a value as that of its chosen entity.
func show(ctx context.Context, q *Queries, t *entity.Type, parent Row, v entity.Value, s stamp) error {
	shown := t.Parent.Index(t.Shown)
	if parent.Value(shown) == v {
		return nil
	}
	return setOne(ctx, q, t.Parent, parent.Key(), shown, v, s)
}

// setOne changes one property of an entity.
func setOne(ctx context.Context, q *Queries, t *entity.Type, k Key, property int, v entity.Value, s stamp) error {
	u := Update{
		TenantID: k.TenantID, ID: k.ID, Values: t.Defaults(), Named: make([]bool, len(t.Properties)),
		ChangedAt: s.at, ChangedBy: s.by, ChangedWith: s.with, ChangedRequest: s.request,
	}
	u.Values[property], u.Named[property] = v, true
	_, err := SetOf(t).Update(ctx, q, u)
	return err
}
