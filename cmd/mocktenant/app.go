package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
)

func newApp(c *cli) *cobra.Command {
	return family("app", "Make, show, change and remove applications, their credentials and consents.",
		newAppCreate(c), newAppList(c), newAppGet(c), newAppUpdate(c), newAppDelete(c),
		family("secret", "Make and remove secrets.", newAppSecretCreate(c), newAppSecretDelete(c)),
		family("certificate", "Make, register and remove certificates.", newAppCertificateCreate(c), newAppCertificateAdd(c), newAppCertificateDelete(c)),
		family("federated-credential", "Make and remove federated credentials.", newAppFederatedCreate(c), newAppFederatedDelete(c)),
		family("consent", "Grant and remove permissions.", newAppConsentGrant(c), newAppConsentRemove(c)))
}

var appTable = table[api.Application]{
	[]string{"CLIENT ID", "DISPLAY NAME", "PUBLIC", "SECRETS", "CREATED"},
	func(a api.Application) []any {
		return []any{a.ClientId, a.DisplayName, a.PublicClient, len(a.Secrets), a.CreatedDateTime}
	},
}

// appFlags declares the flags of what can be changed of an application.
func appFlags(flags *pflag.FlagSet, r *api.ApplicationUpdate) {
	negatable(flags, &r.PublicClientFlows, "public-client-flows", "It may omit its secret in flows without a browser (device code, password).")
	flags.Func("redirect-uri", "A redirect `URI` of the type web.", optional(&r.RedirectUris, readEach))
	flags.Func("spa-redirect-uri", "A redirect `URI` of a single-page application.", optional(&r.SpaRedirectUris, readEach))
	flags.Func("public-client-redirect-uri", "A redirect `URI` of a tool or a native application.", optional(&r.PublicClientRedirectUris, readEach))
	flags.Func("exposed-scope", "The `NAME` of a scope that it exposes as an API.", optional(&r.ExposedScopes, readTexts))
	flags.Func("required-scope", "The `NAME` of a delegated permission that it requests.", optional(&r.RequiredScopes, readTexts))
	flags.Func("required-role", "The `NAME` of an application permission that it requests.", optional(&r.RequiredRoles, readTexts))
}

func newAppCreate(c *cli) *cobra.Command {
	var r api.ApplicationCreate
	var also api.ApplicationUpdate
	cmd := c.ofTenant("create <display-name>", "Make an application, with a secret unless it is a public client.", textArg(&r.DisplayName))
	flags := cmd.Flags()
	flags.Func("client-id", "Give it this `ID` (default: a random one).", optional(&r.ClientId, readID))
	flags.BoolFunc("public", "Make a public client, which has no secret.", means(&r.PublicClient, true))
	flags.BoolFunc("no-consent", "Don't grant the permissions that it requests.", means(&r.Consent, false))
	appFlags(flags, &also)
	made := with(appTable, func(m api.ApplicationCreated) api.Application { return m.Application }, "SECRET", func(m api.ApplicationCreated) any { return m.ClientSecret })
	return show(cmd, made.one, func(ctx context.Context, s *session) (*http.Response, error) {
		r.PublicClientFlows, r.RedirectUris, r.SpaRedirectUris, r.PublicClientRedirectUris = also.PublicClientFlows, also.RedirectUris, also.SpaRedirectUris, also.PublicClientRedirectUris
		r.ExposedScopes, r.RequiredScopes, r.RequiredRoles = also.ExposedScopes, also.RequiredScopes, also.RequiredRoles
		return s.CreateApplication(ctx, s.tenant, nil, r)
	})
}

func newAppList(c *cli) *cobra.Command {
	cmd := c.ofTenant("list", "List the applications of a tenant.")
	return list(cmd, appTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListApplications(ctx, s.tenant, &api.ListApplicationsParams{After: after})
	})
}

func newAppGet(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("get <application>", "Show an application.", appArg(&id))
	return show(cmd, appTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GetApplication(ctx, s.tenant, id)
	})
}

func newAppUpdate(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.ApplicationUpdate
	cmd := c.ofTenant("update <application>", "Change an application.", appArg(&id))
	cmd.Flags().Func("display-name", "Its display `NAME`.", optional(&r.DisplayName, readText))
	appFlags(cmd.Flags(), &r)
	return show(cmd, appTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.UpdateApplication(ctx, s.tenant, id, r)
	})
}

func newAppDelete(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("delete <application>", "Remove an application.", appArg(&id))
	return done(cmd, "Removed application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteApplication(ctx, s.tenant, id)
	})
}

func newAppConsentGrant(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.Consent
	cmd := c.ofTenant("grant <application>", "Grant permissions.", appArg(&id))
	flags := cmd.Flags()
	flags.Func("user", "Only for one `USER`, by id or user principal name (default: for all).", optionalArg(&r.UserId, userArg)(cmd))
	flags.Func("scope", "The `NAME` of a delegated permission.", optional(&r.Scopes, readTexts))
	flags.Func("role", "The `NAME` of an application permission.", optional(&r.Roles, readTexts))
	return done(cmd, "Granted the permissions to application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GrantConsent(ctx, s.tenant, id, r)
	})
}

func newAppConsentRemove(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("remove <application>", "Remove all permissions, and revoke the tokens issued with them.", appArg(&id))
	return done(cmd, "Removed all permissions of application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RemoveConsent(ctx, s.tenant, id)
	})
}
