package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// The demo tenant is the same everywhere, like the account of a storage emulator, so that
// examples work as pasted and concurrent replicas make the same one. Its passwords and its
// secret are public: use it on loopback.
var (
	DemoTenantID       = uuid.MustParse("a8990e1f-ff32-408a-9f8e-78d3b9139b95")
	DemoUserID         = uuid.MustParse("8a3d1b0f-6e4c-4f3a-8a52-3b9f1d0c7e21")
	DemoClientID       = uuid.MustParse("d635a4a5-5d1b-4e46-9fc6-4b1f2d9a0c11")
	DemoPublicClientID = uuid.MustParse("4b7e2d90-1c3a-4f58-8d21-6a9c0e5b7f32")

	demoServicePrincipalID       = uuid.MustParse("5b0f6a0e-7f2d-4a9c-b3c8-1c5a9e2d4f63")
	demoPublicServicePrincipalID = uuid.MustParse("c2f81d47-9b06-4e3d-a5c7-0d8e6f1b2a94")
	demoSecretID                 = uuid.MustParse("71a9c3e5-0b2d-4f68-9e14-8c7d5a6b3f20")
)

// Names and credentials of the demo tenant. All its users have the same password.
const (
	DemoDomain       = "demo.mocktenant.example"
	DemoUserName     = "writer@" + DemoDomain
	DemoPassword     = "mocktenant-demo-password"
	DemoClientSecret = "mocktenant-demo-client-secret"

	demoUserDisplayName = "Demo Writer"
	demoAppDisplayName  = "Demo application"
)

// What lets a caller read every entity, write it, and both.
var (
	readers = slices.DeleteFunc(slices.Clone(both), func(p string) bool { return slices.Contains(writers, p) })
	writers = entity.Permissions(func(t *entity.Type) []string { return t.Write })
	both    = entity.Permissions(func(t *entity.Type) []string { return t.Read })
)

// demoUser is one of the demo tenant's users, with the permissions of the demo
// applications.
type demoUser struct {
	id       uuid.UUID
	name     string
	given    string
	disabled bool
	roles    []uuid.UUID // template ids of directory roles
	scopes   []string
}

// https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
var (
	globalAdministrator = uuid.MustParse("62e90394-69f5-4237-9190-012177145e10")
	intuneAdministrator = uuid.MustParse("3a2c62db-5318-420d-8d74-23affee5d9d5")
)

var demoUsers = []demoUser{
	{id: DemoUserID, name: DemoUserName, given: "Writer", roles: []uuid.UUID{intuneAdministrator}, scopes: append([]string{"User.Read"}, both...)},
	{id: uuid.MustParse("1f6b8c2d-3a4e-4d5f-9b07-2c1e0f9a8d43"), name: "reader@" + DemoDomain, given: "Reader", scopes: append([]string{"User.Read"}, readers...)},
	{id: uuid.MustParse("6d0e9f1a-8b7c-4a3d-b2e5-4f3c2d1b0a65"), name: "nobody@" + DemoDomain, given: "Nobody", scopes: []string{"User.Read"}},
	{id: uuid.MustParse("b3c4d5e6-7f80-4912-a3b4-c5d6e7f80912"), name: "disabled@" + DemoDomain, given: "Disabled", disabled: true, scopes: append([]string{"User.Read"}, both...)},
	{id: uuid.MustParse("e9d8c7b6-a594-4837-8261-504f3e2d1c0b"), name: "admin@" + DemoDomain, given: "Administrator", roles: []uuid.UUID{globalAdministrator}, scopes: append([]string{"User.Read"}, both...)},
}

// demoSecretLifetime is longer than any demonstration.
const demoSecretLifetime = 100 * 365 * 24 * time.Hour

// createDemo makes the demo tenant, its users and its applications if they don't exist yet.
func createDemo(ctx context.Context, pool *db.Pool, now time.Time) error {
	password, err := identity.HashPassword(DemoPassword)
	if err == nil {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			d := demo{db.New(tx), now}
			if err := d.createTenant(ctx); err != nil {
				return err
			}
			if err := d.createApplications(ctx); err != nil {
				return err
			}
			return d.createUsers(ctx, password)
		})
	}
	if err != nil {
		return fmt.Errorf("make the demo tenant: %w", err)
	}
	return nil
}

