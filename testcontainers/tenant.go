package mocktenant

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

const (
	// tokenMargin is how long a token that is handed out is good at least.
	tokenMargin = 5 * time.Minute

	// tenantLifetime ends the tenants of test binaries that were killed, where the
	// container is reused.
	tenantLifetime = 24 * time.Hour
)

// Tenant is a tenant with a user who may manage partners, and an application by
// which they sign in, with or without its secret.
type Tenant struct {
	ID           uuid.UUID
	Domain       string
	AuthorityURL string // the container's URL and the tenant's id, as MSAL takes it
	ClientID     uuid.UUID
	ClientSecret string
	UserID       uuid.UUID
	UserName     string // the user principal name
	Password     string

	// AccessToken is one of the user for Graph, good for 75 minutes.
	AccessToken string

	container *Container

	mu      sync.Mutex // guards the token that is handed out
	token   string
	expires time.Time
}

// NewTenant makes a tenant, which goes when the test ends. It fails the test if that
// can't be done.
func (c *Container) NewTenant(tb testing.TB, options ...TenantOption) *Tenant {
	tb.Helper()
	ttl := int64(tenantLifetime.Seconds())
	wanted := client.TenantCreate{DisplayName: tb.Name()[:min(len(tb.Name()), 256)], TtlSeconds: &ttl}
	for _, o := range options {
		o(&wanted)
	}
	made, err := c.createTenant(tb.Context(), wanted)
	if err != nil {
		tb.Fatalf("mocktenant: make a tenant: %v", err)
	}
	tb.Cleanup(func() {
		if !c.IsRunning() { // the test has stopped it
			return
		}
		if err := client.Done(c.Admin().DeleteTenant(context.WithoutCancel(tb.Context()), made.Tenant.Id)); err != nil {
			tb.Errorf("mocktenant: remove a tenant: %v", err)
		}
	})
	t := &Tenant{ID: made.Tenant.Id, Domain: made.Tenant.Domains[0], AuthorityURL: c.URL() + "/" + made.Tenant.Id.String(), container: c}
	if k := made.Credentials; k != nil {
		t.ClientID, t.ClientSecret, t.UserID, t.UserName, t.Password = k.ClientId, k.ClientSecret, k.UserId, k.UserPrincipalName, k.Password
		t.AccessToken, t.token, t.expires = k.AccessToken, k.AccessToken, k.ExpiresDateTime
	}
	return t
}

// createTenant makes a tenant. A document that isn't JSON becomes a seed for as long
// as that takes: in requests to make tenants there is no YAML.
func (c *Container) createTenant(ctx context.Context, wanted client.TenantCreate) (client.TenantCreated, error) {
	if s := wanted.Source; s != nil && s.Document != nil && !bytes.HasPrefix(bytes.TrimSpace(*s.Document), []byte("{")) {
		name := rand.Text()
		err := client.Done(c.Admin().CreateSeedWithBody(ctx, &client.CreateSeedParams{Name: name}, "application/yaml", bytes.NewReader(*s.Document)))
		if err != nil {
			return client.TenantCreated{}, fmt.Errorf("read the state: %w", err)
		}
		defer func() { _ = client.Done(c.Admin().DeleteSeed(context.WithoutCancel(ctx), name)) }()
		wanted.Source = &client.TenantSource{Seed: &name}
	}
	return client.Read[client.TenantCreated](c.Admin().CreateTenant(ctx, nil, wanted))
}

// Client returns an HTTP client as the container's, which shows a token of the
// tenant's user to the service, and to nobody else.
func (t *Tenant) Client() *http.Client {
	return &http.Client{Transport: signedIn{t}}
}

// Token returns an access token of the user for Graph, without a sign-in, and
// when it ends: AccessToken or, once that is about to end, another. It is what the
// token sources of other libraries can be made of.
func (t *Tenant) Token(ctx context.Context) (token string, expires time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Add(tokenMargin).Before(t.expires) {
		return t.token, t.expires, nil
	}
	made, err := client.Read[client.Token](t.container.Admin().IssueToken(ctx, t.ID, client.TokenRequest{ClientId: t.ClientID, UserId: &t.UserID}))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("mocktenant: issue a token: %w", err)
	}
	t.token, t.expires = made.AccessToken, made.ExpiresDateTime
	return t.token, t.expires, nil
}

// Snapshot keeps what the tenant holds under a name, for Restore.
func (t *Tenant) Snapshot(ctx context.Context, name string) error {
	if err := client.Done(t.container.Admin().CreateSnapshot(ctx, t.ID, nil, client.SnapshotCreate{Name: name})); err != nil {
		return fmt.Errorf("mocktenant: snapshot %q: %w", name, err)
	}
	return nil
}

// Restore puts back what the tenant held when the snapshot was made, all at once.
func (t *Tenant) Restore(ctx context.Context, name string) error {
	if err := client.Done(t.container.Admin().RestoreSnapshot(ctx, t.ID, name)); err != nil {
		return fmt.Errorf("mocktenant: restore snapshot %q: %w", name, err)
	}
	return nil
}

// ReportURL makes a Postgres login that reads the views of schema reporting, of this
// tenant alone, and returns the URL to connect by, password included. It ends with
// the tenant.
func (t *Tenant) ReportURL(ctx context.Context) (string, error) {
	made, err := client.Read[client.ReportLoginCreated](t.container.Admin().CreateReportLogin(ctx, nil, client.ReportLoginCreate{TenantIds: []uuid.UUID{t.ID}}))
	if err != nil {
		return "", fmt.Errorf("mocktenant: make a report login: %w", err)
	}
	return t.container.published(made.Dsn)
}

// signedIn sends requests as the tenant's user.
type signedIn struct{ *Tenant }

func (s signedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.container.serves(r.URL) {
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
	return s.container.client.Transport.RoundTrip(r)
}
