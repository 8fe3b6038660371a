package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// ListParams selects entities of a tenant and sets their order.
type ListParams struct {
	TenantID uuid.UUID
	Filter   *odata.Expr // nil selects all
	OrderBy  []odata.Key // ties are ordered by id
	After    *Position   // nil lists from the start
	Skip     int64
	Limit    int64
	AsOf     time.Time // lists the entities of that time; zero means now
	ID       uuid.UUID // lists one entity; zero means all

	// Parents lists the entities that these contain; nil means all.
	Parents []uuid.UUID
}

// Position is a place in a list, given by the keys and the id of the last entity before it.
// A key is its text in Postgres, or nil for null.
type Position struct {
	Keys []*string
	ID   uuid.UUID
}

// Listed is an entity in a list. It is valid until the next one is read.
type Listed struct {
	Row
	reader *reader
}

// Keys returns the entity's keys in the order of the list.
func (l *Listed) Keys() (keys []*string, err error) {
	r, own := l.reader, l.reader.own
	if r.columns == own { // the order is by id
		return nil, nil
	}
	field := r.rows.FieldDescriptions()[own]
	err = r.rows.Conn().TypeMap().Scan(field.DataTypeOID, field.Format, r.rows.RawValues()[own], &keys)
	return keys, err
}

// ErrPosition says that a position belongs to a different order.
var ErrPosition = errors.New("the position does not fit the order")

// List calls each for every entity that p selects, in order, while they arrive from the
// database. It stops at the first error of each and returns it. If an expression can't be
// evaluated for an entity (a division by zero, a number out of range), List returns an
// *odata.Error; for a position of a different order, ErrPosition.
func (q *Queries) List(ctx context.Context, set Set, p ListParams, each func(*Listed) error) error {
	rows, err := q.list(ctx, set, p)
	if err != nil {
		return err
	}
	defer rows.Close()
	row, r := set.newRow(), &reader{rows: rows, borrow: true}
	one := Listed{Row: row, reader: r}
	for rows.Next() {
		if err := r.read(row); err != nil {
			return err
		}
		if err := each(&one); err != nil {
			return err
		}
	}
	return explain(rows.Err())
}

func (q *Queries) list(ctx context.Context, set Set, p ListParams) (pgx.Rows, error) {
	b := &sqlBuilder{ctx: ctx, set: set}
	text, err := b.list(p)
	if err != nil {
		return nil, err
	}
	rows, err := q.db.Query(ctx, text, b.args...)
	return rows, explain(err)
}

// GetAsOf returns an entity as of a time. It returns pgx.ErrNoRows if the entity didn't
// exist then.
func (q *Queries) GetAsOf(ctx context.Context, set Set, k Key, at time.Time) (Row, error) {
	rows, err := q.list(ctx, set, ListParams{TenantID: k.TenantID, ID: k.ID, Limit: 1, AsOf: at})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, cmp.Or(rows.Err(), pgx.ErrNoRows)
	}
	row := set.newRow()
	return row, (&reader{rows: rows}).read(row)
}

// CountFiltered counts the entities that match a filter, or all if it is nil, as of a time
// (see ListParams.AsOf), in the given parents, or anywhere without any.
func (q *Queries) CountFiltered(ctx context.Context, set Set, tenant uuid.UUID, filter *odata.Expr, at time.Time, parents ...uuid.UUID) (n int64, err error) {
	b := &sqlBuilder{ctx: ctx, set: set}
	text := "-- name: Count" + many(set) + " :one\nSELECT count(*) FROM " + b.source(ListParams{TenantID: tenant, Filter: filter, AsOf: at}) + " WHERE " + b.where(tenant, filter, parents)
	if b.err != nil {
		return 0, b.err
	}
	err = q.db.QueryRow(ctx, text, b.args...).Scan(&n)
	return n, explain(err)
}

