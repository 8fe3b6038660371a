package admin

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// ListKeys lists the keys, without what they are.
func (a *API) ListKeys(c *gin.Context, p ListKeysParams) {
	a.answer(c, func(x *call) (answer, error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		rows, err := a.queries.ListAdminKeys(c.Request.Context(), db.ListAdminKeysParams{After: after, RowLimit: limit(p.Top) + 1})
		list := KeyList{Value: []Key{}}
		rows, list.NextLink = page(x, rows, p.Top, func(k db.AdminKey) string { return k.ID.String() })
		for _, k := range rows {
			list.Value = append(list.Value, Key{
				Id: k.ID, Name: k.Name, Role: AdminRole(k.Role), CreatedDateTime: k.CreatedAt.UTC(),
				ExpiresDateTime: utc(k.ExpiresAt), RevokedDateTime: utc(k.RevokedAt),
			})
		}
		return ok(list), err
	})
}

// CreateKey makes a key.
func (a *API) CreateKey(c *gin.Context, _ CreateKeyParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[KeyCreate](x)
		if err != nil {
			return answer{}, err
		}
		var ttl time.Duration
		if r.TtlSeconds != nil {
			ttl = time.Duration(*r.TtlSeconds) * time.Second
		}
		return a.change(x, r.Name+" "+string(r.Role), func(ctx context.Context, c *change) (answer, error) {
			id, key, err := CreateKey(ctx, c.Queries, r.Name, db.AdminRole(r.Role), ttl, x.now)
			return created(KeyCreated{Id: id, Name: r.Name, Role: r.Role, Key: key}), err
		})
	})
}

// RevokeKey revokes a key.
func (a *API) RevokeKey(c *gin.Context, id KeyId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			n, err := c.RevokeAdminKey(ctx, db.RevokeAdminKeyParams{ID: id, RevokedAt: &x.now})
			if err == nil && n == 0 {
				err = errNotFound("There is no key %s.", id)
			}
			return done(), err
		})
	})
}

// WhoAmI answers whose key it is.
func (a *API) WhoAmI(c *gin.Context) {
	a.answer(c, func(x *call) (answer, error) {
		who := Caller{Role: AdminRole(x.caller.role)}
		if x.caller.id != uuid.Nil {
			who.KeyId, who.Name = &x.caller.id, &x.caller.name
		}
		return ok(who), nil
	})
}

// ListAudit lists the audit log, the latest first.
func (a *API) ListAudit(c *gin.Context, p ListAuditParams) {
	a.answer(c, func(x *call) (answer, error) {
		before := uuid.Max
		if p.After != nil {
			var err error
			if before, err = parseAfter(p.After); err != nil {
				return answer{}, err
			}
		}
		rows, err := a.queries.ListAuditEntries(c.Request.Context(), db.ListAuditEntriesParams{Before: before, TenantID: p.TenantId, RowLimit: limit(p.Top) + 1})
		list := AuditList{Value: []AuditEntry{}}
		rows, list.NextLink = page(x, rows, p.Top, func(e db.AuditEntry) string { return e.ID.String() })
		for _, e := range rows {
			list.Value = append(list.Value, AuditEntry{
				Id: e.ID, DateTime: e.At.UTC(), KeyId: e.KeyID, KeyName: e.KeyName, Action: e.Action, TenantId: e.TenantID,
				Target: e.Target, Outcome: AuditEntryOutcome(e.Outcome), Status: int(e.Status), Count: int(e.Count), Address: e.Address,
			})
		}
		return ok(list), err
	})
}
