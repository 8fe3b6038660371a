package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/mocktenant/mocktenant/migrations"
)

// A replica that finds another one migrating looks every 100 ms, for a minute. The lock is
// a row instead of an advisory lock, so that it also works through a connection pooler and
// on a distributed Postgres.
const (
	migrateRetry = 100 * time.Millisecond
	migrateTries = 600
)

// Goose records the applied migrations and its lock in these tables. They have our own
// names, because goose's default names may belong to another application.
const (
	versionTable     = "mocktenant_schema_versions"
	versionLockTable = versionTable + "_lock"
)

// MigrationStatus is one migration and when it was applied, or nil if it wasn't.
type MigrationStatus struct {
	Version   int64
	Name      string
	AppliedAt *time.Time
}

// MigrateUp applies the missing migrations. If the database is distributed, it also
// distributes their tables. Any number of processes may call it at once: one works, the
// others wait. It leaves a newer program's schema unchanged, because this program can use
// it. It returns ErrFormerSchema for a database that a development version made, and
// ErrMissingMigration for one that lacks an earlier migration.
func MigrateUp(ctx context.Context, pool *Pool, log *slog.Logger) error {
	if err := migrateIfNeeded(ctx, pool, log); err != nil {
		return err
	}
	if err := shutDatabase(ctx, pool); err != nil {
		return err
	}
	if d, err := readDistribution(ctx, pool); err != nil || !d.begun() {
		return err
	}
	return Distribute(ctx, pool, log) // the new tables
}

func migrateIfNeeded(ctx context.Context, pool *Pool, log *slog.Logger) error {
	have, want, err := Revision(ctx, pool)
	if err != nil { // the table of versions doesn't exist yet
		return migrateUp(ctx, pool, log)
	}
	if err := checkOrder(ctx, pool, have); err != nil {
		return err
	}
	if have < want {
		return migrateUp(ctx, pool, log)
	}
	if have > want {
		log.Warn("the schema is newer than this program, which uses it anyway; run migrate down only with the program that made it", "have", have, "want", want)
	}
	return nil // usually nothing is pending, and no lock is needed
}

func migrateUp(ctx context.Context, pool *Pool, log *slog.Logger) error {
	return withGoose(ctx, pool, func(p *goose.Provider) error {
		done, err := p.Up(ctx)
		for _, m := range done {
			log.Info("migrated", "to", m.Source.Version, "file", m.Source.Path, "took", m.Duration)
		}
		return err
	})
}

// ErrMissingMigration says that the schema lacks a migration before its last one.
var ErrMissingMigration = errors.New("the schema lacks a migration that comes before its last")

// checkOrder returns ErrMissingMigration unless all migrations up to a version are applied.
// Each migration is written and tested against the result of those before it. Only an
// unreleased program has applied a later one first.
func checkOrder(ctx context.Context, pool *Pool, have int64) error {
	known, err := knownRevisions()
	if err != nil {
		return err
	}
	var missing []int64
	err = pool.QueryRow(ctx, "-- name: MissingMigrations :one\nSELECT coalesce(array_agg(v ORDER BY v), '{}') FROM unnest($1::bigint[]) AS v WHERE v <= $2 AND v NOT IN (SELECT version_id FROM "+versionTable+")", known, have).Scan(&missing)
	if err != nil {
		return fmt.Errorf("read the applied migrations: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: it is at migration %d, without %v; a development version made it: export its tenants with that version, and import them into a new database", ErrMissingMigration, have, missing)
	}
	return nil
}

// ErrNewerSchema says that a newer program made the schema.
var ErrNewerSchema = errors.New("the schema is newer than this program")

// MigrateDown reverts the last applied migration and deletes all data in what it made. It
// returns false if no migration is applied, and ErrNewerSchema if this program doesn't know
// the last one.
func MigrateDown(ctx context.Context, pool *Pool, log *slog.Logger) (bool, error) {
	down := false
	err := withGoose(ctx, pool, func(p *goose.Provider) error {
		version, err := p.GetDBVersion(ctx)
		if err != nil || version == 0 {
			return err
		}
		if want, err := wantedRevision(); err != nil || version > want {
			return errors.Join(err, fmt.Errorf("%w: it is at migration %d, and this program knows up to %d; revert it with the program that made it", ErrNewerSchema, version, want))
		}
		m, err := p.Down(ctx)
		if err != nil {
			return err
		}
		down = true
		log.Info("migrated down", "from", m.Source.Version, "file", m.Source.Path, "took", m.Duration)
		return nil
	})
	return down, err
}