// source returns the table or, as of a time, its rows at that time: rows that haven't
// changed since and, of every other entity, the first version that was replaced later.
func (b *sqlBuilder) source(p ListParams) string {
	if events, ok := b.set.(auditEvents); ok {
		return events.from(b, p)
	}
	table := b.set.Type().Table
	if p.AsOf.IsZero() {
		return table + " AS p"
	}
	tenantArg, atArg, entity := b.arg(p.TenantID, "uuid"), b.arg(p.AsOf, "timestamptz"), "'"+b.set.Type().Name+"'"
	return fmt.Sprintf(`(
    SELECT t.* FROM %[1]s AS t WHERE t.tenant_id = %[2]s AND t.created_at <= %[3]s
    AND NOT EXISTS (SELECT FROM entity_versions AS v WHERE v.tenant_id = %[2]s AND v.entity = %[4]s AND v.id = t.id AND v.changed_at > %[3]s)
    UNION ALL
    SELECT r.* FROM (
        SELECT DISTINCT ON (v.id) v.* FROM entity_versions AS v
        WHERE v.tenant_id = %[2]s AND v.entity = %[4]s AND v.changed_at > %[3]s ORDER BY v.id, v.version
    ) AS v
    CROSS JOIN LATERAL %[5]s AS r
    WHERE r.created_at <= %[3]s
) AS p`, table, tenantArg, atArg, entity, versionAsRow(b.set))
}

// where returns the condition for a tenant, a filter and parents; the last two may be nil.
func (b *sqlBuilder) where(tenant uuid.UUID, filter *odata.Expr, parents []uuid.UUID) string {
	text := "p.tenant_id = " + b.arg(tenant, "uuid")
	if set, ok := b.set.(childSet); ok && parents != nil {
		text += " AND p." + set.parentColumn() + " = ANY (" + b.arg(parents, "uuid[]") + ")"
	}
	if filter != nil {
		text += " AND " + b.condition(filter)
	}
	return text
}

// explain turns a failed evaluation (SQLSTATE classes 22, data exception, and 54, program
// limit exceeded) into an *odata.Error. It returns other errors unchanged.
func explain(err error) error {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "54")) {
		return &odata.Error{Option: odata.Filter, Message: "The expression can't be evaluated: " + refusal.Message + "."}
	}
	return err
}

// columnList returns the columns that sqlc expanded "*" to, those of the struct. A newer
// program may have added columns to the table.
func columnList(set Set) string {
	_, list, _ := strings.Cut(set.listQuery(), "SELECT ")
	list, _, _ = strings.Cut(list, " FROM ")
	return list
}

// many returns the name of the set in the names of queries.
func many(set Set) string {
	name := set.Type().SetName()
	return strings.ToUpper(name[:1]) + name[1:]
}

// maxRepeated is how long a list's condition may be, in bytes, to be written once for each
// range of a page.
const maxRepeated = 8 << 10

// apart returns a subquery that applies the condition and has the keys as columns, which
// the outer query then uses. So the condition and the keys are written and computed once.
// No index serves the order; none could serve computed keys.
func (b *sqlBuilder) apart(keys []key, source, where string) string {
	columns := ""
	for i := range keys {
		columns += fmt.Sprintf(", %s AS key%d", keys[i].sql, i)
		keys[i].sql = fmt.Sprintf("p.key%d", i)
	}
	return "(SELECT " + columnList(b.set) + columns + " FROM " + source + " WHERE " + where + " OFFSET 0) AS p"
}

// key is one part of the order: its SQL, the type of its text, and whether it can be null.
type key struct {
	sql, sqlType string
	nullable     bool
	descending   bool
	computed     bool
}

// direction sorts null first in ascending and last in descending order. A key that can't be
// null needs no NULLS clause, so that an index can serve both directions.
func (k key) direction() string {
	switch {
	case k.descending && k.nullable:
		return " DESC NULLS LAST"
	case k.descending:
		return " DESC"
	case k.nullable:
		return " ASC NULLS FIRST"
	}
	return ""
}

// tie orders entities with equal keys by id, in the direction of the last key, so that an
// index can serve the order.
func tie(keys []key) string {
	if len(keys) > 0 && keys[len(keys)-1].descending {
		return "p.id DESC"
	}
	return "p.id"
}

