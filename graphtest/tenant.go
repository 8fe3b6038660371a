package graphtest

import (
	"bytes"
	"context"
	"testing"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/state"
	"github.com/mocktenant/mocktenant/session"
)

// Tenant is a tenant with a user who may manage partners, and an application with which the
// user signs in.
type Tenant = session.Tenant

// NewTenant makes another tenant, and removes it when the test ends. The test may be a
// subtest of the server's.
func (s *Server) NewTenant(tb testing.TB, options ...TenantOption) *Tenant {
	tb.Helper()
	wanted := session.Create(tb.Name())
	for _, o := range options {
		o(&wanted)
	}
	if err := readState(wanted.Source); err != nil {
		tb.Fatalf("graphtest: read the state: %v", err)
	}
	made, err := client.Read[api.TenantCreated](s.Admin.CreateTenant(tb.Context(), nil, wanted))
	if err != nil {
		tb.Fatalf("graphtest: make a tenant: %v", err)
	}
	if tb != s.tb { // otherwise the whole database is dropped
		tb.Cleanup(func() {
			if err := client.Done(s.Admin.DeleteTenant(context.WithoutCancel(tb.Context()), made.Tenant.Id)); err != nil {
				tb.Errorf("graphtest: remove a tenant: %v", err)
			}
		})
	}
	return session.New(session.Service{
		URL: s.URL, Admin: func() *client.Client { return s.Admin }, Transport: s.client.Transport, Serves: s.serves, Now: s.now,
		ReportURL: func(url string) (string, error) { return url, nil },
	}, made)
}

// readState converts a document that is YAML, or begins with a byte order mark, to the JSON
// that the API accepts.
func readState(source *api.TenantSource) error {
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
