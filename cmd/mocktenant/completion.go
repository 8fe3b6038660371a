package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// completionTimeout is how long completion waits for the service.
const completionTimeout = 2 * time.Second

// offer gets names from the service.
type offer func(context.Context, *session) ([]cobra.Completion, error)

// offers maps placeholders in the help to the names that the service can complete.
var offers = map[string]offer{
	"TENANT": func(ctx context.Context, s *session) (all []cobra.Completion, err error) {
		tenants, err := tenantsNamed(ctx, s, nil)
		for _, t := range tenants {
			name := t.Id.String()
			if len(t.Domains) > 0 {
				name = t.Domains[0]
			}
			all = append(all, cobra.CompletionWithDesc(name, printable(t.DisplayName)))
		}
		return all, err
	},
	"USER": func(ctx context.Context, s *session) (all []cobra.Completion, err error) {
		users, err := usersNamed(ctx, s, nil)
		for _, u := range users {
			all = append(all, cobra.CompletionWithDesc(printable(u.UserPrincipalName), printable(u.DisplayName)))
		}
		return all, err
	},
	"APPLICATION": func(ctx context.Context, s *session) (all []cobra.Completion, err error) {
		apps, err := appsNamed(ctx, s, nil)
		for _, a := range apps {
			all = append(all, cobra.CompletionWithDesc(a.ClientId.String(), printable(a.DisplayName)))
		}
		return all, err
	},
	"REPORT": func(ctx context.Context, s *session) (all []cobra.Completion, err error) {
		reports, err := client.Read[api.ReportList](s.ListReports(ctx))
		for _, r := range reports.Value {
			all = append(all, cobra.CompletionWithDesc(r.Name, r.Question))
		}
		return all, err
	},
}

// offerNames completes the flags and the first argument of a command with names from the
// service.
func (c *cli) offerNames(a *adminCommand) {
	a.Flags().VisitAll(func(flag *pflag.Flag) {
		value, _ := pflag.UnquoteUsage(flag)
		if ask := offers[value]; ask != nil {
			must(a.RegisterFlagCompletionFunc(flag.Name, c.complete(a, ask)))
		}
	})
	words := strings.Fields(a.Use)
	if len(words) == 1 {
		return
	}
	if ask := offers[strings.ToUpper(strings.Trim(words[1], "<>[]."))]; ask != nil {
		all := c.complete(a, ask)
		a.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault // perhaps a file
			}
			return all(cmd, args, word)
		}
	}
}

// complete completes with names from the service, or with nothing if the service can't be
// reached.
func (c *cli) complete(a *adminCommand, ask offer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		if fromEnvironment(cmd, nil) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		connection, err := a.service.client(c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		s := &session{Client: connection}
		for _, find := range a.finds[tenantsFirst] {
			if find(ctx, s) != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
		}
		all, _ := ask(ctx, s)
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
