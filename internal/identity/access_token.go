package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
)

const (
	// GraphAudience is the audience of tokens for Microsoft Graph.
	GraphAudience = "https://graph.microsoft.com"

	// clockSkew is how long before its issue a token already is valid: Entra
	// dates iat and nbf five minutes back, so that a resource whose clock is
	// behind accepts it.
	clockSkew = 5 * time.Minute

	// maxTokenBytes bounds what is parsed at all; Entra's own stay below it.
	maxTokenBytes = 16 << 10

	// appDefaultRole is what Entra puts into wids of every app-only token.
	appDefaultRole = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"
)

// AccessToken says what a token for Microsoft Graph is to hold.
type AccessToken struct {
	TenantID     uuid.UUID
	ObjectID     uuid.UUID // the user, or the application's service principal
	AppID        uuid.UUID // the client application
	AppName      string
	UserName     string        // user principal name; "" for an app-only token
	DisplayName  string        // of the user
	Scopes       []string      // delegated permissions
	Roles        []string      // application permissions, of an app-only token
	PublicClient bool          // whether the client proved itself by nothing (appidacr 0)
	Lifetime     time.Duration // from now
}

// payload is a v1.0 access token of Graph's form, as it is signed.
type payload struct {
	Audience       jwt.Audience     `json:"aud"`
	Issuer         string           `json:"iss"`
	IssuedAt       *jwt.NumericDate `json:"iat"`
	NotBefore      *jwt.NumericDate `json:"nbf"`
	Expiry         *jwt.NumericDate `json:"exp"`
	ACR            string           `json:"acr,omitempty"`
	AMR            []string         `json:"amr,omitempty"`
	AppDisplayName string           `json:"app_displayname,omitempty"`
	AppID          string           `json:"appid"`
	AppIDACR       string           `json:"appidacr"`
	IDP            string           `json:"idp"`
	IDType         string           `json:"idtyp"`
	Name           string           `json:"name,omitempty"`
	ObjectID       string           `json:"oid"`
	Roles          []string         `json:"roles,omitempty"`
	Scopes         string           `json:"scp,omitempty"`
	Subject        string           `json:"sub"`
	TenantID       string           `json:"tid"`
	UniqueName     string           `json:"unique_name,omitempty"`
	UPN            string           `json:"upn,omitempty"`
	UTI            string           `json:"uti"`
	Version        string           `json:"ver"`
	WIDs           []string         `json:"wids"`
}

// IssueAccessToken signs a token for Microsoft Graph with the newest key.
func (p *Provider) IssueAccessToken(t AccessToken) (string, error) {
	key := p.keys.signer()
	if key == nil {
		return "", errNoKeys
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", key.kid).WithHeader("x5t", key.kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key.private}, options)
	if err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	raw, err := jwt.Signed(signer).Claims(t.payload(p.now())).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	return raw, nil
}

// VerifyAccessToken checks the signature (RS256, by one of our keys), audience,
// issuer, lifetime and tenant of a token and returns what it claims. The error
// is one of the bearer package, wrapped with its reason, or the database's.
func (p *Provider) VerifyAccessToken(ctx context.Context, raw string) (*bearer.Claims, error) {
	body, err := p.verified(ctx, raw)
	if err != nil {
		return nil, err
	}
	claims, err := body.check(p.now())
	if err != nil {
		return nil, err
	}
	if claims.Personal() {
		return claims, nil // the tenant of all personal accounts is no row of ours
	}
	exists, err := p.tenantExists(ctx, claims.TenantID)
	if err == nil && !exists {
		err = fmt.Errorf("%w: %s", bearer.ErrTenant, claims.TenantID)
	}
	return claims, err
}

// verified returns the payload of a token whose signature is ours. A signature
// is checked once: as long as the token is remembered, by its hash, the same
// bytes are not checked again. What the payload says is for the caller to check
// each time.
func (p *Provider) verified(ctx context.Context, raw string) (*payload, error) {
	hash := sha256.Sum256([]byte(raw))
	if body, ok := p.seen.Get(hash); ok {
		return body, nil
	}
	body, err := p.verifySignature(ctx, raw)
	if err == nil {
		p.seen.Add(hash, body)
	}
	return body, err
}

func (p *Provider) verifySignature(ctx context.Context, raw string) (*payload, error) {
	if len(raw) > maxTokenBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", bearer.ErrMalformed, maxTokenBytes)
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		var algorithm *jose.ErrUnexpectedSignatureAlgorithm
		if errors.As(err, &algorithm) {
			return nil, fmt.Errorf("%w: %w", bearer.ErrSignature, err)
		}
		return nil, fmt.Errorf("%w: %w", bearer.ErrMalformed, err)
	}
	kid := token.Headers[0].KeyID
	key, err := p.publicKey(ctx, kid)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fmt.Errorf("%w: unknown kid %q", bearer.ErrSignature, kid)
	}
	var body payload
	if err := token.Claims(key, &body); err != nil {
		if errors.Is(err, jose.ErrCryptoFailure) {
			return nil, fmt.Errorf("%w: %w", bearer.ErrSignature, err)
		}
		return nil, fmt.Errorf("%w: %w", bearer.ErrClaims, err)
	}
	return &body, nil
}

