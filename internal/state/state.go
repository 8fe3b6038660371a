// Package state keeps what a tenant holds: it copies it from one tenant to
// another, compares two, and reads and writes it as a document, in JSON or YAML.
// Seeds, snapshots, exports and imports are all of one form, which Schema
// describes:
//
//	version: 1
//	settings: {pageSize: 10}
//	users:
//	  - {userPrincipalName: alice@contoso.example, password: secret}
//	partners:
//	  - {displayName: Contoso Support, onboardingStatus: onboarded}
//
// A state that is kept is a tenant of its own to which nobody can sign in.
package state

import (
	_ "embed"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// Version is the version of the document's form.
const Version = 1

// Schema is the JSON Schema of a document (draft 2020-12).
//
//go:embed schema.json
var Schema []byte

// Settings are a tenant's settings; what is nil stays as it is.
type Settings struct {
	PageSize             *int32             `json:"pageSize,omitzero"`
	PermissionRule       *db.PermissionRule `json:"permissionRule,omitzero"`
	RepeatabilitySeconds *int32             `json:"repeatabilitySeconds,omitzero"`
	UserPicker           *bool              `json:"userPicker,omitzero"`
}

// User is a user of a document. Password is written in seeds, PasswordHash by
// exports.
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

// Application is an application of a document.
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

// Secret is a secret of an application, by itself in seeds, by its SHA-256 in
// exports.
type Secret struct {
	ID              uuid.UUID `json:"id,omitzero"`
	Secret          *string   `json:"secret,omitzero"`
	SecretHash      []byte    `json:"secretHash,omitempty"`
	Hint            string    `json:"hint,omitzero"`
	ExpiresDateTime time.Time `json:"expiresDateTime,omitzero"`
}

// FederatedCredential lets tokens of another issuer prove an application.
type FederatedCredential struct {
	ID          uuid.UUID      `json:"id,omitzero"`
	Name        string         `json:"name"`
	Issuer      string         `json:"issuer"`
	Subject     string         `json:"subject"`
	Audiences   []string       `json:"audiences,omitempty"`
	Description *string        `json:"description,omitzero"`
	KeySet      jsontext.Value `json:"keySet,omitempty"`
}

// Consent grants delegated permissions for a user, or for all of them.
type Consent struct {
	UserID            uuid.UUID `json:"userId,omitzero"`
	UserPrincipalName string    `json:"userPrincipalName,omitzero"`
	Scopes            []string  `json:"scopes"`
}

// Partner is a partner of a document.
type Partner struct {
	ID                              uuid.UUID      `json:"id,omitzero"`
	DisplayName                     *string        `json:"displayName,omitzero"`
	OnboardingURL                   *string        `json:"onboardingUrl,omitzero"`
	OnboardingStatus                Status         `json:"onboardingStatus,omitzero"`
	LastConnectionDateTime          DateTimeOffset `json:"lastConnectionDateTime,omitzero"`
	OnboardingRequestExpiryDateTime DateTimeOffset `json:"onboardingRequestExpiryDateTime,omitzero"`
	CreatedDateTime                 time.Time      `json:"createdDateTime,omitzero"`
	CreatedBy                       uuid.UUID      `json:"createdBy,omitzero"`
}

// Status is an onboarding status; "" is notOnboarded.
type Status string

// DateTimeOffset is an Edm.DateTimeOffset, to 100 ns and with its offset.
type DateTimeOffset time.Time

// IsZero tells whether it is 0001-01-01T00:00:00Z, which stands for no date.
func (d DateTimeOffset) IsZero() bool { return time.Time(d).IsZero() }

// MarshalText writes the date as Graph does.
func (d DateTimeOffset) MarshalText() ([]byte, error) {
	return odata.AppendDateTimeOffset(nil, time.Time(d)), nil
}

// UnmarshalText reads a date as Graph does.
func (d *DateTimeOffset) UnmarshalText(text []byte) error {
	t, err := odata.ParseDateTimeOffset(string(text))
	*d = DateTimeOffset(t)
	return err
}

// Counts are how much a state holds.
type Counts struct {
	Partners, Users, Applications int64
}

// NewPartner is a row as a document shows it.
func NewPartner(p db.RemoteAssistancePartner) Partner {
	return Partner{
		ID: p.ID, DisplayName: p.DisplayName, OnboardingURL: p.OnboardingUrl, OnboardingStatus: Status(p.OnboardingStatus),
		LastConnectionDateTime:          DateTimeOffset(db.JoinTime(p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset)),
		OnboardingRequestExpiryDateTime: DateTimeOffset(db.JoinTime(p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset)),
		CreatedDateTime:                 p.CreatedAt.UTC(), CreatedBy: p.CreatedBy,
	}
}
