package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// ListParams says which partners of a tenant are wanted, and in which order.
type ListParams struct {
	TenantID uuid.UUID
	Filter   *odata.Expr // nil: all
	OrderBy  []odata.Key // ties, and everything if it is empty, by id
	After    *Position   // nil: from the start
	Skip     int64
	Limit    int64
}

// Position is a place in a list: the last partner before it, by its keys and its
// id. A key is its text in Postgres, nil for null.
type Position struct {
	Keys []*string
	ID   uuid.UUID
}

// Listed is a partner of a list, good until the next one.
type Listed struct {
	RemoteAssistancePartner
	reader *partnerReader
}

// Keys are the partner's in the order of the list.
func (l *Listed) Keys() (keys []*string, err error) {
	r := l.reader
	if r.columns == partnerWidth { // it is listed by id
		return nil, nil
	}
	field := r.rows.FieldDescriptions()[partnerWidth]
	err = r.rows.Conn().TypeMap().Scan(field.DataTypeOID, field.Format, r.rows.RawValues()[partnerWidth], &keys)
	return keys, err
}

// ErrPosition says that a position is of another order.
var ErrPosition = errors.New("the position does not fit the order")

// ListPartners calls each for the partners wanted, one after the other as they
// come from the database, until it returns an error, which is returned. An
// expression that can't be computed for one of them (a division by zero, a number
// out of range) is an *odata.Error; ErrPosition is returned as it is.
func (q *Queries) ListPartners(ctx context.Context, p ListParams, each func(*Listed) error) error {
	b := &sqlBuilder{ctx: ctx}
	text, err := b.list(p)
	if err != nil {
		return err
	}
	rows, err := q.db.Query(ctx, text, b.args...)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	one := Listed{reader: &partnerReader{rows: rows, texts: new([2]string), borrows: true}}
	for rows.Next() {
		if err := one.reader.read(&one.RemoteAssistancePartner); err != nil {
			return err
		}
		if err := each(&one); err != nil {
			return err
		}
	}
	return explain(rows.Err())
}

// CountPartners counts the partners that a filter wants.
func (q *Queries) CountPartners(ctx context.Context, tenant uuid.UUID, filter *odata.Expr) (n int64, err error) {
	b := &sqlBuilder{ctx: ctx}
	text := "-- name: CountPartners :one\nSELECT count(*) FROM remote_assistance_partners AS p WHERE " + b.where(tenant, filter)
	if b.err != nil {
		return 0, b.err
	}
	err = q.db.QueryRow(ctx, text, b.args...).Scan(&n)
	return n, explain(err)
}

// where is the condition of a filter, if there is one, in a tenant.
func (b *sqlBuilder) where(tenant uuid.UUID, filter *odata.Expr) string {
	text := "p.tenant_id = " + b.arg(tenant, "uuid")
	if filter != nil {
		text += " AND " + b.condition(filter)
	}
	return text
}

// explain tells what an expression did wrong (SQLSTATE classes 22, data exception, and
// 54, program limit exceeded) from all other failures.
func explain(err error) error {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "54")) {
		return &odata.Error{Option: odata.Filter, Message: "The expression can't be evaluated: " + refusal.Message + "."}
	}
	return err
}

// partnerColumnList is what sqlc made of a "*": the columns that the struct has,
// also while a newer program has added one.
var partnerColumnList = func() string {
	_, list, _ := strings.Cut(listRemoteAssistancePartners, "SELECT ")
	list, _, _ = strings.Cut(list, " FROM ")
	return list
}()

// maxRepeated is how long the condition of a list may be, in bytes, to be repeated for
// each range of a page.
const maxRepeated = 8 << 10

// apart is a source of partners on which the condition is met, with the keys as columns
// of their own, which the keys then name. So both are written, and computed, once, and
// no index serves the order; none would that of a computed key.
func (b *sqlBuilder) apart(keys []key, where string) string {
	columns := ""
	for i := range keys {
		columns += fmt.Sprintf(", %s AS key%d", keys[i].sql, i)
		keys[i].sql = fmt.Sprintf("p.key%d", i)
	}
	return "(SELECT " + partnerColumnList + columns + " FROM remote_assistance_partners AS p WHERE " + where + " OFFSET 0) AS p"
}

// key is a part of the order: SQL, the type of its text, whether it may be null.
type key struct {
	sql, sqlType string
	nullable     bool
	descending   bool
	computed     bool
}

// direction puts null first ascending and last descending. Where there is no
// null, it is not named: so an index serves, in both directions.
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

// tie is the order of partners whose keys are alike: by id, in the direction of
// the last key, in which an index runs.
func tie(keys []key) string {
	if len(keys) > 0 && keys[len(keys)-1].descending {
		return "p.id DESC"
	}
	return "p.id"
}

func (b *sqlBuilder) list(p ListParams) (string, error) {
	if p.Filter == nil && len(p.OrderBy) == 0 { // nearly all
		var after uuid.UUID
		if p.After != nil {
			after = p.After.ID
		}
		b.args = []any{p.TenantID, after, p.Skip, p.Limit}
		return listRemoteAssistancePartners, nil
	}
	where, keys := b.where(p.TenantID, p.Filter), b.keys(p.OrderBy)
	if b.err != nil {
		return "", b.err
	}
	source := "remote_assistance_partners AS p"
	if len(where) > maxRepeated || slices.ContainsFunc(keys, func(k key) bool { return k.computed }) {
		source, where = b.apart(keys, where), "TRUE"
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
			partnerColumnList, strings.Join(texts, ", "), i, columns, source, where, r, inner+tie(keys), limit, skip))
	}
	return fmt.Sprintf("-- name: ListPartners :many\nSELECT %s, keys FROM (%s) AS p ORDER BY %s LIMIT %s OFFSET %s",
		partnerColumnList, strings.Join(selects, " UNION ALL "), outer+tie(keys), limit, skip), nil
}

// keys are the columns of an order. A date takes two, as its index has them. What comes
// for a second time, or behind the id, orders nothing.
func (b *sqlBuilder) keys(order []odata.Key) []key {
	var keys []key
	seen := map[string]bool{}
	for _, o := range order {
		name := o.Expr.String()
		if seen[name] || seen["id"] {
			continue
		}
		seen[name] = true
		c := partnerColumns[o.Expr.Name]
		switch {
		case o.Expr.Op != "property":
			keys = append(keys, key{b.value(o.Expr), sqlTypes[o.Expr.Type], true, o.Descending, true})
		case c.at != "":
			keys = append(keys, key{c.at, "timestamptz", false, o.Descending, false}, key{c.hundredNs, "smallint", false, o.Descending, false})
		case name == "id":
			keys = append(keys, key{"p.id", "uuid", false, o.Descending, false})
		default:
			keys = append(keys, key{c.sql, sqlTypes[o.Expr.Type], c.nullable, o.Descending, false})
		}
	}
	return keys
}

// after is what comes behind a position, in ranges that follow each other: as
// late in all keys and behind it by id; as late in all but the last key and later
// in that, and so on. An index starts where a range does. Null comes before all
// else ascending, and behind it descending (Protocol 11.2.6.2).
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
