package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
)

// explain replaces the position in a body, which the user didn't write, with the name of
// the flag or argument.
func (a *adminCommand) explain(err error) error {
	var refused *api.Problem
	if !errors.As(err, &refused) || refused.Detail == nil {
		return err
	}
	pointer, reason := placeOf(refused)
	meant := a.at(pointer)
	if meant == "" {
		return err
	}
	if takesTime := a.Flags().Lookup(strings.TrimPrefix(meant, "--")); takesTime != nil && takesTime.Value.Type() == "duration" {
		reason = inTime(reason)
	}
	plain := *refused
	detail := meant + ": " + reason
	plain.Detail, plain.Pointer, plain.Line = &detail, nil, nil
	return &plain
}

// placeOf returns the place in a body, or as if it was in one the parameter, that a refusal is
// about, "" if it names none, and what is wrong there.
func placeOf(refused *api.Problem) (pointer, reason string) {
	if refused.Pointer != nil {
		return *refused.Pointer, strings.TrimPrefix(*refused.Detail, *refused.Pointer+": ")
	}
	if text, ok := strings.CutPrefix(*refused.Detail, "The parameter "); ok {
		if name, reason, ok := strings.Cut(text, ": "); ok {
			return "/" + name, reason
		}
	}
	return "", ""
}

// at returns the flag or argument that fills a place in a body, with its value, "" if
// none does.
func (a *adminCommand) at(pointer string) string {
	if pointer == "" || strings.HasPrefix(pointer, "/source/document/") { // of a file
		return ""
	}
	names := namesOf(pointer)
	if pointer == "/name" { // of what the command's family is about
		names = append(names, a.Parent().Name())
	}
	for i, argument := range strings.Fields(a.Use)[1:] {
		if slices.Contains(names, strings.Trim(argument, "<>[].")) && i < a.Flags().NArg() {
			return fmt.Sprintf("%s %q", strings.Trim(argument, "[]"), a.Flags().Arg(i))
		}
	}
	var meant string
	a.Flags().Visit(func(flag *pflag.Flag) {
		if slices.Contains(names, flag.Name) || slices.Equal(flag.Annotations[memberOfFlag], []string{pointer}) {
			meant = "--" + flag.Name
		}
	})
	return meant
}

// secondsInReason matches the number of a reason such as "want at most 86,400".
var secondsInReason = regexp.MustCompile(`[0-9][0-9,]*$`)

// inTime converts the number of seconds in a reason to a time such as 24h.
func inTime(reason string) string {
	return secondsInReason.ReplaceAllStringFunc(reason, func(number string) string {
		n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 32)
		if err != nil {
			return number + " seconds"
		}
		return shortTime(time.Duration(n) * time.Second)
	})
}

// shortTime returns a time without its units of zero: 24h, not 24h0m0s.
func shortTime(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

// namesOf returns the possible names of a flag for a member of a body: for
// /quota/requestsPerSecond, quota-requests-per-second and requests-per-second; for
// /tenantIds/0, tenant-ids, tenant-id and tenant; for /effect/delayMilliseconds, delay.
func namesOf(pointer string) []string {
	var words []string
	for segment := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if strings.Trim(segment, "0123456789") != "" {
			words = append(words, kebab(segment))
		}
	}
	var names []string
	for i := range words {
		name := strings.Join(words[i:], "-")
		one := strings.TrimSuffix(name, "s")
		names = append(names, name, one, unitOfName.ReplaceAllString(name, ""), strings.TrimSuffix(one, "-id"))
	}
	return names
}

// unitOfName matches the unit at the end of a member's name.
var unitOfName = regexp.MustCompile(`-(milliseconds|seconds|bytes)$`)

// kebab converts camelCase to lower case with hyphens.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
