package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// findSet finds the entity of a set by the set's name, or refuses the name.
func findSet(name string) (*entity.Type, error) {
	t, ok := entity.Find(name)
	if !ok {
		var names []string
		for _, t := range entity.All {
			names = append(names, t.SetName())
		}
		return nil, errNotFound("The set %q does not exist; take one of %s.", name, strings.Join(names, ", "))
	}
	return t, nil
}

// showEntity returns a row in the form of an answer.
func showEntity(t *entity.Type, row db.Row) api.Entity {
	h, properties := row.Head(), map[string]any{}
	for i := range t.Properties {
		p := &t.Properties[i]
		if p.Hidden {
			continue
		}
		properties[p.Name] = json.RawMessage(p.AppendJSON(nil, row.Value(i), entity.Form{Beta: true, Typed: true}))
	}
	e := api.Entity{Id: t.Key(h.ID, row.Value), Version: h.Version, CreatedDateTime: h.CreatedAt.UTC(), CreatedBy: h.CreatedBy, Properties: properties}
	if h.CreatedWith != uuid.Nil {
		e.CreatedWith = &h.CreatedWith
	}
	return e
}

type listEntitiesRequest struct {
	api.ListEntitiesParams
	EntitySet string
}

// listEntities lists the entities of a set.
func listEntities(ctx context.Context, x *call, r listEntitiesRequest) (list api.EntityList, err error) {
	t, err := findSet(r.EntitySet)
	if err != nil {
		return list, err
	}
	after, err := parseAfter(r.After)
	if err != nil {
		return list, err
	}
	if err := db.ExpireOnboardings(ctx, x.admin.queries, x.tenant.ID, x.Now); err != nil {
		return list, err
	}
	rows, err := db.SetOf(t).List(ctx, x.admin.queries, x.tenant.ID, after, limit(r.Top)+1)
	rows, list.NextLink = page(x, rows, r.Top, func(row db.Row) string { return row.Head().ID.String() })
	list.Value = each(rows, func(row db.Row) api.Entity { return showEntity(t, row) })
	return list, err
}

type getEntityRequest struct {
	EntitySet string
	EntityID  string
}

func getEntity(ctx context.Context, x *call, r getEntityRequest) (api.Entity, error) {
	t, err := findSet(r.EntitySet)
	if err != nil {
		return api.Entity{}, err
	}
	id, err := parseKey(t, r.EntityID)
	if err != nil {
		return api.Entity{}, err
	}
	if err := db.ExpireOnboardings(ctx, x.admin.queries, x.tenant.ID, x.Now); err != nil {
		return api.Entity{}, err
	}
	return findEntity(ctx, x.admin.queries, t, db.Key{TenantID: x.tenant.ID, ID: id}, r.EntityID)
}

func findEntity(ctx context.Context, q *db.Queries, t *entity.Type, k db.Key, key string) (api.Entity, error) {
	row, err := db.SetOf(t).Get(ctx, q, k)
	if err != nil {
		return api.Entity{}, orNoEntity(err, t, key)
	}
	return showEntity(t, row), nil
}

func orNoEntity(err error, t *entity.Type, key string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotFound("The tenant has no %s %s.", t.Noun, key)
	}
	return err
}

// parseKey reads a key in Graph's form.
func parseKey(t *entity.Type, text string) (uuid.UUID, error) {
	id, ok := t.ParseKey(text)
	if !ok {
		return id, errNotFound("The tenant has no %s %q.", t.Noun, text)
	}
	return id, nil
}

type actOnEntityRequest struct {
	EntitySet string
	EntityID  string
	Action    string
}

// actOnEntity runs an action of the other side.
func actOnEntity(ctx context.Context, c *change, r actOnEntityRequest) (api.Entity, error) {
	t, err := findSet(r.EntitySet)
	if err != nil {
		return api.Entity{}, err
	}
	action, err := findAction(t, r.Action)
	if err != nil {
		return api.Entity{}, err
	}
	c.target = r.EntitySet + " " + r.EntityID + " " + r.Action
	id, err := parseKey(t, r.EntityID)
	if err != nil {
		return api.Entity{}, err
	}
	if err := db.ExpireOnboardings(ctx, c.Queries, c.tenant.ID, c.Now); err != nil {
		return api.Entity{}, err
	}
	k := db.Key{TenantID: c.tenant.ID, ID: id}
	before, err := db.Act(ctx, c.Queries, t, action, db.Change{TenantID: k.TenantID, ID: k.ID, ChangedAt: c.Now, ChangedBy: c.caller.id})
	if err != nil {
		return api.Entity{}, orNoEntity(err, t, r.EntityID)
	}
	if states := action.States(t); !slices.Contains(states, before) {
		return api.Entity{}, errConflict("The %s is %s; to %s, it must be %s.", t.Noun, before, r.Action, strings.Join(states, " or "))
	}
	return findEntity(ctx, c.Queries, t, k, r.EntityID)
}

// findAction finds an action of the other side, or refuses it.
func findAction(t *entity.Type, name string) (*entity.Action, error) {
	if a, ok := t.FindAction(name); ok && a.ByPartner {
		return a, nil
	}
	var names []string
	for _, a := range t.Actions {
		if a.ByPartner {
			names = append(names, a.Name)
		}
	}
	return nil, errNotFound("The set %s has no action %q; take one of %s.", t.SetName(), name, strings.Join(names, ", "))
}
