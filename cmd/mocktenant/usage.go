package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a command line, or a setting, that the program can't go by.
type usageError struct {
	command string // that was meant, such as mocktenant tenant list
	line    string // how it is used
	err     error
}

// Error says what is wrong.
func (e *usageError) Error() string { return e.err.Error() }

// useLine is a command with the flags that it can't be without, its arguments, and what
// else it takes.
func useLine(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	if cmd.HasAvailableSubCommands() {
		words = append(words, "<command>")
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations[cobra.BashCompOneRequiredFlag] != nil {
			name, _ := pflag.UnquoteUsage(flag)
			words = append(words, "--"+flag.Name, name)
		}
	})
	return strings.Join(append(append(words, strings.Fields(cmd.Use)[1:]...), "[flags]"), " ")
}

// showHelp prints what a command is for, the commands below it, and its flags, each
// group under its heading.
func showHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "Usage: %s\n\n%s\n", useLine(cmd), strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)))
	for _, group := range append([]*cobra.Group{{Title: "Commands"}}, cmd.Groups()...) {
		showCommands(out, group, cmd.Commands())
	}
	flags := cmd.Flags()
	if !cmd.HasParent() {
		flags = cmd.PersistentFlags() // those of serve are shown with it
	}
	showFlags(out, flags)
	if cmd.HasAvailableSubCommands() {
		_, _ = fmt.Fprintf(out, "\n%s <command> --help says more.\n", cmd.CommandPath())
	}
}

// showCommands prints those commands that are of a group.
func showCommands(out io.Writer, group *cobra.Group, commands []*cobra.Command) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	heading := "\n" + group.Title + ":\n"
	for _, cmd := range commands {
		if cmd.IsAvailableCommand() && cmd.GroupID == group.ID {
			_, _ = fmt.Fprintf(w, "%s  %s\t%s\n", heading, cmd.Name(), cmd.Short)
			heading = ""
		}
	}
	_ = w.Flush()
}

// showFlags prints flags, group by group, in lines of 80 characters.
func showFlags(out io.Writer, flags *pflag.FlagSet) {
	headings := []string{headingOf(&pflag.Flag{})}
	flags.VisitAll(func(flag *pflag.Flag) {
		if heading := headingOf(flag); !slices.Contains(headings, heading) {
			headings = append(headings, heading)
		}
	})
	for _, heading := range headings {
		group := pflag.NewFlagSet(heading, pflag.ContinueOnError)
		group.SortFlags = false
		flags.VisitAll(func(flag *pflag.Flag) {
			if headingOf(flag) == heading {
				group.AddFlag(flag)
			}
		})
		_, _ = fmt.Fprintf(out, "\n%s:\n%s", heading, group.FlagUsagesWrapped(80))
	}
}

// headingOf is the heading under which a flag is shown.
func headingOf(flag *pflag.Flag) string {
	if group := flag.Annotations[groupOfFlag]; group != nil {
		return group[0]
	}
	return "Flags"
}

// noSuchCommand refuses words behind a command that are none of its commands, and says
// which may have been meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q%s", args[0], didYouMean(cmd, args[0]))
}

// didYouMean asks for the commands below one that are named nearly like a word.
func didYouMean(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2 // as cobra has it by default where it refuses commands itself
	meant := cmd.SuggestionsFor(word)
	if len(meant) == 0 {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", strings.Join(meant, ", or "))
}

// wantCommand refuses a command that does nothing by itself.
func wantCommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return fmt.Errorf("want a command: %s", strings.Join(names, ", "))
}

// flagError says what is wrong with a flag, and which may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		return named(fmt.Sprintf("--%s %q", invalid.GetFlag().Name, invalid.GetValue()), err)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		flags := &cobra.Command{} // cobra compares words with commands only
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			flags.AddCommand(&cobra.Command{Use: "--" + flag.Name, RunE: wantCommand})
		})
		word := "--" + unknown.GetSpecifiedName()
		return fmt.Errorf("unknown flag %s%s", word, didYouMean(flags, word))
	}
	return err
}