type demo struct {
	queries *db.Queries
	now     time.Time
}

func (d demo) createTenant(ctx context.Context) error {
	_, err := d.queries.CreateTenant(ctx, db.CreateTenantParams{
		TenantID: DemoTenantID, DisplayName: "Demo tenant", UserPicker: true, CreatedAt: d.now,
	})
	if err != nil {
		return err
	}
	_, err = d.queries.CreateDomain(ctx, db.CreateDomainParams{Name: DemoDomain, TenantID: DemoTenantID, CreatedAt: d.now})
	return err
}

func (d demo) createApplications(ctx context.Context) error {
	tools, pages := identity.LocalRedirectURIs()
	for _, a := range []db.CreateApplicationParams{
		{
			ClientID: DemoClientID, ServicePrincipalID: demoServicePrincipalID, DisplayName: demoAppDisplayName,
			PublicClientFlows: true, // so that one client id does for every kind of sign-in
			ExposedScopes:     []string{"access_as_user"},
			RedirectUris:      tools,
		},
		{
			ClientID: DemoPublicClientID, ServicePrincipalID: demoPublicServicePrincipalID,
			DisplayName: "Demo public application", PublicClient: true,
			PublicClientRedirectUris: tools,
		},
	} {
		a.TenantID, a.CreatedAt = DemoTenantID, d.now
		a.SpaRedirectUris = pages
		a.RequiredScopes, a.RequiredRoles = append([]string{"User.Read"}, writers...), writers
		if _, err := d.queries.CreateApplication(ctx, a); err != nil {
			return err
		}
	}
	secret := sha256.Sum256([]byte(DemoClientSecret))
	err := d.queries.CreateApplicationSecret(ctx, db.CreateApplicationSecretParams{
		TenantID: DemoTenantID, ClientID: DemoClientID, ID: demoSecretID, SecretHash: secret[:],
		Hint: DemoClientSecret[:3], CreatedAt: d.now, ExpiresAt: d.now.Add(demoSecretLifetime),
	})
	if err != nil {
		return err
	}
	return d.queries.GrantRoles(ctx, db.GrantRolesParams{
		TenantID: DemoTenantID, ClientID: DemoClientID, Roles: both, CreatedAt: d.now,
	})
}

func (d demo) createUsers(ctx context.Context, passwordHash string) error {
	for _, u := range demoUsers {
		surname := "Demo"
		_, err := d.queries.CreateUser(ctx, db.CreateUserParams{
			TenantID: DemoTenantID, ID: u.id, UserPrincipalName: u.name, DisplayName: "Demo " + u.given,
			GivenName: &u.given, Surname: &surname, PasswordHash: &passwordHash, Enabled: !u.disabled,
			DirectoryRoles: u.roles, CreatedAt: d.now,
		})
		if err != nil {
			return err
		}
		for _, app := range []uuid.UUID{DemoClientID, DemoPublicClientID} {
			err := d.queries.GrantScopes(ctx, db.GrantScopesParams{
				TenantID: DemoTenantID, ClientID: app, PrincipalID: u.id, Scopes: u.scopes, CreatedAt: d.now,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// DemoAccessToken describes a token of the demo user.
func DemoAccessToken(scopes []string, lifetime time.Duration) identity.AccessToken {
	return identity.AccessToken{
		TenantID: DemoTenantID, ObjectID: DemoUserID, AppID: DemoClientID, AppName: demoAppDisplayName,
		UserName: DemoUserName, DisplayName: demoUserDisplayName, Scopes: scopes, Lifetime: lifetime,
	}
}

// DemoAppOnlyAccessToken describes a token of the demo application without a user.
func DemoAppOnlyAccessToken(roles []string, lifetime time.Duration) identity.AccessToken {
	return identity.AccessToken{
		TenantID: DemoTenantID, ObjectID: demoServicePrincipalID, AppID: DemoClientID, AppName: demoAppDisplayName,
		Roles: roles, Lifetime: lifetime,
	}
}
