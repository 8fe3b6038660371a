package identity

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// grantRefreshToken exchanges a refresh token for a new one (RFC 6749 section 6). A second
// exchange of the same token means that it was stolen, so its whole family is revoked (RFC
// 9700 section 4.14.2).
func (p *Provider) grantRefreshToken(r tokenRequest) (tokenAnswer, error) {
	t, err := r.ticket("refresh_token")
	if err != nil {
		return tokenAnswer{}, err
	}
	ctx := r.x.Request.Context()
	token, err := p.queries.GetRefreshToken(ctx, db.GetRefreshTokenParams{TenantID: t.tenant, Hash: t.hash})
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenAnswer{}, errRevokedGrant()
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateOwner(r, t, token.ClientID, token.RedirectType)
	if err != nil {
		return tokenAnswer{}, err
	}
	if !r.x.Now.Before(token.ExpiresAt) {
		return tokenAnswer{}, errExpired(token)
	}
	if token.CreatedAt.Before(c.since) { // issued to an earlier application with this id, or before its consent was removed
		return tokenAnswer{}, errRevokedGrant()
	}
	g := p.refreshTokenGrant(r.x.Now, token)
	if begins := p.leewayBegins(r.x.Now); token.RedeemedAt != nil && (begins == nil || !token.RedeemedAt.After(*begins)) {
		return tokenAnswer{}, p.refuseSpent(ctx, g)
	}
	return p.answerRefresh(r, c, token, g)
}

func (p *Provider) refreshTokenGrant(now time.Time, token db.RefreshToken) redeemable {
	return redeemable{tenant: token.TenantID, family: token.FamilyID, spent: errRevokedGrant(), redeem: func(ctx context.Context, next db.CreateRefreshTokenParams) (int64, error) {
		return p.queries.RedeemRefreshToken(ctx, db.RedeemRefreshTokenParams{
			TenantID: token.TenantID, RedeemedHash: token.Hash, Now: now, LeewayBegins: p.leewayBegins(now),
			Hash: next.Hash, ClientID: next.ClientID, UserID: next.UserID, Scope: next.Scope, CreatedAt: next.CreatedAt, ExpiresAt: next.ExpiresAt,
		})
	}}
}

func errExpired(token db.RefreshToken) *aadError {
	issued := inTicks(token.CreatedAt)
	if token.RedirectType == db.RedirectUriTypeSpa {
		return refuse(700084, invalidGrant, "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of 1.00:00:00, which cannot be extended. It is now expired and a new sign in request must be sent by the SPA to the sign in page. The token was issued on %s.", issued)
	}
	return refuse(700082, invalidGrant, "The refresh token has expired due to inactivity. The token was issued on %s and was inactive for %d.00:00:00.", issued, int(refreshLifetime.Hours()/24))
}

// leewayBegins returns the time after which a token must have been redeemed first to be
// redeemed again; nil if that isn't allowed.
func (p *Provider) leewayBegins(now time.Time) *time.Time {
	if p.leeway == 0 {
		return nil
	}
	begins := now.Add(-p.leeway)
	return &begins
}

func (p *Provider) answerRefresh(r tokenRequest, c client, token db.RefreshToken, g redeemable) (tokenAnswer, error) {
	user, err := p.stillWelcome(r.x.Request.Context(), token.TenantID, token.UserID, token.CreatedAt)
	if err != nil {
		return tokenAnswer{}, err
	}
	text := r.get("scope")
	if text == "" {
		text = token.Scope
	}
	s, err := parseScopes(text)
	if err != nil {
		return tokenAnswer{}, err
	}
	if !s.wants("offline_access") {
		s.oidc = append(s.oidc, "offline_access") // a client that sent a refresh token gets one
	}
	s.text = token.Scope
	in := signIn{client: c, user: user, scopes: s, grant: &g}
	if token.RedirectType == db.RedirectUriTypeSpa {
		in.refreshUntil = token.ExpiresAt
	}
	return p.answer(r, in)
}

// A redeemable is a code or a token that a client may redeem once.
type redeemable struct {
	tenant uuid.UUID
	family uuid.UUID // of the refresh tokens that result from it
	spent  *aadError // the error for a second redemption

	// redeem redeems it and issues the next refresh token, unless that has no hash, in one
	// statement. It returns 0 if another redemption came first.
	redeem func(ctx context.Context, next db.CreateRefreshTokenParams) (int64, error)
}

// issueRefreshToken redeems the code or token of the sign-in and issues a refresh token if
// the sign-in asked for one: both or nothing. A second redemption therefore finds the token
// of the first, and revokes it.
func (p *Provider) issueRefreshToken(ctx context.Context, now time.Time, s signIn) (string, error) {
	next := db.CreateRefreshTokenParams{
		TenantID: s.TenantID, ClientID: s.ClientID, UserID: s.user.ID, Scope: s.scopes.text,
		CreatedAt: latest(now, s.user.TokensValidFrom, s.since), ExpiresAt: now.Add(refreshLifetime),
	}
	if !s.refreshUntil.IsZero() {
		next.ExpiresAt = s.refreshUntil
	}
	var value string
	if s.scopes.wants("offline_access") {
		t := newTicket(s.TenantID)
		value, next.Hash = t.value, t.hash
	}
	if s.grant != nil {
		redeemed, err := s.grant.redeem(ctx, next)
		if err == nil && redeemed == 0 {
			err = p.refuseSpent(ctx, *s.grant)
		}
		return value, err
	}
	if value == "" {
		return "", nil
	}
	next.FamilyID = uuid.Must(uuid.NewV7())
	return value, p.queries.CreateRefreshToken(ctx, next)
}

// refuseSpent revokes all refresh tokens that result from what was redeemed twice, even if
// the client hangs up meanwhile. A concurrent redemption can add one more token during a
// delete, so it deletes until nothing is left.
func (p *Provider) refuseSpent(ctx context.Context, g redeemable) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	for {
		n, err := p.queries.DeleteRefreshTokenFamily(ctx, db.DeleteRefreshTokenFamilyParams{TenantID: g.tenant, FamilyID: g.family})
		if err != nil {
			return err
		}
		if n == 0 {
			return g.spent
		}
	}
}

// authenticateOwner checks the client's credentials, and that the code or token was issued
// to it, for a redirect URI of the same type.
func (p *Provider) authenticateOwner(r tokenRequest, t ticket, owner uuid.UUID, kind db.RedirectUriType) (client, error) {
	if err := r.checkOrigin(kind); err != nil {
		return client{}, err
	}
	tenant, err := p.tenant(r.x, t.tenant)
	if err != nil {
		return client{}, err
	}
	in := publicIfAllowed
	if kind != db.RedirectUriTypeWeb {
		in = publicAlways
	}
	c, err := p.authenticateClient(r.x, r.form, tenant, in)
	if err == nil && c.ClientID != owner {
		err = errOtherClient()
	}
	return c, err
}

func errOtherClient() *aadError {
	return refuse(700007, invalidGrant, "The grant was issued for a different client id.")
}

func errRevokedGrant() *aadError {
	e := refuse(70000, invalidGrant, "Provided grant is invalid or malformed.")
	e.suberror = "bad_token"
	return e
}
