package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// sharedTables are the tables that people may read with SQL, and change in tests. Keys,
// secrets, tokens, sessions, logins, the audit log and tables of later migrations aren't
// shared.
var sharedTables = func() []string {
	tables := []string{
		"tenants", "domains", "users", "applications", "application_certificates", "permission_grants", "app_role_assignments",
		"entity_versions", "snapshots", "seeds",
	}
	for _, t := range entity.All {
		tables = append(tables, t.Table)
	}
	return tables
}()

// ShareTables lets a role read and change tenants, users, applications and entities, except
// password hashes. The role can use no other table.
func ShareTables(ctx context.Context, pool *Pool, role string) error {
	const grants = `
		SELECT format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', $1::text)
		UNION ALL
		SELECT format('GRANT SELECT%1$s, INSERT%1$s, UPDATE%1$s, DELETE ON %2$s TO %3$I',
			CASE WHEN bool_or(secret) THEN ' (' || string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE NOT secret) || ')' END,
			attrelid::regclass, $1::text)
		FROM (
			SELECT attrelid, attnum, attname, attname LIKE '%\_hash' AS secret FROM pg_attribute
			WHERE attrelid = ANY($2::text[]::regclass[]) AND attnum > 0 AND NOT attisdropped
		) AS columns
		GROUP BY attrelid`
	rows, err := pool.Query(ctx, grants, role, sharedTables)
	if err != nil {
		return fmt.Errorf("share tables with role %s: %w", role, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			for _, statement := range statements {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("share tables with role %s: %w", role, err)
	}
	return nil
}
