package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// source is an entity as the templates see it.
type source struct {
	*entity.Type
	Properties []property
	One, Many  string // the Go names of a row and of the set
	Scope      string // whose calls share a statement: OfTenant for one tenant's, "" for any

	// Promised are the columns of published reporting views.
	Promised map[string][]string
}

// OfTenant returns the source of statements for many calls of one tenant.
func (s source) OfTenant() source { s.Scope = "OfTenant"; return s }

// Tenants says in words which calls share a statement.
func (s source) Tenants() string {
	if s.Scope != "" {
		return "of one tenant"
	}
	return "of any tenants"
}

// property is a property as the templates see it.
type property struct {
	entity.Property
	Index     int
	TextIndex int  // its index among the nullable texts
	Moved     bool // whether an action sets it
	Linked    bool // whether an action fills in a link to the partner's page
}

func newSource(t *entity.Type) source {
	s := source{Type: t, One: upperFirst(t.Name), Many: upperFirst(t.SetName())}
	for i, p := range t.Properties {
		s.Properties = append(s.Properties, property{Property: p, Index: i, TextIndex: s.Texts()})
	}
	for _, i := range t.Moved() {
		s.Properties[i].Moved = true
		s.Properties[i].Linked = slices.ContainsFunc(t.Actions, func(a entity.Action) bool { return a.Link == t.Properties[i].Name })
	}
	return s
}

// Var returns the Go name of the set in package db.
func (s source) Var() string { return lowerFirst(s.Many) }

// Columns returns the columns of all properties.
func (s source) Columns() (columns []string) {
	for _, p := range s.Properties {
		columns = append(columns, p.Columns()...)
	}
	return columns
}

// Cols lists the columns of all properties, each with a prefix.
func (s source) Cols(prefix string) string {
	return prefix + strings.Join(s.Columns(), ", "+prefix)
}

// Keep returns SQL that adds the rows of a query to the history. change, and before, the prefix
// of the author's and the time's names, say where it finds the change.
func (s source) Keep(rows, change, before string) string {
	made, changed := "created_at, created_by, created_with, created_request", "changed_at, changed_by, changed_with, changed_request"
	return fmt.Sprintf(`INSERT INTO entity_versions (tenant_id, entity, id, version, row, %[3]s, change, %[4]s)
    SELECT r.tenant_id, '%[1]s', r.id, r.version, %[8]s,
        %[5]s, %[6]s, %[7]s
    FROM %[2]s AS r`,
		s.Name, rows, made, changed, each("r.", made), change, each(before, changed), s.AsObject("r."))
}

// AsObject returns SQL that builds the JSON object in which the history keeps a row.
func (s source) AsObject(prefix string) string {
	var pairs []string
	for _, c := range s.Columns() {
		pairs = append(pairs, fmt.Sprintf("'%s', %s%s", c, prefix, c))
	}
	return "json_build_object(" + strings.Join(pairs, ", ") + ")"
}

// each puts a prefix before each name of a list.
func each(prefix, list string) string {
	return prefix + strings.ReplaceAll(list, ", ", ", "+prefix)
}

// IsCounted reports whether keys are numbers.
func (s source) IsCounted() bool { return s.Keys == entity.CounterKeys }

// ReusesIDs reports whether a new entity can have the id of a deleted one.
func (s source) ReusesIDs() bool {
	return s.Keys == entity.ClientKeys || s.Keys == entity.ComposedKeys
}

// HasActions reports whether the entity has any action.
func (s source) HasActions() bool { return len(s.Actions) > 0 }

// HasState reports whether actions move a property.
func (s source) HasState() bool { return s.State != "" }

// IsParent reports whether the entity contains others.
func (s source) IsParent() bool { return len(s.Children()) > 0 }

// ParentColumn returns the column with the parent's key, or "".
func (s source) ParentColumn() string {
	if s.Parent == nil {
		return ""
	}
	return s.Properties[s.Index(s.ParentID)].Column
}

