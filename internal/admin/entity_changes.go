package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/state"
)

type createEntityRequest struct {
	api.EntityCreate
	EntitySet string
}

// createEntity creates an entity as a client of Graph would, or with a given id.
func createEntity(ctx context.Context, c *change, r createEntityRequest) (api.Entity, error) {
	t, err := findSet(r.EntitySet)
	if err != nil {
		return api.Entity{}, err
	}
	id := ""
	if r.Id != nil {
		id = *r.Id
	}
	if t.Singleton { // it has its defaults until it is created
		id = entity.SingletonID.String()
	}
	item, _, err := state.ReadEntity(t, id, properties(r.Properties))
	if err != nil {
		return api.Entity{}, err
	}
	c.stampEntity(t, item.Values, nil)
	row, err := c.insertEntity(ctx, t, item.ID, item.Values)
	if err != nil {
		return api.Entity{}, err
	}
	e := showEntity(t, row)
	c.target = r.EntitySet + " " + e.Id
	return e, nil
}

// insertEntity inserts an entity. Without an id, it gets one as if a client had created it.
func (c *change) insertEntity(ctx context.Context, t *entity.Type, id uuid.UUID, values []entity.Value) (row db.Row, err error) {
	set := db.Inside(c.tx).Entity(t)
	create := db.Create{TenantID: c.tenant.ID, ID: id, Values: values, CreatedAt: c.x.Now, CreatedBy: c.x.caller.id}
	if id == uuid.Nil {
		row, err = set.CreateNew(ctx, create, c.tenant.IDSeed, c.tenant.EntityQuota)
	} else {
		row, err = set.CreateAgain(ctx, create, c.tenant.EntityQuota)
	}
	switch {
	case errors.Is(err, db.ErrQuota):
		return nil, errConflict("The tenant has as many %ss as its quota allows: raise the quota, or delete one.", t.Noun)
	case errors.Is(err, pgx.ErrNoRows) && t.Parent != nil:
		return nil, errConflict("The %s that contains it doesn't exist.", t.Parent.Noun)
	case errors.Is(db.Classify(err), db.ErrTaken):
		return nil, errConflict("The tenant has a %s with this id.", t.Noun)
	}
	return row, err
}

// stampEntity sets the dates that the service sets. For an update, it also marks them in named;
// for a new entity, named is nil.
func (c *change) stampEntity(t *entity.Type, values []entity.Value, named []bool) {
	for i := range t.Properties {
		p := &t.Properties[i]
		if !p.Stamped || named != nil && !p.Restamped {
			continue
		}
		values[i] = entity.DateValue(c.x.Now.UTC().Truncate(time.Microsecond))
		if named != nil {
			named[i] = true
		}
	}
}

type updateEntityRequest struct {
	api.EntityUpdate
	EntitySet, EntityID string
}

// updateEntity changes properties of an entity. With a version, it changes only that version.
func updateEntity(ctx context.Context, c *change, r updateEntityRequest) (api.Entity, error) {
	t, k, err := c.changeable(ctx, r.EntitySet, r.EntityID)
	if err != nil {
		return api.Entity{}, err
	}
	now, err := db.SetOf(t).Get(ctx, c.queries, k)
	if err != nil {
		return api.Entity{}, orNoEntity(err, t, r.EntityID)
	}
	id := ""
	if t.Keys == entity.ComposedKeys {
		id = r.EntityID
	}
	item, named, err := state.ReadEntity(t, id, properties(r.Properties))
	if err != nil {
		return api.Entity{}, err
	}
	if err := r.checkVersion(t, now.Head().Version); err != nil {
		return api.Entity{}, err
	}
	row, err := c.setEntity(ctx, t, k, item.Values, named)
	if err != nil {
		return api.Entity{}, orNoEntity(err, t, r.EntityID)
	}
	if row == nil {
		return showEntity(t, now), nil // the request names no property
	}
	return showEntity(t, row), r.checkVersion(t, row.Head().Version-1) // somebody may have been faster
}

// checkVersion refuses to change another version than the one that the change is about.
func (r updateEntityRequest) checkVersion(t *entity.Type, version int64) error {
	if r.Version == nil || *r.Version == version {
		return nil
	}
	return errConflict("Somebody changed the %s: it has version %d, and this change is about version %d. Read it again.", t.Noun, version, *r.Version)
}

// setEntity sets the named properties; without any, it returns no row. A contained entity stays
// the chosen one until another one is chosen.
func (c *change) setEntity(ctx context.Context, t *entity.Type, k db.Key, values []entity.Value, named []bool) (db.Row, error) {
	if i := t.Index(t.Chosen); i >= 0 && !values[i].Bool() {
		named[i] = false
	}
	if i := t.Index(t.KeyPart); i >= 0 {
		named[i] = false
	}
	if !slices.Contains(named, true) {
		return nil, nil
	}
	c.stampEntity(t, values, named)
	return db.Inside(c.tx).Entity(t).Update(ctx, db.Update{
		TenantID: k.TenantID, ID: k.ID, Values: values, Named: named, ChangedAt: c.x.Now, ChangedBy: c.x.caller.id,
	})
}

type deleteEntityRequest struct{ EntitySet, EntityID string }

func deleteEntity(ctx context.Context, c *change, r deleteEntityRequest) (none, error) {
	t, k, err := c.changeable(ctx, r.EntitySet, r.EntityID)
	if err != nil {
		return none{}, err
	}
	if t.Singleton {
		return none{}, errConflict("A tenant always has its %s; change its properties.", t.Noun)
	}
	err = db.Inside(c.tx).Entity(t).Delete(ctx, db.Change{TenantID: k.TenantID, ID: k.ID, ChangedAt: c.x.Now, ChangedBy: c.x.caller.id})
	return none{}, orNoEntity(err, t, r.EntityID)
}

// changeable finds the entity of a path to change, and refuses built-in ones.
func (c *change) changeable(ctx context.Context, set, key string) (*entity.Type, db.Key, error) {
	t, err := findSet(set)
	if err != nil {
		return nil, db.Key{}, err
	}
	c.target = set + " " + key
	id, err := parseKey(t, key)
	if err != nil {
		return nil, db.Key{}, err
	}
	k := db.Key{TenantID: c.tenant.ID, ID: id}
	if err := db.ExpireOnboardings(ctx, c.queries, k.TenantID, c.x.Now); err != nil {
		return nil, k, err
	}
	if t.BuiltIn == "" {
		return t, k, nil
	}
	row, err := db.SetOf(t).Get(ctx, c.queries, k)
	if err == nil && row.Value(t.Index(t.BuiltIn)).Bool() {
		return nil, k, errConflict("The %s %s is built in and can't be changed or deleted.", t.Noun, key)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil // it may be restored
	}
	return t, k, err
}

// properties returns the properties in a request, which may have none.
func properties(given *json.RawMessage) []byte {
	if given == nil {
		return nil
	}
	return *given
}
