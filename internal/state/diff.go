package state

import (
	"context"
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Change is one thing in which two states differ. Before is nil where it was
// added, After where it was removed. Neither holds a secret.
type Change struct {
	Entity        string // settings, user, application or partner
	ID            string
	Before, After any
}

// DiffDirectory compares settings, users and applications, in this order and by
// id.
func DiffDirectory(ctx context.Context, q *db.Queries, from, to uuid.UUID) ([]Change, error) {
	a, err := load(ctx, q, from)
	if err != nil {
		return nil, err
	}
	b, err := load(ctx, q, to)
	if err != nil {
		return nil, err
	}
	var changes []Change
	if !reflect.DeepEqual(a.settings, b.settings) {
		changes = append(changes, Change{"settings", "settings", a.settings, b.settings})
	}
	changes = append(changes, diff("user", a.users, b.users, func(u *User) string {
		if u.PasswordHash != nil { // shown as changed or not, never itself
			u.PasswordHash = mask(*u.PasswordHash)
		}
		return u.ID.String()
	})...)
	return append(changes, diff("application", a.applications, b.applications, func(p *Application) string {
		for i := range p.Secrets {
			p.Secrets[i].SecretHash = nil
		}
		return p.ClientID.String()
	})...), nil
}

// directory is all of a state but the partners.
type directory struct {
	settings     Settings
	users        []User
	applications []Application
}

func load(ctx context.Context, q *db.Queries, tenant uuid.UUID) (d directory, err error) {
	if d.settings, err = loadSettings(ctx, q, tenant); err != nil {
		return d, err
	}
	if d.users, err = collect(loadUsers(ctx, q, tenant)); err != nil {
		return d, err
	}
	d.applications, err = collect(loadApplications(ctx, q, tenant))
	return d, err
}

func collect[T any](all iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for v, err := range all {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// mask shows of a password's hash its salt alone: another password has another.
func mask(hash string) *string {
	masked := hash[:min(len(hash), len("$2a$04$")+8)] + "…"
	return &masked
}

func diff[T any](entity string, before, after []T, prepare func(*T) string) []Change {
	found := map[string]*Change{}
	get := func(id string) *Change {
		if found[id] == nil {
			found[id] = &Change{Entity: entity, ID: id}
		}
		return found[id]
	}
	for i := range before {
		get(prepare(&before[i])).Before = before[i]
	}
	for i := range after {
		get(prepare(&after[i])).After = after[i]
	}
	var changes []Change
	for _, c := range found {
		if !same(c.Before, c.After) {
			changes = append(changes, *c)
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.ID, b.ID) })
	return changes
}

// same compares as documents do.
func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// DiffPartners compares the partners behind an id, by id, at most limit of them.
func DiffPartners(ctx context.Context, q *db.Queries, from, to, after uuid.UUID, limit int64) ([]Change, error) {
	rows, err := q.DiffPartners(ctx, db.DiffPartnersParams{TenantID: to, FromID: from, After: after, RowLimit: limit})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	before, err := q.ListPartnersByID(ctx, db.ListPartnersByIDParams{TenantID: from, Ids: ids})
	if err != nil {
		return nil, err
	}
	now, err := q.ListPartnersByID(ctx, db.ListPartnersByIDParams{TenantID: to, Ids: ids})
	if err != nil {
		return nil, err
	}
	changes := make([]Change, len(rows))
	for i, id := range ids {
		changes[i] = Change{Entity: "partner", ID: id.String()}
		if p, ok := findPartner(before, id); ok {
			changes[i].Before = p
		}
		if p, ok := findPartner(now, id); ok {
			changes[i].After = p
		}
	}
	return changes, nil
}

func findPartner(rows []db.RemoteAssistancePartner, id uuid.UUID) (Partner, bool) {
	i, ok := slices.BinarySearchFunc(rows, id, func(r db.RemoteAssistancePartner, id uuid.UUID) int {
		return strings.Compare(r.ID.String(), id.String())
	})
	if !ok {
		return Partner{}, false
	}
	return NewPartner(rows[i]), true
}
