package admin

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// seedPath names a seed.
type seedPath struct{ Name string }

// findSeed finds a seed that the caller can see: a manager sees their own and the owners'.
func findSeed(ctx context.Context, x *call, name string) (db.Seed, error) {
	row, err := x.admin.queries.GetSeed(ctx, db.GetSeedParams{Name: name, Manager: x.caller.manager()})
	return row, orNoSeed(err, name)
}

func orNoSeed(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("There is no seed %q.", name)
	}
	return err
}

func showSeed(ctx context.Context, q *db.Queries, row db.Seed) (api.Seed, error) {
	n, err := counts(ctx, q, row.StateID)
	return api.Seed{Name: row.Name, Manager: row.Manager, CreatedDateTime: row.CreatedAt.UTC(), Counts: n}, err
}

// listSeeds lists the seeds.
func listSeeds(ctx context.Context, x *call, p api.ListSeedsParams) (list api.SeedList, err error) {
	rows, err := x.admin.queries.ListSeeds(ctx, db.ListSeedsParams{After: afterText(p.After), Manager: x.caller.manager(), Search: afterText(p.Search), RowLimit: limit(p.Top) + 1})
	if err != nil {
		return list, err
	}
	list.Value = []api.Seed{}
	rows, list.NextLink = page(x, rows, p.Top, func(s db.Seed) string { return s.Name })
	for _, row := range rows {
		s, err := showSeed(ctx, x.admin.queries, row)
		if err != nil {
			return list, err
		}
		list.Value = append(list.Value, s)
	}
	return list, nil
}

// createSeed stores a document under a name: all of it, or nothing.
func createSeed(ctx context.Context, c *change, r seedPath) (api.Seed, error) {
	c.target = r.Name
	kept, err := c.x.importer().Import(ctx, c.tx, c.x.state)
	if err != nil {
		return api.Seed{}, err
	}
	row := db.Seed{Name: r.Name, StateID: kept, Manager: c.x.caller.manager(), CreatedAt: c.x.Now}
	n, err := c.queries.CreateSeed(ctx, db.CreateSeedParams{Name: row.Name, StateID: row.StateID, Manager: row.Manager, CreatedAt: row.CreatedAt})
	if err != nil || n == 0 {
		return api.Seed{}, orConflict(err, "There is a seed %q; delete it first, or take another name.", r.Name)
	}
	return showSeed(ctx, c.queries, row)
}

func getSeed(ctx context.Context, x *call, r seedPath) (api.Seed, error) {
	row, err := findSeed(ctx, x, r.Name)
	if err != nil {
		return api.Seed{}, err
	}
	return showSeed(ctx, x.admin.queries, row)
}

// deleteSeed removes a seed, and its state unless a tenant can be reset to that.
func deleteSeed(ctx context.Context, c *change, r seedPath) (none, error) {
	kept, err := c.queries.DeleteSeed(ctx, r.Name)
	if err != nil {
		return none{}, orNoSeed(err, r.Name)
	}
	_, err = c.queries.DeleteUnusedStates(ctx, []uuid.UUID{kept})
	return none{}, err
}

type exportSeedRequest struct {
	seedPath
	format
}

// exportSeed answers with a seed's document.
func exportSeed(ctx context.Context, x *call, r exportSeedRequest) error {
	row, err := findSeed(ctx, x, r.Name)
	if err != nil {
		return err
	}
	return x.export(ctx, row.StateID, r.format)
}
