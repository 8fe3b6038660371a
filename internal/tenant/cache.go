package tenant

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

const (
	// ttl is how long a caller is remembered: a setting that was changed, or a token that
	// was revoked, on another replica or by SQL takes effect at most this much later.
	ttl = time.Second

	// maxCallers is how many callers are remembered.
	maxCallers = 10_000
)

// Caller is whoever a token names, as the tenant knows them.
type Caller struct {
	Tenant               *Settings
	ApplicationValidFrom *time.Time // tokens issued from then on are good; nil: there is no such application
	UserValidFrom        *time.Time // the same of the user
	UserEnabled          bool
}

// Cache remembers callers and the settings of their tenants for a second.
type Cache struct {
	queries *db.Queries
	mu      sync.Mutex
	known   *lru.Cache[db.GetCallerParams, remembered]
	forgets uint64 // how often all was forgotten
}

type remembered struct {
	Caller
	until time.Time // real time, whatever the service's clock says
}

// NewCache returns a cache that reads what it doesn't know by q.
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
	if c.forgets == before { // otherwise it may be older than a change
		c.known.Add(key, remembered{found, now.Add(ttl)})
	}
	return found, nil
}

// Forget makes changes to tenants, applications and users take effect for the very
// next request to this replica.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	c.known.Purge()
}
