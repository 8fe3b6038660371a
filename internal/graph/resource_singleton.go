package graph

import (
	"errors"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// unset is a singleton that hasn't been changed yet. It has its defaults.
type unset struct {
	key    db.Key
	values []entity.Value
}

func (u *unset) Key() db.Key                     { return u.key }
func (u *unset) Head() db.Head                   { return db.Head{} }
func (u *unset) Value(property int) entity.Value { return u.values[property] }

func (r *resource) getSingleton(x *exchange) error {
	q, err := r.query(x, odata.Expand, odata.Format, odata.Select)
	if err != nil {
		return err
	}
	key := db.Key{TenantID: x.caller.TenantID, ID: entity.SingletonID}
	row, err := x.queries.Entity(r.Type).Get(x.Request.Context(), key)
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = &unset{key, r.Defaults()}, nil
	}
	if err != nil {
		return err
	}
	return r.write(x, http.StatusOK, row, q)
}

func (r *resource) updateSingleton(x *exchange) error {
	if _, err := r.query(x); err != nil {
		return err
	}
	body, err := r.readBody(x, entity.SingletonID)
	if err != nil {
		return err
	}
	if !slices.Contains(body.named, true) {
		return r.getSingleton(x)
	}
	row, err := r.upsert(x, body)
	if err != nil {
		return err
	}
	if x.answerMinimal(r.url(x, row)) {
		return nil
	}
	return r.write(x, http.StatusOK, row, odata.Query{})
}

// upsert changes a singleton, or makes it with the values in the body. If a concurrent call
// makes it first, upsert changes it.
func (r *resource) upsert(x *exchange, b body) (db.Row, error) {
	set, tenant := x.queries.Entity(r.Type), x.caller.TenantID
	for {
		row, err := set.Update(x.Request.Context(), db.Update{
			TenantID: tenant, ID: entity.SingletonID, Values: b.values, Named: b.named,
			ChangedAt: x.Now, ChangedBy: x.caller.ObjectID, ChangedWith: x.application(), ChangedRequest: x.requestID(),
		})
		if !errors.Is(err, pgx.ErrNoRows) {
			return row, err
		}
		row, err = set.Create(x.Request.Context(), db.Create{
			TenantID: tenant, ID: entity.SingletonID, Values: b.values,
			CreatedAt: x.Now, CreatedBy: x.caller.ObjectID, CreatedWith: x.application(), CreatedRequest: x.requestID(),
		})
		if !errors.Is(db.Classify(err), db.ErrTaken) {
			return row, err
		}
	}
}
