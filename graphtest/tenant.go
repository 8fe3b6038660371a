package graphtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/state"
)

// tokenMargin is how long a token that is handed out is good at least.
const tokenMargin = 5 * time.Minute

// Tenant is a tenant with a user who may manage partners, and an application by
// which they sign in, with or without its secret.
type Tenant struct {
	ID           uuid.UUID
	Domain       string
	AuthorityURL string // the server's URL and the tenant's id, as MSAL takes it
	ClientID     uuid.UUID
	ClientSecret string
	UserID       uuid.UUID
	UserName     string // the user principal name
	Password     string

	// AccessToken is one of the user for Graph, good for 75 minutes of the service's
	// clock.
	AccessToken string

	server *Server

	mu      sync.Mutex // guards the token that is handed out
	token   string
	expires time.Time
}

// NewTenant makes a further tenant, which goes when the test ends. The test may be
// a part of the server's.
func (s *Server) NewTenant(tb testing.TB, options ...TenantOption) *Tenant {
	tb.Helper()
	wanted := client.TenantCreate{DisplayName: tb.Name()[:min(len(tb.Name()), 256)]}
	for _, o := range options {
		o(&wanted)
	}
	if err := readState(wanted.Source); err != nil {
		tb.Fatalf("graphtest: read the state: %v", err)
	}
	made, err := client.Read[client.TenantCreated](s.Admin.CreateTenant(tb.Context(), nil, wanted))
	if err != nil {
		tb.Fatalf("graphtest: make a tenant: %v", err)
	}
	if tb != s.tb { // else the whole database goes
		tb.Cleanup(func() {
			if err := client.Done(s.Admin.DeleteTenant(context.WithoutCancel(tb.Context()), made.Tenant.Id)); err != nil {
				tb.Errorf("graphtest: remove a tenant: %v", err)
			}
		})
	}
	t := &Tenant{ID: made.Tenant.Id, Domain: made.Tenant.Domains[0], AuthorityURL: s.URL + "/" + made.Tenant.Id.String(), server: s}
	if c := made.Credentials; c != nil {
		t.ClientID, t.ClientSecret, t.UserID, t.UserName, t.Password = c.ClientId, c.ClientSecret, c.UserId, c.UserPrincipalName, c.Password
		t.AccessToken, t.token, t.expires = c.AccessToken, c.AccessToken, c.ExpiresDateTime
	}
	return t
}

// readState turns a document that is YAML, or begins with a byte order mark, into the
// JSON that the API takes.
func readState(source *client.TenantSource) error {
	if source == nil || source.Document == nil || bytes.HasPrefix(bytes.TrimSpace(*source.Document), []byte("{")) {
		return nil
	}
	bare, err := state.ToJSON(*source.Document, false)
	if err == nil && !bytes.HasPrefix(bytes.TrimSpace(bare), []byte("{")) {
		bare, err = state.ToJSON(bare, true)
	}
	*source.Document = bare
	return err
}

// Client returns an HTTP client as the server's, which shows a token of the
// tenant's user to the service, and to nobody else.
func (t *Tenant) Client() *http.Client {
	return &http.Client{Transport: signedIn{t}}
}

// Token returns an access token of the user for Graph, without a sign-in, and
// when it ends: AccessToken, or once that is about to end by the service's clock,
// another. It is what the token sources of other libraries can be made of.
func (t *Tenant) Token(ctx context.Context) (token string, expires time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.server.now().Add(tokenMargin).Before(t.expires) {
		return t.token, t.expires, nil
	}
	made, err := client.Read[client.Token](t.server.Admin.IssueToken(ctx, t.ID, client.TokenRequest{ClientId: t.ClientID, UserId: &t.UserID}))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("graphtest: issue a token: %w", err)
	}
	t.token, t.expires = made.AccessToken, made.ExpiresDateTime
	return t.token, t.expires, nil
}

// Snapshot keeps what the tenant holds under a name, for Restore.
func (t *Tenant) Snapshot(ctx context.Context, name string) error {
	if err := client.Done(t.server.Admin.CreateSnapshot(ctx, t.ID, nil, client.SnapshotCreate{Name: name})); err != nil {
		return fmt.Errorf("graphtest: snapshot %q: %w", name, err)
	}
	return nil
}

// Restore puts back what the tenant held when the snapshot was made, all at once.
func (t *Tenant) Restore(ctx context.Context, name string) error {
	if err := client.Done(t.server.Admin.RestoreSnapshot(ctx, t.ID, name)); err != nil {
		return fmt.Errorf("graphtest: restore snapshot %q: %w", name, err)
	}
	return nil
}

// ReportURL makes a Postgres login that reads the views of schema reporting, of this
// tenant alone, and returns the URL to connect by, password included. It ends with
// the tenant.
func (t *Tenant) ReportURL(ctx context.Context) (string, error) {
	made, err := client.Read[client.ReportLoginCreated](t.server.Admin.CreateReportLogin(ctx, nil, client.ReportLoginCreate{TenantIds: []uuid.UUID{t.ID}}))
	if err != nil {
		return "", fmt.Errorf("graphtest: make a report login: %w", err)
	}
	return made.Dsn, nil
}

// signedIn sends requests as the tenant's user.
type signedIn struct{ *Tenant }

func (s signedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.server.serves(r.URL) {
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
	return s.server.client.Transport.RoundTrip(r)
}
