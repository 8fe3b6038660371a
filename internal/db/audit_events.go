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

func (auditEvents) listQuery() string { return "SELECT " + auditColumns + " FROM " }

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

// from is the SQL of a tenant's events that a page needs.
func (auditEvents) from(b *sqlBuilder, p ListParams) string {
	span := auditSpan{since: "'-infinity'::timestamptz", until: "'infinity'::timestamptz"}
	span.narrow(b, p)
	return strings.NewReplacer("{tenant}", b.arg(p.TenantID, "uuid"), "{since}", span.since, "{until}", span.until).Replace(auditSQL) + " AS p"
}

// auditColumns are the columns of auditSQL.
const auditColumns = "tenant_id, id, display_name, component_name, activity, activity_ticks, activity_offset, activity_type, activity_operation_type, activity_result, correlation_id, category, actor, resources"

// auditSQL selects the events of {tenant} from {since} to {until}. An event's id begins with its time,
// like a UUIDv7, so that ids ascend with time, and continues with a hash of what changed. A page
// finds its events in what changes they are. Only these events' actors and resources are read,
// because the planner computes expressions with subqueries after it has sorted and limited the rest.
// Each table names the tenant itself, because a cluster doesn't conclude it from another table.
var auditSQL = `(
    SELECT c.tenant_id, (lpad(to_hex(o.ticks / 10000), 12, '0') || '7' || lpad(to_hex(o.ticks / 10 % 1000), 3, '0') || '8'
            || left(md5(c.entity || c.id::text || c.version::text || c.change), 15))::uuid AS id,
        o.display_name, k.component AS component_name, NULL::text COLLATE "C" AS activity, o.ticks AS activity_ticks, 0::smallint AS activity_offset,
        o.display_name AS activity_type, o.operation AS activity_operation_type, 'Success'::text COLLATE "C" AS activity_result,
        c.request AS correlation_id, k.category,
        (SELECT jsonb_build_object('auditActorType', s.kind, 'type', s.kind, 'userId', CASE s.kind WHEN 'ItPro' THEN c.made_by END, 'userPrincipalName', u.user_principal_name,
            'applicationId', c.made_with, 'applicationDisplayName', a.display_name)
        FROM (SELECT CASE WHEN EXISTS (
            SELECT FROM applications AS p WHERE p.tenant_id = {tenant} AND p.service_principal_id = c.made_by
        ) THEN 'Application' ELSE 'ItPro' END AS kind) AS s
        LEFT JOIN users AS u ON u.tenant_id = {tenant} AND u.id = c.made_by
        LEFT JOIN applications AS a ON a.tenant_id = {tenant} AND a.client_id = c.made_with) AS actor,
        (SELECT jsonb_build_array(jsonb_build_object('displayName', coalesce(s.shown ->> 'display_name', '<null>'), 'auditResourceType', k.type, 'type', k.type, 'resourceId', ` + auditKey() + `,
            'entity', c.entity, 'operation', o.operation, 'before', r.before, 'after', r.after))
        FROM (SELECT
            CASE WHEN c.change <> 'create' THEN ` + auditRow("c.version") + ` END AS before,
            CASE c.change WHEN 'create' THEN ` + auditRow("c.version") + ` WHEN 'delete' THEN NULL ELSE ` + auditRow("c.version + 1") + ` END AS after
        OFFSET 0) AS r
        CROSS JOIN LATERAL (SELECT coalesce(r.after, r.before) AS shown) AS s) AS resources
    FROM (` + auditChanges() + `
    ) AS c
    JOIN (VALUES ` + auditKinds() + `) AS k (entity, type, component, category, singleton) ON k.entity = c.entity
    CROSS JOIN LATERAL (SELECT (CASE
        WHEN c.change = 'update' OR c.change = 'create' AND k.singleton THEN 'Patch'
        WHEN c.change IN ('create', 'delete') THEN initcap(c.change) ELSE 'Action'
    END COLLATE "C") AS operation) AS i
    CROSS JOIN LATERAL (SELECT i.operation, (extract(epoch FROM c.at) * 10000000)::bigint AS ticks,
        ((CASE i.operation WHEN 'Action' THEN c.change ELSE i.operation END || ' ' || k.type) COLLATE "C") AS display_name) AS o
    WHERE c.made_with <> '` + uuid.Nil.String() + `' AND c.at >= {since} AND c.at <= {until}
)`

