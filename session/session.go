// Package session represents a tenant in a test: its credentials, an HTTP client with a token,
// faults, a clock, a request journal, snapshots and reports. Packages graphtest and testcontainers start a service and make
// sessions. Both use this package's Tenant, so that a test can move from one to the other.
package session

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// tokenMargin is how long a token that Token returns is valid at least.
const tokenMargin = 5 * time.Minute

// Service is a running service, as tenants use it.
type Service struct {
	URL       string                           // for HTTPS, without a trailing slash
	Admin     func() *client.Client            // calls the administration as an owner
	Transport http.RoundTripper                // trusts the service
	Serves    func(*url.URL) bool              // whether requests to a URL reach the service
	Now       func() time.Time                 // the service's clock
	ReportURL func(url string) (string, error) // the test's URL for a report login's
}

// Tenant is a tenant with a user who may manage partners, and an application with which the
// user signs in, with or without its secret.
type Tenant struct {
	ID           uuid.UUID
	Domain       string
	AuthorityURL string // the service's URL and the tenant's id, as MSAL expects it
	ClientID     uuid.UUID
	ClientSecret string
	UserID       uuid.UUID
	UserName     string // the user principal name
	Password     string

	// AccessToken is a token of the user for Graph, valid for 75 minutes of the service's
	// clock.
	AccessToken string

	service Service

	mu      sync.Mutex // guards the token that Token returns
	token   string
	expires time.Time
	moved   bool // whether the tenant's clock, by which the token expires, was set
}

// New returns the session of a tenant that the service has just made.
func New(service Service, made api.TenantCreated) *Tenant {
	t := &Tenant{ID: made.Tenant.Id, Domain: made.Tenant.Domains[0], AuthorityURL: service.URL + "/" + made.Tenant.Id.String(), service: service}
	if c := made.Credentials; c != nil {
		t.ClientID, t.ClientSecret, t.UserID, t.UserName, t.Password = c.ClientId, c.ClientSecret, c.UserId, c.UserPrincipalName, c.Password
		t.AccessToken, t.token, t.expires = c.AccessToken, c.AccessToken, c.ExpiresDateTime
	}
	return t
}

// Client returns an HTTP client like the service's own that also sends a token of the
// tenant's user, to the service only.
func (t *Tenant) Client() *http.Client {
	return &http.Client{Transport: signedIn{t}}
}

// Token returns an access token of the user for Graph, without a sign-in, and its expiry:
// AccessToken or, once that is about to expire by the service's clock, a new one. Use it to
// implement the token sources of other libraries.
func (t *Tenant) Token(ctx context.Context) (token string, expires time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.moved && t.service.Now().Add(tokenMargin).Before(t.expires) {
		return t.token, t.expires, nil
	}
	made, err := client.Read[api.Token](t.service.Admin().IssueToken(ctx, t.ID, api.TokenRequest{ClientId: t.ClientID, UserId: &t.UserID}))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("issue a token: %w", err)
	}
	t.token, t.expires = made.AccessToken, made.ExpiresDateTime
	return t.token, t.expires, nil
}

// Snapshot stores the tenant's state under a name, for Restore.
func (t *Tenant) Snapshot(ctx context.Context, name string) error {
	if err := client.Done(t.service.Admin().CreateSnapshot(ctx, t.ID, nil, api.SnapshotCreate{Name: name})); err != nil {
		return fmt.Errorf("snapshot %q: %w", name, err)
	}
	return nil
}

// Restore returns the tenant to the state in a snapshot, in one transaction.
func (t *Tenant) Restore(ctx context.Context, name string) error {
	if err := client.Done(t.service.Admin().RestoreSnapshot(ctx, t.ID, name)); err != nil {
		return fmt.Errorf("restore snapshot %q: %w", name, err)
	}
	return nil
}

// ReportURL makes a Postgres login that reads the views of schema reporting, for this tenant
// only, and returns the URL with its password. The login ends with the tenant.
func (t *Tenant) ReportURL(ctx context.Context) (string, error) {
	made, err := client.Read[api.ReportLoginCreated](t.service.Admin().CreateReportLogin(ctx, nil, api.ReportLoginCreate{TenantIds: []uuid.UUID{t.ID}}))
	if err != nil {
		return "", fmt.Errorf("make a report login: %w", err)
	}
	return t.service.ReportURL(made.Dsn)
}

// signedIn sends requests as the tenant's user.
type signedIn struct{ *Tenant }

func (s signedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.service.Serves(r.URL) {
		token, _, err := s.Token(r.Context())
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.service.Transport.RoundTrip(r)
}
