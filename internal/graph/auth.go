package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/bearer"
)

// TokenVerifier tells whose an access token is.
type TokenVerifier interface {
	// VerifyAccessToken returns what the token claims, or why it is refused:
	// one of the errors of package bearer, wrapped. Any other error is a
	// failure of the verifier itself.
	VerifyAccessToken(ctx context.Context, raw string) (*bearer.Claims, error)
}

// The permissions of the entity, most privileged first, the way the seed lists
// them. The error text names them all, each also under its name of before 2019.
var (
	readScopes  = []string{"DeviceManagementServiceConfig.Read.All", "DeviceManagementServiceConfig.ReadWrite.All"}
	writeScopes = []string{"DeviceManagementServiceConfig.ReadWrite.All"}
)

// unauthorized maps why a token is refused to what Graph says of it.
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
// looked at: 401 comes before every other refusal.
func (s *server) authenticate(c *gin.Context) {
	x := exchangeOf(c)
	if public(c.FullPath()) {
		return
	}
	caller, err := s.caller(c.Request)
	if err != nil {
		s.writeError(x, err)
		c.Abort()
		return
	}
	x.caller = caller
	x.Set("tenant", caller.TenantID)
	if caller.RequestRate != nil && !s.throttle.allow(caller.TenantID, *caller.RequestRate) {
		s.writeError(x, errTooManyRequests())
		c.Abort()
	}
}

func (s *server) caller(r *http.Request) (*bearer.Claims, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, errUnauthorized("Access token is empty.", nil)
	}
	claims, err := s.tokens.VerifyAccessToken(r.Context(), token)
	var revoked *bearer.RevokedError
	if errors.As(err, &revoked) {
		return nil, errChallenge(revoked)
	}
	for _, u := range unauthorized {
		if errors.Is(err, u.reason) {
			return nil, errUnauthorized(u.message, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("verify the access token: %w", err)
	}
	return claims, nil
}

// permit lets f answer callers that hold one of the scopes, as users of a work
// or school account. The seed supports neither personal accounts nor application
// permissions; a tenant may support the latter, as Microsoft does today.
func permit(scopes []string, f handler) handler {
	return func(x *exchange) error {
		switch {
		case x.caller.Personal():
			return errForbidden("User is not authorized to perform this operation. Personal Microsoft accounts are not supported")
		case x.caller.AppOnly() && x.caller.ApplicationPermissions:
			if !x.caller.HasRole(scopes...) {
				return errForbidden("Application is not authorized to perform this operation. Application must have one of the following scopes: " + scopeList(scopes))
			}
		case x.caller.AppOnly():
			return errForbidden("Application is not authorized to perform this operation as called in app only context but does not have application permissions configured.")
		case !x.caller.HasScope(scopes...):
			return errForbidden("Application is not authorized to perform this operation. Application must have one of the following scopes: " + scopeList(scopes))
		}
		return f(x)
	}
}

func scopeList(scopes []string) string {
	var all []string
	for _, s := range scopes {
		all = append(all, strings.Replace(s, "ServiceConfig.", "ServiceConfiguration.", 1), s)
	}
	return strings.Join(all, ", ")
}
