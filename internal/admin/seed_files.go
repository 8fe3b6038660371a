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

// ReadSeeds keeps every document in a folder, *.json, *.yaml and *.yml, as the seed
// that its file's name without the ending names; "" names none. A file that hasn't
// changed since the last time is passed over, one that changed takes the place of the seed,
// whose tenants stay as they are. A file that comes for the first time is made a
// tenant too, with ids that are the same everywhere. The error of a document that
// can't be taken says file, line and path; nothing of that file is kept then.
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

func (a *API) readSeed(ctx context.Context, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return err
	}
	before, err := a.queries.GetSeed(ctx, db.GetSeedParams{Name: name})
	fresh := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !fresh || bytes.Equal(before.Digest, digest.Sum(nil)) {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	document, err := state.Open(io.NewSectionReader(f, 0, size), filepath.Ext(path) != ".json")
	if err != nil {
		return err
	}
	put := db.PutSeedParams{Name: name, CreatedAt: a.now(), Digest: digest.Sum(nil)}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		m := state.Importer{Now: put.CreatedAt, IDSeed: name, CheckRule: a.rules}
		if put.StateID, err = m.Import(ctx, tx, document); err != nil {
			return err
		}
		if n, err := q.PutSeed(ctx, put); err != nil || n == 0 {
			return cmp.Or(err, errReadElsewhere)
		}
		if fresh {
			return a.plant(ctx, q, put)
		}
		_, err := q.DeleteUnusedStates(ctx, []uuid.UUID{before.StateID})
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
