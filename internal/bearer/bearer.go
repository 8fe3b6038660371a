// Package bearer holds what an access token for Microsoft Graph says, and the
// reasons for which one is refused: the vocabulary that the authority which
// issues tokens and the service which is shown them have in common. It neither
// signs nor verifies.
package bearer

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Why a token is refused. All of them mean 401.
var (
	ErrMalformed   = errors.New("not a JSON Web Token")
	ErrSignature   = errors.New("signed by no key of this authority, or not by RS256")
	ErrExpired     = errors.New("expired")
	ErrNotYetValid = errors.New("not yet valid")
	ErrAudience    = errors.New("meant for another audience")
	ErrIssuer      = errors.New("issued by another authority")
	ErrTenant      = errors.New("of a tenant that does not exist")
	ErrClaims      = errors.New("lacks a claim, or holds a malformed one")
)

// RevokedError refuses a token that was good until what it stands on was taken
// away: the user signed out or was disabled, or consent was removed.
type RevokedError struct {
	ValidFrom time.Time // tokens issued from then on are good again
}

func (e *RevokedError) Error() string {
	return "issued before " + e.ValidFrom.UTC().Format(time.RFC3339Nano)
}

// Refused tells whether err says that a token is refused, rather than that it
// could not be looked at.
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

// Claims are those claims of an access token by which Graph decides.
type Claims struct {
	TenantID uuid.UUID // tid
	ObjectID uuid.UUID // oid: the user, or the service principal of an app-only token
	AppID    string    // appid: the client application
	Scopes   []string  // scp: delegated permissions; none in an app-only token
	Roles    []string  // roles: application permissions
	IDType   string    // idtyp: "user" or "app"
	Audience string    // aud

	// ApplicationPermissions tells whether the tenant lets applications call in
	// their own name.
	ApplicationPermissions bool

	PageSize int64 // how many items a page of the tenant's lists holds at most

	// Repeatability is how long a change that is sent again with its
	// client-request-id is answered as before; 0: it is done again.
	Repeatability time.Duration

	PartnerQuota *int32  // how many partners the tenant may have; nil: any number
	RequestRate  *int32  // how many requests a second it may send; nil: any number
	IDSeed       *string // where the ids of what is created come from; nil: random
}

// AppOnly tells whether an application calls in its own name, with no user.
func (c *Claims) AppOnly() bool { return c.IDType == "app" || len(c.Scopes) == 0 }

// Personal tells whether the user is a personal Microsoft account.
func (c *Claims) Personal() bool { return c.TenantID == ConsumersTenantID }

// HasRole tells whether the token grants one of the application permissions, in
// any letter case.
func (c *Claims) HasRole(roles ...string) bool { return anyFold(c.Roles, roles) }

// HasScope tells whether the token grants one of the scopes, in any letter case.
func (c *Claims) HasScope(scopes ...string) bool { return anyFold(c.Scopes, scopes) }

func anyFold(granted, wanted []string) bool {
	return slices.ContainsFunc(granted, func(g string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(g, w) })
	})
}
