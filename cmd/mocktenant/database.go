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

// databaseFlags say where the data is.
type databaseFlags struct {
	DatabaseURL   string
	DataDir       string
	NoOwnPostgres bool
	PGListen      string
	PGPassword    string
	PGBase        string
	PGBinDir      string
}

func (f *databaseFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.DatabaseURL, "database-url", "", "The `URL` of the Postgres (15 or later) to use. By default the service runs one of its own in the data directory.")
	flags.StringVar(&f.DataDir, "data-dir", "", "The `DIR` where the service's own Postgres keeps its data (default: mocktenant in the user's data folder, or /var/lib/mocktenant as root).")
	truthFlag(flags, &f.NoOwnPostgres, "no-own-postgres", "Run no Postgres of its own: DATABASE_URL must name one. The image that has none inside says so.")
	flags.StringVar(&f.PGListen, "pg-listen", "", "The `HOST` on which the service's own Postgres listens for SQL, at port 5432: an address, a name, or * for all (default: nowhere but on its socket).")
	flags.StringVar(&f.PGPassword, "pg-password", "", "The `PASSWORD` of its role mocktenant, which reads and writes tenants, users, applications and partners there, at least 12 characters beyond loopback (default: a random one, which mocktenant env prints).")
	flags.StringVar(&f.PGBase, "pg-base", "", "The `DIR` of a cluster to copy where there is none yet, rather than running initdb. The image with a Postgres inside has one.")
	flags.StringVar(&f.PGBinDir, "pg-bindir", "", "The `DIR` with initdb and postgres for that (default: looked for on PATH and in the usual places).")
	settings(flags, "Database", map[string]string{
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
	return embeddedpg.TCPURL(f.PGListen, cmp.Or(f.PGPassword, f.kept(pgPasswordFile)))
}

// sqlRole is the role that signs in where the service's own Postgres listens, "" if it
// listens nowhere.
func (f databaseFlags) sqlRole() string {
	if f.PGListen == "" || !f.embedded() {
		return ""
	}
	return embeddedpg.RoleName
}

// loopback tells whether only this machine reaches the service's own Postgres.
func (f databaseFlags) loopback() bool {
	for host := range strings.SplitSeq(f.PGListen, ",") {
		host = strings.TrimSpace(host)
		if ip := net.ParseIP(host); host != "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func pgPasswordFile(dir string) string { return filepath.Join(dir, "pg-password") }

// password is the one of the role for SQL, if the service's own Postgres listens: by
// default a random one that the data directory keeps or, where there is none, nobody
// gets to know: report logins have their own.
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
	if n := len(f.PGPassword); n > 0 && n < minPGPassword && !f.loopback() {
		return fmt.Errorf("MOCKTENANT_PG_PASSWORD has %d characters: others than this machine reach MOCKTENANT_PG_LISTEN %q, want %d at least, or none for a random one, which mocktenant env prints", n, f.PGListen, minPGPassword)
	}
	if strings.ContainsFunc(f.PGPassword, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("MOCKTENANT_PG_PASSWORD has a character that isn't printable ASCII: leave it out")
	}
	return nil
}

// minPGPassword is how short a password may be that others than this machine can try.
const minPGPassword = 12

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
	password, passwordErr := f.password(dir)
	switch {
	case errors.Is(passwordErr, fs.ErrPermission): // Start says whose the directory is
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
