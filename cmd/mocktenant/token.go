package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

const (
	writeScope = "DeviceManagementServiceConfig.ReadWrite.All"

	// tokenLifetime is the middle of Entra's 60 to 90 minutes.
	// https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes
	tokenLifetime = 75 * time.Minute
)

var errNoDemo = errors.New("the demo tenant does not exist in this database: start the service with MOCKTENANT_DEMO=true")

type tokenCommand struct {
	Scope    []string
	Lifetime time.Duration
	App      bool
	Personal bool
}

func newToken(c *cli) *cobra.Command {
	t := &tokenCommand{}
	cmd := c.command("token", "Print an access token for the demo tenant.", t)
	flags := cmd.Flags()
	flags.StringSliceVar(&t.Scope, "scope", []string{writeScope}, "The `NAME` of a permission of the token: a scope, or a role with --app.")
	flags.DurationVar(&t.Lifetime, "lifetime", tokenLifetime, "How long the token is valid.")
	truthFlag(flags, &t.App, "app", "An app-only token, which Graph refuses for remoteAssistancePartners.")
	truthFlag(flags, &t.Personal, "personal", "The token of a personal Microsoft account, which Graph refuses too.")
	cmd.MarkFlagsMutuallyExclusive("app", "personal")
	return cmd
}

// Run prints a token.
func (t *tokenCommand) Run(ctx context.Context, c *cli, con console) error {
	if t.Lifetime <= 0 {
		return fmt.Errorf("--lifetime %s: want a time above 0, such as 75m", t.Lifetime)
	}
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := findDemo(ctx, pool); err != nil {
		return err
	}
	authority, err := identity.New(ctx, identity.Config{DB: pool, Log: con.log})
	if err != nil {
		return err
	}
	token, err := authority.IssueAccessToken(t.accessToken())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(con.out, token)
	return err
}

func (t *tokenCommand) accessToken() identity.AccessToken {
	if t.App {
		return server.DemoAppOnlyAccessToken(t.Scope, t.Lifetime)
	}
	token := server.DemoAccessToken(t.Scope, t.Lifetime)
	if t.Personal {
		token.TenantID, token.ObjectID = bearer.ConsumersTenantID, uuid.New()
	}
	return token
}

func findDemo(ctx context.Context, pool *db.Pool) error {
	exists, err := db.New(pool).TenantExists(ctx, server.DemoTenantID)
	if err == nil && !exists {
		err = errNoDemo
	}
	return err
}
