package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const variablePrefix = "MOCKTENANT_"

// ofOthers matches variables with our prefix that aren't settings: those of this project's
// tests and examples, and those that Kubernetes and Docker derive from the names of
// services.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
var ofOthers = regexp.MustCompile(`^MOCKTENANT_(TEST_|HEAVY_TESTS=|NO_SKIP=|IMAGE=|STANDALONE_IMAGE=)` +
	`|^\w+_(SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_\w+|PORT_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)=|^\w+_PORT=(tcp|udp|sctp)://`)

// checkVariables refuses unknown variables, so that a misspelled setting isn't ignored.
func checkVariables(root *cobra.Command) error {
	known := variables(root)
	var errs []error
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		setting := strings.TrimSuffix(name, "_FILE")
		if !strings.HasPrefix(name, variablePrefix) || ofOthers.MatchString(pair) || slices.Contains(known, name) || slices.Contains(known, setting) {
			continue
		}
		meant := ""
		for letters := 1; letters <= 3 && meant == ""; letters++ {
			meant = suggest(setting, known, letters)
		}
		errs = append(errs, fmt.Errorf("%s: unknown setting%s", name, meant))
	}
	return errors.Join(errs...)
}

// variables returns the variables that set a flag of a command or its subcommands.
func variables(cmd *cobra.Command) []string {
	var names []string
	add := func(flag *pflag.Flag) { names = append(names, flag.Annotations[variableOfFlag]...) }
	cmd.Flags().VisitAll(add)
	cmd.PersistentFlags().VisitAll(add)
	for _, below := range cmd.Commands() {
		names = append(names, variables(below)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
