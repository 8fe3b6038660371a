package server

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// The demo tenant is the same everywhere, as the account of a storage emulator
// is, so that examples work as pasted and replicas that make it at once agree.
// Its password and secret are no secrets: it is for loopback.
var (
	DemoTenantID = uuid.MustParse("a8990e1f-ff32-408a-9f8e-78d3b9139b95")
	DemoUserID   = uuid.MustParse("8a3d1b0f-6e4c-4f3a-8a52-3b9f1d0c7e21")
	DemoClientID = uuid.MustParse("d635a4a5-5d1b-4e46-9fc6-4b1f2d9a0c11")

	demoServicePrincipalID = uuid.MustParse("5b0f6a0e-7f2d-4a9c-b3c8-1c5a9e2d4f63")
)

// Names and credentials of the demo tenant's user and application.
const (
	DemoUserName     = "writer@demo.mocktenant.example"
	DemoPassword     = "mocktenant-demo-password"
	DemoClientSecret = "mocktenant-demo-client-secret"

	demoUserDisplayName = "Demo Writer"
	demoAppDisplayName  = "Demo application"
)

// createDemo makes the demo tenant, its user and its application, where they
// are not there yet.
func createDemo(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		_, err := q.CreateTenant(ctx, db.CreateTenantParams{
			TenantID: DemoTenantID, DisplayName: "Demo tenant", CreatedAt: now,
		})
		if err != nil {
			return err
		}
		_, err = q.CreateUser(ctx, db.CreateUserParams{
			TenantID: DemoTenantID, ID: DemoUserID, UserPrincipalName: DemoUserName,
			DisplayName: demoUserDisplayName, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		_, err = q.CreateApplication(ctx, db.CreateApplicationParams{
			TenantID: DemoTenantID, ClientID: DemoClientID, ServicePrincipalID: demoServicePrincipalID,
			DisplayName: demoAppDisplayName, CreatedAt: now,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("make the demo tenant: %w", err)
	}
	return nil
}

// DemoAccessToken is what a token of the demo user holds.
func DemoAccessToken(scopes []string, lifetime time.Duration) identity.AccessToken {
	return identity.AccessToken{
		TenantID: DemoTenantID, ObjectID: DemoUserID, AppID: DemoClientID, AppName: demoAppDisplayName,
		UserName: DemoUserName, DisplayName: demoUserDisplayName, Scopes: scopes, Lifetime: lifetime,
	}
}

// DemoAppOnlyAccessToken is what a token of the demo application in its own
// name holds.
func DemoAppOnlyAccessToken(roles []string, lifetime time.Duration) identity.AccessToken {
	return identity.AccessToken{
		TenantID: DemoTenantID, ObjectID: demoServicePrincipalID, AppID: DemoClientID, AppName: demoAppDisplayName,
		Roles: roles, Lifetime: lifetime,
	}
}
