package state

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// Item is an entity in a document. It has the names and values that Graph shows, and who
// created it and when.
type Item struct {
	Type            *entity.Type
	ID              uuid.UUID
	Values          []entity.Value // of all properties, in the description's order
	CreatedDateTime time.Time
	CreatedBy       uuid.UUID
	CreatedWith     uuid.UUID // the application; zero: none
}

// NewItem returns the Item for a row.
func NewItem(t *entity.Type, row db.Row) Item {
	h := row.Head()
	item := Item{Type: t, ID: row.Key().ID, CreatedDateTime: h.CreatedAt.UTC(), CreatedBy: h.CreatedBy, CreatedWith: h.CreatedWith, Values: make([]entity.Value, len(t.Properties))}
	for i := range t.Properties {
		item.Values[i] = row.Value(i)
	}
	return item
}

// MarshalJSON writes an item without properties that have their defaults, except
// enumerations, which it always writes.
func (i Item) MarshalJSON() ([]byte, error) {
	b := append([]byte{'{'}, `"id":`...)
	b = append(entity.AppendString(b, i.key()), ',')
	for at := range i.Type.Properties {
		p, v := &i.Type.Properties[at], i.Values[at]
		if v == p.Default() && p.Kind != entity.EnumKind || p.Name == created || p.Hidden {
			continue
		}
		b = append(p.AppendJSON(append(b, `"`+p.Name+`":`...), v, entity.Form{Beta: true, Typed: true}), ',')
	}
	if !i.CreatedDateTime.IsZero() {
		b = append(i.CreatedDateTime.AppendFormat(append(b, `"createdDateTime":"`...), time.RFC3339Nano), `",`...)
	}
	if i.CreatedBy != uuid.Nil {
		b = append(b, `"createdBy":"`+i.CreatedBy.String()+`",`...)
	}
	if i.CreatedWith != uuid.Nil {
		b = append(b, `"createdWith":"`+i.CreatedWith.String()+`",`...)
	}
	b[len(b)-1] = '}'
	return b, nil
}

// key is the key of the item as Graph shows it.
func (i Item) key() string {
	return i.Type.Key(i.ID, func(property int) entity.Value { return i.Values[property] })
}

// created is the name of a property that an item has without it.
const created = "createdDateTime"

// members are an item's members before they are parsed.
type members map[string]jsontext.Value

// items iterates over the entities in the next array.
func items(r *reader, t *entity.Type) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var item Item
		check := func(m members) (at, message string) {
			item, at, message = m.parse(t)
			return at, message
		}
		for _, err := range elements(r, check) {
			if !yield(item, err) {
				return
			}
		}
	}
}

// parse reads an item. Its error names the invalid member.
func (m members) parse(t *entity.Type) (i Item, at, message string) {
	i = Item{Type: t, Values: t.Defaults()}
	if name := m.unknown(t); name != "" {
		return i, "/" + name, "unknown property"
	}
	for at := range t.Properties {
		p := &t.Properties[at]
		raw, ok := m[p.Name]
		if !ok || raw.Kind() == 'n' {
			continue
		}
		if i.Values[at], message = readValue(p, raw); message != "" {
			return i, "/" + p.Name, message
		}
	}
	if t.Keys == entity.ComposedKeys {
		if at, message = i.composed(m); message != "" {
			return i, at, message
		}
	}
	if raw, ok := m["id"]; ok && t.Keys == entity.CounterKeys {
		text, _ := jsontext.AppendUnquote(nil, raw)
		if i.ID, ok = t.ParseKey(string(text)); !ok {
			return i, "/id", fmt.Sprintf("%s: want a number in a string", raw)
		}
		delete(m, "id")
	}
	for _, own := range []struct {
		name string
		into any
	}{{"id", &i.ID}, {"createdDateTime", &i.CreatedDateTime}, {"createdBy", &i.CreatedBy}, {"createdWith", &i.CreatedWith}} {
		if raw, ok := m[own.name]; ok {
			if err := jsonv2.Unmarshal(raw, own.into, readIDs); err != nil {
				return i, "/" + own.name, explainMember(err)
			}
		}
	}
	return i, "", ""
}

// composed takes the key of the item, and the values of which it is composed, from the id.
func (i *Item) composed(m members) (at, message string) {
	text, _ := jsontext.AppendUnquote(nil, m["id"])
	parent, part, ok := entity.SplitKey(string(text))
	own := &i.Values[i.Type.Index(i.Type.KeyPart)]
	switch {
	case m["id"] == nil:
		return "", "lacks the id"
	case !ok:
		return "/id", fmt.Sprintf("%s: want the id of a %s, _ and a %s", m["id"], i.Type.Parent.Noun, i.Type.KeyPart)
	case own.Text != "" && own.Text != part:
		return "/" + i.Type.KeyPart, fmt.Sprintf("%q: the id has %q", own.Text, part)
	case textFault(i.Type.Properties[i.Type.Index(i.Type.KeyPart)].Max, part) != "":
		return "/id", textFault(i.Type.Properties[i.Type.Index(i.Type.KeyPart)].Max, part)
	}
	own.Text, i.Values[i.Type.Index(i.Type.ParentID)].Text = part, parent.String()
	i.ID = entity.ComposedID(parent, part)
	delete(m, "id")
	return "", ""
}

// unknown is the first member, by name, that an item doesn't have.
func (m members) unknown(t *entity.Type) (first string) {
	for name := range m {
		if name == "id" || name == "createdBy" || name == "createdWith" || name == "createdDateTime" || t.Index(name) >= 0 && !t.Properties[t.Index(name)].Hidden {
			continue
		}
		if first == "" || name < first {
			first = name
		}
	}
	return first
}

