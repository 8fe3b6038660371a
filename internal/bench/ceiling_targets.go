//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/client"
)

// wide and narrow are how many partners the attacked tenant has whose names are as long
// as can be, and how many of usual ones; the others have fewNarrow of those.
const wide, narrow, fewNarrow = 2000, 98_000, 18_000

// targets are what the worst requests are sent to.
type targets struct {
	url, adminURL string
	full          target   // a tenant of 100,000 partners
	others        []target // seven more, of 20,000
}

// target is a tenant, with what its requests name.
type target struct{ id, token, partner string }

// What the attacked tenant signs in with. The password is hashed by bcrypt, as each is
// that a person has chosen.
const (
	clientID = "00000000-0000-4000-8000-00000000c11e"
	secret   = "a-secret-of-the-attacked-tenant"
	domain   = "full.mocktenant.example"
	upn      = "worst@" + domain
	password = "chosen-by-a-person"
	redirect = "https://app.example.com/back"
)

// directory has a user and an application that every grant is permitted to.
const directory = `{"version":1,"partners":[{"displayName":"Partner"}],
	"users":[{"userPrincipalName":"` + upn + `","displayName":"Worst","password":"` + password + `"}],
	"applications":[{"clientId":"` + clientID + `","displayName":"Worst","publicClientFlows":true,"redirectUris":["` + redirect + `"],
		"secrets":[{"secret":"` + secret + `"}],"consents":[{"scopes":["DeviceManagementServiceConfig.ReadWrite.All","openid","profile","offline_access"]}]}]}`

// targets makes the tenants that are attacked, with a seed and two snapshots.
func (s *subject) targets(ctx context.Context, api *client.Client) (t targets, err error) {
	t = targets{url: s.url, adminURL: s.adminURL}
	start := json.RawMessage(directory)
	if t.full, err = s.tenant(ctx, api, "full", &start, wide, narrow); err != nil {
		return t, err
	}
	for i := range 7 {
		more, err := s.tenant(ctx, api, fmt.Sprint("more", i), nil, wide, fewNarrow)
		if err != nil {
			return t, err
		}
		t.others = append(t.others, more)
	}
	_, err = client.Read[client.Seed](api.CreateSeedWithBody(ctx, &client.CreateSeedParams{Name: "ceiling"}, "application/json", documents(1)))
	return t, err
}

// tenant makes a tenant of many partners, some of the longest names, with a snapshot of
// when it had one and another of all.
func (s *subject) tenant(ctx context.Context, api *client.Client, name string, start *json.RawMessage, wide, narrow int) (t target, err error) {
	if start == nil {
		one := json.RawMessage(`{"version":1,"partners":[{"displayName":"Partner"}]}`)
		start = &one
	}
	domain := name + ".mocktenant.example"
	made, err := client.Read[client.TenantCreated](api.CreateTenant(ctx, nil, client.TenantCreate{DisplayName: name, Domain: &domain, Source: &client.TenantSource{Document: start}}))
	if err != nil {
		return t, err
	}
	t.id, t.token = made.Tenant.Id.String(), made.Credentials.AccessToken
	if _, err := client.Read[client.Snapshot](api.CreateSnapshot(ctx, made.Tenant.Id, nil, client.SnapshotCreate{Name: "one"})); err != nil {
		return t, err
	}
	if t.partner, err = s.multiply(ctx, t.id, wide, narrow); err != nil {
		return t, err
	}
	_, err = client.Read[client.Snapshot](api.CreateSnapshot(ctx, made.Tenant.Id, nil, client.SnapshotCreate{Name: "all"}))
	return t, err
}

// multiply multiplies the one partner of a tenant, and returns its id.
func (s *subject) multiply(ctx context.Context, tenant string, wide, narrow int) (id string, err error) {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SELECT id::text FROM remote_assistance_partners WHERE tenant_id = $1", tenant).Scan(&id); err != nil {
		return "", err
	}
	if _, err = conn.Exec(ctx, `INSERT INTO remote_assistance_partners
		(tenant_id, id, display_name, onboarding_url, onboarding_status, last_connection_at, last_connection_100ns, last_connection_offset,
		 request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by)
		SELECT tenant_id, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
		 CASE WHEN n <= $2 THEN repeat(chr(1), 1024) ELSE 'Partner ' || n END,
		 CASE WHEN n <= $2 THEN 'https://example.com/' || repeat('x', 2000) END, onboarding_status, last_connection_at, last_connection_100ns, last_connection_offset,
		 request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by
		FROM remote_assistance_partners, generate_series(1, $2::int + $3::int) AS n WHERE tenant_id = $1`, tenant, wide, narrow); err == nil {
		_, err = conn.Exec(ctx, "ANALYZE")
	}
	return id, err
}
