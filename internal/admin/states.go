package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/state"
)

func counts(ctx context.Context, q *db.Queries, id uuid.UUID) (StateCounts, error) {
	n, err := state.Count(ctx, q, id)
	return StateCounts{Partners: n.Partners, Users: n.Users, Applications: n.Applications}, err
}

// oneMoment is how what is read in several statements belongs together.
var oneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// export answers the state of a tenant, or of what is kept, as a document. It has
// left the database before the client takes it.
func (a *API) export(x *call, id uuid.UUID, format string) (answer, error) {
	kind := jsonType
	if format == "yaml" {
		kind = yamlType
	}
	err := a.readState(x, id, kind == yamlType)
	if err == nil {
		err = a.send(x, kind)
	}
	return answer{status: http.StatusOK}, err
}

func (a *API) readState(x *call, id uuid.UUID, yaml bool) error {
	ctx := x.Request.Context()
	release, err := a.transfers.take(ctx, a.patience)
	if err != nil {
		return err
	}
	defer release()
	return pgx.BeginTxFunc(ctx, a.pool, oneMoment, func(tx pgx.Tx) error {
		return state.Export(ctx, db.New(tx), id, x.document, yaml)
	})
}

// ExportTenant answers the state of a tenant.
func (a *API) ExportTenant(c *gin.Context, id TenantId, p ExportTenantParams) {
	a.answer(c, func(x *call) (answer, error) { return a.export(x, id, formatOf(p.Format)) })
}

func formatOf[T ~string](format *T) string {
	if format == nil {
		return ""
	}
	return string(*format)
}

// ImportTenant replaces the state of a tenant by a document.
func (a *API) ImportTenant(c *gin.Context, id TenantId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.transfer(x, "", func(ctx context.Context, c *change) (answer, error) {
			m := state.Importer{Now: x.now, By: x.caller.id}
			set(&m.IDSeed, x.tenant.IDSeed)
			from, err := m.Import(ctx, c.tx, x.state)
			if err == nil {
				err = c.lock(ctx, x, id)
			}
			if err == nil {
				err = state.KeepTokens(ctx, c.Queries, id, from)
			}
			if err == nil {
				err = c.replace(ctx, from)
			}
			if err != nil {
				return answer{}, err
			}
			if _, err := c.DeleteUnusedStates(ctx, []uuid.UUID{from}); err != nil {
				return answer{}, err
			}
			n, err := counts(ctx, c.Queries, id)
			return ok(n), err
		})
	})
}

// replace gives the change's tenant what a state holds, within its quota.
func (c *change) replace(ctx context.Context, from uuid.UUID) error {
	if err := c.checkQuota(ctx, from, c.tenant.PartnerQuota, c.tenant.UserQuota); err != nil {
		return err
	}
	return state.Replace(ctx, c.Queries, c.tenant.ID, from)
}

// checkQuota refuses a state that has more than a tenant may have; nil is no limit.
func (c *change) checkQuota(ctx context.Context, from uuid.UUID, partners, users *int32) error {
	if partners == nil && users == nil {
		return nil
	}
	has, err := state.Count(ctx, c.Queries, from)
	if err != nil {
		return err
	}
	for _, of := range []struct {
		quota *int32
		has   int64
		what  string
	}{{partners, has.Partners, "partners"}, {users, has.Users, "users"}} {
		if of.quota != nil && of.has > int64(*of.quota) {
			return errConflict("The tenant would have %d %s, and its quota is %d: raise the quota, or take what has fewer.", of.has, of.what, *of.quota)
		}
	}
	return nil
}

func (a *API) snapshot(ctx context.Context, q *db.Queries, tenant uuid.UUID, name string) (db.Snapshot, error) {
	row, err := q.GetSnapshot(ctx, db.GetSnapshotParams{TenantID: tenant, Name: name})
	return row, orNoSnapshot(err, name)
}

func orNoSnapshot(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no snapshot %q.", name)
	}
	return err
}

func showSnapshot(ctx context.Context, q *db.Queries, row db.Snapshot) (Snapshot, error) {
	n, err := counts(ctx, q, row.StateID)
	return Snapshot{Name: row.Name, CreatedDateTime: row.CreatedAt.UTC(), Counts: n}, err
}

// ListSnapshots lists the snapshots of a tenant.
func (a *API) ListSnapshots(c *gin.Context, id TenantId, p ListSnapshotsParams) {
	a.answer(c, func(x *call) (answer, error) {
		ctx := c.Request.Context()
		rows, err := a.queries.ListSnapshots(ctx, db.ListSnapshotsParams{TenantID: id, After: afterText(p.After), RowLimit: limit(p.Top) + 1})
		if err != nil {
			return answer{}, err
		}
		list := SnapshotList{Value: []Snapshot{}}
		rows, list.NextLink = page(x, rows, p.Top, func(s db.Snapshot) string { return s.Name })
		for _, row := range rows {
			s, err := showSnapshot(ctx, a.queries, row)
			if err != nil {
				return answer{}, err
			}
			list.Value = append(list.Value, s)
		}
		return ok(list), nil
	})
}

