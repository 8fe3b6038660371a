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
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Config is what a Provider needs.
type Config struct {
	DB        *db.Pool
	Now       func() time.Time // the clock; nil means time.Now
	Log       *slog.Logger     // nil discards
	PublicURL string           // what links start with, no trailing slash; "" follows each request

	// RefreshTokenLeeway is how long after its first redemption a refresh token may be
	// redeemed again; 0: never.
	RefreshTokenLeeway time.Duration

	// OneTimeAssertions refuses a client assertion that was used before.
	OneTimeAssertions bool

	// IssuerNetworks are networks, besides public ones, from which keys of the issuers of
	// federated credentials are fetched.
	IssuerNetworks []netip.Prefix

	// Observe comes before the handlers of every request. When they are done, Gin's
	// context has the tenant's id as "tenant", the grant by which a token was
	// issued as "grant", and the number of a refusal as "aadsts".
	Observe []gin.HandlerFunc
}

// Provider issues and verifies tokens. It is safe for many goroutines.
type Provider struct {
	pool       *db.Pool
	queries    *db.Queries
	now        func() time.Time
	log        *slog.Logger
	publicURL  string
	leeway     time.Duration // of refresh tokens
	assertOnce bool
	issuers    *issuers
	observe    []gin.HandlerFunc
	keys       keyring
	callers    callerCache
	seen       *lru.Cache[[sha256.Size]byte, *verifiedToken] // by the hash
	failures   failures
	sameOrigin *http.CrossOriginProtection
}

// Sizes of the caches. A verified token takes about 1 KB, the rest less.
const (
	maxSeen      = 10_000
	maxCallers   = 10_000
	maxAddresses = 10_000
)

// New returns a Provider with the database's signing keys loaded; where there
// is none yet, it makes the first.
func New(ctx context.Context, c Config) (*Provider, error) {
	p := &Provider{
		pool: c.DB, queries: db.New(c.DB), now: c.Now, log: c.Log, publicURL: c.PublicURL, leeway: c.RefreshTokenLeeway, assertOnce: c.OneTimeAssertions, observe: c.Observe,
		sameOrigin: http.NewCrossOriginProtection(),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errs [4]error
	p.seen, errs[0] = lru.New[[sha256.Size]byte, *verifiedToken](maxSeen)
	p.callers.known, errs[1] = lru.New[db.GetCallerParams, caller](maxCallers)
	p.failures.from, errs[2] = lru.New[origin, *rate.Limiter](maxAddresses)
	p.issuers, errs[3] = newIssuers(c.IssuerNetworks)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return p, p.RotateKeys(ctx)
}

// Ready returns what keeps the Provider from working, or nil.
func (p *Provider) Ready() error {
	if p.keys.signer(p.now()) == nil {
		return errNoKeys
	}
	return nil
}

// failures are the sign-ins that failed lately.
type failures struct {
	from *lru.Cache[origin, *rate.Limiter]
}

// origin is from where sign-ins to a tenant come: an address or, as a client has all of
// them, an IPv6 /64. Where the tenant isn't known, it is the zero one.
type origin struct {
	addresses string // addressGroup
	tenant    uuid.UUID
}

// callerTTL is how long what is known of a caller is taken to be so: a token of
// one that was revoked on another replica, or by SQL, is refused at most this
// much later.
const callerTTL = time.Second

// callerCache remembers what decides on the tokens of a caller.
type callerCache struct {
	mu      sync.Mutex
	known   *lru.Cache[db.GetCallerParams, caller]
	forgets uint64 // how often all was forgotten
}

// ForgetCallers makes what was just changed about tenants, applications and users
// hold for the very next token, on this replica.
func (p *Provider) ForgetCallers() { p.callers.forget() }

type caller struct {
	db.GetCallerRow
	until time.Time // real time, not the Provider's clock
}

func (c *callerCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets++
	c.known.Purge()
}

func (c *callerCache) get(ctx context.Context, q *db.Queries, key db.GetCallerParams) (db.GetCallerRow, error) {
	now := time.Now()
	if known, ok := c.known.Get(key); ok && now.Before(known.until) {
		return known.GetCallerRow, nil
	}
	c.mu.Lock()
	before := c.forgets
	c.mu.Unlock()
	row, err := q.GetCaller(ctx, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.forgets == before { // else it may be from before a change
		c.known.Add(key, caller{row, now.Add(callerTTL)})
	}
	return row, err
}
