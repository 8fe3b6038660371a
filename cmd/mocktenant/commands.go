package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func init() {
	cobra.EnableCommandSorting = false // what one needs first comes first
	cobra.MousetrapHelpText = ""       // a double click on Windows starts the service, too
}

// administrationGroup is the group of what is done by the service's administration.
const administrationGroup = "Administration"

// errVersion ends the reading of a command line that has --version.
var errVersion = errors.New("--version")

// newRoot makes the command line. The command that is meant, once all is understood, is
// left in c rather than run, so that what is told before is an error of usage, and the
// commands needn't be kept.
func newRoot(c *cli) *cobra.Command {
	serve := &serveCommand{}
	root := c.command("mocktenant", "A mock Microsoft Graph tenant: Intune's remoteAssistancePartners over Postgres.", serve, serve)
	root.Long = root.Short + "\n\nWithout a command, mocktenant serves: it takes the flags of mocktenant serve."
	root.SilenceErrors, root.SilenceUsage = true, true // main says them
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
	flags.VarPF(new(truth), "help", "h", "Show what there is.").NoOptDefVal = "true"
	flags.BoolFunc("version", "Print the version and quit.", func(string) error { return errVersion })
	c.Database.register(flags)
	c.Log.register(flags)

	root.AddCommand(newServe(c, serve), newToken(c), newEnv(c), newCA(c), newProxy(c), newMigrate(c), newHealthcheck(c), newVersion(c))
	root.AddGroup(&cobra.Group{ID: administrationGroup, Title: administrationGroup})
	for _, cmd := range []*cobra.Command{
		newTenant(c), newUser(c), newApp(c), newPartner(c), newSnapshot(c), newSeed(c), newExport(c), newImport(c),
		newReport(c), newReportLogin(c), newAdminKey(c), newAudit(c),
	} {
		cmd.GroupID = administrationGroup
		root.AddCommand(cmd)
	}
	return root
}

// command makes a command that r is.
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

// family makes a command that has others below it, and does nothing by itself.
func family(name, help string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: help, Args: noSuchCommand, RunE: wantCommand}
	cmd.Flags().SortFlags = false
	cmd.AddCommand(commands...)
	return cmd
}

// completions adds the command that prints what makes a shell complete, and has flags
// complete their values.
func completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short, cmd.Args, cmd.RunE = "Print what turns on completion in your shell.", noSuchCommand, wantCommand
		}
	}
	offerValues(root)
}

// offerValues has the flags of a command, and of those below it, complete their values.
func offerValues(cmd *cobra.Command) {
	offer := func(flag *pflag.Flag) {
		if c, ok := flag.Value.(choice); ok {
			must(cmd.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(c.values(), cobra.ShellCompDirectiveNoFileComp)))
		}
	}
	cmd.Flags().VisitAll(offer)
	cmd.PersistentFlags().VisitAll(offer)
	for _, below := range cmd.Commands() {
		offerValues(below)
	}
}

// completesFile has the shell offer files for a command's arguments.
func completesFile(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
}