// Migrations lists every migration that this program knows, oldest first, followed by the
// unknown ones that a newer program applied, which have no name. It changes nothing,
// whereas goose would create its table.
func Migrations(ctx context.Context, pool *Pool) ([]MigrationStatus, error) {
	if err := refuseFormer(ctx, pool); err != nil {
		return nil, err
	}
	list, err := KnownMigrations()
	if err != nil {
		return nil, err
	}
	var made bool
	err = pool.QueryRow(ctx, "-- name: HasMigrations :one\nSELECT to_regclass($1) IS NOT NULL", versionTable).Scan(&made)
	if err != nil || !made {
		return list, err
	}
	rows, err := pool.Query(ctx, "-- name: AppliedMigrations :many\nSELECT version_id, max(tstamp) FROM "+versionTable+" WHERE version_id > 0 GROUP BY version_id ORDER BY version_id")
	if err != nil {
		return nil, err
	}
	var version int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &at}, func() error {
		applied := at
		i := slices.IndexFunc(list, func(m MigrationStatus) bool { return m.Version == version })
		if i < 0 {
			i, list = len(list), append(list, MigrationStatus{Version: version})
		}
		list[i].AppliedAt = &applied
		return nil
	})
	return list, err
}

// KnownMigrations lists every migration that this program knows, oldest first, all marked
// as not applied.
func KnownMigrations() ([]MigrationStatus, error) {
	known, err := knownRevisions()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(migrations.FS, "*.sql") // in goose's order
	list := make([]MigrationStatus, len(files))
	for i, file := range files {
		list[i] = MigrationStatus{Version: known[i], Name: file}
	}
	return list, err
}

// Revision returns the migration that the database is at, 0 if none is applied, and the one
// that this program needs.
func Revision(ctx context.Context, q DBTX) (have, want int64, err error) {
	if want, err = wantedRevision(); err != nil {
		return 0, 0, err
	}
	err = q.QueryRow(ctx, "-- name: Revision :one\nSELECT coalesce(max(version_id), 0) FROM "+versionTable).Scan(&have)
	if err != nil {
		return 0, want, fmt.Errorf("read the migration revision: %w", err)
	}
	return have, want, nil
}

// SchemaHash returns a hash of the migrations that this program knows, as 16 hexadecimal
// digits.
func SchemaHash() string {
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, versionTable)
	files, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is valid
	for _, name := range files {
		text, _ := fs.ReadFile(migrations.FS, name) // the file is embedded
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func wantedRevision() (int64, error) {
	known, err := knownRevisions()
	if err != nil {
		return 0, err
	}
	return known[len(known)-1], nil
}

// knownRevisions returns the numbers of the migrations that this program has, oldest first.
func knownRevisions() ([]int64, error) {
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no migrations embedded: %w", err)
	}
	known := make([]int64, len(files))
	for i, file := range files {
		if known[i], err = goose.NumericComponent(file); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// withGoose calls f with goose's provider for the database. It returns ErrFormerSchema if a
// development version made the database.
func withGoose(ctx context.Context, pool *Pool, f func(*goose.Provider) error) error {
	if err := refuseFormer(ctx, pool); err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(versionLockTable), lock.WithTableLockTimeout(migrateRetry, migrateTries))
	if err != nil {
		return err
	}
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return err
	}
	sql := stdlib.OpenDBFromPool(pool.Pool)
	defer func() { _ = sql.Close() }()
	provider, err := goose.NewProvider("", sql, migrations.FS, goose.WithStore(store),
		goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := f(provider); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return ctx.Err()
}

// ErrFormerSchema says that a development version with different migrations made the
// database. Its migrations have the same numbers as today's, so nothing is changed.
var ErrFormerSchema = errors.New("a development version of mocktenant made this database's schema, which this version doesn't change: " +
	"export each tenant with the program that made it (mocktenant export TENANT -f FILE), and import it into a new database (mocktenant tenant create --id TENANT --display-name NAME --file FILE)")

// isFormer looks for our tables without our table of versions. It reads a single snapshot
// of the catalog, because another process may be migrating; that process makes the table of
// versions first.
const isFormer = `-- name: IsFormerSchema :one
SELECT count(*) = 3 AND NOT EXISTS (
    SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = '` + versionTable + `'
) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND (c.relname, a.attname) IN
    (('users', 'user_principal_name'), ('applications', 'service_principal_id'), ('signing_keys', 'private_key'))`

// refuseFormer returns ErrFormerSchema for a database that a development version made.
func refuseFormer(ctx context.Context, pool *Pool) error {
	var former bool
	if err := pool.QueryRow(ctx, isFormer).Scan(&former); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	if former {
		return ErrFormerSchema
	}
	return nil
}

// shutDatabase revokes the public privilege to make temporary tables, as a migration did
// before. A dump doesn't include this, so in a restored database report logins could make
// temporary tables. Without the right to revoke, nothing changes. A lock admits one process
// at a time, because concurrent changes of the database's catalog row fail.
func shutDatabase(ctx context.Context, pool *Pool) error {
	const isOpen = `-- name: DatabaseIsOpen :one
SELECT has_database_privilege('public', oid, 'TEMPORARY') AND pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()`
	const shut = `DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$`
	var open bool
	err := pool.QueryRow(ctx, isOpen).Scan(&open)
	if err == nil && open {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "LOCK TABLE "+versionTable+" IN EXCLUSIVE MODE"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, shut)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("revoke temporary tables of the database: %w", err)
	}
	return nil
}
