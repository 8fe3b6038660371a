package mocktenant

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/session"
)

// tenantLifetime ends the tenants of killed test binaries in a reused container.
const tenantLifetime = 24 * time.Hour

// Tenant is a tenant with a user who may manage partners, and an application with which the
// user signs in.
type Tenant = session.Tenant

// NewTenant makes a tenant, and removes it when the test ends. It fails the test if that
// isn't possible.
func (c *Container) NewTenant(tb testing.TB, options ...TenantOption) *Tenant {
	tb.Helper()
	return c.newTenant(tb, time.Now, options...)
}

func (c *Container) newTenant(tb testing.TB, now func() time.Time, options ...TenantOption) *Tenant {
	tb.Helper()
	ttl := int64(tenantLifetime.Seconds())
	forget := func(t *api.TenantCreate) { t.TtlSeconds = &ttl }
	made, err := c.createTenant(tb.Context(), session.Create(tb.Name(), append([]TenantOption{forget}, options...)...))
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
	return session.New(session.Service{URL: c.URL(), Admin: c.Admin, Transport: c.client.Transport, Serves: c.serves, Now: now, ReportURL: c.published}, made)
}

// createTenant makes a tenant. It stores a document in YAML as a temporary seed, because
// requests that make tenants accept only JSON.
func (c *Container) createTenant(ctx context.Context, wanted api.TenantCreate) (api.TenantCreated, error) {
	if s := wanted.Source; s != nil && s.Document != nil && !bytes.HasPrefix(bytes.TrimSpace(*s.Document), []byte("{")) {
		name := rand.Text()
		err := client.Done(c.Admin().CreateSeed(ctx, &api.CreateSeedParams{Name: name}, "application/yaml", bytes.NewReader(*s.Document)))
		if err != nil {
			return api.TenantCreated{}, fmt.Errorf("read the state: %w", err)
		}
		defer func() { _ = client.Done(c.Admin().DeleteSeed(context.WithoutCancel(ctx), name)) }()
		wanted.Source = &api.TenantSource{Seed: &name}
	}
	return client.Read[api.TenantCreated](c.Admin().CreateTenant(ctx, nil, wanted))
}
