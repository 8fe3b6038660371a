package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// TokenVerifier verifies access tokens.
type TokenVerifier interface {
	// VerifyAccessToken returns the claims of a token and the settings of its tenant. If
	// the token is refused, the error wraps one of the errors of package bearer; claims and
	// settings come with it when the tenant issued the token. Any other error means that
	// verifying failed.
	VerifyAccessToken(ctx context.Context, raw string) (*bearer.Claims, *tenant.Settings, error)
}

// unauthorized maps the reason of a refusal to Graph's message.
var unauthorized = []struct {
	reason  error
	message string
}{
	{bearer.ErrMalformed, "IDX14100: JWT is not well formed, there are no dots (.).\nThe token needs to be in JWS or JWE Compact Serialization Format. (JWS): 'EncodedHeader.EncodedPayload.EncodedSignature'. (JWE): 'EncodedProtectedHeader.EncodedEncryptedKey.EncodedInitializationVector.EncodedCiphertext.EncodedAuthenticationTag'."},
	{bearer.ErrSignature, "Access token validation failure. Invalid signature."},
	{bearer.ErrExpired, "Lifetime validation failed, the token is expired."},
	{bearer.ErrNotYetValid, "Lifetime validation failed, the token is not yet valid."},
	{bearer.ErrAudience, "Access token validation failure. Invalid audience."},
	{bearer.ErrIssuer, "Access token validation failure. Invalid issuer."},
	{bearer.ErrTenant, "Access token validation failure. The tenant does not exist."},
	{bearer.ErrClaims, "Access token validation failure."},
}

// authenticate names the caller, before anything else about the request is
// looked at: 401 comes before every other refusal. What describes the service needs no token;
// one that comes with it says whose request it is.
func (s *server) authenticate(x *exchange) error {
	open := public(x.FullPath())
	if open && x.Request.Header.Get("Authorization") == "" {
		return nil
	}
	caller, settings, err := s.verify(x.Request)
	if caller != nil {
		x.User, x.Application, x.TokenExpires = caller.ObjectID, caller.AppID, caller.Expires
		x.Name(settings)
	}
	switch refusal, ok := x.Request.Context().Value(refusalKey{}).(*graphError); {
	case ok:
		return refusal
	case err != nil && open:
		return nil
	case err != nil:
		return err
	}
	x.caller = caller
	return x.Enter(settings)
}

func (s *server) verify(r *http.Request) (*bearer.Claims, *tenant.Settings, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, nil, errUnauthorized("Access token is empty.", nil)
	}
	claims, settings, err := s.tokens.VerifyAccessToken(r.Context(), token)
	var revoked *bearer.RevokedError
	if errors.As(err, &revoked) {
		return claims, settings, errChallenge(revoked)
	}
	for _, u := range unauthorized {
		if errors.Is(err, u.reason) {
			return claims, settings, errUnauthorized(u.message, err)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("verify the access token: %w", err)
	}
	return claims, settings, nil
}

// permit lets f answer callers that have one of the scopes.
func permit(scopes []string, f handler) handler {
	return func(x *exchange) error {
		if denial := x.caller.Denial(scopes, x.Tenant.ApplicationPermissions); denial != "" {
			return errForbidden(denial)
		}
		return f(x)
	}
}
