package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Entra names its keys by it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
)

// keyBits is the size of Entra's own signing keys.
const keyBits = 2048

// A new key is made every keyRotation. It is published for keyPublication before it signs,
// so that clients that cache keys for a day know it by then. It is kept for keyRetention
// after the next key starts signing, which is longer than any of its tokens lives.
// https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
const (
	keyRotation    = 30 * 24 * time.Hour
	keyPublication = 2 * 24 * time.Hour
	keyRetention   = 2 * 24 * time.Hour
)

// reloadPause is the least time between two database reads for an unknown key that a token
// names. Another replica may have made the key, but anybody can also invent one.
const reloadPause = 2 * time.Second

var errNoKeys = errors.New("no signing keys are loaded")

type signingKey struct {
	kid         string
	private     *rsa.PrivateKey
	certificate []byte // X.509, DER; empty for keys of the first release
	created     time.Time
}

// keyring holds the signing keys, newest first.
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

// all returns the keys, newest first.
func (r *keyring) all() []signingKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys
}

// signer returns the newest key that has been published for long enough, otherwise the
// oldest.
func (r *keyring) signer(now time.Time) *signingKey {
	keys := r.all()
	if len(keys) == 0 {
		return nil
	}
	return &keys[signerIndex(keys, now)]
}

func signerIndex(keys []signingKey, now time.Time) int {
	i := slices.IndexFunc(keys, func(k signingKey) bool { return !now.Before(k.created.Add(keyPublication)) })
	if i < 0 {
		i = len(keys) - 1
	}
	return i
}

// claimReload reports whether this caller must reload now.
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

// RotateKeys makes the next signing key when it is due, removes keys that no valid token
// uses, and loads keys that other replicas made. Call it at least once a day.
func (p *Provider) RotateKeys(ctx context.Context) error {
	if err := p.loadKeys(ctx); err != nil {
		return err
	}
	now, keys := p.now(), p.keys.all()
	if len(keys) == 0 || now.Sub(keys[0].created) >= keyRotation {
		if err := p.createKey(ctx, now); err != nil {
			return fmt.Errorf("make a signing key: %w", err)
		}
		if err := p.loadKeys(ctx); err != nil {
			return err
		}
		keys = p.keys.all()
	}
	retired := retiredKeys(keys, now)
	if len(retired) == 0 {
		return nil
	}
	if _, err := p.queries.DeleteSigningKeys(ctx, retired); err != nil {
		return fmt.Errorf("remove signing keys: %w", err)
	}
	return p.loadKeys(ctx)
}

// retiredKeys returns the keys whose successor has signed for keyRetention.
func retiredKeys(keys []signingKey, now time.Time) []string {
	var kids []string
	for i := 1; i < len(keys); i++ {
		signsSince := keys[i-1].created.Add(keyPublication)
		if now.Sub(signsSince) > keyRetention {
			kids = append(kids, keys[i].kid)
		}
	}
	return kids
}

func (p *Provider) loadKeys(ctx context.Context) error {
	rows, err := p.queries.ListSigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	keys := make([]signingKey, 0, len(rows))
	for _, row := range rows {
		private, err := parseKey(row.PrivateKey)
		if err != nil {
			return fmt.Errorf("read signing key %s: %w", row.Kid, err)
		}
		keys = append(keys, signingKey{kid: row.Kid, private: private, certificate: row.Certificate, created: row.CreatedAt})
	}
	p.keys.replace(keys, time.Now())
	return nil
}

// createKey makes a key, unless another replica just did. Concurrent replicas may make
// several: all of them verify tokens, and all replicas sign with the same one.
func (p *Provider) createKey(ctx context.Context, now time.Time) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	certificate, err := keyCertificate(private, now)
	if err != nil {
		return err
	}
	thumbprint := sha1.Sum(certificate) //nolint:gosec // a name, not a proof
	return p.queries.CreateSigningKey(ctx, db.CreateSigningKeyParams{
		Kid: base64.RawURLEncoding.EncodeToString(thumbprint[:]), PrivateKey: der, Certificate: certificate,
		CreatedAt: now, Since: now.Add(-keyRotation),
	})
}

// keyCertificate wraps a key in a certificate, as Entra publishes its keys.
func keyCertificate(private *rsa.PrivateKey, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "accounts.accesscontrol.windows.net"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.AddDate(5, 0, 0),
	}
	return x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
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
