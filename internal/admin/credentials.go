package admin

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// tokenLifetime is the middle of Entra's range of 60 to 90 minutes.
const tokenLifetime = 75 * time.Minute

// These permissions let a caller read and write every entity.
var (
	writePermissions = entity.Permissions(func(t *entity.Type) []string { return t.Write })
	allPermissions   = entity.Permissions(func(t *entity.Type) []string { return t.Read })
)

// This is the role Intune Administrator.
// https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference#intune-administrator
var intuneAdministrator = uuid.MustParse("3a2c62db-5318-420d-8d74-23affee5d9d5")

// credentials are a user and an application with all permissions, their password and
// secret, and a token.
type credentials struct {
	api.Credentials
	user        db.CreateUserParams
	application db.CreateApplicationParams
}

// newCredentials makes a tenant's credentials. Signing the token takes a millisecond, so
// this happens outside transactions.
func (a *API) newCredentials(t db.Tenant, domain string, now time.Time) (*credentials, error) {
	user, application := newUserOf(t, "user@"+domain, now), newApplicationOf(t, "application", nil, now)
	password, hash, err := passwordOf(nil)
	if err != nil {
		return nil, err
	}
	user.DisplayName, user.DirectoryRoles, user.PasswordHash = "User", []uuid.UUID{intuneAdministrator}, &hash
	application.DisplayName, application.PublicClientFlows = "Application", true
	application.RedirectUris, application.SpaRedirectUris = identity.LocalRedirectURIs()
	application.RequiredScopes, application.RequiredRoles = append([]string{"User.Read"}, writePermissions...), writePermissions
	token, err := a.identity.IssueAccessToken(identity.AccessToken{
		TenantID: t.ID, ObjectID: user.ID, AppID: application.ClientID, AppName: application.DisplayName,
		UserName: user.UserPrincipalName, DisplayName: user.DisplayName, DirectoryRoles: user.DirectoryRoles,
		Scopes: append([]string{"User.Read"}, writePermissions...), Now: now, Lifetime: tokenLifetime, ValidFrom: now,
	})
	return &credentials{api.Credentials{
		TenantId: t.ID, ClientId: application.ClientID, ClientSecret: newSecret(), UserId: user.ID,
		UserPrincipalName: user.UserPrincipalName, Password: password, AccessToken: token, ExpiresDateTime: now.Add(tokenLifetime).UTC(),
	}, user, application}, err
}

func (c *change) createCredentials(ctx context.Context, k *credentials) error {
	if err := c.createUser(ctx, k.user); err != nil {
		return err
	}
	if err := c.createApplication(ctx, k.application); err != nil {
		return err
	}
	if _, err := c.createSecret(ctx, k.ClientId, k.ClientSecret, secretLifetime); err != nil {
		return err
	}
	return c.grant(ctx, k.ClientId, uuid.Nil, append([]string{"User.Read"}, allPermissions...), allPermissions)
}

// issueToken issues a token without a sign-in.
func issueToken(ctx context.Context, c *change, r api.TokenRequest) (api.Token, error) {
	c.target = "application " + r.ClientId.String()
	app, err := c.findApplication(ctx, r.ClientId)
	if err != nil {
		return api.Token{}, err
	}
	permissions, lifetime := writePermissions, tokenLifetime
	set(&permissions, r.Permissions)
	if r.LifetimeSeconds != nil {
		lifetime = time.Duration(*r.LifetimeSeconds) * time.Second
	}
	t := identity.AccessToken{TenantID: c.tenant.ID, ObjectID: app.ServicePrincipalID, AppID: app.ClientID, AppName: app.DisplayName, Roles: permissions, Now: c.x.Now, Lifetime: lifetime}
	since := []time.Time{c.tenant.CreatedAt, app.TokensValidFrom}
	if r.UserId != nil {
		user, err := c.findUser(ctx, *r.UserId)
		if err != nil {
			return api.Token{}, err
		}
		c.target = user.UserPrincipalName + " by " + c.target
		t.Roles, t.Scopes = nil, permissions
		t.ObjectID, t.UserName, t.DisplayName, t.DirectoryRoles = user.ID, user.UserPrincipalName, user.DisplayName, user.DirectoryRoles
		since = append(since, user.TokensValidFrom)
	}
	t.ValidFrom = slices.MaxFunc(since, time.Time.Compare)
	token, err := c.x.admin.identity.IssueAccessToken(t)
	return api.Token{AccessToken: token, ExpiresDateTime: c.x.Now.Add(lifetime).UTC()}, err
}
