package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
)

// keyBits is the size of Entra's own signing keys.
const keyBits = 2048

// reloadPause is the least time between two looks into the database for a key
// that a token names and this process doesn't know: another replica may have
// made it, but anybody can name a key that never was.
const reloadPause = 2 * time.Second

var errNoKeys = errors.New("no signing keys are loaded")

type signingKey struct {
	kid     string
	private *rsa.PrivateKey
}

// keyring holds the signing keys, the newest first.
type keyring struct {
	mu       sync.RWMutex
	keys     []signingKey
	loadedAt time.Time
}

func (r *keyring) find(kid string) *signingKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if i := slices.IndexFunc(r.keys, func(k signingKey) bool { return k.kid == kid }); i >= 0 {
		return &r.keys[i]
	}
	return nil
}

func (r *keyring) signer() *signingKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.keys) == 0 {
		return nil
	}
	return &r.keys[0]
}

// claimReload tells whether the caller is the one to look again now.
func (r *keyring) claimReload(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.loadedAt) < reloadPause {
		return false
	}
	r.loadedAt = now
	return true
}

func (r *keyring) replace(keys []signingKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.loadedAt = keys, now
}

// loadKeys fills the keyring, from a key of its own making if there is none.
func (p *Provider) loadKeys(ctx context.Context) error {
	rows, err := p.queries.ListSigningKeys(ctx)
	if err == nil && len(rows) == 0 {
		if err = p.createFirstKey(ctx); err == nil {
			rows, err = p.queries.ListSigningKeys(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	keys := make([]signingKey, 0, len(rows))
	for _, row := range rows {
		private, err := parseKey(row.PrivateKey)
		if err != nil {
			return fmt.Errorf("read signing key %s: %w", row.Kid, err)
		}
		keys = append(keys, signingKey{row.Kid, private})
	}
	p.keys.replace(keys, time.Now())
	return nil
}

// createFirstKey makes a key unless there is one. Replicas that do so at the
// same moment may make several: all verify, and all sign with the same.
func (p *Provider) createFirstKey(ctx context.Context) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	kid := make([]byte, 20) // as long as the SHA-1 thumbprints by which Entra names its keys
	if _, err := rand.Read(kid); err != nil {
		return err
	}
	return p.queries.CreateFirstSigningKey(ctx, db.CreateFirstSigningKeyParams{
		Kid:        base64.RawURLEncoding.EncodeToString(kid),
		PrivateKey: der,
		CreatedAt:  p.now(),
	})
}

// publicKey returns the key that kid names, or nil.
func (p *Provider) publicKey(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	key := p.keys.find(kid)
	if key == nil && p.keys.claimReload(time.Now()) {
		if err := p.loadKeys(ctx); err != nil {
			return nil, err
		}
		key = p.keys.find(kid)
	}
	if key == nil {
		return nil, nil
	}
	return &key.private.PublicKey, nil
}

func parseKey(der []byte) (*rsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("want an RSA key, got %T", key)
	}
	return private, nil
}
