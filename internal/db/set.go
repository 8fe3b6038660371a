package db

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// Key is the key of an entity. It includes the tenant, because tenants made with the same
// id seed have equal ids.
type Key struct{ TenantID, ID uuid.UUID }

// Create holds the values of a new entity. Values has all properties, in the order of the
// entity's description.
type Create struct {
	TenantID, ID uuid.UUID
	Values       []entity.Value
	CreatedAt    time.Time
	CreatedBy    uuid.UUID // object id of the caller

	CreatedWith    uuid.UUID // client id of the caller's application, or zero
	CreatedRequest uuid.UUID // id of the request, or zero
}

// Update sets the properties marked in Named. Values and Named are in the order of the
// entity's description.
type Update struct {
	TenantID, ID uuid.UUID
	Values       []entity.Value
	Named        []bool
	ChangedAt    time.Time
	ChangedBy    uuid.UUID

	ChangedWith, ChangedRequest uuid.UUID // as in Create
}

// Change deletes an entity, or sets the properties marked in Named if the entity's state is
// in From, a comma-separated list.
type Change struct {
	TenantID, ID uuid.UUID
	Change       string // Delete, or the action's name in the history
	From         string
	Values       []entity.Value
	Named        []bool
	ChangedAt    time.Time
	ChangedBy    uuid.UUID

	ChangedWith, ChangedRequest uuid.UUID // as in Create

	// Portal is the scheme and host of links to the partner's page; "" makes none.
	Portal string
}

// Delete is the value of Change.Change that deletes the entity.
const Delete = "delete"

// Row is a stored entity.
type Row interface {
	Key() Key
	Head() Head
	Value(property int) entity.Value // by its index in the description
}

// Head has the fields that every entity has in addition to its key and properties.
type Head struct {
	Version   int64 // starts at 1
	CreatedAt time.Time
	CreatedBy uuid.UUID

	CreatedWith, CreatedRequest uuid.UUID // as in Create
}

// Set is the generated queries of one entity's set. Each runs in the connection or
// transaction of q. On a cluster, Update and Change send several statements in one round trip.
type Set interface {
	Type() *entity.Type

	Create(ctx context.Context, q *Queries, c Create) (Row, error)
	Get(ctx context.Context, q *Queries, k Key) (Row, error)
	Update(ctx context.Context, q *Queries, u Update) (Row, error)

	// Change returns the state before, or "" if the entity has no state.
	Change(ctx context.Context, q *Queries, c Change) (before string, err error)

	// WasUsed reports whether an existing or deleted entity has the id.
	WasUsed(ctx context.Context, q *Queries, k Key) (bool, error)
	Count(ctx context.Context, q *Queries, tenant uuid.UUID) (int64, error)
	CountUpTo(ctx context.Context, q *Queries, tenant uuid.UUID, most int64) (int64, error)

	// List lists entities by id, from the one after an id. ListByID lists those of the ids
	// that exist.
	List(ctx context.Context, q *Queries, tenant, after uuid.UUID, limit int64) ([]Row, error)
	ListByID(ctx context.Context, q *Queries, tenant uuid.UUID, ids []uuid.UUID) ([]Row, error)
	ListIDs(ctx context.Context, q *Queries, tenant uuid.UUID, ids []uuid.UUID) ([]uuid.UUID, error)

	// Diff lists the entities in which two tenants differ, by id, from the one after an id.
	Diff(ctx context.Context, q *Queries, from, to, after uuid.UUID, limit int64) ([]uuid.UUID, error)

	// Replace copies another tenant's entities over a tenant's. RemoveNotIn removes those
	// that the other tenant doesn't have.
	Replace(ctx context.Context, q *Queries, tenant, from uuid.UUID) error
	RemoveNotIn(ctx context.Context, q *Queries, tenant, from uuid.UUID) error

	listQuery() string
	newRow() scannable
}

// parentSet is a Set whose entities contain others.
type parentSet interface {
	Set

	// lock works like Get, and lets nobody else change what the entity contains.
	lock(ctx context.Context, q *Queries, k Key) (Row, error)
}

// childSet is a Set whose entities are contained in others.
type childSet interface {
	Set

	parentColumn() string

	// deleteOf deletes what the entity of a change contains.
	deleteOf(ctx context.Context, q *Queries, c Change) error
}

// chosenSet is a Set of which an entity's parent shows the chosen one.
type chosenSet interface {
	// showChosen lets the parents of a tenant's entities show the chosen ones.
	showChosen(ctx context.Context, q *Queries, tenant uuid.UUID) error
}

// countedSet is a Set whose keys are numbers.
type countedSet interface {
	// lastID returns the highest key ever used.
	lastID(ctx context.Context, q *Queries, tenant uuid.UUID) (uuid.UUID, error)
}

// manySet is a Set whose calls can share statements.
type manySet interface {
	Set

	createMany(ctx context.Context, q *Queries, calls []Create) ([]Row, error)
	updateMany(ctx context.Context, q *Queries, calls []Update) ([]Row, error)
	changeMany(ctx context.Context, q *Queries, calls []Change) ([]changed, error)

	// These serve calls of one tenant, so that a cluster sends them to one server. Without the
	// tenant, createManyOfTenant creates nothing.
	createManyOfTenant(ctx context.Context, q *Queries, calls []Create) ([]Row, error)
	getManyOfTenantQuery() string

	getManyQuery() string
}

// changed is an entity that a statement for many changes found.
type changed struct {
	key    Key
	before string // its state
}

// SetOf returns the queries of an entity.
func SetOf(t *entity.Type) Set {
	for _, s := range sets {
		if s.Type() == t {
			return s
		}
	}
	panic("no queries exist for " + t.Name)
}

// Sets returns the queries of every entity, in the order of entity.All.
func Sets() []Set { return sets }

// pointers converts rows that sqlc read to Rows.
func pointers[T any, P interface {
	*T
	Row
}](rows []T) []Row {
	all := make([]Row, len(rows))
	for i := range rows {
		all[i] = P(&rows[i])
	}
	return all
}

// These set the columns of a nullable property.

func textValue(text *string) entity.Value {
	if text == nil {
		return entity.Value{Null: true}
	}
	return entity.Value{Text: *text}
}

func textOf(v entity.Value) *string {
	if v.Null {
		return nil
	}
	return &v.Text
}

func jsonValue(json []byte) entity.Value {
	return entity.Value{Text: string(json), Null: json == nil}
}

func dateValue(ticks *int64, offset *int16) entity.Value {
	if ticks == nil || offset == nil {
		return entity.Value{Null: true}
	}
	return entity.Value{Number: *ticks, Offset: *offset}
}

func ticksOf(v entity.Value) *int64 {
	if v.Null {
		return nil
	}
	return &v.Number
}

func offsetOf(v entity.Value) *int16 {
	if v.Null {
		return nil
	}
	return &v.Offset
}
