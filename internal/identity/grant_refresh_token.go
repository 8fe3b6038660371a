package identity

import (
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// grantRefreshToken trades a refresh token for a new one (RFC 6749 section 6).
// One that was traded already has been stolen from somebody: its whole family
// ends (RFC 9700 section 4.14.2).
func (p *Provider) grantRefreshToken(r tokenRequest) (tokenAnswer, error) {
	value, err := r.need("refresh_token")
	if err != nil {
		return tokenAnswer{}, err
	}
	t, ok := parseTicket(value)
	if !ok {
		return tokenAnswer{}, refuse(9002313, invalidGrant, "Invalid request. Request is malformed or invalid.")
	}
	if err := r.authority.admits(t.tenant); err != nil {
		return tokenAnswer{}, err
	}
	ctx := r.Request.Context()
	token, err := p.queries.GetRefreshToken(ctx, db.GetRefreshTokenParams{TenantID: t.tenant, Hash: t.hash})
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenAnswer{}, errRevokedGrant()
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateOwner(r, t, token.ClientID)
	if err != nil {
		return tokenAnswer{}, err
	}
	if !r.now.Before(token.ExpiresAt) {
		return tokenAnswer{}, refuse(700082, invalidGrant, "The refresh token has expired due to inactivity. The token was issued on %s and was inactive for %d days.",
			token.CreatedAt.UTC().Format("2006-01-02T15:04:05.0000000Z"), int(refreshLifetime.Hours()/24))
	}
	redeemed, err := p.queries.RedeemRefreshToken(ctx, db.RedeemRefreshTokenParams{TenantID: t.tenant, Hash: t.hash, Now: r.now})
	if err != nil {
		return tokenAnswer{}, err
	}
	if redeemed == 0 {
		if err := p.queries.DeleteRefreshTokenFamily(ctx, db.DeleteRefreshTokenFamilyParams{TenantID: t.tenant, FamilyID: token.FamilyID}); err != nil {
			return tokenAnswer{}, err
		}
		return tokenAnswer{}, errRevokedGrant()
	}
	return p.answerRefresh(r, c, token)
}

func (p *Provider) answerRefresh(r tokenRequest, c client, token db.RefreshToken) (tokenAnswer, error) {
	user, err := p.stillWelcome(r.Request.Context(), token.TenantID, token.UserID, token.CreatedAt)
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
		s.oidc = append(s.oidc, "offline_access") // who came with a refresh token leaves with one
	}
	s.text = token.Scope
	return p.answer(r, signIn{client: c, user: user, scopes: s, family: token.FamilyID})
}

// authenticateOwner holds the client to its credentials and to the code or
// token, which was given to one application alone.
func (p *Provider) authenticateOwner(r tokenRequest, t ticket, owner uuid.UUID) (client, error) {
	tenant, err := p.tenant(r.Request.Context(), t.tenant)
	if err != nil {
		return client{}, err
	}
	c, err := p.authenticateClient(r.exchange, r.form, tenant, true)
	if err == nil && c.ClientID != owner {
		err = refuse(700003, invalidGrant, "The authorization code or refresh token was issued to another client.")
	}
	return c, err
}

func errRevokedGrant() *aadError {
	e := refuse(70000, invalidGrant, "Provided grant is invalid or malformed, or has been revoked.")
	e.suberror = "bad_token"
	return e
}
