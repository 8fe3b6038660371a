// Package session represents a tenant in a test: its credentials, an HTTP client with a token,
// snapshots and reports. Packages graphtest and testcontainers start a service and make
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

// SetClock moves the tenant's clock ahead, or makes it run at another rate, and returns what
// it shows then.
func (t *Tenant) SetClock(ctx context.Context, r api.ClockSet) (api.Clock, error) {
	clock, err := client.Read[api.Clock](t.service.Admin().SetClock(ctx, t.ID, r))
	if err != nil {
		return clock, fmt.Errorf("set the clock: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = true
	return clock, nil
}

// Advance sets the tenant's clock ahead.
func (t *Tenant) Advance(ctx context.Context, by time.Duration) (api.Clock, error) {
	seconds := by.Seconds()
	return t.SetClock(ctx, api.ClockSet{AdvanceSeconds: &seconds})
}

// Fault makes requests of the tenant fail on purpose, and returns the rule.
func (t *Tenant) Fault(ctx context.Context, r api.FaultCreate) (api.Fault, error) {
	made, err := client.Read[api.Fault](t.service.Admin().CreateFault(ctx, t.ID, r))
	if err != nil {
		return made, fmt.Errorf("make a fault: %w", err)
	}
	return made, nil
}

// ChangeFault replaces parts of a rule, whose counts stay.
func (t *Tenant) ChangeFault(ctx context.Context, rule uuid.UUID, r api.FaultUpdate) (api.Fault, error) {
	changed, err := client.Read[api.Fault](t.service.Admin().UpdateFault(ctx, t.ID, rule, r))
	if err != nil {
		return changed, fmt.Errorf("change a fault: %w", err)
	}
	return changed, nil
}

// RemoveFault removes a rule.
func (t *Tenant) RemoveFault(ctx context.Context, rule uuid.UUID) error {
	if err := client.Done(t.service.Admin().DeleteFault(ctx, t.ID, rule)); err != nil {
		return fmt.Errorf("remove a fault: %w", err)
	}
	return nil
}

// StartScenario adds the rules of a scenario, such as throttle-storm or adversarial. The same
// seed makes the same requests fail again.
func (t *Tenant) StartScenario(ctx context.Context, name string, seed int64) error {
	if err := client.Done(t.service.Admin().StartScenario(ctx, t.ID, api.ScenarioStart{Name: api.ScenarioStartName(name), Seed: &seed})); err != nil {
		return fmt.Errorf("start the scenario %q: %w", name, err)
	}
	return nil
}

// StopScenario removes the rules of a scenario.
func (t *Tenant) StopScenario(ctx context.Context, name string) error {
	if err := client.Done(t.service.Admin().StopScenario(ctx, t.ID, name)); err != nil {
		return fmt.Errorf("stop the scenario %q: %w", name, err)
	}
	return nil
}

// Throttle simulates Graph's throttling of the tenant's requests, with Graph's limits or
// others.
func (t *Tenant) Throttle(ctx context.Context, r api.Throttling) error {
	if err := client.Done(t.service.Admin().UpdateTenant(ctx, t.ID, api.TenantUpdate{Settings: &api.TenantSettings{Throttling: &r}})); err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// Requests returns the requests in the tenant's journal that match, oldest first. It includes
// every request that was answered before the call, and fails if the journal lacks any.
func (t *Tenant) Requests(ctx context.Context, match api.RequestMatch) ([]api.Request, error) {
	p := api.ListRequestsParams{
		Front: match.Front, Method: match.Method, Path: match.Path, Status: match.Status, User: match.User, Application: match.Application,
		Rule: match.Rule, Batch: match.Batch, Text: match.Text,
	}
	var all []api.Request
	for {
		page, err := client.Read[api.RequestList](t.service.Admin().ListRequests(ctx, t.ID, &p))
		if err != nil {
			return nil, fmt.Errorf("list requests: %w", err)
		}
		if len(page.Gaps) > 0 {
			gap := page.Gaps[0]
			return nil, fmt.Errorf("the journal lacks requests between %s and %s: %d, %s", gap.Since, gap.Until, gap.Count, gap.Kind)
		}
		all = append(all, page.Value...)
		if page.NextLink == nil {
			return all, nil
		}
		after := page.Value[len(page.Value)-1].Id.String()
		p.After = &after
	}
}

// Verify checks what clients of the tenant sent. The error says which checks failed, and which
// requests came closest.
func (t *Tenant) Verify(ctx context.Context, r api.RequestVerify) error {
	v, err := client.Read[api.Verification](t.service.Admin().VerifyRequests(ctx, t.ID, r))
	if err != nil {
		return fmt.Errorf("verify requests: %w", err)
	}
	return client.Unverified(v)
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
