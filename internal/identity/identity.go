// Package identity is the mock Microsoft identity platform: the authority that
// issues and verifies access tokens, one logical authority per tenant, with
// signing keys that live in the database so that every replica accepts what
// another issued.
//
// Tokens are RS256 JWTs in the form of Microsoft Graph's own (v1.0):
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
package identity

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Config is what a Provider needs.
type Config struct {
	DB  db.DBTX
	Now func() time.Time // the clock; nil means time.Now
	Log *slog.Logger     // nil discards
}

// Provider issues and verifies tokens. It is safe for many goroutines.
type Provider struct {
	queries *db.Queries
	now     func() time.Time
	log     *slog.Logger
	keys    keyring
	tenants tenantCache
	seen    *lru.Cache[[sha256.Size]byte, *payload] // verified tokens by their hash
}

// New returns a Provider with the database's signing keys loaded; where there
// is none yet, it makes the first.
func New(ctx context.Context, c Config) (*Provider, error) {
	p := &Provider{queries: db.New(c.DB), now: c.Now, log: c.Log}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if p.seen, err = lru.New[[sha256.Size]byte, *payload](maxSeen); err != nil {
		return nil, err
	}
	p.tenants.known = map[uuid.UUID]time.Time{}
	if err := p.loadKeys(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Ready returns what keeps the Provider from working, or nil.
func (p *Provider) Ready() error {
	if p.keys.signer() == nil {
		return errNoKeys
	}
	return nil
}

// maxSeen is how many verified tokens are remembered, at about 1 KB each.
const maxSeen = 10_000

// tenantTTL is for how long a tenant that was seen is taken to exist: a token
// of one that was deleted is refused at most this much later. Its rows are gone
// at once.
const tenantTTL = time.Second

// tenantCache remembers which tenants exist.
type tenantCache struct {
	mu    sync.Mutex
	known map[uuid.UUID]time.Time // until when
}

func (c *tenantCache) fresh(id uuid.UUID, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.known[id])
}

func (c *tenantCache) add(id uuid.UUID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const most = 10_000
	if len(c.known) >= most {
		clear(c.known)
	}
	c.known[id] = now.Add(tenantTTL)
}

func (p *Provider) tenantExists(ctx context.Context, id uuid.UUID) (bool, error) {
	now := time.Now() // not p.now: the age of a cache entry is real time
	if p.tenants.fresh(id, now) {
		return true, nil
	}
	exists, err := p.queries.TenantExists(ctx, id)
	if exists {
		p.tenants.add(id, now)
	}
	return exists, err
}
