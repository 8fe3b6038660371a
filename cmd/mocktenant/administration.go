package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// adminCommand declares a command that calls the administration of a service. The
// declaration must end with show, list, save, send, done or does.
type adminCommand struct {
	*cobra.Command

	service  adminFlags
	validate func() error
	finds    finders
	question string // "" doesn't ask
	yes      bool
	run      func(context.Context, *session, console) error
}

// session is a command's connection to the administration.
type session struct {
	*client.Client

	tenant uuid.UUID // named on the command line
}

// administer declares a command. takes reads its arguments, in the order of the use line.
func (c *cli) administer(use, help string, takes ...argument) *adminCommand {
	a := &adminCommand{validate: func() error { return nil }}
	c.administered = append(c.administered, a)
	a.Command = c.command(use, help, a, &a.service)
	var read []func(string) error
	for _, take := range takes {
		read = append(read, take(a))
	}
	arguments(a.Command, read...)
	return a
}

// ofTenant declares a command that requires --tenant.
func (c *cli) ofTenant(use, help string, takes ...argument) *adminCommand {
	a := c.administer(use, help, takes...)
	a.Flags().Func("tenant", "The `TENANT`, by its id, a domain or its name.", tenantArg(new(uuid.UUID))(a))
	settings(a.Flags(), "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	must(a.MarkFlagRequired("tenant"))
	return a
}

// asks makes the command ask for confirmation on a terminal before it destroys something.
// question is a format for the arguments.
func (a *adminCommand) asks(question string) {
	a.question = question
	truthFlag(a.Flags(), &a.yes, "yes", "Don't ask for confirmation.")
}

// Validate reports what is missing on the command line.
func (a *adminCommand) Validate() error { return a.validate() }

// Run connects to the service and runs the command.
func (a *adminCommand) Run(ctx context.Context, c *cli, con console) error {
	if a.question != "" && !a.yes {
		if err := con.confirm(fmt.Sprintf(a.question, strings.Join(a.Flags().Args(), ", "))); err != nil {
			return err
		}
	}
	connection, err := a.service.client(c)
	if err != nil {
		return err
	}
	s := &session{Client: connection}
	if err := a.finds.find(ctx, s); err != nil {
		return err
	}
	return a.explain(a.run(ctx, s, con))
}

// does sets the action of a command that needs more than one call.
func (a *adminCommand) does(run func(context.Context, *session, console) error) *cobra.Command {
	a.run = run
	return a.Command
}

// call calls the service.
type call = func(context.Context, *session) (*http.Response, error)

// show prints the result of a call.
func show[A any](a *adminCommand, rows func(A) [][]string, ask call) *cobra.Command {
	output := newPrinter(a.Flags())
	return a.does(func(ctx context.Context, s *session, con console) error {
		answer, err := client.Read[A](ask(ctx, s))
		if err != nil {
			return err
		}
		return output.print(con, answer, rows(answer))
	})
}

// list prints all pages of a list. ask gets the position after which a page starts.
func list[T any](a *adminCommand, t table[T], ask func(ctx context.Context, s *session, after *api.After) (*http.Response, error)) *cobra.Command {
	output := newPrinter(a.Flags())
	return a.does(func(ctx context.Context, s *session, con console) error {
		all, err := pages[T](func(after *api.After) (*http.Response, error) { return ask(ctx, s, after) })
		if err != nil {
			return err
		}
		return output.print(con, all, t.all(all))
	})
}

// done makes a call without a result and then prints said, a format for the command's
// arguments.
func done(a *adminCommand, said string, ask call) *cobra.Command {
	return a.does(func(ctx context.Context, s *session, con console) error {
		if err := client.Done(ask(ctx, s)); err != nil {
			return err
		}
		return con.say(said, a.Flags().Args())
	})
}

// pages reads all pages of a list.
func pages[T any](ask func(after *api.After) (*http.Response, error)) ([]T, error) {
	all := []T{}
	for after := (*api.After)(nil); ; {
		page, err := client.Read[struct {
			Value    []T
			NextLink *string
		}](ask(after))
		if err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == nil {
			return all, nil
		}
		next, err := url.Parse(*page.NextLink)
		if err != nil {
			return nil, err
		}
		start := next.Query().Get("after")
		after = &start
	}
}

// adminFlags select the service to administer.
type adminFlags struct {
	AdminURL string
	AdminKey string
}

func (f *adminFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.AdminURL, "admin-url", "", "The `URL` of the administration (default: that of the data directory's service, or http://127.0.0.1:8081).")
	flags.StringVar(&f.AdminKey, "admin-key", "", "The `KEY` for the administration, if it requires one.")
	settings(flags, administrationGroup, map[string]string{"admin-url": "MOCKTENANT_ADMIN_URL", "admin-key": "MOCKTENANT_ADMIN_KEY"})
}

const defaultAdminAddr = "127.0.0.1:8081"

func (f adminFlags) client(c *cli) (*client.Client, error) {
	at, key, err := f.find(c.Database)
	if err != nil {
		return nil, err
	}
	return client.New(at, key)
}

// find returns the URL of the administration and the key for it: from the flags, from the
// service of the data directory, or from MOCKTENANT_ADMIN_ADDR. A data directory that is
// set but has no service is an error, because someone else's service may listen at the
// default address.
func (f adminFlags) find(d databaseFlags) (at, key string, err error) {
	if f.AdminURL != "" {
		return f.AdminURL, f.AdminKey, nil
	}
	addr, source, err := lookup("MOCKTENANT_ADMIN_ADDR")
	if err != nil {
		return "", "", err
	}
	dir, dirErr := d.dataDir()
	if d.embedded() && dirErr == nil {
		if s, ok := findService(dir); ok {
			if s.AdminURL == "" {
				return "", "", fmt.Errorf("the service of %s has no administration: start it with MOCKTENANT_ADMIN_ADDR", dir)
			}
			return s.AdminURL, cmp.Or(f.AdminKey, d.keptAdminKey()), nil
		}
		if d.DataDir != "" && source == "" {
			return "", "", errNoService(dir)
		}
	}
	if source == "" {
		addr, source = defaultAdminAddr, "the default"
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
		return "", "", fmt.Errorf("%s doesn't have the administration's address, and %w", source, errNoService(dir))
	}
	return reachable("http://", addr), f.AdminKey, nil
}

func errNoService(dir string) error {
	return fmt.Errorf("no service runs on %s: start one with mocktenant serve, or name its MOCKTENANT_DATA_DIR or MOCKTENANT_ADMIN_URL", dir)
}
