package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagSet is a set of flags that commands share.
type flagSet interface {
	register(flags *pflag.FlagSet)
}

// These are the names of annotations of flags.
const (
	groupOfFlag    = "mocktenant_group"    // its heading in the help
	variableOfFlag = "mocktenant_variable" // its environment variable
	memberOfFlag   = "mocktenant_member"   // what it fills in a body, if its name doesn't say so
)

// settings puts flags under a heading in the help, or "", and gives them environment
// variables.
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

// must panics on an error in a declaration, such as an unknown flag.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// fromEnvironment sets the flags that aren't on the command line from their environment
// variables, even empty ones.
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

// lookup reads a variable or, if it isn't set, the file named by the variable with the
// suffix _FILE, which containers use for secrets. The source is for errors, and "" if
// neither is set.
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
	return strings.TrimRight(string(text), "\r\n"), fmt.Sprintf("the content of %s %q", inFile, path), nil
}

// named names the source of a flag's invalid value instead of pflag's words. Other errors
// are unchanged.
func named(source string, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%s: %w", source, invalid.Unwrap())
	}
	return err
}

// arguments declares how a command reads its arguments, each with its own function. The use
// line names them: <name>, [<name>] if optional, and <name>... for the last one if it can
// be repeated.
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

// optional reads into a field that stays nil if the flag isn't given.
func optional[T any](p **T, read func(*T) func(string) error) func(string) error {
	return func(s string) error {
		if *p == nil {
			*p = new(T)
		}
		return read(*p)(s)
	}
}

// set sets such a field.
func set[T any](p **T) func(T) {
	return func(v T) { *p = &v }
}

// given returns nil for a flag that wasn't given.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// readText reads any text.
func readText(p *string) func(string) error {
	return func(s string) error {
		*p = s
		return nil
	}
}

// readEach reads a text each time the flag is given.
func readEach(p *[]string) func(string) error {
	return func(s string) error {
		*p = append(*p, s)
		return nil
	}
}

// readTexts reads lists of texts like pflag: separated by commas, and each time the flag is
// given. An empty text is an empty list.
func readTexts(p *[]string) func(string) error {
	return func(s string) error {
		if *p == nil {
			*p = []string{}
		}
		if s == "" {
			return nil
		}
		words, err := csv.NewReader(strings.NewReader(s)).Read()
		*p = append(*p, words...)
		return err
	}
}

// readID reads an id.
func readID(p *uuid.UUID) func(string) error {
	return func(s string) (err error) {
		*p, err = parseID(s)
		return err
	}
}

func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		err = errors.New("want an id, such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301")
	}
	return id, err
}

// readIDs reads lists of ids like readTexts.
func readIDs(p *[]uuid.UUID) func(string) error {
	return func(s string) error {
		if *p == nil {
			*p = []uuid.UUID{}
		}
		if s == "" {
			return nil
		}
		for word := range strings.SplitSeq(s, ",") {
			next, err := parseID(word)
			if err != nil {
				return err
			}
			*p = append(*p, next)
		}
		return nil
	}
}

// readInteger reads a 32-bit integer.
func readInteger(p *int32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return errors.New("must be a 32-bit integer")
		}
		*p = int32(n)
		return nil
	}
}

// readLimit reads a 32-bit integer; -1 becomes null, which means no limit.
func readLimit(p *nullable.Nullable[int32]) func(string) error {
	return func(s string) error {
		var n int32
		if err := readInteger(&n)(s); err != nil {
			return err
		}
		if n == -1 {
			p.SetNull()
		} else {
			p.Set(n)
		}
		return nil
	}
}

// readFileName reads the name of an existing file. It expands ~/ to the user's home folder,
// because shells do that only at the start of a word.
func readFileName(p *string) func(string) error {
	return func(s string) error {
		if below, ok := strings.CutPrefix(s, "~/"); ok {
			s = filepath.Join(xdg.Home, below)
		}
		info, err := os.Stat(s)
		if err == nil && info.IsDir() {
			err = errors.New("want a file, not a folder")
		}
		*p = s
		return err
	}
}

// choice is a flag with a list of allowed values.
type choice struct {
	of  []string // includes "" if it may be empty
	get func() string
	set func(string)
}

// choiceFlag declares a choice, which may have a short name.
func choiceFlag[S ~string](flags *pflag.FlagSet, p *S, name, short string, value S, usage string, of ...string) {
	*p = value
	flags.VarP(choice{of, func() string { return string(*p) }, func(s string) { *p = S(s) }}, name, short, usage)
}

// optionalChoice declares a choice that may be omitted or empty, and is then nil.
func optionalChoice[S ~string](flags *pflag.FlagSet, p **S, name, usage string, of ...string) {
	flags.Var(choice{append(of, ""), func() string { return "" }, func(s string) { *p = given(S(s)) }}, name, usage)
}

// Set takes one of the allowed values.
func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		values := c.values()
		last := len(values) - 1
		return fmt.Errorf("want %s or %s", strings.Join(values[:last], ", "), values[last])
	}
	c.set(s)
	return nil
}

func (c choice) values() []string {
	return slices.DeleteFunc(slices.Clone(c.of), func(s string) bool { return s == "" })
}

// String returns the value.
func (c choice) String() string { return c.get() }

// Type returns the placeholder of the value in the help.
func (c choice) Type() string { return strings.Join(c.values(), "|") }

// truth is a boolean flag. Unlike pflag's, it also accepts yes and no, for variables in
// particular, and the help doesn't repeat [=true|false].
type truth bool

// truthFlag declares a boolean flag, false by default.
func truthFlag(flags *pflag.FlagSet, p *bool, name, usage string) {
	flags.VarPF((*truth)(p), name, "", usage).NoOptDefVal = "true"
}

// negatable declares a flag and its opposite. The last one given counts; without either,
// the value is nil.
func negatable(flags *pflag.FlagSet, p **bool, name, usage string) {
	flags.BoolFunc(name, usage, means(p, true))
	flags.BoolFunc("no-"+name, "The opposite.", means(p, false))
}

// means declares a boolean flag that sets *p to a value if true.
func means(p **bool, meaning bool) func(string) error {
	return func(s string) error {
		var given truth
		err := given.Set(s)
		v := bool(given) == meaning
		*p = &v
		return err
	}
}

// whenTrue declares a boolean flag that calls a function if true.
func whenTrue(do func()) func(string) error {
	return func(s string) error {
		var given truth
		err := given.Set(s)
		if given {
			do()
		}
		return err
	}
}

// Set parses the value.
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

// String returns the value; cobra reads it for --help.
func (t *truth) String() string { return strconv.FormatBool(bool(*t)) }

// Type returns "bool", so that cobra can read --help.
func (t *truth) Type() string { return "bool" }

// longest is the longest time that the administration accepts.
const longest = 36500 * 24 * time.Hour

// seconds is a flag for a time such as 90s, 75m, 12h or 30d, stored in seconds.
type seconds func(int64)

// Set parses the value.
func (set seconds) Set(s string) error {
	wrong := errors.New("want a time such as 90s, 75m, 12h or 30d, at most 36500d")
	v, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		v = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || v < time.Second || v > longest {
		return wrong
	}
	set(int64(v / time.Second))
	return nil
}

// String returns "", because there is no default.
func (set seconds) String() string { return "" }

// Type returns the placeholder of the value in the help.
func (set seconds) Type() string { return "duration" }
