package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
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

// AccessToken says what an access token is to hold.
type AccessToken struct {
	Audience       string // whom it is for; "" is Microsoft Graph
	TenantID       uuid.UUID
	ObjectID       uuid.UUID // the user, or the application's service principal
	AppID          uuid.UUID // the client application
	AppName        string
	Proof          string // how the client proved itself (appidacr): "0" not at all, "1" or "" by a secret, "2" by a certificate
	UserName       string // user principal name; "" for an app-only token
	DisplayName    string // of the user, as the two names below
	GivenName      string
	FamilyName     string
	DirectoryRoles []uuid.UUID   // of the user: template ids
	Address        string        // from which the user signed in
	Scopes         []string      // delegated permissions
	Roles          []string      // application permissions, of an app-only token
	ClaimsCapable  bool          // whether the client understands claims challenges
	Lifetime       time.Duration // from now

	// ValidFrom is when the tenant was made and the last tokens of the application
	// and the user were revoked, whichever was last. The token counts as issued no
	// earlier, also where the clock of who did that is ahead.
	ValidFrom time.Time
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
	AIO            string           `json:"aio"`
	AppDisplayName string           `json:"app_displayname,omitempty"`
	AppID          string           `json:"appid"`
	AppIDACR       string           `json:"appidacr"`
	FamilyName     string           `json:"family_name,omitempty"`
	GivenName      string           `json:"given_name,omitempty"`
	IDP            string           `json:"idp"`
	IDType         string           `json:"idtyp"`
	IPAddress      string           `json:"ipaddr,omitempty"`
	Name           string           `json:"name,omitempty"`
	ObjectID       string           `json:"oid"`
	RH             string           `json:"rh"`
	Roles          []string         `json:"roles,omitempty"`
	Scopes         string           `json:"scp,omitempty"`
	Subject        string           `json:"sub"`
	TenantID       string           `json:"tid"`
	UniqueName     string           `json:"unique_name,omitempty"`
	UPN            string           `json:"upn,omitempty"`
	UTI            string           `json:"uti"`
	Version        string           `json:"ver"`
	WIDs           []string         `json:"wids"`
	XMSCC          []string         `json:"xms_cc,omitempty"`
}

// IssueAccessToken signs an access token in Graph's form.
func (p *Provider) IssueAccessToken(t AccessToken) (string, error) {
	return p.sign(t.payload(p.now()))
}

// sign signs claims by the key whose turn it is.
func (p *Provider) sign(claims any) (string, error) {
	key := p.keys.signer(p.now())
	if key == nil {
		return "", errNoKeys
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", key.kid).WithHeader("x5t", key.kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key.private}, options)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return raw, nil
}

// VerifyAccessToken checks the signature (RS256, by one of our keys), audience,
// issuer, lifetime and tenant of a token for Microsoft Graph, and that it was
// not revoked, and returns what it claims. The error is one of the bearer
// package, wrapped with its reason, or the database's.
func (p *Provider) VerifyAccessToken(ctx context.Context, raw string) (*bearer.Claims, error) {
	token, err := p.verified(ctx, raw)
	if err != nil {
		return nil, err
	}
	if !token.forGraph {
		return nil, fmt.Errorf("%w: %q", bearer.ErrAudience, []string(token.audience))
	}
	return p.check(ctx, token)
}

// verifyToken is the same for a token of any one audience.
func (p *Provider) verifyToken(ctx context.Context, raw string) (*bearer.Claims, error) {
	token, err := p.verified(ctx, raw)
	if err != nil {
		return nil, err
	}
	if len(token.audience) != 1 {
		return nil, fmt.Errorf("%w: %q", bearer.ErrAudience, []string(token.audience))
	}
	return p.check(ctx, token)
}

// check holds a token against the clock and what it stands on.
func (p *Provider) check(ctx context.Context, token *verifiedToken) (*bearer.Claims, error) {
	now := p.now()
	switch {
	case token.err != nil:
		return nil, token.err
	case !now.Before(token.expiry):
		return nil, fmt.Errorf("%w at %s", bearer.ErrExpired, token.expiry.UTC())
	case now.Before(token.notBefore):
		return nil, fmt.Errorf("%w until %s", bearer.ErrNotYetValid, token.notBefore.UTC())
	}
	claims := token.claims
	if claims.Personal() {
		return &claims, nil // the tenant of all personal accounts is no row of ours
	}
	return &claims, p.checkCaller(ctx, &claims, token.issued)
}

// checkCaller refuses a token whose tenant, application or user is gone, or
// which was revoked.
func (p *Provider) checkCaller(ctx context.Context, claims *bearer.Claims, issued time.Time) error {
	app, err := uuid.Parse(claims.AppID)
	if err != nil {
		return fmt.Errorf("%w: appid %q", bearer.ErrClaims, claims.AppID)
	}
	caller, err := p.callers.get(ctx, p.queries, db.GetCallerParams{TenantID: claims.TenantID, ClientID: app, ObjectID: claims.ObjectID})
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: %s", bearer.ErrTenant, claims.TenantID)
	}
	if err != nil {
		return err
	}
	if caller.ExpiresAt != nil && !p.now().Before(*caller.ExpiresAt) {
		return fmt.Errorf("%w: %s has expired", bearer.ErrTenant, claims.TenantID)
	}
	claims.ApplicationPermissions = caller.PermissionRule == db.PermissionRuleCurrent
	claims.PageSize = int64(caller.PageSize)
	claims.Repeatability = time.Duration(caller.RepeatabilitySeconds) * time.Second
	claims.PartnerQuota, claims.RequestRate, claims.IDSeed = caller.PartnerQuota, caller.RequestRate, caller.IDSeed
	user := claims.IDType == "user"
	switch {
	case caller.ApplicationValidFrom == nil, user && caller.UserEnabled == nil, user && !*caller.UserEnabled:
		return &bearer.RevokedError{ValidFrom: p.now()}
	case issued.Before(caller.TenantCreatedAt): // it was of another tenant of this id
		return &bearer.RevokedError{ValidFrom: caller.TenantCreatedAt}
	case issued.Before(*caller.ApplicationValidFrom):
		return &bearer.RevokedError{ValidFrom: *caller.ApplicationValidFrom}
	case user && issued.Before(*caller.UserValidFrom):
		return &bearer.RevokedError{ValidFrom: *caller.UserValidFrom}
	}
	return nil
}

