package tenant

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

const (
	// ttl is how long the cache keeps a caller. A change or a revocation by another replica
	// or by SQL takes effect at most this much later.
	ttl = time.Second

	// maxCallers is the maximum number of callers in the cache.
	maxCallers = 10_000
)

// Caller is the application and the user that a token names, as the tenant knows them.
type Caller struct {
	Tenant               *Settings
	ApplicationValidFrom *time.Time // earlier tokens are revoked; nil if the application doesn't exist
	UserValidFrom        *time.Time // the same for the user
	UserEnabled          bool
}

// Cache remembers callers and the settings of their tenants for a second.
type Cache struct {
	queries *db.Queries
	mu      sync.Mutex
	known   simplelru.LRUCache[db.GetCallerParams, remembered] // an lru.Cache
	forgets uint64                                             // counts the calls of Forget
}

type remembered struct {
	Caller
	until time.Time // in real time, even if the service's clock differs
}

// NewCache returns an empty cache that reads callers with q.
func NewCache(q *db.Queries) *Cache {
	known, err := lru.New[db.GetCallerParams, remembered](maxCallers)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Cache{queries: q, known: known}
}

// Caller returns a caller. It returns an error that wraps pgx.ErrNoRows if the tenant
// doesn't exist.
func (c *Cache) Caller(ctx context.Context, key db.GetCallerParams) (Caller, error) {
	now := time.Now()
	if known, ok := c.known.Get(key); ok && now.Before(known.until) {
		return known.Caller, nil
	}
	c.mu.Lock()
	before := c.forgets
	c.mu.Unlock()
	row, err := c.queries.GetCaller(ctx, key)
	if err != nil {
		return Caller{}, err
	}
	found := Caller{
		Tenant: SettingsOf(&row.Tenant), ApplicationValidFrom: row.ApplicationValidFrom,
		UserValidFrom: row.UserValidFrom, UserEnabled: row.UserEnabled != nil && *row.UserEnabled,
	}
	if row.OnboardingEnds > 0 {
		found.Tenant.OnboardingEnds = odata.Time(row.OnboardingEnds, 0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgets == before { // otherwise the row may be older than a change
		c.known.Add(key, remembered{found, now.Add(ttl)})
	}
	return found, nil
}

// Forget empties the cache, so that changes to tenants, applications and users take effect
// with the next request to this replica.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	c.known.Purge()
}
