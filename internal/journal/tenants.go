package journal

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

const (
	maxNames   = 1000
	nameMemory = time.Second
)

// tenants looks up tenants in the authority's paths, for requests that were refused before
// the authority looked them up.
type tenants struct {
	queries *db.Queries
	known   simplelru.LRUCache[string, namedTenant] // an lru.Cache
}

type namedTenant struct {
	settings *tenant.Settings // nil if no tenant has this name
	until    time.Time
}

func newTenants(q *db.Queries) tenants {
	known, err := lru.New[string, namedTenant](maxNames)
	if err != nil {
		panic(err) // the size is a constant
	}
	return tenants{q, known}
}

// name assigns an entry to the tenant in its path, if there is one.
func (t tenants) name(ctx context.Context, e *entry) error {
	found, ok := t.known.Get(e.authority)
	if !ok || time.Now().After(found.until) {
		settings, err := t.find(ctx, e.authority)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		found = namedTenant{settings, time.Now().Add(nameMemory)}
		t.known.Add(e.authority, found)
	}
	if found.settings != nil {
		e.at = found.settings.Clock.Now(e.at)
		e.owner = ownedBy(found.settings)
	}
	e.authority = ""
	return nil
}

func (t tenants) find(ctx context.Context, name string) (*tenant.Settings, error) {
	id, err := uuid.Parse(name)
	if err != nil {
		domain, err := t.queries.GetDomain(ctx, name)
		if err != nil {
			return nil, err
		}
		id = domain.TenantID
	}
	row, err := t.queries.GetTenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return tenant.SettingsOf(&row), nil
}
