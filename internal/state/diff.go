package state

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"reflect"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Change is one difference between two states. Before is nil for an addition, After for a
// removal. Secrets are masked in both.
type Change struct {
	Entity        string // settings, clock, fault, user, application or the name of an entity type
	ID            string
	Before, After any
}

// maxDirectoryDiff bounds the changes of a directory, in bytes of JSON.
const maxDirectoryDiff = 8 << 20

// DiffDirectory compares settings, clocks, rules, users and applications, in this order and by
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
		d.changes = append(d.changes, Change{Entity: "settings", ID: "settings", Before: before, After: after})
	}
	if err := d.clocks(ctx, q, from, to); err != nil {
		return nil, err
	}
	if err := compare(&d, "fault", loadFaults(ctx, q, from), loadFaults(ctx, q, to), func(f *Fault) string { return f.ID.String() }); err != nil {
		return nil, err
	}
	err = compare(&d, "user", loadUsers(ctx, q, from), loadUsers(ctx, q, to), func(u *User) string {
		if u.PasswordHash != nil { // never the hash itself, only whether it changed
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

// mask returns only the salt of a password hash. A different password has a different salt.
func mask(hash string) *string {
	masked := hash[:min(len(hash), len("$2a$04$")+8)] + "…"
	return &masked
}

// differences collects the changes found so far.
type differences struct {
	changes []Change
	size    int // in bytes of JSON
}

// clocks adds the clock if it changed.
func (d *differences) clocks(ctx context.Context, q *db.Queries, from, to uuid.UUID) error {
	before, err := loadClock(ctx, q, from)
	if err != nil {
		return err
	}
	after, err := loadClock(ctx, q, to)
	if err != nil {
		return err
	}
	c := Change{Entity: "clock", ID: "clock"}
	if before != nil {
		c.Before = before
	}
	if after != nil {
		c.After = after
	}
	return d.add(c)
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

// side iterates over the items of one state.
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

// compare adds the changes between two lists in the order of their ids. It keeps only the
// changed items in memory.
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
