package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/adrg/xdg"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagSet is a set of flags that commands share.
type flagSet interface {
	register(flags *pflag.FlagSet)
}

// What a flag is annotated with.
const (
	groupOfFlag    = "mocktenant_group"    // the heading of the help under which it is
	variableOfFlag = "mocktenant_variable" // the environment variable that sets it
)

// settings puts flags under a heading of the help, "" for none, and has them set by
// environment variables.
func settings(flags *pflag.FlagSet, group string, variables map[string]string) {
	for name, variable := range variables {
		flag := flags.Lookup(name)
		flag.Usage += " ($" + variable + ")"
		must(flags.SetAnnotation(name, variableOfFlag, []string{variable}))
		if group != "" {
			must(flags.SetAnnotation(name, groupOfFlag, []string{group}))
		}
	}
}

// must is for declarations, which fail if they name a flag that isn't there.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// fromEnvironment sets the flags that the command line doesn't give and whose variable
// is set, be it to nothing.
func fromEnvironment(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		variable := flag.Annotations[variableOfFlag]
		if err != nil || flag.Changed || variable == nil {
			return
		}
		value, source, lookupErr := lookup(variable[0])
		if err = lookupErr; source != "" {
			err = named(source, cmd.Flags().Set(flag.Name, value))
		}
	})
	return err
}

// lookup reads a variable or, where it isn't set, the file that the variable with _FILE
// behind names: how secrets come into containers. The source is for errors, and "" if
// there is neither.
func lookup(variable string) (value, source string, err error) {
	value, set := os.LookupEnv(variable)
	inFile := variable + "_FILE"
	path, setInFile := os.LookupEnv(inFile)
	switch {
	case set && setInFile:
		return "", "", fmt.Errorf("%s and %s are both set: want one of them", variable, inFile)
	case set:
		return value, fmt.Sprintf("%s %q", variable, value), nil
	case !setInFile:
		return "", "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", inFile, err)
	}
	return strings.TrimRight(string(text), "\r\n"), fmt.Sprintf("what %s %q holds", inFile, path), nil
}

// named says of a value that a flag doesn't take where it came from, in place of
// pflag's words; other errors stay as they are.
func named(source string, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%s: %w", source, invalid.Unwrap())
	}
	return err
}

// arguments has a command read its arguments, each by a function of its own. Its use
// line names them: <name>, [<name>] if it may be left out, and <name>... for the last
// one if there may be many.
func arguments(cmd *cobra.Command, read ...func(string) error) {
	names := strings.Fields(cmd.Use)[1:]
	cmd.Args = func(_ *cobra.Command, args []string) error {
		for i, name := range names {
			if i >= len(args) && !strings.HasPrefix(name, "[") {
				return fmt.Errorf("want %s", strings.Join(names[i:], " "))
			}
		}
		for i, arg := range args {
			if i >= len(names) && (len(names) == 0 || !strings.HasSuffix(names[len(names)-1], "...")) {
				return fmt.Errorf("unexpected argument %q", arg)
			}
			at := min(i, len(names)-1)
			if err := read[at](arg); err != nil {
				return fmt.Errorf("%s %q: %w", names[at], arg, err)
			}
		}
		return nil
	}
}

// readText reads any text.
func readText(p *string) func(string) error {
	return func(s string) error {
		*p = s
		return nil
	}
}

// readID reads an id.
func readID(p *uuid.UUID) func(string) error {
	return func(s string) error { return p.UnmarshalText([]byte(s)) }
}

// readIDs reads ids as pflag reads lists of strings: with commas between, and again and
// again. Nothing is a list of none.
func readIDs(p *[]uuid.UUID) func(string) error {
	return func(s string) error {
		if *p == nil {
			*p = []uuid.UUID{}
		}
		if s == "" {
			return nil
		}
		for word := range strings.SplitSeq(s, ",") {
			next, err := uuid.Parse(word)
			if err != nil {
				return err
			}
			*p = append(*p, next)
		}
		return nil
	}
}

// readLimit reads a number of 32 bits; nil is none.
func readLimit(p **int32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return errors.New("must be an integer of 32 bits")
		}
		v := int32(n)
		*p = &v
		return nil
	}
}

// readFileName reads the name of a file that is there; ~/ is the user's folder, which
// shells know at the start of a word only.
func readFileName(p *string) func(string) error {
	return func(s string) error {
		if below, ok := strings.CutPrefix(s, "~/"); ok {
			s = filepath.Join(xdg.Home, below)
		}
		info, err := os.Stat(s)
		if err == nil && info.IsDir() {
			err = errors.New("want a file: it is a folder")
		}
		*p = s
		return err
	}
}

// choice is a flag that has one of some values.
type choice struct {
	value *string
	of    []string // "" among them if it may be empty
}

// choiceFlag declares one, which may have a short name.
func choiceFlag(flags *pflag.FlagSet, p *string, name, short, value, usage string, of ...string) {
	*p = value
	flags.VarP(choice{p, of}, name, short, usage)
}

// Set takes a value that there is.
func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		values := c.values()
		last := len(values) - 1
		return fmt.Errorf("want %s or %s", strings.Join(values[:last], ", "), values[last])
	}
	*c.value = s
	return nil
}

func (c choice) values() []string {
	return slices.DeleteFunc(slices.Clone(c.of), func(s string) bool { return s == "" })
}

// String is the value.
func (c choice) String() string { return *c.value }

// Type is what stands in the help for the value.
func (c choice) Type() string { return strings.Join(c.values(), "|") }

// truth is a flag that is true or false: pflag's, but yes and no do as well, in
// variables above all, and the help doesn't say [=true|false] each time.
type truth bool

// truthFlag declares one, false by default.
func truthFlag(flags *pflag.FlagSet, p *bool, name, usage string) {
	flags.VarPF((*truth)(p), name, "", usage).NoOptDefVal = "true"
}

// negatable declares a flag and its opposite; the last one given counts, and nil is
// neither.
func negatable(flags *pflag.FlagSet, p **bool, name, usage string) {
	set := func(meaning bool) func(string) error {
		return func(s string) error {
			var given truth
			err := given.Set(s)
			v := bool(given) == meaning
			*p = &v
			return err
		}
	}
	flags.BoolFunc(name, usage, set(true))
	flags.BoolFunc("no-"+name, "The opposite.", set(false))
}

// Set reads it.
func (t *truth) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		*t = true
	case "false", "0", "no":
		*t = false
	default:
		return errors.New("want true, 1, yes, false, 0 or no")
	}
	return nil
}

// String is the value, as cobra reads it of --help.
func (t *truth) String() string { return strconv.FormatBool(bool(*t)) }

// Type is by which cobra knows that it may read --help.
func (t *truth) Type() string { return "bool" }
