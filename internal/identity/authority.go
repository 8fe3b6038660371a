package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
)

// The authorities that serve many tenants.
// https://learn.microsoft.com/entra/identity-platform/v2-protocols#endpoints
const (
	common        = "common"        // every account
	organizations = "organizations" // work and school accounts
	consumers     = "consumers"     // personal accounts; this service has none
)

// ReservedID says what already has this id, which no tenant may have, or returns "".
func ReservedID(id uuid.UUID) string {
	if id == bearer.ConsumersTenantID {
		return "the tenant of all personal Microsoft accounts"
	}
	return ""
}

// ReservedDomain says which authority already has this name, which no domain may have
// because its tenant couldn't be reached, or returns "".
func ReservedDomain(name string) string {
	switch name = strings.ToLower(name); name {
	case common, organizations, consumers:
		return "the authority of many tenants"
	}
	if _, err := uuid.Parse(name); err == nil {
		return "a GUID, which names a tenant by its id"
	}
	return ""
}

// authority is an authority named by a path: that of one tenant, or of many.
type authority struct {
	name   string     // common, organizations, consumers, or the tenant's id
	tenant *db.Tenant // nil if it serves many tenants
}

// authority finds the authority that the path names.
func (p *Provider) authority(x *exchange) (authority, error) {
	a, err := p.findAuthority(x.Request.Context(), x.Param("tenant"))
	if err == nil && a.tenant != nil {
		err = x.enter(a.tenant)
	}
	return a, err
}

func (p *Provider) findAuthority(ctx context.Context, name string) (authority, error) {
	name = strings.ToLower(name)
	switch name {
	case common, organizations, consumers:
		return authority{name: name}, nil
	case bearer.ConsumersTenantID.String():
		return authority{name: consumers}, nil
	}
	tenant, err := p.findTenant(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return authority{}, errNoTenant(name)
	}
	if err != nil {
		return authority{}, err
	}
	return authority{tenant.ID.String(), &tenant}, nil
}

// findTenant finds a tenant by its id or one of its domains.
func (p *Provider) findTenant(ctx context.Context, name string) (db.Tenant, error) {
	if !isText(name) {
		return db.Tenant{}, pgx.ErrNoRows
	}
	id, err := uuid.Parse(name)
	if err != nil {
		domain, err := p.queries.GetDomain(ctx, name)
		if err != nil {
			return db.Tenant{}, err
		}
		id = domain.TenantID
	}
	return p.getTenant(ctx, id)
}

// getTenant finds a tenant that hasn't expired.
func (p *Provider) getTenant(ctx context.Context, id uuid.UUID) (db.Tenant, error) {
	tenant, err := p.queries.GetTenant(ctx, id)
	if err == nil && tenant.ExpiresAt != nil && !p.now().Before(*tenant.ExpiresAt) {
		err = pgx.ErrNoRows
	}
	return tenant, err
}

// tenant finds the tenant that a code, a token or a user belongs to; it may be gone.
func (p *Provider) tenant(x *exchange, id uuid.UUID) (db.Tenant, error) {
	tenant, err := p.getTenant(x.Request.Context(), id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoTenant(id.String())
	}
	if err != nil {
		return tenant, err
	}
	return tenant, x.enter(&tenant)
}

func errNoTenant(name string) *aadError {
	return refuse(90002, invalidRequest, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", name)
}

// tenantOfUser returns the authority's tenant or, at an authority of many tenants, the
// one that owns the domain of the user's name.
func (p *Provider) tenantOfUser(x *exchange, a authority, userName string) (db.Tenant, error) {
	if a.tenant != nil {
		return *a.tenant, nil
	}
	_, domain, _ := strings.Cut(userName, "@")
	if a.name == consumers || domain == "" {
		return db.Tenant{}, errNoUser(a.name)
	}
	tenant, err := p.findTenant(x.Request.Context(), strings.ToLower(domain))
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoUser(a.name)
	}
	if err != nil {
		return tenant, err
	}
	return tenant, x.enter(&tenant)
}

// admits returns an error unless the authority serves the tenant that a code or a token
// names.
func (a authority) admits(tenant uuid.UUID) error {
	if a.name == consumers || a.tenant != nil && a.tenant.ID != tenant {
		return refuse(700005, invalidGrant, "Provided Authorization Code or Refresh Token is intended to be used against another tenant.")
	}
	return nil
}
