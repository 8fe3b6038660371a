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
	"github.com/mocktenant/mocktenant/internal/tenant"
)

const (
	// GraphAudience is the audience of tokens for Microsoft Graph.
	GraphAudience = "https://graph.microsoft.com"

	// clockSkew is how long before its issue a token is already valid. Entra dates iat and
	// nbf five minutes back, so that a resource whose clock lags accepts the token.
	clockSkew = 5 * time.Minute

	// maxTokenBytes bounds the tokens that are parsed; Entra's own are smaller.
	maxTokenBytes = 16 << 10

	// appDefaultRole is in wids of every app-only token of Entra.
	appDefaultRole = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"
)

// AccessToken describes an access token to issue.
type AccessToken struct {
	Audience       string // the audience; "" is Microsoft Graph
	TenantID       uuid.UUID
	ObjectID       uuid.UUID // the user, or the application's service principal
	AppID          uuid.UUID // the client application
	AppName        string
	Proof          string // how the client proved its identity (appidacr): "0" without proof, "1" or "" by a secret, "2" by a certificate
	UserName       string // user principal name; "" for an app-only token
	DisplayName    string // of the user, like the two names below
	GivenName      string
	FamilyName     string
	DirectoryRoles []uuid.UUID   // of the user, as template ids
	Address        string        // the user's address at sign-in
	Scopes         []string      // delegated permissions
	Roles          []string      // application permissions, for an app-only token
	ClaimsCapable  bool          // whether the client understands claims challenges
	Now            time.Time     // when it is issued; zero is the service's time
	Lifetime       time.Duration // from then

	// ValidFrom is when the tenant was made or the tokens of the application or the user
	// were last revoked, whichever is latest. The token's issue time is never earlier, even
	// if the clock of the process that revoked tokens is ahead.
	ValidFrom time.Time
}

// payload is the payload of a v1.0 access token in Graph's form.
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
	if t.Now.IsZero() {
		t.Now = p.now()
	}
	return p.sign(t.payload(t.Now))
}

// sign signs claims with the current signing key.
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

