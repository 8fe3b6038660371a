package admin

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

func newKey(k db.AdminKey) api.Key {
	return api.Key{
		Id: k.ID, Name: k.Name, Role: api.AdminRole(k.Role), CreatedDateTime: k.CreatedAt.UTC(),
		ExpiresDateTime: utc(k.ExpiresAt), RevokedDateTime: utc(k.RevokedAt),
	}
}

// listKeys lists the keys, without their secrets.
func listKeys(ctx context.Context, x *call, p api.ListKeysParams) (list api.KeyList, err error) {
	after, err := parseAfter(p.After)
	if err != nil {
		return list, err
	}
	rows, err := x.admin.queries.ListAdminKeys(ctx, db.ListAdminKeysParams{After: after, Search: afterText(p.Search), RowLimit: limit(p.Top) + 1})
	rows, list.NextLink = page(x, rows, p.Top, func(k db.AdminKey) string { return k.ID.String() })
	list.Value = each(rows, newKey)
	return list, err
}

func createKey(ctx context.Context, c *change, r api.KeyCreate) (api.KeyCreated, error) {
	var ttl time.Duration
	if r.TtlSeconds != nil {
		ttl = time.Duration(*r.TtlSeconds) * time.Second
	}
	c.target = r.Name + " " + string(r.Role)
	id, key, err := CreateKey(ctx, c.queries, r.Name, db.AdminRole(r.Role), ttl, c.x.Now)
	return api.KeyCreated{Id: id, Name: r.Name, Role: r.Role, Key: key}, err
}

func revokeKey(ctx context.Context, c *change, r struct{ KeyID uuid.UUID }) (none, error) {
	n, err := c.queries.RevokeAdminKey(ctx, db.RevokeAdminKeyParams{ID: r.KeyID, RevokedAt: &c.x.Now})
	if err == nil && n == 0 {
		err = errNotFound("There is no key %s.", r.KeyID)
	}
	return none{}, err
}

// whoAmI shows the caller.
func whoAmI(_ context.Context, x *call, _ none) (api.Caller, error) {
	who := api.Caller{Role: api.AdminRole(x.caller.role)}
	if x.caller.id != uuid.Nil {
		who.KeyId, who.Name = &x.caller.id, &x.caller.name
	}
	who.Manager = x.caller.manager()
	return who, nil
}
