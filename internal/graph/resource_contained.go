package graph

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// navigation lists the navigation properties of an entity: the sets that it contains.
func (r *resource) navigation() (names []string) {
	for _, c := range r.children {
		names = append(names, c.Set)
	}
	return names
}

// errNavigation refuses a member that a body can't have: contained entities are made and
// changed one by one.
func errNavigation(x *exchange, name, typeName string) error {
	return errModelValidation(name, "Cannot apply %s to navigation property '%s' on entity type '%s'.", x.Request.Method, name, typeName)
}

// parents is the entity of the path that contains the set, which must exist; nil of a set
// that nothing contains.
func (r *resource) parents(x *exchange) ([]uuid.UUID, error) {
	if r.parent == nil {
		return nil, nil
	}
	id, ok := r.parent.ParseKey(x.Param("id"))
	if !ok {
		return nil, db.ErrNotFound
	}
	_, err := r.parent.read(x, db.Key{TenantID: x.caller.TenantID, ID: id})
	return []uuid.UUID{id}, err
}

// belongs reports whether the key of a path is one of the parent's in the path.
func (r *resource) belongs(x *exchange) bool {
	if r.parent == nil {
		return true
	}
	id, ok := r.parent.ParseKey(x.Param("id"))
	of, _, _ := entity.SplitKey(r.keyParam(x))
	return ok && id == of
}

// contain gives a new entity its parent, which follows from the path, and the key that it has
// there.
func (r *resource) contain(x *exchange, b *body) error {
	if r.parent == nil {
		return nil
	}
	parents, err := r.parents(x)
	if err != nil {
		return err
	}
	part := b.values[r.Index(r.KeyPart)].Text
	if part == "" {
		return errModelValidation(r.KeyPart, "The property '%s' is a part of the key. Give it a value.", r.KeyPart)
	}
	b.values[r.Index(r.ParentID)], b.id = entity.Value{Text: parents[0].String()}, entity.ComposedID(parents[0], part)
	return nil
}

// checkPart refuses a change of the part of the key that a body may repeat.
func (r *resource) checkPart(x *exchange, key uuid.UUID, b *body) error {
	i := r.Index(r.KeyPart)
	if i < 0 || !b.named[i] {
		return nil
	}
	if of, _, _ := entity.SplitKey(r.keyParam(x)); entity.ComposedID(of, b.values[i].Text) != key {
		return errModelValidation(r.KeyPart, "The property '%s' is a part of the key and can't change. Create another %s.", r.KeyPart, r.Noun)
	}
	b.named[i] = false
	return nil
}

// keepContained ignores a body that says that the entity isn't chosen: only choosing another
// one ends the choice.
func (r *resource) keepContained(b *body) {
	if i := r.Index(r.Chosen); i >= 0 && !b.values[i].Bool() {
		b.named[i] = false
	}
}

// maxExpanded bounds what one entity is expanded to, in bytes, about.
const maxExpanded = 4 << 20

// errExpanded says that an entity contains too much to be expanded.
var errExpanded = errors.New("too much is expanded")

// listed is an entity of a page: its row, or its key and where the page after it starts, and
// where its JSON ends.
type listed struct {
	row  db.Row
	next skipToken
	end  int
}

// appendExpanded works like appendItems, and shows what the entities contain. That is read
// after them, because one connection serves one list at a time.
func (r *resource) appendExpanded(ctx context.Context, x *exchange, key pageKey, q odata.Query, params db.ListParams, b *[]byte) (next *skipToken, err error) {
	var items []listed
	more := false
	err = r.s.queries.Entity(r.Type).List(ctx, params, func(row *db.Listed) (err error) {
		if more = int64(len(items)) == key.size || len(*b) >= key.most; more {
			return nil
		}
		if len(items) > 0 {
			*b = append(*b, ',')
		}
		*b = r.append(x, *b, row.Row, "", q.Select, key.omitNulls)
		item := listed{end: len(*b), next: skipToken{ID: row.Key().ID}}
		item.next.Keys, err = row.Keys()
		items = append(items, item)
		return err
	})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	all := len(items)
	var shown int
	if *b, shown, err = r.expand(ctx, x, *b, items, key); err != nil || !more && shown == all {
		return nil, err
	}
	return &items[shown-1].next, nil
}

// chunk is how many entities are expanded by one statement.
const chunk = 100

// expand puts what entities contain into the JSON of each. It ends early if there would be
// more than the page may have, and returns how many entities it shows, at least one.
func (r *resource) expand(ctx context.Context, x *exchange, b []byte, items []listed, key pageKey) (out []byte, shown int, err error) {
	from := 0
	for at := 0; at < len(items) && (at == 0 || len(out) < key.most); at += chunk {
		part := items[at:min(at+chunk, len(items))]
		contained, err := r.readContained(ctx, x, part, key)
		if err != nil {
			return nil, 0, err
		}
		for _, item := range part {
			if shown > 0 && len(out) >= key.most {
				return out, shown, nil
			}
			out = append(append(append(out, b[from:item.end-1]...), contained[item.id()]...), '}')
			from = item.end
			shown++
		}
	}
	return out, shown, nil
}

func (l listed) id() uuid.UUID {
	if l.row != nil {
		return l.row.Key().ID
	}
	return l.next.ID
}

// readContained reads what entities contain, as the last members of each.
func (r *resource) readContained(ctx context.Context, x *exchange, items []listed, key pageKey) (map[uuid.UUID][]byte, error) {
	members, parents := map[uuid.UUID][]byte{}, make([]uuid.UUID, len(items))
	for i, item := range items {
		parents[i] = item.id()
	}
	for _, c := range r.children {
		values := map[uuid.UUID][]byte{}
		params := db.ListParams{TenantID: x.caller.TenantID, Parents: parents, Limit: 1 << 31, AsOf: key.asOf}
		err := r.s.queries.Entity(c.Type).List(ctx, params, func(row *db.Listed) error {
			parent := uuid.MustParse(row.Value(c.Index(c.ParentID)).Text)
			if values[parent] != nil {
				values[parent] = append(values[parent], ',')
			}
			values[parent] = c.append(x, values[parent], row, "", nil, key.omitNulls)
			if len(values[parent]) > maxExpanded {
				return errExpanded
			}
			return nil
		})
		if errors.Is(err, errExpanded) {
			return nil, &graphError{status: http.StatusBadRequest, code: "BadRequest", message: "An entity has too many " + c.Set + " to expand them. Read them as a list.", target: odata.Expand}
		}
		if err != nil {
			return nil, err
		}
		for _, parent := range parents {
			members[parent] = c.appendMember(x, members[parent], parent, values[parent])
		}
	}
	return members, nil
}

// appendMember appends the set of a parent as a member: its context and its entities.
func (r *resource) appendMember(x *exchange, b []byte, parent uuid.UUID, values []byte) []byte {
	if x.format.metadata != "none" {
		b = append(append(b, `,"`...), r.Set+`@odata.context":`...)
		b = entity.AppendString(b, x.versionURL()+"$metadata#"+r.containedIn(r.parent.KeyText(parent)))
	}
	b = append(append(b, `,"`...), r.Set+`":[`...)
	return append(append(b, values...), ']')
}
