package state

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// maxDirectoryDiff is how much the changes of a directory may have, in bytes of JSON.
const maxDirectoryDiff = 8 << 20

// DiffDirectory compares settings, users and applications, in this order and by
// id. ErrTooLong says that more than 8 MB changed.
func DiffDirectory(ctx context.Context, q *db.Queries, from, to uuid.UUID) ([]Change, error) {
	before, err := loadSettings(ctx, q, from)
	if err != nil {
		return nil, err
	}
	after, err := loadSettings(ctx, q, to)
	if err != nil {
		return nil, err
	}
	d := differences{}
	if !reflect.DeepEqual(before, after) {
		d.changes = append(d.changes, Change{"settings", "settings", before, after})
	}
	err = compare(&d, "user", loadUsers(ctx, q, from), loadUsers(ctx, q, to), func(u *User) string {
		if u.PasswordHash != nil { // shown as changed or not, never itself
			u.PasswordHash = mask(*u.PasswordHash)
		}
		return u.ID.String()
	})
	if err != nil {
		return nil, err
	}
	err = compare(&d, "application", loadApplications(ctx, q, from), loadApplications(ctx, q, to), func(p *Application) string {
		for i := range p.Secrets {
			p.Secrets[i].SecretHash = nil
		}
		return p.ClientID.String()
	})
	return d.changes, err
}

// mask shows of a password's hash its salt alone: another password has another.
func mask(hash string) *string {
	masked := hash[:min(len(hash), len("$2a$04$")+8)] + "…"
	return &masked
}

// differences are the changes found so far.
type differences struct {
	changes []Change
	size    int // in bytes of JSON
}

// add adds a change, unless both are the same, as documents compare.
func (d *differences) add(c Change) error {
	before, _ := json.Marshal(c.Before)
	after, _ := json.Marshal(c.After)
	if bytes.Equal(before, after) {
		return nil
	}
	if d.size += len(before) + len(after); d.size > maxDirectoryDiff {
		return ErrTooLong
	}
	d.changes = append(d.changes, c)
	return nil
}

// side is the next of what one state has.
type side[T any] struct {
	next  func() (T, error, bool)
	ident func(*T) string

	value T
	id    string // "" at the end
	err   error
}

func (s *side[T]) advance() {
	ok := false
	if s.value, s.err, ok = s.next(); ok && s.err == nil {
		s.id = s.ident(&s.value)
	} else {
		s.id = ""
	}
}

// compare adds the changes between two lists that are in the order of their ids, without
// keeping more of them than what changed.
func compare[T any](d *differences, entity string, before, after iter.Seq2[T, error], ident func(*T) string) error {
	nextA, stopA := iter.Pull2(before)
	defer stopA()
	nextB, stopB := iter.Pull2(after)
	defer stopB()
	a, b := side[T]{next: nextA, ident: ident}, side[T]{next: nextB, ident: ident}
	a.advance()
	b.advance()
	for {
		if err := errors.Join(a.err, b.err); err != nil || a.id == "" && b.id == "" {
			return err
		}
		c := Change{Entity: entity}
		id := cmp.Or(a.id, b.id)
		if b.id != "" {
			id = min(id, b.id)
		}
		c.ID = id
		if a.id == id {
			c.Before = a.value
			a.advance()
		}
		if b.id == id {
			c.After = b.value
			b.advance()
		}
		if err := d.add(c); err != nil {
			return err
		}
	}
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