// VerifyAccessToken checks a token for Microsoft Graph: its signature (RS256, by one of our
// keys), audience, issuer, lifetime and tenant, and that it was not revoked. It returns the
// token's claims and its tenant's settings, also with the error of a token that the tenant
// issued but that expired or was revoked. It returns errors of package bearer, wrapped with
// the reason, and of the database.
func (p *Provider) VerifyAccessToken(ctx context.Context, raw string) (*bearer.Claims, *tenant.Settings, error) {
	token, err := p.verified(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	if !token.forGraph {
		return nil, nil, fmt.Errorf("%w: %q", bearer.ErrAudience, []string(token.audience))
	}
	return p.check(ctx, token)
}

// verifyToken works like VerifyAccessToken, for a token with any one audience.
func (p *Provider) verifyToken(ctx context.Context, raw string) (*bearer.Claims, *tenant.Settings, error) {
	token, err := p.verified(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	if len(token.audience) != 1 {
		return nil, nil, fmt.Errorf("%w: %q", bearer.ErrAudience, []string(token.audience))
	}
	return p.check(ctx, token)
}

// personal are the settings of the tenant of all personal accounts, which the database
// doesn't have.
var personal = tenant.Settings{ID: bearer.ConsumersTenantID}

// check checks a token against the clock, and against its tenant, application and user.
func (p *Provider) check(ctx context.Context, token *verifiedToken) (*bearer.Claims, *tenant.Settings, error) {
	now := p.now()
	switch {
	case token.err != nil:
		return nil, nil, token.err
	case token.claims.Personal():
		return &token.claims, &personal, token.checkLifetime(now)
	}
	caller, err := p.caller(ctx, &token.claims)
	if err == nil {
		now = caller.Tenant.Clock.Now(now)
	}
	if err := token.checkLifetime(now); err != nil { // before anything else about the token
		return &token.claims, caller.Tenant, err
	}
	if err != nil {
		return nil, nil, err
	}
	return &token.claims, caller.Tenant, token.checkCaller(caller, now)
}

// caller finds a token's caller. A tenant that has expired, by the service's clock, doesn't
// exist.
func (p *Provider) caller(ctx context.Context, claims *bearer.Claims) (tenant.Caller, error) {
	app, err := uuid.Parse(claims.AppID)
	if err != nil {
		return tenant.Caller{}, fmt.Errorf("%w: appid %q", bearer.ErrClaims, claims.AppID)
	}
	caller, err := p.callers.Caller(ctx, db.GetCallerParams{TenantID: claims.TenantID, ClientID: app, ObjectID: claims.ObjectID})
	if errors.Is(err, pgx.ErrNoRows) {
		return caller, fmt.Errorf("%w: %s", bearer.ErrTenant, claims.TenantID)
	}
	if err != nil {
		return caller, err
	}
	if end := caller.Tenant.ExpiresAt; end != nil && !p.now().Before(*end) {
		return caller, fmt.Errorf("%w: %s has expired", bearer.ErrTenant, claims.TenantID)
	}
	return caller, nil
}

func (t *verifiedToken) checkLifetime(now time.Time) error {
	switch {
	case !now.Before(t.expiry):
		return fmt.Errorf("%w at %s", bearer.ErrExpired, t.expiry.UTC())
	case now.Before(t.notBefore):
		return fmt.Errorf("%w until %s", bearer.ErrNotYetValid, t.notBefore.UTC())
	}
	return nil
}

// checkCaller refuses a token whose application or user is gone, or which was revoked.
func (t *verifiedToken) checkCaller(caller tenant.Caller, now time.Time) error {
	user := t.claims.IDType == "user"
	switch {
	case caller.ApplicationValidFrom == nil, user && !caller.UserEnabled:
		return &bearer.RevokedError{ValidFrom: now}
	case t.issued.Before(caller.Tenant.CreatedAt): // it belonged to another tenant of this id
		return &bearer.RevokedError{ValidFrom: caller.Tenant.CreatedAt}
	case t.issued.Before(*caller.ApplicationValidFrom):
		return &bearer.RevokedError{ValidFrom: *caller.ApplicationValidFrom}
	case user && t.issued.Before(*caller.UserValidFrom):
		return &bearer.RevokedError{ValidFrom: *caller.UserValidFrom}
	}
	return nil
}

// verifiedToken is a token signed by us, and its content.
type verifiedToken struct {
	audience          jwt.Audience
	forGraph          bool
	issued            time.Time
	notBefore, expiry time.Time
	claims            bearer.Claims // shared by requests: nobody changes them
	err               error         // why it is refused whenever it comes; then there are no claims
}

// verified reads a token signed by us. It parses the token and checks the signature only
// once, and then remembers the result by the token's hash. The caller must check what can
// change on each call.
func (p *Provider) verified(ctx context.Context, raw string) (*verifiedToken, error) {
	var buffer [2 << 10]byte // large enough for nearly all tokens, so that hashing them allocates nothing
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

// read extracts from a token everything that Graph needs and that never changes.
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
	t.expiry, t.notBefore = b.Expiry.Time(), b.NotBefore.Time() // the zero time if absent
	t.claims = bearer.Claims{
		TenantID: tenant,
		ObjectID: object,
		AppID:    b.AppID,
		Scopes:   strings.Fields(b.Scopes),
		Roles:    b.Roles,
		IDType:   b.IDType,
		Expires:  t.expiry,
	}
	if len(b.Audience) == 1 {
		t.claims.Audience = b.Audience[0]
	}
	return t
}

func issuer(tenant uuid.UUID) string { return "https://sts.windows.net/" + tenant.String() + "/" }

// forGraph reports whether Graph, by name or application id, is the only audience.
func forGraph(audience jwt.Audience) bool {
	if len(audience) != 1 {
		return false
	}
	a := strings.TrimSuffix(audience[0], "/")
	return a == GraphAudience || a == bearer.GraphAppID
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// newAIO makes the aio claim, which only the authority itself reads: the issue time in
// microseconds. iat can't tell that, because it is in seconds and dated back.
func newAIO(now time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMicro()))
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(append(raw, id[:]...))
}

// issued returns when the token was issued.
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

// newUTI makes the token's unique id: 16 bytes, like Entra's.
func newUTI() string {
	id := uuid.New()
	return base64.RawURLEncoding.EncodeToString(id[:])
}
