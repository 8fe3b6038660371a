// Package bearer defines the content of an access token for Microsoft Graph, and the
// reasons for refusing one. The authority, which issues tokens, and the services that
// accept them share these types. The package neither signs nor verifies.
package bearer

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Reasons for refusing a token, each of which means 401.
var (
	ErrMalformed   = errors.New("not a JSON Web Token")
	ErrSignature   = errors.New("not signed by this authority with RS256")
	ErrExpired     = errors.New("expired")
	ErrNotYetValid = errors.New("not yet valid")
	ErrAudience    = errors.New("meant for another audience")
	ErrIssuer      = errors.New("issued by another authority")
	ErrTenant      = errors.New("from a tenant that does not exist")
	ErrClaims      = errors.New("lacks a claim, or has a malformed one")
)

// RevokedError refuses a token that was valid until the user signed out or was disabled, or
// until consent was removed.
type RevokedError struct {
	ValidFrom time.Time // tokens issued from then on are good again
}

func (e *RevokedError) Error() string {
	return "issued before " + e.ValidFrom.UTC().Format(time.RFC3339Nano)
}

// Refused reports whether err refuses the token. Any other error means that the token
// couldn't be checked.
func Refused(err error) bool {
	var revoked *RevokedError
	return errors.As(err, &revoked) || slices.ContainsFunc([]error{
		ErrMalformed, ErrSignature, ErrExpired, ErrNotYetValid, ErrAudience, ErrIssuer, ErrTenant, ErrClaims,
	}, func(reason error) bool { return errors.Is(err, reason) })
}

// GraphAppID is the application id of Microsoft Graph, in every cloud.
const GraphAppID = "00000003-0000-0000-c000-000000000000"

// ConsumersTenantID is the tenant of all personal Microsoft accounts.
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
var ConsumersTenantID = uuid.MustParse("9188040d-6c67-4c5b-b112-36a304b66dad")

// Claims are the claims of an access token that Graph uses.
type Claims struct {
	TenantID uuid.UUID // tid
	ObjectID uuid.UUID // oid: the user, or the service principal of an app-only token
	AppID    string    // appid: the client application
	Scopes   []string  // scp: delegated permissions; empty in an app-only token
	Roles    []string  // roles: application permissions
	IDType   string    // idtyp: "user" or "app"
	Audience string    // aud
	Expires  time.Time // exp
}

// AppOnly reports whether an application calls without a user.
func (c *Claims) AppOnly() bool { return c.IDType == "app" || len(c.Scopes) == 0 }

// Personal reports whether the user has a personal Microsoft account.
func (c *Claims) Personal() bool { return c.TenantID == ConsumersTenantID }

// HasRole reports whether the token grants one of the application permissions, ignoring
// letter case.
func (c *Claims) HasRole(roles ...string) bool { return anyFold(c.Roles, roles) }

// HasScope reports whether the token grants one of the scopes, ignoring letter case.
func (c *Claims) HasScope(scopes ...string) bool { return anyFold(c.Scopes, scopes) }

func anyFold(granted, wanted []string) bool {
	return slices.ContainsFunc(granted, func(g string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(g, w) })
	})
}

// Denial returns why the caller may not do what needs one of the scopes, in Graph's words, or
// "". Callers are users with a work or school account; a tenant may also allow application
// permissions, as Microsoft does today. Personal accounts aren't supported.
func (c *Claims) Denial(scopes []string, applications bool) string {
	const lacks = "Application is not authorized to perform this operation. Application must have one of the following scopes: "
	switch {
	case c.Personal():
		return "User is not authorized to perform this operation. Personal Microsoft accounts are not supported"
	case c.AppOnly() && applications:
		if !c.HasRole(scopes...) {
			return lacks + scopeList(scopes)
		}
	case c.AppOnly():
		return "Application is not authorized to perform this operation as called in app only context but does not have application permissions configured."
	case !c.HasScope(scopes...):
		return lacks + scopeList(scopes)
	}
	return ""
}

func scopeList(scopes []string) string {
	var all []string
	for _, s := range scopes {
		if long := strings.Replace(s, "ServiceConfig.", "ServiceConfiguration.", 1); long != s {
			all = append(all, long)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}
