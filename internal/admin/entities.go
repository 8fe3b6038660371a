package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
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
	h := row.Head()
	e := api.Entity{Id: t.Key(row.Key().ID, row.Value), Version: h.Version, CreatedDateTime: h.CreatedAt.UTC(), CreatedBy: h.CreatedBy, Properties: showProperties(t, row)}
	if h.CreatedWith != uuid.Nil {
		e.CreatedWith = &h.CreatedWith
	}
	return e
}

// showProperties returns the properties of a row as Graph beta shows them.
func showProperties(t *entity.Type, row db.Row) map[string]any {
	properties := map[string]any{}
	for i := range t.Properties {
		if p := &t.Properties[i]; !p.Hidden {
			properties[p.Name] = json.RawMessage(p.AppendJSON(nil, row.Value(i), entity.Form{Beta: true, Typed: true}))
		}
	}
	return properties
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
	p, err := x.entityList(t, r.ListEntitiesParams)
	if err != nil {
		return list, err
	}
	if err := db.ExpireOnboardings(ctx, x.admin.queries, x.tenant.ID, x.Now); err != nil {
		return list, err
	}
	list.Value = []api.Entity{}
	var last db.Position
	err = x.admin.queries.List(ctx, db.SetOf(t), p, func(row *db.Listed) (err error) {
		if len(list.Value) == int(p.Limit)-1 { // the one that begins the next page
			next, err := encodePosition(last)
			list.NextLink = x.nextLink(next)
			return err
		}
		list.Value = append(list.Value, showEntity(t, row))
		last.ID = row.Key().ID
		last.Keys, err = row.Keys()
		return err
	})
	if errors.Is(err, db.ErrPosition) {
		return list, errPosition(*r.After)
	}
	return list, err
}

// entityList reads which entities of a set to list, and in which order.
func (x *call) entityList(t *entity.Type, r api.ListEntitiesParams) (p db.ListParams, err error) {
	p = db.ListParams{TenantID: x.tenant.ID, Limit: limit(r.Top) + 1}
	var options []string
	for _, o := range []struct {
		name  string
		value *string
	}{{odata.Filter, r.Filter}, {odata.OrderBy, r.OrderBy}} {
		if o.value != nil {
			options = append(options, o.name+"="+url.QueryEscape(*o.value))
		}
	}
	q, err := odata.ParseQuery(strings.Join(options, "&"), odata.Resource{
		Type: t.QualifiedName(), Options: []string{odata.Filter, odata.OrderBy}, Properties: t.Queryable(true), Now: x.Now.UTC().Truncate(100 * time.Nanosecond),
	})
	if err != nil {
		return p, err
	}
	p.Filter, p.OrderBy = q.Filter, q.OrderBy
	p.After, err = readPosition(r.After)
	return p, err
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

// actOnEntity runs an action of Graph or of the other side.
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
	if err := db.ExpireOnboardings(ctx, c.queries, c.tenant.ID, c.x.Now); err != nil {
		return api.Entity{}, err
	}
	k := db.Key{TenantID: c.tenant.ID, ID: id}
	change := db.Change{TenantID: k.TenantID, ID: k.ID, ChangedAt: c.x.Now, ChangedBy: c.x.caller.id}
	if c.tenant.PartnerPortal {
		change.Portal = c.x.admin.portal()
	}
	before, err := db.Act(ctx, c.queries, t, action, change)
	if err != nil {
		return api.Entity{}, orNoEntity(err, t, r.EntityID)
	}
	if states := action.States(t); t.State != "" && !slices.Contains(states, before) {
		return api.Entity{}, errConflict("The %s is %s; to %s, it must be %s.", t.Noun, before, r.Action, strings.Join(states, " or "))
	}
	return findEntity(ctx, c.queries, t, k, r.EntityID)
}

// findAction finds an action, or refuses it.
func findAction(t *entity.Type, name string) (*entity.Action, error) {
	if a, ok := t.FindAction(name); ok {
		return a, nil
	}
	if len(t.Actions) == 0 {
		return nil, errNotFound("The set %s has no actions.", t.SetName())
	}
	var names []string
	for _, a := range t.Actions {
		names = append(names, a.Name)
	}
	return nil, errNotFound("The set %s has no action %q; take one of %s.", t.SetName(), name, strings.Join(names, ", "))
}
