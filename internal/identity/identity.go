// Package identity is the mock Microsoft identity platform: the authority that issues and
// verifies access tokens. Each tenant has its own logical authority. The signing keys are
// in the database, so that every replica accepts tokens from the others.
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
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Config configures a Provider.
type Config struct {
	DB        *db.Pool
	Now       func() time.Time // the clock; nil means time.Now
	Log       *slog.Logger     // nil discards
	PublicURL string           // the start of links, without a trailing slash; "" follows each request

	// RefreshTokenLeeway is how long after its first redemption a refresh token may be
	// redeemed again; 0 never allows it.
	RefreshTokenLeeway time.Duration

	// OneTimeAssertions refuses a client assertion that was used before.
	OneTimeAssertions bool

	// IssuerNetworks are the networks, in addition to public ones, from which keys of
	// federated credentials' issuers may be fetched.
	IssuerNetworks []netip.Prefix

	Hooks []front.Hook // see every request
}

// Provider issues and verifies tokens. It is safe for concurrent use.
type Provider struct {
	pool       *db.Pool
	queries    *db.Queries
	now        func() time.Time
	log        *slog.Logger
	publicURL  string
	leeway     time.Duration // of refresh tokens
	assertOnce bool
	issuers    *issuers
	hooks      []front.Hook
	keys       keyring
	callers    *tenant.Cache
	seen       simplelru.LRUCache[[sha256.Size]byte, *verifiedToken] // an lru.Cache, by the hash
	failures   failures
	sameOrigin *http.CrossOriginProtection
}

// Cache sizes. A verified token takes about 1 KB, other entries less.
const (
	maxSeen      = 10_000
	maxAddresses = 10_000
)

// New returns a Provider with the database's signing keys loaded. It creates the first key
// if the database has none.
func New(ctx context.Context, c Config) (*Provider, error) {
	p := &Provider{
		pool: c.DB, queries: db.New(c.DB), now: c.Now, log: c.Log, publicURL: c.PublicURL, leeway: c.RefreshTokenLeeway, assertOnce: c.OneTimeAssertions, hooks: c.Hooks,
		callers: tenant.NewCache(db.New(c.DB)), sameOrigin: http.NewCrossOriginProtection(),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var errs [3]error
	p.seen, errs[0] = lru.New[[sha256.Size]byte, *verifiedToken](maxSeen)
	p.failures.from, errs[1] = lru.New[origin, *rate.Limiter](maxAddresses)
	p.issuers, errs[2] = newIssuers(c.IssuerNetworks)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return p, p.RotateKeys(ctx)
}

// Ready returns an error if the Provider can't work.
func (p *Provider) Ready() error {
	if p.keys.signer(p.now()) == nil {
		return errNoKeys
	}
	return nil
}

// failures counts recent failed sign-ins.
type failures struct {
	from interface { // an lru.Cache
		PeekOrAdd(origin, *rate.Limiter) (*rate.Limiter, bool, bool)
	}
}

// origin identifies the source of sign-ins to a tenant: an address or, because a client has all
// of its addresses, an IPv6 /64. It is zero if the tenant is unknown.
type origin struct {
	addresses string // addressGroup
	tenant    uuid.UUID
}

// ForgetCallers makes changes to tenants, applications and users take effect for the
// very next token that is shown to this replica.
func (p *Provider) ForgetCallers() { p.callers.Forget() }
