package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

type appCommand struct {
	Create  appCreate  `cmd:"" help:"Make an application, with a secret unless it is a public client."`
	List    appList    `cmd:"" help:"List the applications of a tenant."`
	Update  appUpdate  `cmd:"" help:"Change an application."`
	Delete  appDelete  `cmd:"" help:"Remove an application."`
	Secret  appSecret  `cmd:"" help:"Make and remove secrets."`
	Consent appConsent `cmd:"" help:"Grant and remove permissions."`
}

func appRows(apps ...client.Application) [][]string {
	rows := [][]string{{"CLIENT ID", "DISPLAY NAME", "PUBLIC", "SECRETS", "CREATED"}}
	for _, a := range apps {
		rows = append(rows, []string{a.ClientId.String(), a.DisplayName, fmt.Sprint(a.PublicClient), fmt.Sprint(len(a.Secrets)), moment(&a.CreatedDateTime)})
	}
	return rows
}

// appFlags are what an application is.
type appFlags struct {
	PublicClientFlows *bool    `negatable:"" help:"It may leave its secret out where no browser is (device code, password)."`
	RedirectURI       []string `name:"redirect-uri" sep:"none" placeholder:"URI" help:"Where its users may come back to."`
	ExposedScope      []string `placeholder:"NAME" help:"Scopes of the API that it is itself."`
	RequiredScope     []string `placeholder:"NAME" help:"Delegated permissions that it asks for."`
	RequiredRole      []string `placeholder:"NAME" help:"Permissions that it asks for in its own name."`
}

type appCreate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
	appFlags    `embed:""`

	DisplayName string    `arg:"" help:"What it is called."`
	ClientID    uuid.UUID `name:"client-id" placeholder:"ID" help:"Its id, if it is to be a certain one."`
	Public      bool      `help:"It is a public client: it has no secret."`
	NoConsent   bool      `help:"Don't grant what it asks for."`
}

// Run makes an application.
func (a *appCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	consent := !a.NoConsent
	made, err := client.Read[client.ApplicationCreated](api.CreateApplication(ctx, a.Tenant, nil, client.ApplicationCreate{
		DisplayName: a.DisplayName, ClientId: given(a.ClientID), PublicClient: &a.Public, PublicClientFlows: a.PublicClientFlows,
		RedirectUris: some(a.RedirectURI), ExposedScopes: some(a.ExposedScope), RequiredScopes: some(a.RequiredScope),
		RequiredRoles: some(a.RequiredRole), Consent: &consent,
	}))
	if err != nil {
		return err
	}
	rows := appRows(made.Application)
	rows[0], rows[1] = append(rows[0], "SECRET"), append(rows[1], orDash(made.ClientSecret))
	return a.print(con, made, rows)
}

type appList struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
}

// Run lists the applications.
func (a *appList) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.ApplicationList, error) {
		return client.Read[client.ApplicationList](api.ListApplications(ctx, a.Tenant, &client.ListApplicationsParams{After: after}))
	}, func(l client.ApplicationList) ([]client.Application, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return a.print(con, all, appRows(all...))
}

type appUpdate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
	appFlags    `embed:""`

	ClientID    uuid.UUID `arg:"" help:"The application."`
	DisplayName string    `placeholder:"NAME" help:"What it is called."`
}

// Run changes an application.
func (a *appUpdate) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	app, err := client.Read[client.Application](api.UpdateApplication(ctx, a.Tenant, a.ClientID, client.ApplicationUpdate{
		DisplayName: given(a.DisplayName), PublicClientFlows: a.PublicClientFlows, RedirectUris: some(a.RedirectURI),
		ExposedScopes: some(a.ExposedScope), RequiredScopes: some(a.RequiredScope), RequiredRoles: some(a.RequiredRole),
	}))
	if err != nil {
		return err
	}
	return a.print(con, app, appRows(app))
}

type appDelete struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ClientID uuid.UUID `arg:"" help:"The application."`
}

// Run removes an application.
func (a *appDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteApplication(ctx, a.Tenant, a.ClientID))
}

type appSecret struct {
	Create appSecretCreate `cmd:"" help:"Make a further secret."`
	Delete appSecretDelete `cmd:"" help:"Remove a secret."`
}

type appSecretCreate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	ClientID uuid.UUID `arg:"" help:"The application."`
	TTL      duration  `name:"ttl" placeholder:"TIME" help:"How long it is good (default: two years)."`
}

// Run makes a secret.
func (a *appSecretCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	s, err := client.Read[client.ApplicationSecretCreated](api.CreateApplicationSecret(ctx, a.Tenant, a.ClientID, nil, client.ApplicationSecretCreate{TtlSeconds: a.TTL.seconds()}))
	if err != nil {
		return err
	}
	return a.print(con, s, [][]string{{"ID", "SECRET", "EXPIRES"}, {s.Id.String(), s.ClientSecret, moment(&s.ExpiresDateTime)}})
}

type appSecretDelete struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ClientID uuid.UUID `arg:"" help:"The application."`
	Secret   uuid.UUID `arg:"" help:"The secret's id."`
}

// Run removes a secret.
func (a *appSecretDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteApplicationSecret(ctx, a.Tenant, a.ClientID, a.Secret))
}

type appConsent struct {
	Grant  appConsentGrant  `cmd:"" help:"Grant permissions."`
	Remove appConsentRemove `cmd:"" help:"Take all permissions away, and the tokens that were got by them."`
}

type appConsentGrant struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ClientID uuid.UUID `arg:"" help:"The application."`
	User     uuid.UUID `placeholder:"ID" help:"For this user alone (default: all)."`
	Scope    []string  `placeholder:"NAME" help:"Delegated permissions."`
	Role     []string  `placeholder:"NAME" help:"Permissions in its own name."`
}

// Run grants permissions.
func (a *appConsentGrant) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.GrantConsent(ctx, a.Tenant, a.ClientID, client.Consent{UserId: given(a.User), Scopes: some(a.Scope), Roles: some(a.Role)}))
}

type appConsentRemove struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ClientID uuid.UUID `arg:"" help:"The application."`
}

// Run removes permissions.
func (a *appConsentRemove) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RemoveConsent(ctx, a.Tenant, a.ClientID))
}