// auditKey is the SQL of a changed entity's key, as Graph shows it.
func auditKey() string {
	keys := map[string]string{}
	for _, t := range entity.All {
		switch t.Keys {
		case entity.CounterKeys:
			keys[t.Name] = "('x' || right(c.id::text, 12))::bit(48)::bigint::text"
		case entity.ComposedKeys:
			keys[t.Name] = fmt.Sprintf("(s.shown ->> '%s') || '_' || (s.shown ->> '%s')", t.Properties[t.Index(t.ParentID)].Column, t.Properties[t.Index(t.KeyPart)].Column)
		}
	}
	text := "CASE c.entity"
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		text += " WHEN '" + name + "' THEN " + keys[name]
	}
	return text + " ELSE c.id::text END"
}

// auditRow is the SQL of a changed entity's row in a version, which was replaced or is the current
// one.
func auditRow(version string) string {
	text := "coalesce((SELECT n.row::jsonb FROM entity_versions AS n WHERE n.tenant_id = {tenant} AND n.entity = c.entity AND n.id = c.id AND n.version = " + version + "), CASE c.entity"
	for _, t := range entity.All {
		text += fmt.Sprintf("\n                WHEN '%s' THEN (SELECT to_jsonb(t) FROM %s AS t WHERE t.tenant_id = {tenant} AND t.id = c.id AND t.version = %s)", t.Name, t.Table, version)
	}
	return text + "\n            END)"
}

// auditChanges selects the changes of {tenant}. A create has the version that it made, every other
// change the one that it replaced.
func auditChanges() string {
	var created []string
	for _, t := range entity.All {
		created = append(created, fmt.Sprintf(`
        SELECT t.tenant_id, '%[1]s' AS entity, t.id, t.version, 'create' AS change, t.created_at AS at, t.created_by AS made_by, t.created_with AS made_with, t.created_request AS request
        FROM %[2]s AS t WHERE t.tenant_id = {tenant} AND %[3]s`, t.Name, t.Table, isFirst("t", "'"+t.Name+"'")))
	}
	return strings.Join(append(created, `
        SELECT v.tenant_id, v.entity, v.id, v.version, 'create', v.created_at, v.created_by, v.created_with, v.created_request
        FROM entity_versions AS v WHERE v.tenant_id = {tenant} AND `+isFirst("v", "v.entity"), `
        SELECT v.tenant_id, v.entity, v.id, v.version, v.change, v.changed_at, v.changed_by, v.changed_with, v.changed_request
        FROM entity_versions AS v WHERE v.tenant_id = {tenant}`), "\n        UNION ALL")
}

// isFirst returns SQL that reports whether a version of an entity is the first one, perhaps of a
// second life after a deletion.
func isFirst(row, name string) string {
	return fmt.Sprintf("(%[1]s.version = 1 OR EXISTS (SELECT FROM entity_versions AS d WHERE d.tenant_id = {tenant} AND d.entity = %[2]s AND d.id = %[1]s.id AND d.version = %[1]s.version - 2 AND d.change = 'delete'))", row, name)
}

// auditKinds lists what the descriptions say of the entities' events.
func auditKinds() string {
	var rows []string
	for _, t := range entity.All {
		rows = append(rows, fmt.Sprintf(`('%s', '%s', '%s'::text COLLATE "C", '%s'::text COLLATE "C", %t)`, t.Name, entity.Pascal(t.Name), t.AuditComponent, t.AuditCategory, t.Singleton))
	}
	return strings.Join(rows, ", ")
}