// CreateSnapshot keeps the state of now.
func (a *API) CreateSnapshot(c *gin.Context, id TenantId, _ CreateSnapshotParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[SnapshotCreate](x)
		if err != nil {
			return answer{}, err
		}
		return a.copying(x, r.Name, func(ctx context.Context, c *change) (answer, error) {
			kept, err := c.keep(ctx, id, x.now)
			if err != nil {
				return answer{}, err
			}
			row := db.Snapshot{TenantID: id, Name: r.Name, StateID: kept, CreatedAt: x.now}
			n, err := c.CreateSnapshot(ctx, db.CreateSnapshotParams(row))
			if err != nil || n == 0 {
				return answer{}, orConflict(err, "The tenant has a snapshot %q; delete it first, or take another name.", r.Name)
			}
			s, err := showSnapshot(ctx, c.Queries, row)
			return created(s), err
		})
	})
}

// GetSnapshot answers a snapshot.
func (a *API) GetSnapshot(c *gin.Context, id TenantId, name Name) {
	a.answer(c, func(*call) (answer, error) {
		row, err := a.snapshot(c.Request.Context(), a.queries, id, name)
		if err != nil {
			return answer{}, err
		}
		s, err := showSnapshot(c.Request.Context(), a.queries, row)
		return ok(s), err
	})
}

// DeleteSnapshot removes a snapshot, and what it kept unless a tenant goes back to
// that.
func (a *API) DeleteSnapshot(c *gin.Context, id TenantId, name Name) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, name, func(ctx context.Context, c *change) (answer, error) {
			row, err := a.snapshot(ctx, c.Queries, id, name)
			if err != nil {
				return answer{}, err
			}
			if _, err := c.DeleteSnapshot(ctx, db.DeleteSnapshotParams{TenantID: id, Name: name}); err != nil {
				return answer{}, err
			}
			_, err = c.DeleteUnusedStates(ctx, []uuid.UUID{row.StateID})
			return done(), err
		})
	})
}

// RestoreSnapshot puts the tenant back.
func (a *API) RestoreSnapshot(c *gin.Context, id TenantId, name Name) {
	a.answer(c, func(x *call) (answer, error) {
		return a.copying(x, name, func(ctx context.Context, c *change) (answer, error) {
			row, err := a.snapshot(ctx, c.Queries, id, name)
			if err != nil {
				return answer{}, err
			}
			if err := c.replace(ctx, row.StateID); err != nil {
				return answer{}, err
			}
			n, err := counts(ctx, c.Queries, id)
			return ok(n), err
		})
	})
}

// ExportSnapshot answers a snapshot as a document.
func (a *API) ExportSnapshot(c *gin.Context, id TenantId, name Name, p ExportSnapshotParams) {
	a.answer(c, func(x *call) (answer, error) {
		row, err := a.snapshot(c.Request.Context(), a.queries, id, name)
		if err != nil {
			return answer{}, err
		}
		return a.export(x, row.StateID, formatOf(p.Format))
	})
}

// DiffStates compares two snapshots, or one and the state of now.
func (a *API) DiffStates(c *gin.Context, id TenantId, p DiffStatesParams) {
	a.answer(c, func(x *call) (result answer, err error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		ctx := c.Request.Context()
		err = pgx.BeginTxFunc(ctx, a.pool, oneMoment, func(tx pgx.Tx) error {
			q, to := db.New(tx), id
			from, err := a.snapshot(ctx, q, id, p.From)
			if err != nil {
				return err
			}
			if p.To != nil {
				later, err := a.snapshot(ctx, q, id, *p.To)
				if err != nil {
					return err
				}
				to = later.StateID
			}
			var changes []state.Change
			if p.After == nil {
				if changes, err = state.DiffDirectory(ctx, q, from.StateID, to); errors.Is(err, state.ErrTooLong) {
					return errBadRequest("More changed of the settings, users and applications than a page has, some 8 MB: export both states and compare them.")
				} else if err != nil {
					return err
				}
			}
			partners, err := state.DiffPartners(ctx, q, from.StateID, to, after, limit(p.Top)+1)
			if err != nil {
				return err
			}
			list := DiffList{}
			partners, list.NextLink = page(x, partners, p.Top, func(c state.Change) string { return c.ID })
			list.Value, err = entries(append(changes, partners...))
			result = ok(list)
			return err
		})
		return result, err
	})
}

