package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

// tokenLifetime is the middle of Entra's range of 60 to 90 minutes.
// https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes
const tokenLifetime = 75 * time.Minute

// writeScopes let a caller read and write every entity.
var writeScopes = entity.Permissions(func(t *entity.Type) []string { return t.Write })

var errNoDemo = errors.New("the demo tenant does not exist in this database: start the service with MOCKTENANT_DEMO=true")

// tokenCommand prints a token. For the demo tenant it needs only the database, for another
// one the administration.
type tokenCommand struct {
	admin *adminCommand

	scope    []string
	lifetime time.Duration
	app      bool
	personal bool
	named    struct{ tenant, client, user string }
}

func newToken(c *cli) *cobra.Command {
	t := &tokenCommand{admin: &adminCommand{}}
	cmd := c.command("token", "Print an access token, for the demo tenant or another one.", t, &t.admin.service)
	t.admin.Command = cmd
	flags := cmd.Flags()
	flags.StringVar(&t.named.tenant, "tenant", "", "The `TENANT`, by its id, a domain or its name (default: the demo tenant).")
	flags.StringVar(&t.named.client, "client", "", "The `APPLICATION`, by its client id or name (default: the tenant's first).")
	flags.StringVar(&t.named.user, "user", "", "The `USER`, by id or user principal name (default: the tenant's first).")
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID", "client": "AZURE_CLIENT_ID", "user": "AZURE_USERNAME"})
	flags.StringSliceVar(&t.scope, "scope", writeScopes, "The `NAME` of a permission in the token: a scope, or a role with --app.")
	flags.DurationVar(&t.lifetime, "lifetime", tokenLifetime, "How long the token is valid.")
	truthFlag(flags, &t.app, "app", "Print an app-only token, which Graph refuses for remoteAssistancePartners.")
	truthFlag(flags, &t.personal, "personal", "Print a token of a personal Microsoft account, which Graph also refuses.")
	cmd.MarkFlagsMutuallyExclusive("app", "personal")
	fromVariables := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("tenant") { // the variables may name another tenant's application and user
			for _, name := range []string{"client", "user"} {
				delete(cmd.Flags().Lookup(name).Annotations, variableOfFlag)
			}
		}
		return fromVariables(cmd, args)
	}
	return cmd
}

// Run prints a token.
func (t *tokenCommand) Run(ctx context.Context, c *cli, con console) error {
	if t.lifetime <= 0 {
		return fmt.Errorf("--lifetime %s: want a time above 0, such as 75m", t.lifetime)
	}
	issue := t.issue
	if t.ofDemo() {
		issue = t.issueDemo
	}
	token, err := issue(ctx, c, con)
	if err != nil {
		return t.admin.explain(err)
	}
	_, err = fmt.Fprintln(con.out, token)
	return err
}

// ofDemo reports whether the token is for the demo tenant's usual user and application.
func (t *tokenCommand) ofDemo() bool {
	return isDemo(t.named.tenant) && slices.Contains([]string{"", server.DemoClientID.String()}, t.named.client) &&
		slices.Contains([]string{"", server.DemoUserName, server.DemoUserID.String()}, t.named.user)
}

// isDemo reports whether the demo tenant, or no tenant, is named.
func isDemo(tenant string) bool {
	return slices.Contains([]string{"", server.DemoTenantID.String(), server.DemoDomain}, tenant)
}

func (t *tokenCommand) issueDemo(ctx context.Context, c *cli, con console) (string, error) {
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	if err := findDemo(ctx, pool); err != nil {
		return "", err
	}
	authority, err := identity.New(ctx, identity.Config{DB: pool, Log: con.log})
	if err != nil {
		return "", err
	}
	return authority.IssueAccessToken(t.accessToken())
}

func (t *tokenCommand) accessToken() identity.AccessToken {
	if t.app {
		return server.DemoAppOnlyAccessToken(t.scope, t.lifetime)
	}
	token := server.DemoAccessToken(t.scope, t.lifetime)
	if t.personal {
		token.TenantID, token.ObjectID = bearer.ConsumersTenantID, uuid.New()
	}
	return token
}

func (t *tokenCommand) issue(ctx context.Context, c *cli, _ console) (string, error) {
	switch {
	case t.personal:
		return "", errors.New("--personal: a personal account doesn't belong to a tenant: omit --tenant, --client and --user, and unset AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_USERNAME")
	case t.lifetime < time.Second:
		return "", fmt.Errorf("--lifetime %s: want 1s or more", t.lifetime)
	}
	connection, err := t.admin.service.client(c)
	if err != nil {
		return "", err
	}
	lifetime := int64(t.lifetime / time.Second)
	r := api.TokenRequest{LifetimeSeconds: &lifetime}
	if t.admin.Flags().Changed("scope") {
		r.Permissions = &t.scope
	}
	who, err := findPrincipals(ctx, connection, t.named.tenant, t.named.client, t.named.user)
	if err != nil {
		return "", err
	}
	r.ClientId = who.app.ClientId
	if !t.app {
		r.UserId = &who.user.Id
	}
	token, err := client.Read[api.Token](connection.IssueToken(ctx, who.tenant, r))
	return token.AccessToken, err
}

func findDemo(ctx context.Context, pool *db.Pool) error {
	exists, err := db.New(pool).TenantExists(ctx, server.DemoTenantID)
	if err == nil && !exists {
		err = errNoDemo
	}
	return err
}
