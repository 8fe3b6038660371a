package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is an invalid command line or setting.
type usageError struct {
	command string // the chosen one, such as mocktenant tenant list
	line    string // its use line
	err     error
}

// Error returns what is wrong.
func (e *usageError) Error() string { return e.err.Error() }

// useLine returns a command with its required flags, its arguments, and a hint at optional
// flags.
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

// showHelp prints a command's purpose, its subcommands, and its flags under their headings.
func showHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	columns := helpColumns(out)
	_, _ = fmt.Fprintf(out, "Usage: %s\n\n%s\n", useLine(cmd), wrap(strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), columns))
	if example := examples[cmd.CommandPath()]; example != "" {
		_, _ = fmt.Fprintf(out, "\nExample:\n  %s\n", example)
	}
	for _, group := range append([]*cobra.Group{{Title: "Commands"}}, cmd.Groups()...) {
		showCommands(out, group, cmd.Commands())
	}
	flags := cmd.Flags()
	if !cmd.HasParent() {
		flags = cmd.PersistentFlags() // the help shows those of serve with it
	}
	showFlags(out, mattering(cmd, flags), columns)
	if cmd.HasAvailableSubCommands() {
		_, _ = fmt.Fprintf(out, "\n%s <command> --help says more.\n", cmd.CommandPath())
	}
}

// showCommands prints the commands of a group.
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

// startsPostgres lists the commands that may start the service's own Postgres, or print
// where it listens. Its settings matter only to them.
var startsPostgres = []string{"mocktenant", "mocktenant serve", "mocktenant env", "mocktenant migrate up", "mocktenant migrate down", "mocktenant migrate status"}

// mattering returns the flags that matter to a command.
func mattering(cmd *cobra.Command, flags *pflag.FlagSet) *pflag.FlagSet {
	if slices.Contains(startsPostgres, cmd.CommandPath()) {
		return flags
	}
	some := pflag.NewFlagSet("", pflag.ContinueOnError)
	some.SortFlags = false
	flags.VisitAll(func(flag *pflag.Flag) {
		if headingOf(flag) != databaseGroup || slices.Contains([]string{"database-url", "data-dir"}, flag.Name) {
			some.AddFlag(flag)
		}
	})
	return some
}

// helpColumns returns the width of the help: that of the terminal, within limits.
func helpColumns(out io.Writer) int {
	if columns := terminal(out); columns > 0 {
		return min(max(columns, 40), 120)
	}
	return 80
}

// wrap breaks long lines of a text at a number of columns.
func wrap(text string, columns int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		at := 0
		for i, word := range strings.Fields(line) {
			switch length := utf8.RuneCountInString(word); {
			case i > 0 && at+1+length > columns:
				b.WriteByte('\n')
				at = length
			case i > 0:
				b.WriteByte(' ')
				at += 1 + length
			default:
				at = length
			}
			b.WriteString(word)
		}
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// endOfLine matches the spaces that pflag leaves before a line break.
var endOfLine = regexp.MustCompile(`(?m) +$`)

// showFlags prints flags, group by group.
func showFlags(out io.Writer, flags *pflag.FlagSet, columns int) {
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
		_, _ = fmt.Fprintf(out, "\n%s:\n%s", heading, endOfLine.ReplaceAllString(group.FlagUsagesWrapped(columns), ""))
	}
}

// headingOf returns the heading for a flag.
func headingOf(flag *pflag.Flag) string {
	if group := flag.Annotations[groupOfFlag]; group != nil {
		return group[0]
	}
	return "Flags"
}

// noSuchCommand refuses an unknown subcommand and suggests a similar one.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q%s", args[0], suggest(args[0], commandNames(cmd), 2))
}

// commandNames returns the names of a command's subcommands.
func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return names
}

// suggest returns names that differ from a word in a few letters, or begin with it.
func suggest(word string, names []string, letters int) string {
	all := &cobra.Command{SuggestionsMinimumDistance: letters} // cobra only compares words with commands
	for _, name := range names {
		all.AddCommand(&cobra.Command{Use: strings.ReplaceAll(name, " ", oneWord), RunE: wantCommand})
	}
	meant := all.SuggestionsFor(strings.ReplaceAll(word, " ", oneWord))
	if len(meant) == 0 {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", strings.ReplaceAll(strings.Join(meant, ", or "), oneWord, " "))
}

// oneWord is a space that doesn't end the name of a command.
const oneWord = "\u00a0"

// wantCommand refuses a command that does nothing by itself.
func wantCommand(cmd *cobra.Command, _ []string) error {
	return fmt.Errorf("want a command: %s", strings.Join(commandNames(cmd), ", "))
}

var (
	flagsMissing = regexp.MustCompile(`^required flag\(s\) (.*) not set$`)
	flagsTooMany = regexp.MustCompile(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)
)

// groupError says in our words that flags are missing, or contradict each other.
func groupError(cmd *cobra.Command, err error) error {
	if m := flagsTooMany.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("--%s: want one of them", strings.ReplaceAll(m[1], " ", ", --"))
	}
	m := flagsMissing.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	var ways []string
	for name := range strings.SplitSeq(strings.ReplaceAll(m[1], `"`, ""), ", ") {
		flag := cmd.Flags().Lookup(name)
		value, _ := pflag.UnquoteUsage(flag)
		way := "--" + name + " " + value
		if variable := flag.Annotations[variableOfFlag]; variable != nil {
			way += ", or " + variable[0]
		}
		ways = append(ways, way)
	}
	return fmt.Errorf("want %s", strings.Join(ways, ", "))
}

// flagError says what is wrong with a flag, and which may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		return named(fmt.Sprintf("--%s %q", invalid.GetFlag().Name, invalid.GetValue()), err)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
		word := "--" + unknown.GetSpecifiedName()
		return fmt.Errorf("unknown flag %s%s", word, suggest(word, names, 2))
	}
	return err
}
