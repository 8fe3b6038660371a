package db

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/gather"
)

// Store has the generated queries and the set of each entity.
type Store struct {
	queries  *Queries
	pool     beginner
	inside   bool // a transaction; see Once
	entities []*Entity
	observe  gather.Observer

	gathering Gathering
	turns     gather.Turns[uuid.UUID] // queues creates within a quota, and repeated requests
	shares    *shares                 // nil inside a transaction, which has a connection
}

// Gathering says which concurrent calls may share a statement and its commit.
type Gathering int

// The modes of gathering.
const (
	NoGathering   Gathering = iota // each call runs alone
	PerTenant                      // creates and gets of one tenant; a cluster allows no others
	AcrossTenants                  // calls of all tenants
)

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// NewStore returns a Store over a pool. With gathering, concurrent creates share a
// statement and its commit; so do updates, and so do actions and deletes. Concurrent gets
// share a statement. An observer other than nil is called before each shared statement.
// Every other call takes a connection from its tenant's share, at most a quarter of the
// pool.
func NewStore(pool *Pool, gathering Gathering, observer gather.Observer) *Store {
	s := &Store{queries: New(pool), pool: pool, gathering: gathering, observe: observer}
	s.shares = newShares(int(pool.Config().MaxConns), 0)
	return s.withEntities()
}

// NewShared returns a Shared for a query of the store, or nil if the store doesn't gather.
func NewShared[K comparable, V any](s *Store, name string) *gather.Shared[K, V] {
	if s.gathering == NoGathering {
		return nil
	}
	return gather.NewShared[K, V](name, s.observe)
}

func (s *Store) withEntities() *Store {
	for _, set := range append(slices.Clip(sets), auditEvents{}) {
		s.entities = append(s.entities, newEntity(set, s))
	}
	return s
}

// Inside returns a Store whose calls run in a transaction.
func Inside(tx pgx.Tx) *Store {
	s := &Store{queries: New(tx), pool: tx, inside: true}
	return s.withEntities()
}

// LimitTenants sets how many connections each tenant may use at once; 0 means a quarter of
// the pool. Call it before the Store is used.
func (s *Store) LimitTenants(connections int) {
	s.shares = newShares(s.shares.connections, connections)
}

// Entity returns the set of an entity.
func (s *Store) Entity(t *entity.Type) *Entity {
	for _, e := range s.entities {
		if e.set.Type() == t {
			return e
		}
	}
	panic("no queries exist for " + t.Name)
}

// ExpireOnboardings works like the function ExpireOnboardings.
func (s *Store) ExpireOnboardings(ctx context.Context, tenant uuid.UUID, now time.Time) error {
	return ExpireOnboardings(ctx, s.queries, tenant, now)
}

// TakeID works like Queries.TakeID, with a connection from the tenant's share.
func (s *Store) TakeID(ctx context.Context, tenant uuid.UUID) (int64, error) {
	return within(ctx, s.shares, tenant, s.queries.TakeID, tenant)
}
