//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// measured is the entity that the comparison creates, reads and updates.
var measured = &entity.RemoteAssistancePartner

// rowOf returns the columns of the measured entity's properties and their values in SQL: the
// given ones, by property, and otherwise the defaults. A date has two, its ticks and its
// offset.
func rowOf(given map[string]string) (columns, values string) {
	var names, all []string
	for i := range measured.Properties {
		p := &measured.Properties[i]
		names = append(names, p.Columns()...)
		if value, ok := given[p.Name]; ok {
			all = append(all, value)
		} else {
			all = append(all, defaults(p)...)
		}
	}
	return strings.Join(names, ", "), strings.Join(all, ", ")
}

// defaults returns a property's default in SQL, for each of its columns.
func defaults(p *entity.Property) []string {
	v := p.Default()
	switch {
	case v.Null:
		return slices.Repeat([]string{"NULL"}, len(p.Columns()))
	case p.Kind == entity.DateKind:
		return []string{fmt.Sprint(v.Number), fmt.Sprint(v.Offset)}
	case p.Kind == entity.BooleanKind:
		return []string{fmt.Sprint(v.Bool())}
	case p.Kind == entity.IntegerKind:
		return []string{fmt.Sprint(v.Number)}
	}
	return []string{"'" + strings.ReplaceAll(v.Text, "'", "''") + "'"}
}

// insert returns CreateRemoteAssistancePartner of queries/, with increasing ids like UUIDv7's.
func insert(tenant string) string {
	columns, values := rowOf(map[string]string{
		"displayName": "'Display Name value'", "onboardingUrl": "'https://example.com/onboardingUrl/'", "onboardingStatus": "'onboarding'",
		"lastConnectionDateTime": "14832575166670033, -480",
	})
	return fmt.Sprintf(`\set n :n + 1
INSERT INTO %[1]s (tenant_id, id, %[2]s, created_at, created_by, created_with, created_request) VALUES (
    '%[4]s', format('018f0000-0000-7000-8000-%%s%%s', lpad(to_hex(:client_id::int), 4, '0'), lpad(to_hex(:n::bigint), 8, '0'))::uuid,
    %[3]s, '2026-01-01T00:00:00Z', '%[4]s', '%[4]s', '%[4]s'
) RETURNING *;
`, measured.Table, columns, values, tenant)
}

// update returns UpdateRemoteAssistancePartner of queries/ for a new name.
func update() string {
	columns, _ := rowOf(nil)
	var members []string
	for column := range strings.SplitSeq(columns, ", ") {
		members = append(members, "'"+column+"', r."+column)
	}
	return fmt.Sprintf(`WITH replaced AS (
    SELECT p.* FROM %[1]s AS p WHERE p.tenant_id = :tenant AND p.id = :id FOR UPDATE
), kept AS (
    INSERT INTO entity_versions (tenant_id, entity, id, version, row, created_at, created_by, created_with, created_request, change, changed_at, changed_by, changed_with, changed_request)
    SELECT r.tenant_id, '%[2]s', r.id, r.version, json_build_object(%[3]s),
        r.created_at, r.created_by, r.created_with, r.created_request, 'update', '2026-01-01T00:00:00Z', :tenant, :tenant, :tenant
    FROM replaced AS r
)
UPDATE %[1]s AS p SET version = p.version + 1, display_name = 'Another name'
FROM replaced
WHERE p.tenant_id = :tenant AND p.id = :id AND p.tenant_id = replaced.tenant_id AND p.id = replaced.id
RETURNING p.*;
`, measured.Table, measured.Name, strings.Join(members, ", "))
}

// fill returns a statement that adds entities to tenant $1 until it has $2.
func fill() string {
	columns, values := rowOf(map[string]string{
		"displayName": "'Partner ' || i", "onboardingUrl": "'https://example.com/onboardingUrl/' || i", "onboardingStatus": "'onboarding'",
		"lastConnectionDateTime": "14832575166670033, -480",
	})
	return fmt.Sprintf(`
		INSERT INTO %[1]s (tenant_id, id, %[2]s, created_at, created_by)
		SELECT $1, gen_random_uuid(), %[3]s, now(), $1
		FROM generate_series((SELECT count(*) FROM %[1]s WHERE tenant_id = $1) + 1, $2::bigint) AS i`, measured.Table, columns, values)
}

// copies returns a statement that copies the only entity of tenant $1: $2 times with the
// longest names and $3 times with usual names.
func copies() string {
	values := map[string]string{}
	for _, p := range measured.Properties {
		values[p.Name] = strings.Join(p.Columns(), ", ")
	}
	values["displayName"] = "CASE WHEN n <= $2 THEN repeat(chr(1), 1024) ELSE 'Partner ' || n END"
	values["onboardingUrl"] = "CASE WHEN n <= $2 THEN 'https://example.com/' || repeat('x', 2000) END"
	columns, list := rowOf(values)
	return fmt.Sprintf(`
		INSERT INTO %[1]s (tenant_id, id, %[2]s, created_at, created_by)
		SELECT tenant_id, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, %[3]s, created_at, created_by
		FROM %[1]s, generate_series(1, $2::int + $3::int) AS n WHERE tenant_id = $1`, measured.Table, columns, list)
}
