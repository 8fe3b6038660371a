package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/state"
)

// seedName matches valid names of seeds; see NewName in api/openapi.yaml.
var seedName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// ReadSeeds makes a seed of every document (*.json, *.yaml and *.yml) in a folder, unless dir
// is "". The seed has the file's name without its extension. A new file also becomes a tenant,
// with ids that are the same everywhere. A changed file replaces its seed but leaves the seed's
// tenants unchanged, and an unchanged one is skipped. The error about an invalid document names
// file, line and path; then the document has no effect.
func (a *API) ReadSeeds(ctx context.Context, dir string) error {
	if dir == "" {
		return nil
	}
	files, err := seedFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := a.readSeed(ctx, name, files[name]); err != nil {
			return fmt.Errorf("seed %s: %w", files[name], err)
		}
	}
	return nil
}

// seedFiles returns the documents in a folder by the names of their seeds.
func seedFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("MOCKTENANT_SEED_DIR: %w", err)
	}
	files := map[string]string{}
	for _, e := range entries {
		path, ext := filepath.Join(dir, e.Name()), filepath.Ext(e.Name())
		if ext != ".json" && ext != ".yaml" && ext != ".yml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := strings.TrimSuffix(e.Name(), ext)
		if !seedName.MatchString(name) {
			return nil, fmt.Errorf("seed %s: a seed can't be called %q: want up to 100 letters, digits, '.', '_' and '-'", path, name)
		}
		if other, twice := files[name]; twice {
			return nil, fmt.Errorf("seeds %s and %s: both are called %q", other, path, name)
		}
		files[name] = path
	}
	return files, nil
}

// readSeed reads a file, unless it is the one from which its seed was made.
func (a *API) readSeed(ctx context.Context, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, f)
	if err != nil {
		return err
	}
	var former *db.Seed
	switch row, err := a.queries.GetSeed(ctx, db.GetSeedParams{Name: name}); {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil || bytes.Equal(row.Digest, digest.Sum(nil)):
		return err
	default:
		former = &row
	}
	document, err := state.Open(io.NewSectionReader(f, 0, size), filepath.Ext(path) != ".json")
	if err != nil {
		return err
	}
	return a.putSeed(ctx, db.PutSeedParams{Name: name, CreatedAt: a.now(), Digest: digest.Sum(nil)}, document, former)
}

// putSeed makes a seed and its tenant, or replaces the former seed.
func (a *API) putSeed(ctx context.Context, seed db.PutSeedParams, d state.Document, former *db.Seed) error {
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) (err error) {
		q := db.New(tx)
		m := state.Importer{Now: seed.CreatedAt, IDSeed: seed.Name, CheckRule: a.rules}
		if seed.StateID, err = m.Import(ctx, tx, d); err != nil {
			return err
		}
		if n, err := q.PutSeed(ctx, seed); err != nil || n == 0 {
			return cmp.Or(err, errReadElsewhere)
		}
		if former == nil {
			return a.plant(ctx, q, seed)
		}
		_, err = q.DeleteUnusedStates(ctx, []uuid.UUID{former.StateID})
		return err
	})
	if errors.Is(err, errReadElsewhere) {
		return nil
	}
	return err
}

// errReadElsewhere rolls back a change that another process has made.
var errReadElsewhere = errors.New("another process has read it")

// plant makes the tenant of a seed, unless it exists.
func (a *API) plant(ctx context.Context, q *db.Queries, seed db.PutSeedParams) error {
	id := db.SeededID(seed.Name, "tenant", 1)
	kept, err := q.GetState(ctx, seed.StateID)
	if err != nil {
		return err
	}
	created := clockOf(kept, seed.CreatedAt).Now(seed.CreatedAt)
	n, err := q.CreateTenant(ctx, db.CreateTenantParams{
		TenantID: id, DisplayName: seed.Name, OriginID: &seed.StateID, IDSeed: &seed.Name, CreatedAt: created,
	})
	if err != nil || n == 0 {
		return err
	}
	domain := strings.ToLower(seed.Name) + domainSuffix
	if n, err := q.CreateDomain(ctx, db.CreateDomainParams{Name: domain, TenantID: id, CreatedAt: created}); err != nil || n == 0 {
		return cmp.Or(err, fmt.Errorf("the domain %q is another tenant's: rename the file", domain))
	}
	a.log.Info("a tenant from a seed", "seed", seed.Name, "tenant", id, "domain", domain)
	return state.Replace(ctx, q, id, seed.StateID, seed.CreatedAt)
}
