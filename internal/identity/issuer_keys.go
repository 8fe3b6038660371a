package identity

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	maxIssuers       = 1000
	maxIssuerAnswer  = 256 << 10        // bytes
	issuerTimeout    = 5 * time.Second  // for its configuration and its keys in total
	issuerKeysTTL    = time.Hour        // after which keys are fetched again
	issuerFetchPause = 10 * time.Second // least time between two fetches
)

// reservedNetworks are, in addition to those that netip knows, the networks in which a
// public issuer can't be. https://www.iana.org/assignments/iana-ipv4-special-registry
// https://www.iana.org/assignments/iana-ipv6-special-registry
var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("fec0::/10"),
}

// issuers fetches and caches the keys of other issuers. A tenant's administrators name
// them, so they are fetched only from public networks and those that the operator permits.
type issuers struct {
	networks []netip.Prefix
	client   *http.Client
	known    simplelru.LRUCache[string, issuerKeys] // an lru.Cache
	flight   singleflight.Group
}

// issuerKeys are the keys of an issuer, or the error from fetching them.
type issuerKeys struct {
	set     jose.JSONWebKeySet
	err     error
	fetched time.Time // real time, not the Provider's clock
}

func newIssuers(networks []netip.Prefix) (*issuers, error) {
	known, err := lru.New[string, issuerKeys](maxIssuers)
	i := &issuers{networks: networks, known: known}
	dialer := &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error { return i.checkAddress(address) }}
	i.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true,
			MaxResponseHeaderBytes: maxIssuerAnswer, TLSHandshakeTimeout: issuerTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return i, err
}

// checkAddress returns an error unless the address to which a name resolved is permitted.
func (i *issuers) checkAddress(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	contains := func(n netip.Prefix) bool { return n.Contains(ip) }
	if slices.ContainsFunc(i.networks, contains) {
		return nil
	}
	public := ip.IsGlobalUnicast() && !ip.IsPrivate()
	if public && !slices.ContainsFunc(reservedNetworks, contains) {
		return nil
	}
	return fmt.Errorf("%s is not a public address: MOCKTENANT_ISSUER_NETWORKS can permit its network", ip)
}

// keys returns an issuer's keys. It fetches them again if they are old or lack the
// requested key.
func (i *issuers) keys(ctx context.Context, issuer, kid string) (jose.JSONWebKeySet, error) {
	known, ok := i.known.Get(issuer)
	age := time.Since(known.fetched)
	good := known.err == nil && age < issuerKeysTTL && (kid == "" || len(known.set.Key(kid)) > 0)
	if ok && (good || age < issuerFetchPause) {
		return known.set, known.err
	}
	fetched, _, _ := i.flight.Do(issuer, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerTimeout)
		defer cancel()
		set, err := i.fetch(ctx, issuer)
		keys := issuerKeys{set, err, time.Now()}
		i.known.Add(issuer, keys)
		return keys, nil
	})
	keys := fetched.(issuerKeys)
	return keys.set, keys.err
}

// fetch asks an issuer for the URL of its keys (OpenID Connect Discovery 1.0 section 4),
// then for the keys.
func (i *issuers) fetch(ctx context.Context, issuer string) (jose.JSONWebKeySet, error) {
	var configuration struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	raw, err := i.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	if err := json.Unmarshal(raw, &configuration); err != nil {
		return jose.JSONWebKeySet{}, fmt.Errorf("configuration of %s: %w", issuer, err)
	}
	if configuration.Issuer != issuer {
		return jose.JSONWebKeySet{}, fmt.Errorf("configuration of %s: its issuer is %q", issuer, configuration.Issuer)
	}
	if u, err := url.Parse(configuration.JWKSURI); err != nil || !mayFetch(u) {
		return jose.JSONWebKeySet{}, fmt.Errorf("configuration of %s: jwks_uri %q: want an https URL", issuer, configuration.JWKSURI)
	}
	if raw, err = i.get(ctx, configuration.JWKSURI); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return parseKeySet(raw)
}

func (i *issuers) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := i.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerAnswer+1))
	if err == nil && len(raw) > maxIssuerAnswer {
		err = fmt.Errorf("GET %s: longer than %d bytes", address, maxIssuerAnswer)
	}
	return raw, err
}

// parseKeySet reads a key set and keeps the keys that can sign with RS256.
func parseKeySet(raw []byte) (jose.JSONWebKeySet, error) {
	var all, set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &all); err != nil {
		return set, fmt.Errorf("key set: %w", err)
	}
	for _, key := range all.Keys {
		if signingAlgorithm(key) == jose.RS256 {
			set.Keys = append(set.Keys, key)
		}
	}
	if len(set.Keys) == 0 {
		return set, errors.New("key set: it has no RSA signing key")
	}
	return set, nil
}

// signingAlgorithm returns RS256 for a public RSA key that may be used to sign, otherwise
// "".
func signingAlgorithm(key jose.JSONWebKey) jose.SignatureAlgorithm {
	_, isRSA := key.Key.(*rsa.PublicKey)
	signs := cmp.Or(key.Use, "sig") == "sig"
	if isRSA && signs && cmp.Or(key.Algorithm, string(jose.RS256)) == string(jose.RS256) {
		return jose.RS256
	}
	return ""
}

// federatedKey returns the key of a credential's issuer that an assertion names.
func (p *Provider) federatedKey(ctx context.Context, c db.ApplicationFederatedCredential, kid string) (any, error) {
	var set jose.JSONWebKeySet
	var err error
	if c.KeySet != nil {
		if set, err = parseKeySet(c.KeySet); err != nil {
			return nil, fmt.Errorf("federated credential %s: %w", c.ID, err)
		}
	} else if set, err = p.issuers.keys(ctx, c.Issuer, kid); err != nil {
		e := refuse(50166, invalidRequest, "Request to External OIDC endpoint failed.")
		e.cause = err
		return nil, e
	}
	found := set.Key(kid)
	if kid == "" && len(set.Keys) == 1 {
		found = set.Keys
	}
	if len(found) == 0 {
		return nil, refuseClient(700027, "Client assertion failed signature validation. [Reason - The key was not found.]")
	}
	return found[0].Key, nil
}
