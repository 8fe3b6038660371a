package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/server"
)

// databaseFlags select the database.
type databaseFlags struct {
	DatabaseURL   string
	DataDir       string
	NoOwnPostgres bool
	PGListen      string
	PGPassword    string
	PGBase        string
	PGBinDir      string
}

const databaseGroup = "Database"

func (f *databaseFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.DatabaseURL, "database-url", "", "The `URL` of the Postgres (15 or later) to use. By default the service runs its own in the data directory.")
	flags.StringVar(&f.DataDir, "data-dir", "", "The `DIR` where the service's own Postgres keeps its data (default: mocktenant in the user's data folder, or /var/lib/mocktenant as root).")
	truthFlag(flags, &f.NoOwnPostgres, "no-own-postgres", "Never run the service's own Postgres; DATABASE_URL is then required. The image without a Postgres sets this.")
	flags.StringVar(&f.PGListen, "pg-listen", "", "The `HOST[:PORT]` at which the service's own Postgres listens for SQL, with 5432 as the default port: an address, a name, or * for all addresses; separate several by commas (default: only on its socket).")
	flags.StringVar(&f.PGPassword, "pg-password", "", "The `PASSWORD` of the SQL role mocktenant, which can read and write tenants, users, applications and entities. Beyond loopback it must have at least 12 characters (default: a random one, which mocktenant env prints).")
	flags.StringVar(&f.PGBase, "pg-base", "", "The `DIR` of a database cluster to copy instead of running initdb. The image with Postgres has one.")
	flags.StringVar(&f.PGBinDir, "pg-bindir", "", "The `DIR` with the programs initdb and postgres (default: PATH and the usual places).")
	settings(flags, databaseGroup, map[string]string{
		"database-url":    "DATABASE_URL",
		"data-dir":        "MOCKTENANT_DATA_DIR",
		"no-own-postgres": "MOCKTENANT_NO_OWN_POSTGRES",
		"pg-listen":       "MOCKTENANT_PG_LISTEN",
		"pg-password":     "MOCKTENANT_PG_PASSWORD",
		"pg-base":         "MOCKTENANT_PG_BASE",
		"pg-bindir":       "MOCKTENANT_PG_BINDIR",
	})
	for _, name := range []string{"data-dir", "pg-base", "pg-bindir"} {
		must(cobra.MarkFlagDirname(flags, name))
	}
}

// embedded reports whether the service runs its own Postgres: no database is named, or the
// named one is that Postgres, as set by `mocktenant env`.
func (f databaseFlags) embedded() bool {
	if f.DatabaseURL == "" {
		return true
	}
	dir, err := f.dataDir()
	return err == nil && (embeddedpg.Owns(dir, f.DatabaseURL) || f.DatabaseURL == f.tcpURL())
}

// tcpURL returns the URL of the service's own Postgres for SQL, or "" if it doesn't listen.
func (f databaseFlags) tcpURL() string {
	if f.PGListen == "" {
		return ""
	}
	return embeddedpg.TCPURL(f.PGListen, cmp.Or(f.PGPassword, f.kept(pgPasswordFile)))
}

// sqlRole returns the role for SQL if the service's own Postgres listens, or "".
func (f databaseFlags) sqlRole() string {
	if f.PGListen == "" || !f.embedded() {
		return ""
	}
	return embeddedpg.RoleName
}

// loopback reports whether only this machine can reach the service's own Postgres.
func (f databaseFlags) loopback() bool {
	hosts, _, err := embeddedpg.ParseListen(f.PGListen)
	if err != nil {
		return false
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func pgPasswordFile(dir string) string { return filepath.Join(dir, "pg-password") }

// password returns the password of the role for SQL if the service's own Postgres listens.
// By default it is random and stored in the data directory. Without a data directory nobody
// can learn it; report logins have other passwords.
func (f databaseFlags) password(dir string) (string, error) {
	if f.PGListen == "" || f.PGPassword != "" {
		return f.PGPassword, nil
	}
	if dir == "" {
		return rand.Text(), nil
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // root runs Postgres as another user
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", err
	}
	return ownSecret(pgPasswordFile(dir), rand.Text())
}

// shown returns the URL under which others reach the service's database: where its own
// Postgres listens, or the URL for report logins. database is the service's own URL.
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

// check returns an error if a database must be named and isn't, or if the service's own
// Postgres would be reachable with a bad password.
func (f databaseFlags) check() error {
	if f.NoOwnPostgres && f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set, and the service may not run its own Postgres (MOCKTENANT_NO_OWN_POSTGRES): " +
			"set DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE, or run the image with a Postgres, mocktenant:standalone")
	}
	if _, _, err := embeddedpg.ParseListen(f.PGListen); err != nil {
		return fmt.Errorf("MOCKTENANT_PG_LISTEN: %w", err)
	}
	if n := len(f.PGPassword); n > 0 && n < minPGPassword && !f.loopback() {
		return fmt.Errorf("MOCKTENANT_PG_PASSWORD has %d characters: other machines reach MOCKTENANT_PG_LISTEN %q, so want at least %d, or unset it for a random one, which mocktenant env prints", n, f.PGListen, minPGPassword)
	}
	if strings.ContainsFunc(f.PGPassword, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("MOCKTENANT_PG_PASSWORD has a character that isn't printable ASCII: remove it")
	}
	return nil
}

// minPGPassword is the minimum length of a password that other machines can try.
const minPGPassword = 12

// dataDir returns the absolute path of the data directory.
func (f databaseFlags) dataDir() (string, error) {
	switch {
	case f.DataDir != "":
		return filepath.Abs(f.DataDir)
	case os.Geteuid() == 0:
		return "/var/lib/mocktenant", nil
	}
	return filepath.Join(xdg.DataHome, "mocktenant"), nil
}

// start returns the URL of the database and a function that stops it. Unless a database is
// named, it starts a Postgres in dir, or in a throw-away directory if dir is "".
func (f databaseFlags) start(ctx context.Context, dir string, log *slog.Logger) (url string, stop func() error, err error) {
	if err := f.check(); err != nil {
		return "", nil, err
	}
	if !f.embedded() {
		return f.DatabaseURL, func() error { return nil }, nil
	}
	password, passwordErr := f.password(dir)
	switch {
	case errors.Is(passwordErr, fs.ErrPermission): // Start reports whose directory it is
		password = rand.Text()
	case passwordErr != nil:
		return "", nil, passwordErr
	}
	postgres, err := embeddedpg.Start(ctx, embeddedpg.Options{
		DataDir: dir, BinDir: f.PGBinDir, Base: f.PGBase, Listen: f.PGListen, Password: password, Log: log,
		Template: embeddedpg.Template{Name: server.Preparation(time.Now()), Fill: server.Prepare},
	})
	if err != nil {
		return "", nil, err
	}
	if passwordErr != nil {
		return "", nil, errors.Join(passwordErr, postgres.Stop())
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
func (f databaseFlags) open(ctx context.Context, log *slog.Logger) (*db.Pool, error) {
	url, err := f.find()
	if err != nil {
		return nil, err
	}
	return db.Open(ctx, url, 0*time.Second, log)
}