func (t AccessToken) payload(now time.Time) payload {
	issued := now.Add(-clockSkew)
	b := payload{
		Audience:       jwt.Audience{GraphAudience},
		Issuer:         issuer(t.TenantID),
		IssuedAt:       jwt.NewNumericDate(issued),
		NotBefore:      jwt.NewNumericDate(issued),
		Expiry:         jwt.NewNumericDate(now.Add(t.Lifetime)),
		AppDisplayName: t.AppName,
		AppID:          t.AppID.String(),
		AppIDACR:       "1",
		IDP:            issuer(t.TenantID),
		IDType:         "app",
		ObjectID:       t.ObjectID.String(),
		Roles:          t.Roles,
		Subject:        t.ObjectID.String(),
		TenantID:       t.TenantID.String(),
		UTI:            newUTI(),
		Version:        "1.0",
		WIDs:           []string{appDefaultRole},
	}
	if t.PublicClient {
		b.AppIDACR = "0"
	}
	if t.UserName != "" {
		b.asUser(t)
	}
	return b
}

func (b *payload) asUser(t AccessToken) {
	b.ACR, b.AMR, b.IDType = "1", []string{"pwd"}, "user"
	b.Name, b.UPN, b.UniqueName = t.DisplayName, t.UserName, t.UserName
	b.Scopes = strings.Join(t.Scopes, " ")
	b.WIDs = []string{}
	if t.TenantID == bearer.ConsumersTenantID {
		b.IDP = "live.com"
	}
}

// check holds the claims against what Graph asks of a token.
func (b *payload) check(now time.Time) (*bearer.Claims, error) {
	tenant, err := uuid.Parse(b.TenantID)
	if err != nil {
		return nil, fmt.Errorf("%w: tid %q", bearer.ErrClaims, b.TenantID)
	}
	object, err := uuid.Parse(b.ObjectID)
	if err != nil {
		return nil, fmt.Errorf("%w: oid %q", bearer.ErrClaims, b.ObjectID)
	}
	switch {
	case !forGraph(b.Audience):
		return nil, fmt.Errorf("%w: %q", bearer.ErrAudience, []string(b.Audience))
	case b.Issuer != issuer(tenant):
		return nil, fmt.Errorf("%w: %q", bearer.ErrIssuer, b.Issuer)
	case b.Expiry == nil:
		return nil, fmt.Errorf("%w: no exp", bearer.ErrClaims)
	case !now.Before(b.Expiry.Time()):
		return nil, fmt.Errorf("%w at %s", bearer.ErrExpired, b.Expiry.Time().UTC())
	case b.NotBefore != nil && now.Before(b.NotBefore.Time()):
		return nil, fmt.Errorf("%w until %s", bearer.ErrNotYetValid, b.NotBefore.Time().UTC())
	}
	return &bearer.Claims{
		TenantID: tenant,
		ObjectID: object,
		AppID:    b.AppID,
		Scopes:   strings.Fields(b.Scopes),
		Roles:    b.Roles,
		IDType:   b.IDType,
	}, nil
}

func issuer(tenant uuid.UUID) string { return "https://sts.windows.net/" + tenant.String() + "/" }

// forGraph tells whether the audience is Graph, by name or by application id,
// and nobody else.
func forGraph(audience jwt.Audience) bool {
	if len(audience) != 1 {
		return false
	}
	a := strings.TrimSuffix(audience[0], "/")
	return a == GraphAudience || a == bearer.GraphAppID
}

// newUTI makes the token's own name: 16 bytes, as Entra's.
func newUTI() string {
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(id[:])
}
