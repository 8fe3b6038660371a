package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

func newConsoleSession(c *cli) *cobra.Command {
	return family("console-session", "List who is signed in to the console, and end sessions.", newConsoleSessionList(c), newConsoleSessionEnd(c))
}

var consoleSessionTable = table[api.ConsoleSession]{
	[]string{"ID", "NAME", "ROLE", "MANAGERS", "ADDRESS", "SINCE", "UNTIL"},
	func(s api.ConsoleSession) []any {
		return []any{s.Id, s.Name, s.Role, s.Managers, s.Address, s.CreatedDateTime, s.ExpiresDateTime}
	},
}

func newConsoleSessionList(c *cli) *cobra.Command {
	cmd := c.administer("list", "List who is signed in to the console at your identity provider.")
	return list(cmd, consoleSessionTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListConsoleSessions(ctx, &api.ListConsoleSessionsParams{After: after})
	})
}

func newConsoleSessionEnd(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.administer("end <id>", "End a person's session at once.", idArg(&id))
	return done(cmd, "Ended session %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.EndConsoleSession(ctx, id)
	})
}
