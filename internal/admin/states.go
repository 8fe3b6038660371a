package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/state"
)

func counts(ctx context.Context, q *db.Queries, id uuid.UUID) (api.StateCounts, error) {
	n, err := state.Count(ctx, q, id)
	return api.StateCounts{Entities: n.Entities, Users: n.Users, Applications: n.Applications}, err
}

// oneMoment makes several statements read the same snapshot of the database.
var oneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// format is the format of an export.
type format struct {
	Format string // "" means JSON
}

// export answers with the document of a tenant or a stored state. Reading the database is
// over before the client receives the first byte.
func (x *call) export(ctx context.Context, id uuid.UUID, f format) error {
	kind := jsonType
	if f.Format == "yaml" {
		kind = yamlType
	}
	if err := x.readState(ctx, id, kind == yamlType); err != nil {
		return err
	}
	return x.send(kind)
}

func (x *call) readState(ctx context.Context, id uuid.UUID, yaml bool) error {
	release, err := x.admin.transfers.Take(ctx, x.admin.patience)
	if err != nil {
		return err
	}
	defer release()
	return pgx.BeginTxFunc(ctx, x.admin.pool, oneMoment, func(tx pgx.Tx) error {
		return state.Export(ctx, db.New(tx), id, x.document, yaml)
	})
}

// exportTenant answers with the document of a tenant.
func exportTenant(ctx context.Context, x *call, r format) error {
	return x.export(ctx, x.tenant.ID, r)
}

// importer reads documents for the caller.
func (x *call) importer() state.Importer {
	return state.Importer{Now: x.Arrived, By: x.caller.id, CheckRule: x.admin.rules}
}

// importTenant replaces the state of a tenant with a document.
func importTenant(ctx context.Context, c *change, _ none) (api.StateCounts, error) {
	m := c.x.importer()
	m.Since = c.x.tenant.CreatedAt
	set(&m.IDSeed, c.x.tenant.IDSeed)
	from, err := m.Import(ctx, c.tx, c.x.state)
	if err != nil {
		return api.StateCounts{}, err
	}
	if err := c.lock(ctx); err != nil {
		return api.StateCounts{}, err
	}
	if err := state.KeepTokens(ctx, c.queries, c.tenant.ID, from); err != nil {
		return api.StateCounts{}, err
	}
	if err := c.replace(ctx, from); err != nil {
		return api.StateCounts{}, err
	}
	if _, err := c.queries.DeleteUnusedStates(ctx, []uuid.UUID{from}); err != nil {
		return api.StateCounts{}, err
	}
	return counts(ctx, c.queries, c.tenant.ID)
}

// replace replaces the tenant's content with a state, within the tenant's quota.
func (c *change) replace(ctx context.Context, from uuid.UUID) error {
	if err := c.checkQuota(ctx, from, c.tenant.EntityQuota, c.tenant.UserQuota); err != nil {
		return err
	}
	return state.Replace(ctx, c.queries, c.tenant.ID, from, c.x.Arrived)
}

// checkQuota refuses a state that exceeds a tenant's quota; nil means no limit.
func (c *change) checkQuota(ctx context.Context, from uuid.UUID, entities, users *int32) error {
	if entities == nil && users == nil {
		return nil
	}
	has, err := state.Count(ctx, c.queries, from)
	if err != nil {
		return err
	}
	type held struct {
		quota *int32
		has   int64
		what  string
	}
	all := []held{{users, has.Users, "users"}}
	for _, t := range entity.All {
		all = append(all, held{entities, has.Entities[t.SetName()], t.Noun + "s"})
	}
	for _, of := range all {
		if of.quota != nil && of.has > int64(*of.quota) {
			return errConflict("The tenant would have %d %s, and its quota is %d: raise the quota, or use a smaller state.", of.has, of.what, *of.quota)
		}
	}
	return nil
}

