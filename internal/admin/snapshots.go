package admin

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// snapshotPath names a snapshot of the tenant.
type snapshotPath struct{ Name string }

func findSnapshot(ctx context.Context, q *db.Queries, tenant uuid.UUID, name string) (db.Snapshot, error) {
	row, err := q.GetSnapshot(ctx, db.GetSnapshotParams{TenantID: tenant, Name: name})
	return row, orNoSnapshot(err, name)
}

func orNoSnapshot(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no snapshot %q.", name)
	}
	return err
}

func showSnapshot(ctx context.Context, q *db.Queries, row db.Snapshot) (api.Snapshot, error) {
	n, err := counts(ctx, q, row.StateID)
	return api.Snapshot{Name: row.Name, CreatedDateTime: row.CreatedAt.UTC(), Counts: n}, err
}

// listSnapshots lists the snapshots of a tenant.
func listSnapshots(ctx context.Context, x *call, p api.ListSnapshotsParams) (list api.SnapshotList, err error) {
	rows, err := x.admin.queries.ListSnapshots(ctx, db.ListSnapshotsParams{TenantID: x.tenant.ID, After: afterText(p.After), RowLimit: limit(p.Top) + 1})
	if err != nil {
		return list, err
	}
	list.Value = []api.Snapshot{}
	rows, list.NextLink = page(x, rows, p.Top, func(s db.Snapshot) string { return s.Name })
	for _, row := range rows {
		s, err := showSnapshot(ctx, x.admin.queries, row)
		if err != nil {
			return list, err
		}
		list.Value = append(list.Value, s)
	}
	return list, nil
}

// createSnapshot stores the current state.
func createSnapshot(ctx context.Context, c *change, r api.SnapshotCreate) (api.Snapshot, error) {
	c.target = r.Name
	kept, err := c.keep(ctx, c.tenant.ID)
	if err != nil {
		return api.Snapshot{}, err
	}
	row := db.Snapshot{TenantID: c.tenant.ID, Name: r.Name, StateID: kept, CreatedAt: c.x.Now}
	n, err := c.queries.CreateSnapshot(ctx, db.CreateSnapshotParams(row))
	if err != nil || n == 0 {
		return api.Snapshot{}, orConflict(err, "The tenant has a snapshot %q; delete it first, or take another name.", r.Name)
	}
	return showSnapshot(ctx, c.queries, row)
}

func getSnapshot(ctx context.Context, x *call, r snapshotPath) (api.Snapshot, error) {
	row, err := findSnapshot(ctx, x.admin.queries, x.tenant.ID, r.Name)
	if err != nil {
		return api.Snapshot{}, err
	}
	return showSnapshot(ctx, x.admin.queries, row)
}

// deleteSnapshot removes a snapshot, and its state unless a tenant can be reset to that.
func deleteSnapshot(ctx context.Context, c *change, r snapshotPath) (none, error) {
	row, err := findSnapshot(ctx, c.queries, c.tenant.ID, r.Name)
	if err != nil {
		return none{}, err
	}
	if _, err := c.queries.DeleteSnapshot(ctx, db.DeleteSnapshotParams{TenantID: c.tenant.ID, Name: r.Name}); err != nil {
		return none{}, err
	}
	_, err = c.queries.DeleteUnusedStates(ctx, []uuid.UUID{row.StateID})
	return none{}, err
}

// restoreSnapshot restores the tenant.
func restoreSnapshot(ctx context.Context, c *change, r snapshotPath) (api.StateCounts, error) {
	row, err := findSnapshot(ctx, c.queries, c.tenant.ID, r.Name)
	if err != nil {
		return api.StateCounts{}, err
	}
	if err := c.replace(ctx, row.StateID); err != nil {
		return api.StateCounts{}, err
	}
	return counts(ctx, c.queries, c.tenant.ID)
}

type exportSnapshotRequest struct {
	snapshotPath
	format
}

// exportSnapshot answers with a snapshot's document.
func exportSnapshot(ctx context.Context, x *call, r exportSnapshotRequest) error {
	row, err := findSnapshot(ctx, x.admin.queries, x.tenant.ID, r.Name)
	if err != nil {
		return err
	}
	return x.export(ctx, row.StateID, r.format)
}
