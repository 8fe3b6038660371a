package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func init() {
	cobra.EnableCommandSorting = false // commands are listed by importance
	cobra.MousetrapHelpText = ""       // a double click on Windows starts the service, too
}

// administrationGroup is the group of the commands that call the administration.
const administrationGroup = "Administration"

// errVersion stops parsing at --version.
var errVersion = errors.New("--version")

// newRoot makes the command line. It stores the chosen command in c instead of running it,
// so that errors from parsing are errors of usage, and the commands can be freed.
func newRoot(c *cli) *cobra.Command {
	serve := &serveCommand{}
	root := serve.command(c, "mocktenant", "A mock Microsoft Graph tenant: Intune's remoteAssistancePartners over Postgres.")
	root.Long = root.Short + "\n\nWithout a command, mocktenant serves: it takes the flags of mocktenant serve."
	root.SilenceErrors, root.SilenceUsage = true, true // main prints errors
	root.Args = noSuchCommand
	root.SetHelpFunc(showHelp)
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		cmd.PrintErrf("Usage: %s\n", useLine(cmd))
		return nil
	})
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.VarPF(new(truth), "help", "h", "Show the help of a command.").NoOptDefVal = "true"
	flags.BoolFunc("version", "Print the version and exit.", func(string) error { return errVersion })
	c.Database.register(flags)
	c.Log.register(flags)

	root.AddCommand(newServe(c, serve), newToken(c), newEnv(c), newCA(c), newProxy(c), newMigrate(c), newHealthcheck(c), newVersion(c))
	root.AddGroup(&cobra.Group{ID: administrationGroup, Title: administrationGroup})
	for _, cmd := range []*cobra.Command{
		newTenant(c), newUser(c), newApp(c), newEntity(c), newClock(c), newFault(c), newScenario(c), newRequests(c), newVerify(c), newWait(c), newSnapshot(c), newSeed(c), newExport(c), newImport(c),
		newReport(c), newReportLogin(c), newAdminKey(c), newConsoleSession(c), newAudit(c),
	} {
		cmd.GroupID = administrationGroup
		root.AddCommand(cmd)
	}
	return root
}

// command makes a cobra command for r.
func (c *cli) command(use, help string, r runner, sets ...flagSet) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: help,
		PreRunE: fromEnvironment,
		RunE: func(*cobra.Command, []string) error {
			c.meant = r
			if v, ok := r.(interface{ Validate() error }); ok {
				return v.Validate()
			}
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	for _, set := range sets {
		set.register(cmd.Flags())
	}
	arguments(cmd)
	return cmd
}

// runFunc makes a command of a function.
type runFunc func(ctx context.Context, c *cli, con console) error

// Run calls the function.
func (f runFunc) Run(ctx context.Context, c *cli, con console) error { return f(ctx, c, con) }

// family makes a command that only has subcommands.
func family(name, help string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: help, Args: noSuchCommand, RunE: wantCommand}
	cmd.Flags().SortFlags = false
	cmd.AddCommand(commands...)
	return cmd
}

// completions adds the command that prints a shell's completion script, and completes the
// values of flags and arguments.
func (c *cli) completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short, cmd.Args, cmd.RunE = "Print the completion script for your shell.", noSuchCommand, wantCommand
		}
	}
	offerChoices(root)
	for _, a := range c.administered {
		c.offerNames(a)
	}
}

// offerChoices completes the values of the flags of a command and its subcommands.
func offerChoices(cmd *cobra.Command) {
	offer := func(flag *pflag.Flag) {
		if c, ok := flag.Value.(choice); ok {
			must(cmd.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(c.values(), cobra.ShellCompDirectiveNoFileComp)))
		}
	}
	cmd.Flags().VisitAll(offer)
	cmd.PersistentFlags().VisitAll(offer)
	for _, below := range cmd.Commands() {
		offerChoices(below)
	}
}

// completesFile completes a command's arguments with files.
func completesFile(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
}
