package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/server"
)

// principals are a tenant, an application and a user.
type principals struct {
	tenant uuid.UUID
	app    api.Application
	user   api.User
}

// findPrincipals finds a tenant and, in it, an application and a user by name, or the first
// ones for "".
func findPrincipals(ctx context.Context, c *client.Client, tenantName, appName, userName string) (p principals, err error) {
	s := &session{Client: c}
	if s.tenant, err = resolve(ctx, s, cmp.Or(tenantName, server.DemoTenantID.String()), findTenant); err != nil {
		return p, err
	}
	p.tenant = s.tenant
	p.app, err = choose(ctx, s, "application", appName, appsNamed, namesOfApp, func(a api.Application) time.Time { return a.CreatedDateTime })
	if err != nil {
		return p, err
	}
	p.user, err = choose(ctx, s, "user", userName, usersNamed, namesOfUser, func(u api.User) time.Time { return u.CreatedDateTime })
	return p, err
}

// choose returns the item with a name or, for "", the oldest.
func choose[T any](ctx context.Context, s *session, noun, name string, list lister[T], names func(T) (uuid.UUID, []string), created func(T) time.Time) (chosen T, err error) {
	if name != "" {
		return findNamed(ctx, s, noun, name, list, names)
	}
	all, err := list(ctx, s, nil)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("the tenant has no %s: make one with mocktenant, or use another tenant", noun)
	}
	if err != nil {
		return chosen, err
	}
	return slices.MinFunc(all, func(a, b T) int { return created(a).Compare(created(b)) }), nil
}
