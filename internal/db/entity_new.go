package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// CreateNew works like Create, or with a quota like CreateWithinQuota. It makes the id of an
// entity that has none, from the tenant's seed if there is one. If a concurrent call takes an
// id from a seed or a counter first, CreateNew tries the next one.
func (e *Entity) CreateNew(ctx context.Context, c Create, seed *string, quota *int32) (row Row, err error) {
	brought := c.ID != uuid.Nil
	for {
		if !brought {
			if c.ID, err = e.newID(ctx, c.TenantID, seed); err != nil {
				return nil, err
			}
		}
		if quota != nil {
			row, err = e.CreateWithinQuota(ctx, c, *quota)
		} else {
			row, err = e.Create(ctx, c)
		}
		again := seed != nil || e.set.Type().Keys == entity.CounterKeys
		if brought || !again || !errors.Is(Classify(err), ErrTaken) {
			return row, err
		}
	}
}

// newID returns ids that ascend with time, or those of a seed. It skips ids of the seed that a
// document brought.
func (e *Entity) newID(ctx context.Context, tenant uuid.UUID, seed *string) (uuid.UUID, error) {
	if e.set.Type().Keys == entity.CounterKeys {
		return e.NextID(ctx, tenant)
	}
	if seed == nil {
		return uuid.NewV7()
	}
	for {
		n, err := e.store.TakeID(ctx, tenant)
		if errors.Is(err, pgx.ErrNoRows) {
			return uuid.Nil, ErrNoTenant
		}
		if err != nil {
			return uuid.Nil, err
		}
		id := SeededID(*seed, e.set.Type().Name, n)
		used, err := e.WasUsed(ctx, Key{tenant, id})
		if err != nil || !used {
			return id, err
		}
	}
}

// CreateAgain works like CreateNew for an id that a deleted entity may have had. Its versions
// continue after those of that entity. It must run in a transaction.
func (e *Entity) CreateAgain(ctx context.Context, c Create, quota *int32) (Row, error) {
	row, err := e.CreateNew(ctx, c, nil, quota)
	if err != nil {
		return nil, err
	}
	t := e.set.Type()
	tag, err := e.store.queries.db.Exec(ctx, fmt.Sprintf(`-- name: Continue%s :execrows
UPDATE %s AS p SET version = v.last + 2
FROM (SELECT max(version) AS last FROM entity_versions WHERE tenant_id = $1 AND entity = $2 AND id = $3) AS v
WHERE p.tenant_id = $1 AND p.id = $3 AND v.last IS NOT NULL`, many(e.set), t.Table), c.TenantID, t.Name, c.ID)
	if err != nil || tag.RowsAffected() == 0 {
		return row, err
	}
	return e.set.Get(ctx, e.store.queries, Key{c.TenantID, c.ID})
}
