package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
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
	PGListen      string `name:"pg-listen" env:"MOCKTENANT_PG_LISTEN" placeholder:"HOST" help:"Where the service's own Postgres listens for SQL, at port 5432: an address, a name, or * for all (default: nowhere but on its socket)."`
	PGPassword    string `name:"pg-password" env:"MOCKTENANT_PG_PASSWORD" placeholder:"TEXT" help:"The password of its role mocktenant, which reads and writes every row there."`
	PGBase        string `name:"pg-base" env:"MOCKTENANT_PG_BASE" placeholder:"DIR" help:"A cluster to copy where there is none yet, rather than running initdb. The image with a Postgres inside has one."`
	PGBinDir      string `name:"pg-bindir" env:"MOCKTENANT_PG_BINDIR" placeholder:"DIR" help:"The folder with initdb and postgres for that (default: looked for on PATH and in the usual places)."`
}

// embedded tells whether the service runs a Postgres of its own: none is named,
// or the one that is named is just that, as `mocktenant env` has set it.
func (f databaseFlags) embedded() bool {
	if f.DatabaseURL == "" {
		return true
	}
	dir, err := f.dataDir()
	return err == nil && (embeddedpg.Owns(dir, f.DatabaseURL) || f.DatabaseURL == f.tcpURL())
}

// tcpURL is where the service's own Postgres listens for SQL, "" if nowhere.
func (f databaseFlags) tcpURL() string {
	if f.PGListen == "" {
		return ""
	}
	return embeddedpg.TCPURL(f.PGListen, f.PGPassword)
}

// shown is the URL by which others reach the service's database, which it reaches
// at database itself: where its own Postgres listens, or report logins are sent.
func (f databaseFlags) shown(database, report string) string {
	if f.embedded() {
		return cmp.Or(f.tcpURL(), database)
	}
	from, err := url.Parse(database)
	if err != nil || from.Scheme == "" || report == "" {
		return database
	}
	to, err := url.Parse(report)
	if err != nil || to.Scheme == "" {
		return database
	}
	to.User = from.User
	return to.String()
}

// check returns an error if a database must be named and isn't, or who may use the
// service's own.
func (f databaseFlags) check() error {
	if f.NoOwnPostgres && f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set, and there is no Postgres of the service's own (MOCKTENANT_NO_OWN_POSTGRES): " +
			"set DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE, or run the image with a Postgres inside, mocktenant:standalone")
	}
	if f.PGListen != "" && f.PGPassword == "" {
		return fmt.Errorf("MOCKTENANT_PG_LISTEN %q: want MOCKTENANT_PG_PASSWORD with it", f.PGListen)
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
	if err := f.check(); err != nil {
		return "", nil, err
	}
	if !f.embedded() {
		return f.DatabaseURL, func() error { return nil }, nil
	}
	postgres, err := embeddedpg.Start(ctx, embeddedpg.Options{
		DataDir: dir, BinDir: f.PGBinDir, Base: f.PGBase, Listen: f.PGListen, Password: f.PGPassword, Log: log,
		Template: embeddedpg.Template{Name: server.Preparation(time.Now()), Fill: server.Prepare},
	})
	if err != nil {
		return "", nil, err
	}
	return postgres.DatabaseURL(), postgres.Stop, nil
}

// find returns the URL of the database that a running service uses.
func (f databaseFlags) find() (string, error) {
	if err := f.check(); err != nil {
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
