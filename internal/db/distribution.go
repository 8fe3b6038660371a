package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
)

// ErrNoCluster says that the database doesn't belong to a Citus cluster.
var ErrNoCluster = errors.New("the database has no Citus: run CREATE EXTENSION citus in it on every server of the cluster, and add the workers with citus_add_node")

// tenantTables lists the table tenants and every table that refers to it, directly or
// through other tables, parents before children. For each it says whether the table is
// distributed. The query names pg_dist_partition, so it needs Citus.
const tenantTables = `WITH RECURSIVE related (oid, depth) AS (
    SELECT to_regclass('tenants')::oid, 0
    UNION ALL
    SELECT k.conrelid, r.depth + 1 FROM related AS r
    JOIN pg_constraint AS k ON k.confrelid = r.oid AND k.contype = 'f' AND k.conrelid <> r.oid
)
SELECT c.relname::text AS name, EXISTS (SELECT FROM pg_catalog.pg_dist_partition AS d WHERE d.logicalrelid = c.oid) AS distributed
FROM related AS r JOIN pg_class AS c ON c.oid = r.oid
GROUP BY c.oid, c.relname ORDER BY max(r.depth), c.relname`

// A distribution lists the tables of tenants, parents before children, and whether each is
// distributed over a cluster. It is empty on a server without Citus.
type distribution []tenantTable

type tenantTable struct {
	Name        string
	Distributed bool
}

// begun reports whether the table tenants, the root of the others, is distributed.
func (d distribution) begun() bool { return len(d) > 0 && d[0].Distributed }

// local returns the tables that aren't distributed.
func (d distribution) local() (names []string) {
	for _, t := range d {
		if !t.Distributed {
			names = append(names, t.Name)
		}
	}
	return names
}

func readDistribution(ctx context.Context, q DBTX) (d distribution, err error) {
	var citus bool
	err = q.QueryRow(ctx, "-- name: HasCitus :one\nSELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL").Scan(&citus)
	if err == nil && citus {
		d, err = collect[tenantTable](ctx, q, "-- name: TenantTables :many\n"+tenantTables)
	}
	if err != nil {
		return nil, fmt.Errorf("read how the tables are distributed: %w", err)
	}
	return d, nil
}

// collect returns a query's rows as structs.
func collect[T any](ctx context.Context, q DBTX, query string) ([]T, error) {
	rows, err := q.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// Distributed reports whether the tables are distributed over the servers of a Citus
// cluster.
func Distributed(ctx context.Context, q DBTX) (bool, error) {
	d, err := readDistribution(ctx, q)
	return d.begun(), err
}

// Undistributed returns the tables of tenants that a distributed database keeps on one
// server. Their rows outlive a deleted tenant, because they have no foreign key to it. The
// result is empty for a database that isn't distributed.
func Undistributed(ctx context.Context, q DBTX) ([]string, error) {
	d, err := readDistribution(ctx, q)
	if err != nil || !d.begun() {
		return nil, err
	}
	return d.local(), nil
}

// Worker is a server of a cluster that has rows of tenants, other than the coordinator.
type Worker struct {
	Address string // host:port, as the coordinator knows it
	Answers bool   // whether the coordinator can use it
}

// workers asks every worker for an answer, through connections that the coordinator's session
// keeps. A worker that can't be reached takes a second, and not the 30 of Citus's default.
const workers = `-- name: Workers :many
WITH patience AS MATERIALIZED (SELECT set_config('citus.node_connection_timeout', '1000', true))
SELECT n.nodename || ':' || n.nodeport, n.isactive AND citus_check_connection_to_node(n.nodename, n.nodeport)
FROM patience CROSS JOIN pg_catalog.pg_dist_node AS n
WHERE n.groupid <> 0 AND n.noderole::text = 'primary' AND EXISTS (SELECT FROM pg_catalog.pg_dist_placement AS p WHERE p.groupid = n.groupid)
ORDER BY 1`

// Workers returns the workers of a cluster, by address. It must be called only where tables are
// distributed.
func Workers(ctx context.Context, q DBTX) (all []Worker, err error) {
	// The first answer may come from a connection to a worker that has restarted since.
	for range 2 {
		if all, err = collect[Worker](ctx, q, workers); err != nil {
			return nil, fmt.Errorf("ask the workers: %w", err)
		}
		if !slices.ContainsFunc(all, func(w Worker) bool { return !w.Answers }) {
			break
		}
	}
	return all, nil
}

// Distribute distributes the tables of tenants over the workers of a Citus cluster, and
// removes the copies of their rows from the coordinator. It distributes every table that
// isn't distributed yet, or none. Tables without a tenant stay on the coordinator. It
// returns ErrNoCluster on a server without Citus. Concurrent calls are safe.
func Distribute(ctx context.Context, pool *Pool, log *slog.Logger) error {
	d, err := readDistribution(ctx, pool)
	if err == nil && len(d) == 0 {
		err = ErrNoCluster
	}
	if err != nil || len(d.local()) == 0 {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// The lock admits one process at a time. Citus would send a notice for each table.
		if _, err := tx.Exec(ctx, "LOCK TABLE "+versionTable+" IN EXCLUSIVE MODE; SET LOCAL client_min_messages = error"); err != nil {
			return err
		}
		return distributeRest(ctx, tx, log)
	})
}

func distributeRest(ctx context.Context, tx pgx.Tx, log *slog.Logger) error {
	d, err := readDistribution(ctx, tx)
	if err != nil {
		return err
	}
	for _, table := range d.local() {
		key, with := "tenant_id", "tenants"
		if table == "tenants" {
			key, with = "id", "none"
		}
		if _, err := tx.Exec(ctx, "SELECT create_distributed_table($1::text::regclass, $2, colocate_with => $3)", table, key, with); err != nil {
			return fmt.Errorf("distribute %s: %w", table, err)
		}
		log.Info("distributed", "table", table)
	}
	// This truncates the children too, which is safe because all of them are distributed
	// now.
	_, err = tx.Exec(ctx, "SELECT truncate_local_data_after_distributing_table('tenants')")
	return err
}