// diffStates compares two snapshots, or one and the current state.
func diffStates(ctx context.Context, x *call, p api.DiffStatesParams) (list api.DiffList, err error) {
	start, err := parseDiffStart(p.After)
	if err != nil {
		return list, err
	}
	err = pgx.BeginTxFunc(ctx, x.admin.pool, oneMoment, func(tx pgx.Tx) error {
		q := db.New(tx)
		from, to, err := x.compared(ctx, q, p)
		if err != nil {
			return err
		}
		var changes []state.Change
		if p.After == nil { // the first page also has everything that isn't an entity
			if changes, err = diffDirectory(ctx, q, from, to); err != nil {
				return err
			}
		}
		items, err := diffEntities(ctx, q, from, to, start, limit(p.Top)+1)
		if err != nil {
			return err
		}
		items, list.NextLink = page(x, items, p.Top, func(c state.Change) string { return c.Entity + " " + c.ID })
		list.Value, err = entries(append(changes, items...))
		return err
	})
	return list, err
}

func diffDirectory(ctx context.Context, q *db.Queries, from, to uuid.UUID) ([]state.Change, error) {
	changes, err := state.DiffDirectory(ctx, q, from, to)
	if errors.Is(err, state.ErrTooLong) {
		err = errBadRequest("The changes of settings, users and applications exceed the limit of 8 MB: export both states and compare the documents.")
	}
	return changes, err
}

// diffStart is the start of a page of changed entities: after an entity of a type.
type diffStart struct {
	at    int // index in entity.All
	after uuid.UUID
}

// parseDiffStart reads the start of a page: the name of a type and an id.
func parseDiffStart(after *string) (start diffStart, err error) {
	if after == nil {
		return start, nil
	}
	name, id, _ := strings.Cut(*after, " ")
	start.at = slices.IndexFunc(entity.All, func(t *entity.Type) bool { return t.Name == name })
	known := start.at >= 0
	if known {
		start.after, known = entity.All[start.at].ParseKey(id)
	}
	if !known {
		return start, errBadRequest("The parameter after: %q is not from a nextLink.", *after)
	}
	return start, nil
}

// diffEntities lists the entities that differ, set by set, at most limit.
func diffEntities(ctx context.Context, q *db.Queries, from, to uuid.UUID, start diffStart, limit int64) (all []state.Change, err error) {
	for _, t := range entity.All[start.at:] {
		left := limit - int64(len(all))
		if left == 0 {
			break
		}
		changes, err := state.DiffItems(ctx, q, t, from, to, start.after, left)
		if err != nil {
			return nil, err
		}
		all, start.after = append(all, changes...), uuid.Nil
	}
	return all, nil
}

// compared returns the two states to compare: of snapshots, or the tenant itself.
func (x *call) compared(ctx context.Context, q *db.Queries, p api.DiffStatesParams) (from, to uuid.UUID, err error) {
	earlier, err := findSnapshot(ctx, q, x.tenant.ID, p.From)
	if err != nil || p.To == nil {
		return earlier.StateID, x.tenant.ID, err
	}
	later, err := findSnapshot(ctx, q, x.tenant.ID, *p.To)
	return earlier.StateID, later.StateID, err
}

func entries(changes []state.Change) ([]api.DiffEntry, error) {
	list := []api.DiffEntry{}
	for _, c := range changes {
		e := api.DiffEntry{Entity: c.Entity, Id: c.ID, Change: api.DiffEntryChangeChanged}
		var err error
		if e.Before, err = raw(c.Before); err != nil {
			return nil, err
		}
		if e.After, err = raw(c.After); err != nil {
			return nil, err
		}
		switch {
		case e.Before == nil:
			e.Change = api.DiffEntryChangeAdded
		case e.After == nil:
			e.Change = api.DiffEntryChangeRemoved
		}
		list = append(list, e)
	}
	return list, nil
}

func raw(value any) (*api.State, error) {
	if value == nil {
		return nil, nil
	}
	text, err := json.Marshal(value)
	s := api.State(text)
	return &s, err
}
