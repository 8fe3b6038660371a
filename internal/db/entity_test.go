package db_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// partner is the entity in most tests.
var partner = &entity.RemoteAssistancePartner

// values returns a partner's values, some given by property name; the others have their
// defaults.
func values(named map[string]entity.Value) []entity.Value {
	v := partner.Defaults()
	for name, value := range named {
		v[partner.Index(name)] = value
	}
	return v
}

// newPartner returns the values for creating a partner.
func newPartner(tenant dbtest.Tenant, id uuid.UUID, named map[string]entity.Value) db.Create {
	return db.Create{TenantID: tenant.ID, ID: id, Values: values(named), CreatedAt: time.Now(), CreatedBy: tenant.UserID}
}

// update returns a change of the named properties.
func update(tenant dbtest.Tenant, id uuid.UUID, named map[string]entity.Value) db.Update {
	u := db.Update{TenantID: tenant.ID, ID: id, Values: values(named), Named: make([]bool, len(partner.Properties)), ChangedAt: time.Now(), ChangedBy: tenant.UserID}
	for name := range named {
		u.Named[partner.Index(name)] = true
	}
	return u
}

// record is a row in a comparable form.
type record struct {
	Type   *entity.Type
	Key    db.Key
	Head   db.Head
	Values []entity.Value

	Items map[string]any // for evaluate: the values of range variables
}

// recordOf copies a row of an entity.
func recordOf(t *entity.Type, row db.Row) record {
	if row == nil {
		return record{}
	}
	r := record{Type: t, Key: row.Key(), Head: row.Head()}
	r.Head.CreatedAt = r.Head.CreatedAt.UTC()
	for i := range t.Properties {
		v := row.Value(i)
		v.Text = string([]byte(v.Text)) // the text may share the message's memory
		r.Values = append(r.Values, v)
	}
	return r
}

// value is a record's, by the name of the property.
func (r record) value(name string) entity.Value {
	i := r.Type.Index(name)
	if i < 0 {
		panic(r.Type.Name + " has no property " + name)
	}
	return r.Values[i]
}

// action returns one of the partner's actions.
func action(t *testing.T, name string) *entity.Action {
	t.Helper()
	a, ok := partner.FindAction(name)
	if !ok {
		t.Fatalf("no action %s", name)
	}
	return a
}

// Every entity has generated queries, in the order of entity.All.
func TestSets(t *testing.T) {
	t.Parallel()
	var types []*entity.Type
	for _, set := range db.Sets() {
		types = append(types, set.Type())
	}
	if !slices.Equal(types, entity.All) {
		t.Errorf("the queries are of %v; run make generate", types)
	}
}