// verifiedToken is a token whose signature is ours, and what it says.
type verifiedToken struct {
	audience          jwt.Audience
	forGraph          bool
	issued            time.Time
	notBefore, expiry time.Time
	claims            bearer.Claims // none of the tenant's
	err               error         // why it is refused whenever it comes; then there are no claims
}

// verified reads a token whose signature is ours. A signature is checked once: as
// long as the token is remembered, by its hash, the same bytes are neither checked nor
// read again. What may change is for the caller to check each time.
func (p *Provider) verified(ctx context.Context, raw string) (*verifiedToken, error) {
	var buffer [2 << 10]byte // for nearly all tokens, which are not copied to the heap to be hashed
	hash := sha256.Sum256(append(buffer[:0], raw...))
	if token, ok := p.seen.Get(hash); ok {
		return token, nil
	}
	body, err := p.verifySignature(ctx, raw)
	if err != nil {
		return nil, err
	}
	token := body.read()
	p.seen.Add(hash, token)
	return token, nil
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
		Audience:       jwt.Audience{cmp.Or(t.Audience, GraphAudience)},
		Issuer:         issuer(t.TenantID),
		IssuedAt:       jwt.NewNumericDate(issued),
		NotBefore:      jwt.NewNumericDate(issued),
		Expiry:         jwt.NewNumericDate(now.Add(t.Lifetime)),
		AIO:            newAIO(latest(now, t.ValidFrom)),
		AppDisplayName: t.AppName,
		AppID:          t.AppID.String(),
		AppIDACR:       cmp.Or(t.Proof, string(proofSecret)),
		IDP:            issuer(t.TenantID),
		IDType:         "app",
		ObjectID:       t.ObjectID.String(),
		RH:             "1." + newUTI() + ".",
		Roles:          t.Roles,
		Subject:        t.ObjectID.String(),
		TenantID:       t.TenantID.String(),
		UTI:            newUTI(),
		Version:        "1.0",
		WIDs:           []string{appDefaultRole},
	}
	if t.ClaimsCapable {
		b.XMSCC = []string{"CP1"}
	}
	if t.UserName != "" {
		b.asUser(t)
	}
	return b
}

func (b *payload) asUser(t AccessToken) {
	b.ACR, b.AMR, b.IDType = "1", []string{"pwd"}, "user"
	b.Name, b.GivenName, b.FamilyName = t.DisplayName, t.GivenName, t.FamilyName
	b.UPN, b.UniqueName, b.IPAddress = t.UserName, t.UserName, t.Address
	b.Subject = pairwise(b.Audience[0], b.ObjectID)
	b.Scopes = strings.Join(t.Scopes, " ")
	b.WIDs = []string{}
	for _, role := range t.DirectoryRoles {
		b.WIDs = append(b.WIDs, role.String())
	}
	if t.TenantID == bearer.ConsumersTenantID {
		b.IDP = "live.com"
	}
}

// read reads what Graph asks of a token, and all of it that never changes.
func (b *payload) read() *verifiedToken {
	t := &verifiedToken{audience: b.Audience, forGraph: forGraph(b.Audience), issued: b.issued()}
	tenant, err := uuid.Parse(b.TenantID)
	if err != nil {
		t.err = fmt.Errorf("%w: tid %q", bearer.ErrClaims, b.TenantID)
		return t
	}
	object, err := uuid.Parse(b.ObjectID)
	switch {
	case err != nil:
		t.err = fmt.Errorf("%w: oid %q", bearer.ErrClaims, b.ObjectID)
		return t
	case b.Issuer != issuer(tenant):
		t.err = fmt.Errorf("%w: %q", bearer.ErrIssuer, b.Issuer)
		return t
	case b.Expiry == nil:
		t.err = fmt.Errorf("%w: no exp", bearer.ErrClaims)
		return t
	}
	t.expiry, t.notBefore = b.Expiry.Time(), b.NotBefore.Time() // the zero time if there is none
	t.claims = bearer.Claims{
		TenantID: tenant,
		ObjectID: object,
		AppID:    b.AppID,
		Scopes:   strings.Fields(b.Scopes),
		Roles:    b.Roles,
		IDType:   b.IDType,
	}
	if len(b.Audience) == 1 {
		t.claims.Audience = b.Audience[0]
	}
	return t
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

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// newAIO is what only the authority reads of its own token: the moment of issue
// to the microsecond, which iat, put back and in seconds, doesn't tell.
func newAIO(now time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMicro()))
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(append(raw, id[:]...))
}

// issued is when the token was issued.
func (b *payload) issued() time.Time {
	raw, err := base64.RawURLEncoding.DecodeString(b.AIO)
	if err == nil && len(raw) == 24 {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(raw)))
	}
	if b.IssuedAt != nil {
		return b.IssuedAt.Time()
	}
	return time.Time{}
}

// newUTI makes the token's own name: 16 bytes, as Entra's.
func newUTI() string {
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(id[:])
}