// readValue reads the value of a property, which isn't null.
func readValue(p *entity.Property, raw jsontext.Value) (v entity.Value, message string) {
	switch {
	case p.Kind == entity.ObjectsKind:
		text, err := entity.ReadObjects(p.Object, raw, true)
		if err != nil {
			return v, err.Error()
		}
		return entity.Value{Text: text}, ""
	case p.Kind == entity.StringsKind:
		text, err := entity.ReadStrings(p.Max, raw)
		if err != nil {
			return v, err.Error()
		}
		return entity.Value{Text: text}, ""
	case p.Kind == entity.IntegerKind:
		n, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			return v, fmt.Sprintf("%s: want a 32-bit integer", raw)
		}
		return entity.Value{Number: n}, ""
	case p.Kind == entity.BooleanKind:
		if kind := raw.Kind(); kind != 't' && kind != 'f' {
			return v, kindOf(kind) + " is not what belongs here"
		}
		return entity.BoolValue(raw.Kind() == 't'), ""
	case raw.Kind() != '"':
		return v, kindOf(raw.Kind()) + " is not what belongs here"
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return v, err.Error()
	}
	return readText(p, string(text), raw)
}

func readText(p *entity.Property, text string, raw jsontext.Value) (v entity.Value, message string) {
	switch p.Kind {
	case entity.DateKind:
		t, err := odata.ParseDateTimeOffset(text)
		if err != nil {
			return v, fmt.Sprintf("%s: %v", raw, err)
		}
		return entity.DateValue(t), ""
	case entity.EnumKind:
		if text == "" {
			return p.Default(), ""
		}
		if !slices.Contains(p.Enum.Members, text) {
			return v, fmt.Sprintf("%q: want %s", text, oneOf(p.Enum.Members))
		}
	case entity.URLKind:
		if !entity.AbsoluteURL(text) {
			return v, fmt.Sprintf("%q: want an absolute http or https URL", text)
		}
	case entity.FlagsKind:
		sum, unknown, ok := p.Enum.ParseFlags(text)
		if !ok {
			return v, fmt.Sprintf("%q: want %s", unknown, oneOf(p.Enum.Members))
		}
		return entity.Value{Number: sum}, ""
	}
	if p.Max > 0 {
		message = textFault(p.Max, text)
	}
	return entity.Value{Text: text}, message
}

// oneOf lists alternatives: "a, b or c".
func oneOf(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// loadItems reads the entities of a set page by page.
func loadItems(ctx context.Context, q *db.Queries, tenant uuid.UUID, t *entity.Type) iter.Seq2[Item, error] {
	return pages(pageSize, func(i Item) uuid.UUID { return i.ID }, func(after uuid.UUID) ([]Item, error) {
		rows, err := db.SetOf(t).List(ctx, q, tenant, after, pageSize)
		list := make([]Item, len(rows))
		for i, row := range rows {
			list[i] = NewItem(t, row)
		}
		return list, err
	})
}

// DiffItems compares the entities of one set by id, at most limit of them after an id.
func DiffItems(ctx context.Context, q *db.Queries, t *entity.Type, from, to, after uuid.UUID, limit int64) ([]Change, error) {
	set := db.SetOf(t)
	ids, err := set.Diff(ctx, q, from, to, after, limit)
	if err != nil {
		return nil, err
	}
	before, err := set.ListByID(ctx, q, from, ids)
	if err != nil {
		return nil, err
	}
	now, err := set.ListByID(ctx, q, to, ids)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, len(ids))
	for i, id := range ids {
		was, wasThere := find(t, before, id)
		is, isThere := find(t, now, id)
		changes[i] = Change{Entity: t.Name}
		if wasThere {
			changes[i].ID, changes[i].Before = was.key(), was
		}
		if isThere {
			changes[i].ID, changes[i].After = is.key(), is
		}
	}
	return changes, nil
}

// find returns the item of an id among rows in the order of their ids.
func find(t *entity.Type, rows []db.Row, id uuid.UUID) (item Item, ok bool) {
	i, ok := slices.BinarySearchFunc(rows, id, func(r db.Row, id uuid.UUID) int {
		return strings.Compare(r.Key().ID.String(), id.String())
	})
	if !ok {
		return item, false
	}
	return NewItem(t, rows[i]), true
}

// columns lists the columns that copies of items fill, in the order of values.
func columns(t *entity.Type) []string {
	names := []string{"tenant_id", "id", "created_at", "created_by", "created_with"}
	for i := range t.Properties {
		names = append(names, t.Properties[i].Columns()...)
	}
	return names
}

// values returns an item's values, in the order of columns.
func (i Item) values(tenant uuid.UUID) []any {
	all := []any{tenant, i.ID, i.CreatedDateTime, i.CreatedBy, i.CreatedWith}
	for at := range i.Type.Properties {
		switch p, v := &i.Type.Properties[at], i.Values[at]; {
		case v.Null:
			for range p.Columns() {
				all = append(all, nil)
			}
		case p.Kind == entity.DateKind:
			all = append(all, v.Number, v.Offset)
		case p.Kind == entity.BooleanKind:
			all = append(all, v.Bool())
		case p.Kind == entity.GUIDKind:
			all = append(all, uuid.MustParse(v.Text))
		case p.Kind == entity.IntegerKind, p.Kind == entity.FlagsKind:
			all = append(all, v.Number)
		default:
			all = append(all, v.Text)
		}
	}
	return all
}
