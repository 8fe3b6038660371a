package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
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

// MigrationStatus is one migration and when it was applied; nil if it wasn't.
type MigrationStatus struct {
	Version   int64
	Name      string
	AppliedAt *time.Time
}

// MigrateUp applies the migrations that the database lacks. Any number of
// processes may call it at once: one works, the others wait.
func MigrateUp(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	// Most starts find nothing to do and need no lock.
	if have, want, err := Revision(ctx, pool); err == nil && have == want {
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

// MigrateDown takes the last applied migration back, with all data in what it
// made. Returns false if none is applied.
func MigrateDown(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (bool, error) {
	down := false
	err := withGoose(ctx, pool, func(p *goose.Provider) error {
		version, err := p.GetDBVersion(ctx)
		if err != nil || version == 0 {
			return err
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

// Migrations lists every migration that this program knows, oldest first.
func Migrations(ctx context.Context, pool *pgxpool.Pool) ([]MigrationStatus, error) {
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
		return err
	})
	return list, err
}

// Revision returns the migration that the database is at, 0 before the first,
// and the one that this program wants.
func Revision(ctx context.Context, pool *pgxpool.Pool) (have, want int64, err error) {
	if want, err = wantedRevision(); err != nil {
		return 0, 0, err
	}
	err = pool.QueryRow(ctx, "-- name: Revision :one\nSELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&have)
	if err != nil {
		return 0, want, fmt.Errorf("read the migration revision: %w", err)
	}
	return have, want, nil
}

// SchemaHash is of the migrations that this program knows, as 16 hexadecimal
// digits: another schema, another hash.
func SchemaHash() string {
	hash := sha256.New()
	files, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is good
	for _, name := range files {
		text, _ := fs.ReadFile(migrations.FS, name) // it is embedded
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func wantedRevision() (int64, error) {
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no migrations embedded: %w", err)
	}
	return goose.NumericComponent(files[len(files)-1])
}

func withGoose(ctx context.Context, pool *pgxpool.Pool, f func(*goose.Provider) error) error {
	locker, err := lock.NewPostgresTableLocker(lock.WithTableLockTimeout(migrateRetry, migrateTries))
	if err != nil {
		return err
	}
	sql := stdlib.OpenDBFromPool(pool)
	defer func() { _ = sql.Close() }()
	provider, err := goose.NewProvider(database.DialectPostgres, sql, migrations.FS,
		goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := f(provider); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return ctx.Err()
}
