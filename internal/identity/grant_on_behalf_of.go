package identity

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
)

// grantOnBehalfOf exchanges a token that a user's client sent to an API for one with which
// the API calls Graph for that user.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
func (p *Provider) grantOnBehalfOf(r tokenRequest) (tokenAnswer, error) {
	if use := r.get("requested_token_use"); use != "on_behalf_of" {
		return tokenAnswer{}, errMissing("requested_token_use")
	}
	raw, err := r.need("assertion")
	if err != nil {
		return tokenAnswer{}, err
	}
	claims, err := p.verifyAssertedToken(r, raw)
	if err != nil {
		return tokenAnswer{}, err
	}
	ctx := r.x.Request.Context()
	tenant, err := p.tenant(r.x, claims.TenantID)
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateClient(r.x, r.form, tenant, confidential)
	if err != nil {
		return tokenAnswer{}, err
	}
	if c.proof == proofNone {
		return tokenAnswer{}, refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	if id := c.ClientID.String(); !containsFold([]string{id, "api://" + id}, claims.Audience) {
		return tokenAnswer{}, refuse(500131, invalidGrant, "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '%s' and the expected audience is '%s' or one of the Application Uris of this application.", claims.Audience, "api://"+id)
	}
	s, err := r.scopes()
	if err != nil {
		return tokenAnswer{}, err
	}
	user, err := p.queries.GetUser(ctx, db.GetUserParams{TenantID: tenant.ID, ID: claims.ObjectID})
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenAnswer{}, refuse(500341, invalidGrant, "The user account {EUII Hidden} has been deleted from the %s directory. To sign into this application, the account must be added to the directory.", tenant.ID)
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	return p.answer(r, signIn{client: c, user: user, scopes: s})
}

// verifyAssertedToken checks a token with any audience, which must be a user's.
func (p *Provider) verifyAssertedToken(r tokenRequest, raw string) (*bearer.Claims, error) {
	claims, settings, err := p.verifyToken(r.x.Request.Context(), raw)
	var refused *bearer.RevokedError
	switch {
	case err == nil && claims.IDType != "user":
		return nil, refuse(50013, invalidGrant, "Assertion failed: the token is an application's own, and on-behalf-of is for users' tokens.")
	case err == nil:
		return claims, r.authority.admits(claims.TenantID)
	case errors.Is(err, bearer.ErrExpired), errors.Is(err, bearer.ErrNotYetValid):
		now := r.x.Now
		if settings != nil {
			now = settings.Clock.Now(r.x.Arrived)
		}
		return nil, errAssertionLifetime(claims, now, err)
	case errors.As(err, &refused):
		e := refuse(50173, invalidGrant, "The provided grant has expired due to it being revoked, a fresh auth token is needed.")
		e.suberror = "bad_token"
		return nil, e
	case bearer.Refused(err):
		e := refuse(50013, invalidGrant, "Assertion failed signature validation.")
		e.cause = err
		return nil, e
	}
	return nil, err
}

func errAssertionLifetime(claims *bearer.Claims, now time.Time, cause error) *aadError {
	e := refuse(500133, invalidGrant, "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token. Current time: %s, expiry time of assertion %s.",
		inTicks(now), inTicks(claims.Expires))
	e.cause = cause
	return e
}
