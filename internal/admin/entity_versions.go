package admin

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
)

type listEntityVersionsRequest struct {
	api.ListEntityVersionsParams
	EntitySet, EntityID string
}

// listEntityVersions lists the versions of an entity, the newest first.
func listEntityVersions(ctx context.Context, x *call, r listEntityVersionsRequest) (list api.EntityVersionList, err error) {
	t, err := findSet(r.EntitySet)
	if err != nil {
		return list, err
	}
	id, err := parseKey(t, r.EntityID)
	if err != nil {
		return list, err
	}
	before := int64(math.MaxInt64)
	if r.After != nil {
		if before, err = strconv.ParseInt(*r.After, 10, 64); err != nil {
			return list, errPosition(*r.After)
		}
	}
	if err := db.ExpireOnboardings(ctx, x.admin.queries, x.tenant.ID, x.Now); err != nil {
		return list, err
	}
	all, err := listVersions(ctx, x.admin.queries, t, db.Key{TenantID: x.tenant.ID, ID: id}, before, limit(r.Top)+1)
	if err == nil && len(all) == 0 && r.After == nil {
		err = orNoEntity(pgx.ErrNoRows, t, r.EntityID)
	}
	all, list.NextLink = page(x, all, r.Top, func(v db.Replaced) string { return strconv.FormatInt(v.Head().Version, 10) })
	list.Value = each(all, func(v db.Replaced) api.EntityVersion { return showVersion(t, v) })
	return list, err
}

// listVersions lists the versions of an entity before a version, the newest first. The present
// one has no change that replaced it.
func listVersions(ctx context.Context, q *db.Queries, t *entity.Type, k db.Key, before, limit int64) ([]db.Replaced, error) {
	set := db.SetOf(t)
	all, err := q.ListReplaced(ctx, set, k, before, limit)
	if err != nil {
		return nil, err
	}
	now, err := set.Get(ctx, q, k)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return all, nil
	case err == nil && now.Head().Version < before:
		all = append([]db.Replaced{{Row: now}}, all...)
		all = all[:min(len(all), int(limit))]
	}
	return all, err
}

func showVersion(t *entity.Type, v db.Replaced) api.EntityVersion {
	e := showEntity(t, v)
	shown := api.EntityVersion{Version: e.Version, CreatedDateTime: e.CreatedDateTime, CreatedBy: e.CreatedBy, CreatedWith: e.CreatedWith, Properties: e.Properties}
	if v.Change == "" {
		return shown
	}
	shown.Replaced = &api.EntityReplacement{Change: v.Change, DateTime: v.At.UTC(), By: v.By}
	if v.With != uuid.Nil {
		shown.Replaced.With = &v.With
	}
	return shown
}

type restoreEntityVersionRequest struct {
	EntitySet, EntityID string
	Version             int64
}

// restoreEntityVersion gives an entity the properties of a version again. If it was deleted,
// it exists again.
func restoreEntityVersion(ctx context.Context, c *change, r restoreEntityVersionRequest) (api.Entity, error) {
	t, k, err := c.changeable(ctx, r.EntitySet, r.EntityID)
	if err != nil {
		return api.Entity{}, err
	}
	c.target = r.EntitySet + " " + r.EntityID + " " + strconv.FormatInt(r.Version, 10)
	all, err := listVersions(ctx, c.queries, t, k, r.Version+1, 1)
	if err != nil {
		return api.Entity{}, err
	}
	if len(all) == 0 || all[0].Head().Version != r.Version {
		return api.Entity{}, errNotFound("The tenant has no version %d of a %s %s.", r.Version, t.Noun, r.EntityID)
	}
	values := restorable(t, all[0])
	row, err := c.setEntity(ctx, t, k, values, settable(t))
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = c.insertEntity(ctx, t, k.ID, values)
	}
	if err != nil {
		return api.Entity{}, err
	}
	return showEntity(t, row), nil
}

// restorable returns the values of a row that a new entity may have: what another entity sets
// has its default.
func restorable(t *entity.Type, row db.Row) []entity.Value {
	values := t.Defaults()
	for i := range t.Properties {
		if !setByChild(t, &t.Properties[i]) {
			values[i] = row.Value(i)
		}
	}
	return values
}

// settable says which properties restoring a version sets.
func settable(t *entity.Type) []bool {
	named := make([]bool, len(t.Properties))
	for i := range t.Properties {
		p := &t.Properties[i]
		named[i] = !p.Hidden && !p.Stamped && !setByChild(t, p)
	}
	return named
}

// setByChild reports whether a property shows which of the contained entities is chosen.
func setByChild(t *entity.Type, p *entity.Property) bool {
	for _, child := range t.Children() {
		if child.Shown == p.Name {
			return true
		}
	}
	return false
}
