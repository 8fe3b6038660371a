package db

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// auditEvents is the set of audit events. It has no table: an event is a change in the history
// that came through Graph.
type auditEvents struct {
	Set // nil: nobody changes events, and no document has them
}

func (auditEvents) Type() *entity.Type { return &entity.AuditEvent }

func (auditEvents) newRow() scannable { return &auditEvent{} }

func (auditEvents) listQuery() string { return auditList }

// Get is part of Set.
func (s auditEvents) Get(ctx context.Context, q *Queries, k Key) (Row, error) {
	rows, err := q.list(ctx, s, ListParams{TenantID: k.TenantID, ID: k.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, cmp.Or(rows.Err(), pgx.ErrNoRows)
	}
	row := s.newRow()
	return row, (&reader{rows: rows}).read(row)
}

// from is the SQL of a tenant's events; until is a time or null, for all.
func (auditEvents) from(tenant, until string) string {
	return strings.NewReplacer("{tenant}", tenant, "{until}", until).Replace(auditSQL) + " AS p"
}

// auditColumns are the columns of auditSQL.
const auditColumns = "tenant_id, id, display_name, component_name, activity, activity_ticks, activity_offset, activity_type, activity_operation_type, activity_result, correlation_id, category, actor, resources"

// auditList lists events as the generated queries list entities.
var auditList = "-- name: ListAuditEvents :many\nSELECT " + auditColumns + " FROM " + auditEvents{}.from("$1::uuid", "NULL::timestamptz") +
	"\nWHERE p.id > $2::uuid ORDER BY p.id LIMIT $4::bigint OFFSET $3::bigint"

// auditSQL selects the events of {tenant}, up to {until}. An event's id begins with its time,
// like a UUIDv7, so that ids ascend with time, and continues with a hash of what changed.
var auditSQL = `(
    SELECT e.tenant_id, (lpad(to_hex(e.ticks / 10000), 12, '0') || '7' || lpad(to_hex(e.ticks / 10 % 1000), 3, '0') || '8'
            || left(md5(e.entity || e.id::text || e.version::text || e.change), 15))::uuid AS id,
        e.display_name, e.component AS component_name, NULL::text COLLATE "C" AS activity, e.ticks AS activity_ticks, 0::smallint AS activity_offset,
        e.display_name AS activity_type, e.operation COLLATE "C" AS activity_operation_type, 'Success'::text COLLATE "C" AS activity_result,
        e.request AS correlation_id, e.category,
        jsonb_build_object('auditActorType', s.kind, 'type', s.kind, 'userId', CASE s.kind WHEN 'ItPro' THEN e.made_by END, 'userPrincipalName', u.user_principal_name,
            'applicationId', e.made_with, 'applicationDisplayName', a.display_name) AS actor,
        jsonb_build_array(jsonb_build_object('displayName', coalesce(e.shown ->> 'display_name', '<null>'), 'auditResourceType', e.type, 'type', e.type, 'resourceId', e.key,
            'entity', e.entity, 'operation', e.operation, 'before', e.before_row, 'after', e.after_row)) AS resources
    FROM (
        SELECT c.*, k.component, k.category, k.type, o.operation, o.shown, ` + auditKey() + ` AS key, (extract(epoch FROM c.at) * 10000000)::bigint AS ticks,
            ((CASE o.operation WHEN 'Action' THEN c.change ELSE o.operation END || ' ' || k.type) COLLATE "C") AS display_name
        FROM (` + auditChanges() + `
        ) AS c
        JOIN (VALUES ` + auditKinds() + `) AS k (entity, type, component, category, singleton) ON k.entity = c.entity
        CROSS JOIN LATERAL (SELECT CASE
            WHEN c.change = 'update' OR c.change = 'create' AND k.singleton THEN 'Patch'
            WHEN c.change IN ('create', 'delete') THEN initcap(c.change) ELSE 'Action'
        END AS operation, coalesce(c.after_row, c.before_row) AS shown) AS o
        WHERE c.made_with <> '` + uuid.Nil.String() + `' AND ({until} IS NULL OR c.at <= {until})
        OFFSET 0
    ) AS e
    LEFT JOIN users AS u ON u.tenant_id = e.tenant_id AND u.id = e.made_by
    LEFT JOIN applications AS a ON a.tenant_id = e.tenant_id AND a.client_id = e.made_with
    CROSS JOIN LATERAL (SELECT CASE WHEN EXISTS (
        SELECT FROM applications AS p WHERE p.tenant_id = e.tenant_id AND p.service_principal_id = e.made_by
    ) THEN 'Application' ELSE 'ItPro' END AS kind) AS s
)`

// auditKey is the SQL of a changed entity's key, as Graph shows it.
func auditKey() string {
	keys := map[string]string{}
	for _, t := range entity.All {
		switch t.Keys {
		case entity.CounterKeys:
			keys[t.Name] = "('x' || right(c.id::text, 12))::bit(48)::bigint::text"
		case entity.ComposedKeys:
			keys[t.Name] = fmt.Sprintf("(o.shown ->> '%s') || '_' || (o.shown ->> '%s')", t.Properties[t.Index(t.ParentID)].Column, t.Properties[t.Index(t.KeyPart)].Column)
		}
	}
	text := "CASE c.entity"
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		text += " WHEN '" + name + "' THEN " + keys[name]
	}
	return text + " ELSE c.id::text END"
}

