package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sharedTables are what people read, and change in tests, by SQL. Keys, secrets,
// tokens, sessions, logins and the audit log aren't among them, nor is a table that a
// later migration makes.
var sharedTables = []string{
	"tenants", "domains", "users", "applications", "application_certificates", "permission_grants", "app_role_assignments",
	"remote_assistance_partners", "remote_assistance_partner_versions", "snapshots", "seeds",
}

// ShareTables lets a role read and change the rows of tenants, users, applications and
// partners, but for hashes of passwords, and no other table.
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