// ChosenColumn, KeyPartColumn and ShownColumn return the columns of the properties that the
// description names so.
func (s source) ChosenColumn() string  { return s.Properties[s.Index(s.Chosen)].Column }
func (s source) KeyPartColumn() string { return s.Properties[s.Index(s.KeyPart)].Column }
func (s source) ShownColumn() string   { return s.Parent.Properties[s.Parent.Index(s.Shown)].Column }

// StateProperty returns the property that actions move.
func (s source) StateProperty() property { return s.Properties[s.Index(s.State)] }

// Width returns the number of a row's columns.
func (s source) Width() int { return len(s.Columns()) + 5 }

// Texts returns the number of properties that a row has as pointers to texts.
func (s source) Texts() (n int) {
	for _, p := range s.Properties {
		if p.IsText() && p.Nullable {
			n++
		}
	}
	return n
}

// IsText reports whether the property has a text column.
func (p property) IsText() bool { return p.Kind == entity.TextKind || p.Kind == entity.URLKind }

// IsDate and the functions below report a property's kind to templates.
func (p property) IsDate() bool    { return p.Kind == entity.DateKind }
func (p property) IsEnum() bool    { return p.Kind == entity.EnumKind }
func (p property) IsBoolean() bool { return p.Kind == entity.BooleanKind }
func (p property) IsInteger() bool { return p.Kind == entity.IntegerKind || p.Kind == entity.FlagsKind }
func (p property) IsGUID() bool    { return p.Kind == entity.GUIDKind }
func (p property) IsJSON() bool    { return p.IsCollection() }

// Has reports whether a separate array says which values aren't null.
func (p property) Has() bool { return p.Nullable && !p.IsJSON() }

// Go returns the name that sqlc gives the property's column in Go. For a date it is the common
// part of both columns' names.
func (p property) Go() string { return camel(p.Column) }

// EnumGo returns the name that sqlc gives the enum type in Go.
func (p property) EnumGo() string { return camel(p.EnumSQL) }

// Unnest returns SQL that reads the arrays of a property in a statement for many calls.
func (p property) Unnest(set bool) string {
	var parts []string
	if set {
		parts = append(parts, fmt.Sprintf("unnest(@set_%s::boolean[]) AS set_%[1]s", p.Column))
	}
	if p.Has() {
		parts = append(parts, fmt.Sprintf("unnest(@has_%s::boolean[]) AS has_%[1]s", p.Column))
	}
	switch p.Kind {
	case entity.EnumKind:
		parts = append(parts, fmt.Sprintf("nullif(unnest(@%s::text[]), '')::%s AS %[1]s", p.Column, p.EnumSQL))
	case entity.ObjectsKind, entity.StringsKind:
		parts = append(parts, fmt.Sprintf("nullif(unnest(@%s::text[]), '')::jsonb AS %[1]s", p.Column))
	case entity.GUIDKind:
		parts = append(parts, fmt.Sprintf("unnest(@%s::uuid[]) AS %[1]s", p.Column))
	case entity.IntegerKind, entity.FlagsKind:
		parts = append(parts, fmt.Sprintf("unnest(@%s::bigint[]) AS %[1]s", p.Column))
	case entity.DateKind:
		parts = append(parts, fmt.Sprintf("unnest(@%s_ticks::bigint[]) AS %[1]s_ticks", p.Column), fmt.Sprintf("unnest(@%s_offset::smallint[]) AS %[1]s_offset", p.Column))
	case entity.BooleanKind:
		parts = append(parts, fmt.Sprintf("unnest(@%s::boolean[]) AS %[1]s", p.Column))
	default:
		parts = append(parts, fmt.Sprintf("unnest(@%s::text[]) AS %[1]s", p.Column))
	}
	return strings.Join(parts, ",\n        ")
}

// Arrays returns SQL that reads the arrays of a property as a table, with enums and JSON as text.
// ArrayNames names its columns, and ReadText works like Read.
func (p property) Arrays() string {
	var calls []string
	for _, array := range p.arrays() {
		calls = append(calls, "unnest(@"+array[1]+")")
	}
	return strings.Join(calls, ", ")
}

func (p property) ArrayNames() string {
	var names []string
	for _, array := range p.arrays() {
		names = append(names, array[2])
	}
	return strings.Join(names, ", ")
}

