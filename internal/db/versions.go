package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Replaced is a version of an entity that a change replaced: what it was, and the change, its
// time, its author and its application.
type Replaced struct {
	Row
	Change   string // update, delete, or an action's name in the history
	At       time.Time
	By, With uuid.UUID
}

// ListReplaced lists the replaced versions of an entity, the newest first, from the one before
// a version.
func (q *Queries) ListReplaced(ctx context.Context, set Set, k Key, before, limit int64) (all []Replaced, err error) {
	rows, err := q.db.Query(ctx, fmt.Sprintf(`-- name: ListReplaced%s :many
SELECT %s, replaced_change, replaced_at, replaced_by, replaced_with FROM (
    SELECT r.*, v.change AS replaced_change, v.changed_at AS replaced_at, v.changed_by AS replaced_by, v.changed_with AS replaced_with
    FROM entity_versions AS v
    CROSS JOIN LATERAL %s AS r
    WHERE v.tenant_id = $1 AND v.entity = $2 AND v.id = $3 AND v.version < $4
) AS p ORDER BY version DESC LIMIT $5`, many(set), columnList(set), versionAsRow(set)), k.TenantID, set.Type().Name, k.ID, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for r := (reader{rows: rows}); rows.Next(); {
		row := set.newRow()
		if err := r.read(row); err != nil {
			return nil, err
		}
		one := Replaced{Row: row}
		targets := make([]any, r.own, r.columns) // nil skips a column
		if err := rows.Scan(append(targets, &one.Change, &one.At, &one.By, &one.With)...); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// versionAsRow is SQL that makes a row of the set's table of a replaced version, v.
func versionAsRow(set Set) string {
	return "jsonb_populate_record(NULL::" + set.Type().Table + ", to_jsonb(v) || v.row::jsonb)"
}