func (b *sqlBuilder) list(p ListParams) (string, error) {
	if p.Filter == nil && len(p.OrderBy) == 0 && p.AsOf.IsZero() && p.Parents == nil && p.ID == uuid.Nil && b.set.Type().Table != "" { // the usual case
		var after uuid.UUID
		if p.After != nil {
			after = p.After.ID
		}
		b.args = []any{p.TenantID, after, p.Skip, p.Limit}
		return b.set.listQuery(), nil
	}
	where, keys := b.where(p.TenantID, p.Filter, p.Parents), b.keys(p.OrderBy)
	if b.err != nil {
		return "", b.err
	}
	if p.ID != uuid.Nil {
		where += " AND p.id = " + b.arg(p.ID, "uuid")
	}
	source, list := b.source(p), columnList(b.set)
	if len(where) > maxRepeated || slices.ContainsFunc(keys, func(k key) bool { return k.computed }) {
		source, where = b.apart(keys, source, where), "TRUE"
	}
	ranges := []string{"TRUE"}
	if p.After != nil {
		if len(p.After.Keys) != len(keys) {
			return "", ErrPosition
		}
		operator := " > "
		if strings.HasSuffix(tie(keys), "DESC") {
			operator = " < "
		}
		ranges = b.after(keys, p.After.Keys, "p.id"+operator+b.arg(p.After.ID, "uuid"))
	}
	texts, columns := make([]string, len(keys)), ""
	inner, outer := "", "range, "
	for i, k := range keys {
		texts[i] = k.sql + "::text"
		columns += fmt.Sprintf(", %s AS key%d", k.sql, i)
		inner += k.sql + k.direction() + ", "
		outer += fmt.Sprintf("key%d%s, ", i, k.direction())
	}
	limit, skip := b.arg(p.Limit, "bigint"), b.arg(p.Skip, "bigint")
	var selects []string
	for i, r := range ranges {
		selects = append(selects, fmt.Sprintf("(SELECT %s, ARRAY[%s]::text[] AS keys, %d AS range%s FROM %s WHERE %s AND %s ORDER BY %s LIMIT %s + %s)",
			list, strings.Join(texts, ", "), i, columns, source, where, r, inner+tie(keys), limit, skip))
	}
	return fmt.Sprintf("-- name: List%s :many\nSELECT %s, keys FROM (%s) AS p ORDER BY %s LIMIT %s OFFSET %s",
		many(b.set), list, strings.Join(selects, " UNION ALL "), outer+tie(keys), limit, skip), nil
}

// keys returns the columns of an order. It skips keys that order nothing: those that repeat
// an earlier key or follow the id.
func (b *sqlBuilder) keys(order []odata.Key) []key {
	var keys []key
	seen := map[string]bool{}
	for _, o := range order {
		name := o.Expr.String()
		if seen[name] || seen["id"] {
			continue
		}
		seen[name] = true
		switch {
		case o.Expr.Op != "property":
			keys = append(keys, key{sql: b.value(o.Expr), sqlType: b.sqlType(o.Expr), nullable: true, descending: o.Descending, computed: true})
		case name == "id" && b.set.Type().Keys != entity.ComposedKeys:
			keys = append(keys, key{sql: "p.id", sqlType: "uuid", descending: o.Descending})
		default:
			c := b.column(o.Expr.Name)
			keys = append(keys, key{sql: c.sql, sqlType: c.sqlType, nullable: c.nullable, descending: o.Descending, computed: name == "id"})
		}
	}
	return keys
}

// after writes what follows a position as consecutive ranges: equal in all keys with a
// greater id; then equal in all keys except the last, and later in that; and so on. An
// index scan can start at each range. Null sorts first in ascending and last in descending
// order (Protocol 11.2.6.2).
func (b *sqlBuilder) after(keys []key, at []*string, id string) []string {
	if len(keys) == 0 {
		return []string{id}
	}
	k, value := keys[0], ""
	same := k.sql + " IS NULL"
	if at[0] != nil {
		value = b.arg(*at[0], "text")
		if k.sqlType != "text" {
			value += "::" + k.sqlType
		}
		same = k.sql + " = " + value
	}
	var ranges []string
	for _, r := range b.after(keys[1:], at[1:], id) {
		ranges = append(ranges, same+" AND "+r)
	}
	switch {
	case value == "" && !k.descending:
		ranges = append(ranges, k.sql+" IS NOT NULL")
	case value != "" && !k.descending:
		ranges = append(ranges, k.sql+" > "+value)
	case value != "":
		ranges = append(ranges, k.sql+" < "+value)
		if k.nullable {
			ranges = append(ranges, k.sql+" IS NULL")
		}
	}
	return ranges
}