func entries(changes []state.Change) ([]DiffEntry, error) {
	list := []DiffEntry{}
	for _, c := range changes {
		e := DiffEntry{Entity: DiffEntryEntity(c.Entity), Id: c.ID, Change: DiffEntryChangeChanged}
		var err error
		if e.Before, err = raw(c.Before); err != nil {
			return nil, err
		}
		if e.After, err = raw(c.After); err != nil {
			return nil, err
		}
		switch {
		case e.Before == nil:
			e.Change = DiffEntryChangeAdded
		case e.After == nil:
			e.Change = DiffEntryChangeRemoved
		}
		list = append(list, e)
	}
	return list, nil
}

func raw(value any) (*State, error) {
	if value == nil {
		return nil, nil
	}
	text, err := json.Marshal(value)
	s := State(text)
	return &s, err
}

// seed finds a seed that the caller may see: a manager their own and those for all.
func (a *API) seed(x *call, name string) (db.Seed, error) {
	row, err := a.queries.GetSeed(x.Request.Context(), db.GetSeedParams{Name: name, Manager: x.caller.manager()})
	return row, orNoSeed(err, name)
}

func orNoSeed(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("There is no seed %q.", name)
	}
	return err
}

func showSeed(ctx context.Context, q *db.Queries, row db.Seed) (Seed, error) {
	n, err := counts(ctx, q, row.StateID)
	return Seed{Name: row.Name, Manager: row.Manager, CreatedDateTime: row.CreatedAt.UTC(), Counts: n}, err
}

// ListSeeds lists the seeds.
func (a *API) ListSeeds(c *gin.Context, p ListSeedsParams) {
	a.answer(c, func(x *call) (answer, error) {
		ctx := c.Request.Context()
		rows, err := a.queries.ListSeeds(ctx, db.ListSeedsParams{After: afterText(p.After), Manager: x.caller.manager(), RowLimit: limit(p.Top) + 1})
		if err != nil {
			return answer{}, err
		}
		list := SeedList{Value: []Seed{}}
		rows, list.NextLink = page(x, rows, p.Top, func(s db.Seed) string { return s.Name })
		for _, row := range rows {
			s, err := showSeed(ctx, a.queries, row)
			if err != nil {
				return answer{}, err
			}
			list.Value = append(list.Value, s)
		}
		return ok(list), nil
	})
}

// CreateSeed keeps a document under a name: all of it, or nothing.
func (a *API) CreateSeed(c *gin.Context, p CreateSeedParams) {
	a.answer(c, func(x *call) (answer, error) {
		return a.transfer(x, p.Name, func(ctx context.Context, c *change) (answer, error) {
			kept, err := state.Importer{Now: x.now, By: x.caller.id}.Import(ctx, c.tx, x.state)
			if err != nil {
				return answer{}, err
			}
			row := db.Seed{Name: p.Name, StateID: kept, Manager: x.caller.manager(), CreatedAt: x.now}
			n, err := c.CreateSeed(ctx, db.CreateSeedParams{Name: row.Name, StateID: row.StateID, Manager: row.Manager, CreatedAt: row.CreatedAt})
			if err != nil || n == 0 {
				return answer{}, orConflict(err, "There is a seed %q; delete it first, or take another name.", p.Name)
			}
			s, err := showSeed(ctx, c.Queries, row)
			return created(s), err
		})
	})
}

// GetSeed answers a seed.
func (a *API) GetSeed(c *gin.Context, name Name) {
	a.answer(c, func(x *call) (answer, error) {
		row, err := a.seed(x, name)
		if err != nil {
			return answer{}, err
		}
		s, err := showSeed(c.Request.Context(), a.queries, row)
		return ok(s), err
	})
}

// DeleteSeed removes a seed, and what it kept unless a tenant goes back to that.
func (a *API) DeleteSeed(c *gin.Context, name Name) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, name, func(ctx context.Context, c *change) (answer, error) {
			kept, err := c.DeleteSeed(ctx, name)
			if err != nil {
				return answer{}, orNoSeed(err, name)
			}
			_, err = c.DeleteUnusedStates(ctx, []uuid.UUID{kept})
			return done(), err
		})
	})
}

// ExportSeed answers a seed as a document.
func (a *API) ExportSeed(c *gin.Context, name Name, p ExportSeedParams) {
	a.answer(c, func(x *call) (answer, error) {
		row, err := a.seed(x, name)
		if err != nil {
			return answer{}, err
		}
		return a.export(x, row.StateID, formatOf(p.Format))
	})
}
