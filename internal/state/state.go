// Package state stores the content of tenants: it copies it between tenants, compares two
// tenants, and reads and writes documents, in JSON or YAML. Seeds, snapshots, exports and
// imports share one form, which Schema describes:
//
//	version: 1
//	settings: {pageSize: 10}
//	users:
//	  - {userPrincipalName: alice@contoso.example, password: secret}
//	remoteAssistancePartners:
//	  - {displayName: Contoso Support, onboardingStatus: onboarded}
//
// A stored state is a separate tenant to which nobody can sign in.
package state

import (
	_ "embed"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Version is the version of the document's form.
const Version = 1

//go:embed schema.json
var schema string

// Settings are a tenant's settings; what is nil stays as it is.
type Settings struct {
	PageSize             *int32             `json:"pageSize,omitzero"`
	PartnerPortal        *bool              `json:"partnerPortal,omitzero"`
	PermissionRule       *db.PermissionRule `json:"permissionRule,omitzero"`
	RepeatabilitySeconds *int32             `json:"repeatabilitySeconds,omitzero"`
	StatusCodes          *db.StatusCodes    `json:"statusCodes,omitzero"`
	UserPicker           *bool              `json:"userPicker,omitzero"`
	Throttling           *Throttling        `json:"throttling,omitzero"`
}

// Throttling limits requests as Graph does.
type Throttling struct {
	Limits              string `json:"limits"`
	WindowSeconds       int64  `json:"windowSeconds,omitzero"`
	ApplicationRequests int64  `json:"applicationRequests,omitzero"`
	ApplicationWrites   int64  `json:"applicationWrites,omitzero"`
	TenantRequests      int64  `json:"tenantRequests,omitzero"`
	TenantWrites        int64  `json:"tenantWrites,omitzero"`
	RetryAfter          string `json:"retryAfter,omitzero"`
}

// User is a user in a document. Seeds have Password, exports PasswordHash.
type User struct {
	ID                 uuid.UUID   `json:"id,omitzero"`
	UserPrincipalName  string      `json:"userPrincipalName"`
	DisplayName        string      `json:"displayName,omitzero"`
	GivenName          *string     `json:"givenName,omitzero"`
	Surname            *string     `json:"surname,omitzero"`
	Password           *string     `json:"password,omitzero"`
	PasswordHash       *string     `json:"passwordHash,omitzero"`
	MustChangePassword bool        `json:"mustChangePassword,omitzero"`
	Enabled            *bool       `json:"enabled,omitzero"`
	DirectoryRoles     []uuid.UUID `json:"directoryRoles,omitempty"`
	CreatedDateTime    time.Time   `json:"createdDateTime,omitzero"`
}

// Application is an application in a document.
type Application struct {
	ClientID                 uuid.UUID             `json:"clientId,omitzero"`
	ServicePrincipalID       uuid.UUID             `json:"servicePrincipalId,omitzero"`
	DisplayName              string                `json:"displayName"`
	PublicClient             bool                  `json:"publicClient,omitzero"`
	PublicClientFlows        bool                  `json:"publicClientFlows,omitzero"`
	RedirectURIs             []string              `json:"redirectUris,omitempty"`
	SPARedirectURIs          []string              `json:"spaRedirectUris,omitempty"`
	PublicClientRedirectURIs []string              `json:"publicClientRedirectUris,omitempty"`
	ExposedScopes            []string              `json:"exposedScopes,omitempty"`
	RequiredScopes           []string              `json:"requiredScopes,omitempty"`
	RequiredRoles            []string              `json:"requiredRoles,omitempty"`
	Secrets                  []Secret              `json:"secrets,omitempty"`
	Certificates             [][]byte              `json:"certificates,omitempty"` // X.509, DER
	FederatedCredentials     []FederatedCredential `json:"federatedCredentials,omitempty"`
	Consents                 []Consent             `json:"consents,omitempty"`
	Roles                    []string              `json:"roles,omitempty"`
	CreatedDateTime          time.Time             `json:"createdDateTime,omitzero"`
}

// Secret is a secret of an application. Seeds have the secret itself, exports its SHA-256.
type Secret struct {
	ID              uuid.UUID `json:"id,omitzero"`
	Secret          *string   `json:"secret,omitzero"`
	SecretHash      []byte    `json:"secretHash,omitempty"`
	Hint            string    `json:"hint,omitzero"`
	ExpiresDateTime time.Time `json:"expiresDateTime,omitzero"`
}

// FederatedCredential lets tokens of another issuer authenticate an application.
type FederatedCredential struct {
	ID          uuid.UUID      `json:"id,omitzero"`
	Name        string         `json:"name"`
	Issuer      string         `json:"issuer"`
	Subject     string         `json:"subject"`
	Audiences   []string       `json:"audiences,omitempty"`
	Description *string        `json:"description,omitzero"`
	KeySet      jsontext.Value `json:"keySet,omitempty"`
}

// Consent grants delegated permissions for one user or for all.
type Consent struct {
	UserID            uuid.UUID `json:"userId,omitzero"`
	UserPrincipalName string    `json:"userPrincipalName,omitzero"`
	Scopes            []string  `json:"scopes"`
}

// Counts are the numbers of items in a state.
type Counts struct {
	Entities            map[string]int64 // by the name of the set
	Users, Applications int64
}
