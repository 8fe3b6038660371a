//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// wide and narrow are how many partners with the longest and with usual names the attacked
// tenant has; other tenants have fewNarrow with usual names.
const wide, narrow, fewNarrow = 2000, 98_000, 18_000

// targets are the tenants to which the worst requests are sent.
type targets struct {
	url, adminURL string
	full          target   // a tenant of 100,000 partners
	others        []target // seven more, with 20,000 partners each
}

// target is a tenant and what its requests name.
type target struct{ id, token, partner string }

// Credentials of the attacked tenant. The password is hashed with bcrypt, like any that a
// person chooses.
const (
	clientID = "00000000-0000-4000-8000-00000000c11e"
	secret   = "a-secret-of-the-attacked-tenant"
	domain   = "full.mocktenant.example"
	upn      = "worst@" + domain
	password = "chosen-by-a-person"
	redirect = "https://app.example.com/back"
)

// directory has a user and an application that may use every grant.
const directory = `{"version":1,"remoteAssistancePartners":[{"displayName":"Partner"}],
	"users":[{"userPrincipalName":"` + upn + `","displayName":"Worst","password":"` + password + `"}],
	"applications":[{"clientId":"` + clientID + `","displayName":"Worst","publicClientFlows":true,"redirectUris":["` + redirect + `"],
		"secrets":[{"secret":"` + secret + `"}],"consents":[{"scopes":["DeviceManagementServiceConfig.ReadWrite.All","openid","profile","offline_access"]}]}]}`

// targets makes the attacked tenants, with a seed and two snapshots.
func (s *subject) targets(ctx context.Context, admin *client.Client) (t targets, err error) {
	t = targets{url: s.url, adminURL: s.adminURL}
	start := json.RawMessage(directory)
	if t.full, err = s.tenant(ctx, admin, "full", &start, wide, narrow); err != nil {
		return t, err
	}
	for i := range 7 {
		more, err := s.tenant(ctx, admin, fmt.Sprint("more", i), nil, wide, fewNarrow)
		if err != nil {
			return t, err
		}
		t.others = append(t.others, more)
	}
	_, err = client.Read[api.Seed](admin.CreateSeed(ctx, &api.CreateSeedParams{Name: "ceiling"}, "application/json", documents(1)))
	return t, err
}

// tenant makes a tenant with many partners, some with the longest names, and two snapshots:
// of its first partner and of all.
func (s *subject) tenant(ctx context.Context, admin *client.Client, name string, start *json.RawMessage, wide, narrow int) (t target, err error) {
	if start == nil {
		one := json.RawMessage(`{"version":1,"remoteAssistancePartners":[{"displayName":"Partner"}]}`)
		start = &one
	}
	domain := name + ".mocktenant.example"
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: name, Domain: &domain, Source: &api.TenantSource{Document: start}}))
	if err != nil {
		return t, err
	}
	t.id, t.token = made.Tenant.Id.String(), made.Credentials.AccessToken
	if _, err := client.Read[api.Snapshot](admin.CreateSnapshot(ctx, made.Tenant.Id, nil, api.SnapshotCreate{Name: "one"})); err != nil {
		return t, err
	}
	if t.partner, err = s.multiply(ctx, t.id, wide, narrow); err != nil {
		return t, err
	}
	_, err = client.Read[api.Snapshot](admin.CreateSnapshot(ctx, made.Tenant.Id, nil, api.SnapshotCreate{Name: "all"}))
	return t, err
}

// multiply copies the tenant's only partner, and returns its id.
func (s *subject) multiply(ctx context.Context, tenant string, wide, narrow int) (id string, err error) {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SELECT id::text FROM remote_assistance_partners WHERE tenant_id = $1", tenant).Scan(&id); err != nil {
		return "", err
	}
	if _, err = conn.Exec(ctx, copies(), tenant, wide, narrow); err == nil {
		_, err = conn.Exec(ctx, "ANALYZE")
	}
	return id, err
}
