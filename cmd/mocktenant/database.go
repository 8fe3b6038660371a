package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/server"
)

// databaseFlags say where the data is.
type databaseFlags struct {
	DatabaseURL   string `env:"DATABASE_URL" placeholder:"URL" help:"The Postgres (15 or later) to use. By default the service runs one of its own in the data directory."`
	DataDir       string `env:"MOCKTENANT_DATA_DIR" placeholder:"DIR" help:"Where the service's own Postgres keeps its data (default: mocktenant in the user's data folder, or /var/lib/mocktenant as root)."`
	NoOwnPostgres bool   `env:"MOCKTENANT_NO_OWN_POSTGRES" help:"Run no Postgres of its own: DATABASE_URL must name one. The image that has none inside says so."`
	PGBinDir      string `name:"pg-bindir" env:"MOCKTENANT_PG_BINDIR" placeholder:"DIR" help:"The folder with initdb and postgres for that (default: looked for on PATH and in the usual places)."`
}

// embedded tells whether the service runs a Postgres of its own: none is named,
// or the one that is named is just that, as `mocktenant env` has set it.
func (f databaseFlags) embedded() bool {
	if f.DatabaseURL == "" {
		return true
	}
	dir, err := f.dataDir()
	return err == nil && embeddedpg.Owns(dir, f.DatabaseURL)
}

// named returns an error if a database must be named and isn't.
func (f databaseFlags) named() error {
	if f.NoOwnPostgres && f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set, and there is no Postgres of the service's own (MOCKTENANT_NO_OWN_POSTGRES): " +
			"set DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE, or run the image with a Postgres inside, mocktenant:standalone")
	}
	return nil
}

// dataDir is the data directory, absolute.
func (f databaseFlags) dataDir() (string, error) {
	switch {
	case f.DataDir != "":
		return filepath.Abs(f.DataDir)
	case os.Geteuid() == 0:
		return "/var/lib/mocktenant", nil
	}
	return filepath.Join(xdg.DataHome, "mocktenant"), nil
}

// start returns the URL of the database, after starting a Postgres in dir where
// none is named ("" for a throw-away one), and what ends it.
func (f databaseFlags) start(ctx context.Context, dir string, log *slog.Logger) (url string, stop func() error, err error) {
	if err := f.named(); err != nil {
		return "", nil, err
	}
	if !f.embedded() {
		return f.DatabaseURL, func() error { return nil }, nil
	}
	postgres, err := embeddedpg.Start(ctx, embeddedpg.Options{
		DataDir: dir, BinDir: f.PGBinDir, Log: log,
		Template: embeddedpg.Template{Name: server.Preparation(time.Now()), Fill: server.Prepare},
	})
	if err != nil {
		return "", nil, err
	}
	return postgres.DatabaseURL(), postgres.Stop, nil
}

// find returns the URL of the database that a running service uses.
func (f databaseFlags) find() (string, error) {
	if err := f.named(); err != nil {
		return "", err
	}
	if !f.embedded() {
		return f.DatabaseURL, nil
	}
	dir, err := f.dataDir()
	if err != nil {
		return "", err
	}
	url, ok := embeddedpg.Running(dir)
	if !ok {
		return "", fmt.Errorf("no service runs on %s: start one with mocktenant serve, or name its MOCKTENANT_DATA_DIR or DATABASE_URL", dir)
	}
	return url, nil
}

// open connects to the database that a running service uses.
func (f databaseFlags) open(ctx context.Context, log *slog.Logger) (*pgxpool.Pool, error) {
	url, err := f.find()
	if err != nil {
		return nil, err
	}
	return db.Open(ctx, url, 0*time.Second, log)
}
