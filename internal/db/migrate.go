package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/mocktenant/mocktenant/migrations"
)

// How a replica waits for another one that is migrating: a look each 100 ms,
// for a minute. The lock is a row, not an advisory lock, so that it also holds
// behind a connection pooler and on a distributed Postgres.
const (
	migrateRetry = 100 * time.Millisecond
	migrateTries = 600
)

// Where it is kept which migrations are applied, and the lock on it. The names are
// ours: goose's own, of which other applications of the same database have theirs,
// would mix the two histories.
const (
	versionTable     = "mocktenant_migrations"
	versionLockTable = "mocktenant_migrations_lock"
)

// MigrationStatus is one migration and when it was applied; nil if it wasn't.
type MigrationStatus struct {
	Version   int64
	Name      string
	AppliedAt *time.Time
}

// MigrateUp applies the migrations that the database lacks. Any number of
// processes may call it at once: one works, the others wait. A newer program's schema
// is left as it is: this one serves on it.
func MigrateUp(ctx context.Context, pool *Pool, log *slog.Logger) error {
	// Most starts find nothing to do and need no lock.
	have, want, err := Revision(ctx, pool)
	if err == nil {
		if err := checkOrder(ctx, pool, have); err != nil {
			return err
		}
	}
	if err == nil && have > want {
		log.Warn("the schema is newer than this program, which serves on it all the same; migrate down only by the program that made it", "have", have, "want", want)
	}
	if err == nil && have >= want {
		return nil
	}
	return withGoose(ctx, pool, func(p *goose.Provider) error {
		done, err := p.Up(ctx)
		for _, m := range done {
			log.Info("migrated", "to", m.Source.Version, "file", m.Source.Path, "took", m.Duration)
		}
		return err
	})
}

// ErrMissingMigration says that the schema lacks a migration that comes before the one
// that it is at.
var ErrMissingMigration = errors.New("the schema lacks a migration that comes before its last")

// checkOrder returns ErrMissingMigration unless all migrations up to a version are
// applied. Each is written, and tried, on what those before it made; only a program that
// was never released has applied a later one without it.
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
		return fmt.Errorf("%w: it is at migration %d, without %v; a development version made it: export its tenants by that one, and import them into a new database", ErrMissingMigration, have, missing)
	}
	return nil
}

// ErrNewerSchema says that the schema is a newer program's.
var ErrNewerSchema = errors.New("the schema is newer than this program")

// MigrateDown takes the last applied migration back, with all data in what it
// made. Returns false if none is applied, ErrNewerSchema if this program doesn't know
// the last one.
func MigrateDown(ctx context.Context, pool *Pool, log *slog.Logger) (bool, error) {
	down := false
	err := withGoose(ctx, pool, func(p *goose.Provider) error {
		version, err := p.GetDBVersion(ctx)
		if err != nil || version == 0 {
			return err
		}
		if want, err := wantedRevision(); err != nil || version > want {
			return errors.Join(err, fmt.Errorf("%w: it is at migration %d, and this program knows those up to %d; take it back by the program that made it", ErrNewerSchema, version, want))
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

// Migrations lists every migration that this program knows, oldest first, and behind
// them, without a name, those that a newer one applied.
func Migrations(ctx context.Context, pool *Pool) ([]MigrationStatus, error) {
	var list []MigrationStatus
	err := withGoose(ctx, pool, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, m := range all {
			s := MigrationStatus{Version: m.Source.Version, Name: m.Source.Path}
			if m.State == goose.StateApplied {
				s.AppliedAt = &m.AppliedAt
			}
			list = append(list, s)
		}
		if err != nil {
			return err
		}
		newer, err := newerMigrations(ctx, pool)
		list = append(list, newer...)
		return err
	})
	return list, err
}

func newerMigrations(ctx context.Context, pool *Pool) ([]MigrationStatus, error) {
	want, err := wantedRevision()
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, "-- name: NewerMigrations :many\nSELECT version_id, tstamp FROM "+versionTable+" WHERE version_id > $1 ORDER BY version_id", want)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m MigrationStatus, err error) {
		var at time.Time
		err = row.Scan(&m.Version, &at)
		m.AppliedAt = &at
		return m, err
	})
}

// Revision returns the migration that the database is at, 0 before the first,
// and the one that this program wants.
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

// SchemaHash is of the migrations that this program knows, as 16 hexadecimal
// digits: another schema, another hash.
func SchemaHash() string {
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, versionTable)
	files, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is good
	for _, name := range files {
		text, _ := fs.ReadFile(migrations.FS, name) // it is embedded
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

// knownRevisions are those of the migrations that this program has, oldest first.
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

func withGoose(ctx context.Context, pool *Pool, f func(*goose.Provider) error) error {
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
	provider, err := goose.NewProvider("", sql, migrations.FS, goose.WithStore(versions{store.(database.StoreExtender)}),
		goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := f(provider); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return ctx.Err()
}

// versions is goose's store of versions, in a table of ours.
type versions struct{ database.StoreExtender }

// carryOver takes over what earlier programs kept in goose's own table. That it is our
// history, and not another application's, is told by the tables that our first
// migration made; and of a table that both wrote to, our versions are taken alone. The
// old table stays: it may be another's too, and earlier programs still look at it.
const carryOver = `INSERT INTO ` + versionTable + ` (version_id, is_applied, tstamp)
SELECT version_id, true, max(tstamp) FROM goose_db_version
WHERE is_applied AND version_id = ANY ($1::bigint[]) GROUP BY version_id ORDER BY version_id`

const hasOurHistory = `SELECT to_regclass('goose_db_version') IS NOT NULL AND count(*) = 3 FROM information_schema.columns
WHERE table_schema = current_schema() AND (table_name, column_name) IN
    (('users', 'user_principal_name'), ('applications', 'service_principal_id'), ('signing_keys', 'private_key'))`

// CreateVersionTable makes the table. It runs in a transaction, under the lock.
func (v versions) CreateVersionTable(ctx context.Context, tx database.DBTxConn) error {
	if err := v.StoreExtender.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	var ours bool
	if err := tx.QueryRowContext(ctx, hasOurHistory).Scan(&ours); err != nil || !ours {
		return err
	}
	known, err := knownRevisions()
	if err == nil {
		_, err = tx.ExecContext(ctx, carryOver, known)
	}
	return err
}