var unnested = regexp.MustCompile(`unnest\(@((\w+)::\w+\[\])\)`)

func (p property) arrays() [][]string { return unnested.FindAllStringSubmatch(p.Unnest(false), -1) }

func (p property) ReadText(from string) string {
	switch {
	case p.IsEnum():
		return fmt.Sprintf("nullif(%s%s, '')::%s", from, p.Column, p.EnumSQL)
	case p.IsJSON():
		return fmt.Sprintf("nullif(%s%s, '')::jsonb", from, p.Column)
	}
	return p.Read(from)
}

// Read returns the values of the property's columns, in SQL, in a row of the arrays.
func (p property) Read(from string) string {
	var parts []string
	for _, c := range p.Columns() {
		if p.Has() {
			parts = append(parts, fmt.Sprintf("CASE WHEN %shas_%s THEN %[1]s%[3]s END", from, p.Column, c))
		} else {
			parts = append(parts, from+c)
		}
	}
	return strings.Join(parts, ", ")
}

// Params returns the values of a new entity's columns in SQL. JSON is sent as text, because
// without a prepared statement pgx would send bytes as bytea.
func (s source) Params() string {
	var all []string
	for _, p := range s.Properties {
		for _, c := range p.Columns() {
			all = append(all, p.param(c))
		}
	}
	return strings.Join(all, ", ")
}

// param returns the parameter of a column.
func (p property) param(column string) string {
	value := "@" + column
	switch {
	case p.Nullable:
		value = "sqlc.narg('" + column + "')"
	case p.IsJSON(): // sqlc can't replace @ before two casts
		value = "sqlc.arg('" + column + "')"
	}
	if p.IsJSON() {
		value += "::text::jsonb"
	}
	return value
}

// SetOne returns the assignments in an update of one entity.
func (p property) SetOne() string {
	var parts []string
	for i, c := range p.Columns() {
		set, value := "@set_"+p.Column, p.param(c)
		if i == 0 {
			set += "::boolean"
		}
		parts = append(parts, fmt.Sprintf("%s = CASE WHEN %s THEN %s ELSE p.%[1]s END", c, set, value))
	}
	return strings.Join(parts, ",\n    ")
}

// SetMany returns the assignments in an update of many entities.
func (p property) SetMany(from string) string {
	var parts []string
	for _, c := range p.Columns() {
		when := ""
		if p.Has() {
			when = fmt.Sprintf(" WHEN NOT %shas_%s THEN NULL", from, p.Column)
		}
		parts = append(parts, fmt.Sprintf("%s = CASE WHEN NOT %sset_%s THEN p.%[1]s%[4]s ELSE %[2]s%[1]s END", c, from, p.Column, when))
	}
	return strings.Join(parts, ",\n    ")
}

func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part == "id" {
			b.WriteString("ID")
		} else {
			b.WriteString(upperFirst(part))
		}
	}
	return b.String()
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// SetActed returns the assignments in an action on one entity.
func (p property) SetActed() string {
	set := "@set_" + p.Column + "::boolean"
	return strings.Replace(p.SetOne(), set, set+p.unlessForeign(" AND %s IS NOT FALSE"), 1)
}

// unlessForeign returns a condition on the present link: that it isn't one of the user's. Without
// a link, the condition is null. It returns "" for other properties.
func (p property) unlessForeign(format string) string {
	if !p.Linked {
		return ""
	}
	return fmt.Sprintf(format, fmt.Sprintf("(p.%s LIKE '%%%s%%')", p.Column, entity.PortalPath))
}

// SetMoved returns the assignments in an action on many entities, from the rows of "moved".
func (p property) SetMoved() string {
	var parts []string
	for _, c := range p.Columns() {
		when := ""
		if p.Has() {
			when = fmt.Sprintf(" WHEN NOT b.has_%s THEN NULL", p.Column)
		}
		unless := p.unlessForeign(" OR %s IS FALSE")
		parts = append(parts, fmt.Sprintf("%s = CASE WHEN NOT b.set_%s%s THEN p.%[1]s%[4]s ELSE b.to_%[1]s END", c, p.Column, unless, when))
	}
	return strings.Join(parts, ",\n        ")
}
