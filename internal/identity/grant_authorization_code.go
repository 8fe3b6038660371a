package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// codeLifetime is about the lifetime of Entra's codes.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#successful-response
const codeLifetime = 10 * time.Minute

// grantAuthorizationCode redeems a code (RFC 6749 section 4.1.3) once. A second redemption
// fails and revokes what the first one got (section 4.1.2).
func (p *Provider) grantAuthorizationCode(r tokenRequest) (tokenAnswer, error) {
	t, err := r.ticket("code")
	if err != nil {
		return tokenAnswer{}, err
	}
	ctx := r.x.Request.Context()
	code, err := p.queries.GetAuthorizationCode(ctx, db.GetAuthorizationCodeParams{TenantID: t.tenant, Hash: t.hash})
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenAnswer{}, refuse(70000, invalidGrant, "Provided grant is invalid or malformed.")
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateOwner(r, t, code.ClientID, code.RedirectType)
	if err != nil {
		return tokenAnswer{}, err
	}
	if err := checkCode(r, code); err != nil {
		return tokenAnswer{}, err
	}
	g := p.codeGrant(r.x.Now, code)
	if code.RedeemedAt != nil {
		return tokenAnswer{}, p.refuseSpent(ctx, g)
	}
	return p.answerCode(r, c, code, g)
}

func (p *Provider) codeGrant(now time.Time, code db.AuthorizationCode) redeemable {
	spent := refuse(54005, invalidGrant, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	return redeemable{tenant: code.TenantID, family: code.FamilyID, spent: spent, redeem: func(ctx context.Context, next db.CreateRefreshTokenParams) (int64, error) {
		return p.queries.RedeemAuthorizationCode(ctx, db.RedeemAuthorizationCodeParams{
			TenantID: code.TenantID, RedeemedHash: code.Hash, Now: now,
			Hash: next.Hash, ClientID: next.ClientID, UserID: next.UserID, Scope: next.Scope, CreatedAt: next.CreatedAt, ExpiresAt: next.ExpiresAt,
		})
	}}
}

func (p *Provider) answerCode(r tokenRequest, c client, code db.AuthorizationCode, g redeemable) (tokenAnswer, error) {
	user, err := p.stillWelcome(r.x.Request.Context(), code.TenantID, code.UserID, code.CreatedAt)
	if err != nil {
		return tokenAnswer{}, err
	}
	text := r.get("scope")
	if text == "" {
		text = code.Scope
	}
	s, err := parseScopes(text)
	if err != nil {
		return tokenAnswer{}, err
	}
	in := signIn{client: c, user: user, scopes: s, grant: &g, nonce: deref(code.Nonce)}
	if code.RedirectType == db.RedirectUriTypeSpa {
		in.refreshUntil = r.x.Now.Add(spaRefreshLifetime)
	}
	return p.answer(r, in)
}

// checkCode checks a redemption against the request from which the code results.
func checkCode(r tokenRequest, code db.AuthorizationCode) error {
	if !r.x.Now.Before(code.ExpiresAt) {
		return refuse(70008, invalidGrant, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	}
	if r.get("redirect_uri") != code.RedirectUri {
		return refuseRedirect(invalidGrant, "The redirect URI '%s' specified in the request does not match the redirect URI of the authorization request.", r.get("redirect_uri"))
	}
	verifier, challenge := r.get("code_verifier"), deref(code.CodeChallenge)
	hash := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(hash[:])
	switch {
	case challenge == "" && code.RedirectType == db.RedirectUriTypeSpa:
		return refuse(9002325, invalidRequest, "Proof Key for Code Exchange is required for cross-origin authorization code redemption.")
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return refuse(501481, invalidGrant, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	case verifier == "":
		return refuse(50148, invalidGrant, "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.")
	case subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) == 0:
		return refuse(501481, invalidGrant, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	return nil
}
