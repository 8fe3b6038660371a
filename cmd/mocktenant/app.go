package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/client"
)

func newApp(c *cli) *cobra.Command {
	return family("app", "Make, list, change and remove applications, their secrets and consents.",
		newAppCreate(c), newAppList(c), newAppUpdate(c), newAppDelete(c),
		family("secret", "Make and remove secrets.", newAppSecretCreate(c), newAppSecretDelete(c)),
		family("certificate", "Register and remove certificates.", newAppCertificateAdd(c), newAppCertificateDelete(c)),
		family("federated-credential", "Make and remove federated credentials.", newAppFederatedCreate(c), newAppFederatedDelete(c)),
		family("consent", "Grant and remove permissions.", newAppConsentGrant(c), newAppConsentRemove(c)))
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
	PublicClientFlows       *bool
	RedirectURI             []string
	SPARedirectURI          []string
	PublicClientRedirectURI []string
	ExposedScope            []string
	RequiredScope           []string
	RequiredRole            []string
}

func (f *appFlags) register(flags *pflag.FlagSet) {
	negatable(flags, &f.PublicClientFlows, "public-client-flows", "It may leave its secret out where no browser is (device code, password).")
	flags.StringArrayVar(&f.RedirectURI, "redirect-uri", nil, "A `URI` where its users may come back to, of the type web.")
	flags.StringArrayVar(&f.SPARedirectURI, "spa-redirect-uri", nil, "The same, of a single-page application.")
	flags.StringArrayVar(&f.PublicClientRedirectURI, "public-client-redirect-uri", nil, "The same, of a tool or a native application.")
	flags.StringSliceVar(&f.ExposedScope, "exposed-scope", nil, "The `NAME` of a scope of the API that it is itself.")
	flags.StringSliceVar(&f.RequiredScope, "required-scope", nil, "The `NAME` of a delegated permission that it asks for.")
	flags.StringSliceVar(&f.RequiredRole, "required-role", nil, "The `NAME` of a permission that it asks for in its own name.")
}

type appCreate struct {
	adminFlags
	outputFlags
	tenantFlag
	appFlags

	DisplayName string
	ClientID    uuid.UUID
	Public      bool
	NoConsent   bool
}

func newAppCreate(c *cli) *cobra.Command {
	a := &appCreate{}
	cmd := c.command("create <display-name>", "Make an application, with a secret unless it is a public client.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag, &a.appFlags)
	arguments(cmd, readText(&a.DisplayName))
	flags := cmd.Flags()
	flags.Func("client-id", "Its `ID`, if it is to be a certain one.", readID(&a.ClientID))
	truthFlag(flags, &a.Public, "public", "It is a public client: it has no secret.")
	truthFlag(flags, &a.NoConsent, "no-consent", "Don't grant what it asks for.")
	return cmd
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
		RedirectUris: some(a.RedirectURI), SpaRedirectUris: some(a.SPARedirectURI), PublicClientRedirectUris: some(a.PublicClientRedirectURI), ExposedScopes: some(a.ExposedScope), RequiredScopes: some(a.RequiredScope),
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
	adminFlags
	outputFlags
	tenantFlag
}

func newAppList(c *cli) *cobra.Command {
	a := &appList{}
	return c.command("list", "List the applications of a tenant.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag)
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
	adminFlags
	outputFlags
	tenantFlag
	appFlags

	ClientID    uuid.UUID
	DisplayName string
}

func newAppUpdate(c *cli) *cobra.Command {
	a := &appUpdate{}
	cmd := c.command("update <client-id>", "Change an application.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag, &a.appFlags)
	arguments(cmd, readID(&a.ClientID))
	cmd.Flags().StringVar(&a.DisplayName, "display-name", "", "The `NAME` to show for it.")
	return cmd
}

// Run changes an application.
func (a *appUpdate) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	app, err := client.Read[client.Application](api.UpdateApplication(ctx, a.Tenant, a.ClientID, client.ApplicationUpdate{
		DisplayName: given(a.DisplayName), PublicClientFlows: a.PublicClientFlows, RedirectUris: some(a.RedirectURI), SpaRedirectUris: some(a.SPARedirectURI), PublicClientRedirectUris: some(a.PublicClientRedirectURI),
		ExposedScopes: some(a.ExposedScope), RequiredScopes: some(a.RequiredScope), RequiredRoles: some(a.RequiredRole),
	}))
	if err != nil {
		return err
	}
	return a.print(con, app, appRows(app))
}

type appDelete struct {
	adminFlags
	tenantFlag

	ClientID uuid.UUID
}

func newAppDelete(c *cli) *cobra.Command {
	a := &appDelete{}
	cmd := c.command("delete <client-id>", "Remove an application.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID))
	return cmd
}

// Run removes an application.
func (a *appDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteApplication(ctx, a.Tenant, a.ClientID))
}

type appSecretCreate struct {
	adminFlags
	outputFlags
	tenantFlag

	ClientID uuid.UUID
	TTL      duration
}

func newAppSecretCreate(c *cli) *cobra.Command {
	a := &appSecretCreate{}
	cmd := c.command("create <client-id>", "Make a further secret.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID))
	cmd.Flags().Var(&a.TTL, "ttl", "How long it is good, such as 90s, 75m, 12h, 30d (default: two years).")
	return cmd
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
	adminFlags
	tenantFlag

	ClientID uuid.UUID
	Secret   uuid.UUID
}

func newAppSecretDelete(c *cli) *cobra.Command {
	a := &appSecretDelete{}
	cmd := c.command("delete <client-id> <secret>", "Remove a secret, by its id.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID), readID(&a.Secret))
	return cmd
}

// Run removes a secret.
func (a *appSecretDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteApplicationSecret(ctx, a.Tenant, a.ClientID, a.Secret))
}

type appConsentGrant struct {
	adminFlags
	tenantFlag

	ClientID uuid.UUID
	User     uuid.UUID
	Scope    []string
	Role     []string
}

func newAppConsentGrant(c *cli) *cobra.Command {
	a := &appConsentGrant{}
	cmd := c.command("grant <client-id>", "Grant permissions.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID))
	flags := cmd.Flags()
	flags.Func("user", "For the user of that `ID` alone (default: for all).", readID(&a.User))
	flags.StringSliceVar(&a.Scope, "scope", nil, "The `NAME` of a delegated permission.")
	flags.StringSliceVar(&a.Role, "role", nil, "The `NAME` of a permission in its own name.")
	return cmd
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
	adminFlags
	tenantFlag

	ClientID uuid.UUID
}

func newAppConsentRemove(c *cli) *cobra.Command {
	a := &appConsentRemove{}
	cmd := c.command("remove <client-id>", "Take all permissions away, and the tokens that were got by them.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID))
	return cmd
}

// Run removes permissions.
func (a *appConsentRemove) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RemoveConsent(ctx, a.Tenant, a.ClientID))
}