// auditChanges selects the changes of {tenant}, with the rows before and after. A create has the
// version that it made, every other change the one that it replaced.
func auditChanges() string {
	var created, current []string
	for _, t := range entity.All {
		row := fmt.Sprintf("SELECT t.tenant_id, '%s' AS entity, t.id, t.version, t.created_at, t.created_by, t.created_with, t.created_request, to_jsonb(t) AS row FROM %s AS t WHERE t.tenant_id = {tenant}", t.Name, t.Table)
		created = append(created, row+" AND "+isFirst("t", "'"+t.Name+"'"))
		current = append(current, row+" AND t.version > 1")
	}
	const union = "\n            UNION ALL "
	return `
        SELECT f.tenant_id, f.entity, f.id, f.version, 'create' AS change, f.created_at AS at, f.created_by AS made_by,
            f.created_with AS made_with, f.created_request AS request, NULL::jsonb AS before_row, f.row AS after_row
        FROM (
            ` + strings.Join(created, union) + `
        ) AS f
        UNION ALL
        SELECT v.tenant_id, v.entity, v.id, v.version, 'create', r.created_at, r.created_by, r.created_with, r.created_request, NULL, v.row
        FROM entity_versions AS v
        CROSS JOIN LATERAL jsonb_to_record(v.row) AS r (created_at timestamptz, created_by uuid, created_with uuid, created_request uuid)
        WHERE v.tenant_id = {tenant} AND ` + isFirst("v", "v.entity") + `
        UNION ALL
        SELECT v.tenant_id, v.entity, v.id, v.version, v.change, v.changed_at, v.changed_by, v.changed_with, v.changed_request, v.row, coalesce(n.row, p.row)
        FROM entity_versions AS v
        LEFT JOIN entity_versions AS n ON n.tenant_id = v.tenant_id AND n.entity = v.entity AND n.id = v.id AND n.version = v.version + 1
            AND v.change <> 'delete'
        LEFT JOIN (
            ` + strings.Join(current, union) + `
        ) AS p ON p.entity = v.entity AND p.id = v.id AND p.version = v.version + 1 AND v.change <> 'delete'
        WHERE v.tenant_id = {tenant}`
}

// isFirst returns SQL that reports whether a version of an entity is the first one, perhaps of a
// second life after a deletion.
func isFirst(row, name string) string {
	return fmt.Sprintf("(%[1]s.version = 1 OR EXISTS (SELECT FROM entity_versions AS d WHERE d.tenant_id = %[1]s.tenant_id AND d.entity = %[2]s AND d.id = %[1]s.id AND d.version = %[1]s.version - 2 AND d.change = 'delete'))", row, name)
}

// auditKinds lists what the descriptions say of the entities' events.
func auditKinds() string {
	var rows []string
	for _, t := range entity.All {
		rows = append(rows, fmt.Sprintf(`('%s', '%s', '%s'::text COLLATE "C", '%s'::text COLLATE "C", %t)`, t.Name, entity.Pascal(t.Name), t.AuditComponent, t.AuditCategory, t.Singleton))
	}
	return strings.Join(rows, ", ")
}
