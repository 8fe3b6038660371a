package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

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
	for _, name := range names {
		if flag := a.Flags().Lookup(name); flag != nil && flag.Changed {
			return "--" + name
		}
	}
	return ""
}

// namesOf returns the possible names of a flag for a member of a body: for
// /quota/requestsPerSecond, quota-requests-per-second and requests-per-second; for
// /tenantIds/0, tenant-ids, tenant-id and tenant.
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
		names = append(names, name, one, strings.TrimSuffix(name, "-seconds"), strings.TrimSuffix(one, "-id"))
	}
	return names
}

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
