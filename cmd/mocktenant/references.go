package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// argument reads an argument of a command, or a flag.
type argument = func(*adminCommand) func(string) error

func textArg(p *string) argument {
	return func(*adminCommand) func(string) error { return readText(p) }
}

func idArg(p *uuid.UUID) argument {
	return func(*adminCommand) func(string) error { return readID(p) }
}

// optionalArg reads an argument into a pointer that stays nil without it.
func optionalArg[T any](p **T, take func(*T) argument) argument {
	return func(a *adminCommand) func(string) error {
		v := new(T)
		read := take(v)(a)
		return func(s string) error {
			*p = v
			return read(s)
		}
	}
}

// tenantArg reads a tenant by its id, a domain or its name. Users and applications on the
// command line are looked up in that tenant.
func tenantArg(p *uuid.UUID) argument {
	return reference(tenantsFirst, func(ctx context.Context, s *session, text string) (err error) {
		*p, err = resolve(ctx, s, text, findTenant)
		s.tenant = *p
		return err
	})
}

// thisTenantArg reads an optional tenant, whose default is AZURE_TENANT_ID.
func thisTenantArg(p *uuid.UUID) argument {
	return func(a *adminCommand) func(string) error {
		read, given := tenantArg(p)(a), false
		a.validate = func() error {
			if given {
				return nil
			}
			value, source, err := lookup("AZURE_TENANT_ID")
			switch {
			case err != nil:
				return err
			case source == "":
				return errors.New("want <tenant>, or AZURE_TENANT_ID")
			}
			return read(value)
		}
		return func(text string) error {
			given = true
			return read(text)
		}
	}
}

// tenantsArg reads several tenants, separated by commas or each time the flag is given.
func tenantsArg(p *[]uuid.UUID) argument {
	return reference(tenantsFirst, func(ctx context.Context, s *session, text string) error {
		for word := range strings.SplitSeq(text, ",") {
			id, err := resolve(ctx, s, word, findTenant)
			if err != nil {
				return err
			}
			*p = append(*p, id)
		}
		return nil
	})
}

// userArg reads a user by id or user principal name.
func userArg(p *uuid.UUID) argument {
	return reference(others, func(ctx context.Context, s *session, text string) (err error) {
		*p, err = resolve(ctx, s, text, findUser)
		return err
	})
}

// appArg reads an application by client id or display name.
func appArg(p *uuid.UUID) argument {
	return reference(others, func(ctx context.Context, s *session, text string) (err error) {
		*p, err = resolve(ctx, s, text, findApp)
		return err
	})
}

// finder looks up a name on the command line.
type finder func(context.Context, *session) error

// This is the order in which names on the command line are looked up.
const (
	tenantsFirst = iota
	others
)

// finders are a command's finders in that order.
type finders [others + 1][]finder

func (f finders) find(ctx context.Context, s *session) error {
	for _, find := range slices.Concat(f[:]...) {
		if err := find(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// reference reads a text and looks it up before the command's call.
func reference(order int, find func(ctx context.Context, s *session, text string) error) argument {
	return func(a *adminCommand) func(string) error {
		return func(text string) error {
			if text == "" {
				return errors.New("want an id or a name")
			}
			a.finds[order] = append(a.finds[order], func(ctx context.Context, s *session) error { return find(ctx, s, text) })
			return nil
		}
	}
}

// resolve returns the id in a text, or the id of the item with that name.
func resolve(ctx context.Context, s *session, text string, find func(ctx context.Context, s *session, name string) (uuid.UUID, error)) (uuid.UUID, error) {
	if id, err := uuid.Parse(text); err == nil {
		return id, nil
	}
	return find(ctx, s, text)
}

func findTenant(ctx context.Context, s *session, name string) (uuid.UUID, error) {
	one, err := findNamed(ctx, s, "tenant", name, tenantsNamed, namesOfTenant)
	return one.Id, err
}

func namesOfTenant(t api.Tenant) (uuid.UUID, []string) { return t.Id, append(t.Domains, t.DisplayName) }

func tenantsNamed(ctx context.Context, s *session, name *string) ([]api.Tenant, error) {
	return pages[api.Tenant](func(after *api.After) (*http.Response, error) {
		return s.ListTenants(ctx, &api.ListTenantsParams{Top: &wholePage, After: after, Name: name})
	})
}

func findUser(ctx context.Context, s *session, name string) (uuid.UUID, error) {
	one, err := findNamed(ctx, s, "user", name, usersNamed, namesOfUser)
	return one.Id, err
}

func namesOfUser(u api.User) (uuid.UUID, []string) { return u.Id, []string{u.UserPrincipalName} }

func usersNamed(ctx context.Context, s *session, name *string) ([]api.User, error) {
	return pages[api.User](func(after *api.After) (*http.Response, error) {
		return s.ListUsers(ctx, s.tenant, &api.ListUsersParams{Top: &wholePage, After: after, UserPrincipalName: name})
	})
}

func findApp(ctx context.Context, s *session, name string) (uuid.UUID, error) {
	one, err := findNamed(ctx, s, "application", name, appsNamed, namesOfApp)
	return one.ClientId, err
}

func namesOfApp(a api.Application) (uuid.UUID, []string) {
	return a.ClientId, []string{a.DisplayName}
}

func appsNamed(ctx context.Context, s *session, name *string) ([]api.Application, error) {
	return pages[api.Application](func(after *api.After) (*http.Response, error) {
		return s.ListApplications(ctx, s.tenant, &api.ListApplicationsParams{Top: &wholePage, After: after, DisplayName: name})
	})
}

// lister returns the items with a name, or all items for "".
type lister[T any] func(ctx context.Context, s *session, name *string) ([]T, error)

// findNamed looks a name up. If nothing has the name, it reads the whole list, so that the
// error can suggest one.
func findNamed[T any](ctx context.Context, s *session, noun, name string, list lister[T], of func(T) (uuid.UUID, []string)) (found T, err error) {
	few, err := list(ctx, s, &name)
	if err == nil && len(few) == 0 {
		few, err = list(ctx, s, nil)
	}
	if err != nil {
		return found, err
	}
	return pick(noun, name, few, of)
}

// wholePage is the maximum page size of a list.
var wholePage = 1000

// pick returns the item with an id or a name, in any letter case.
func pick[T any](noun, name string, all []T, of func(T) (id uuid.UUID, names []string)) (picked T, err error) {
	var found, known []string
	for _, one := range all {
		id, names := of(one)
		known = append(known, names...)
		if slices.ContainsFunc(append(names, id.String()), func(n string) bool { return strings.EqualFold(n, name) }) {
			picked, found = one, append(found, id.String())
		}
	}
	switch len(found) {
	case 0:
		return picked, notFound(fmt.Sprintf("There is no %s %q%s", noun, name, suggest(name, known, 2)))
	case 1:
		return picked, nil
	}
	return picked, fmt.Errorf("%d are named %q: name the %s by its id, one of %s", len(found), name, noun, strings.Join(found, ", "))
}

// notFound returns the service's error for an unknown id.
func notFound(detail string) error {
	return &api.Problem{Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound, Detail: &detail}
}
