// Package embeddedpg starts a private PostgreSQL from the machine's own
// binaries, as a child of this process.
//
//	server, err := embeddedpg.Start(ctx, embeddedpg.Options{DataDir: "/var/lib/mocktenant"})
//	if err != nil { … }
//	defer server.Stop()
//	pool, err := pgxpool.New(ctx, server.DatabaseURL())
//
// The server listens on a unix socket in a folder only its user can enter, on
// no TCP port, and ends with this process however that ends (kill -9 too). If
// the server itself ends it is started again. PostgreSQL 15 or later is needed;
// a machine that has none gets one through npm, if it has that.
//
// A kept cluster lives in Options.DataDir, which holds:
//
//	postgres/      the cluster; never deleted, never made anew
//	run/           the socket (see socket-dir for a path too long for one)
//	lock           held (flock) by the process that runs the cluster
//	pg_hba.conf    who may sign in by TCP
//	postgres.log   what the server says; emptied at a start once above 10 MB
//	socket-dir     where the socket is, if run/ can't hold it
//
// The caller may keep other files beside these. A throw-away cluster has the
// same layout in memory or the temporary folder and goes with Stop, or with the
// process however that ends; what is left all the same, after a loss of power say,
// is removed by the next throw-away start.
//
// Root can't run PostgreSQL. A process of root starts it as the owner of the
// cluster, or as user postgres, nobody or 65534, and stays root itself.
//
// The package knows no schema and no pool. Windows isn't supported.
package embeddedpg

import (
	"context"
	"errors"
	"log/slog"
)

// RoleName is the role that signs in by TCP.
const RoleName = "mocktenant"

// Options says which cluster to run.
type Options struct {
	// DataDir is where a kept cluster lives, an absolute path, created if
	// missing. Empty starts a throw-away cluster, which trades safety for speed.
	DataDir string

	// BinDir is the folder with initdb and postgres. Empty looks for one: at
	// initdb on PATH, then where the packages of each system put it, the
	// highest version first. A kept cluster is run by binaries of the version
	// that made it, wherever they are found.
	BinDir string

	// Template is what a throw-away cluster's database holds from the start; the
	// zero value is nothing.
	Template Template

	// Base is a cluster of which a new kept one is made as a copy, where it is of
	// the version that runs it: faster than initdb, and by any user, also one that
	// has no name, where initdb refuses. Empty: none.
	Base string

	// Listen is where the server listens for TCP besides its socket, at port 5432:
	// an address, a host's name, several of them with commas, or * for all. Roles
	// sign in there with a password (SCRAM), the superuser not at all; role
	// RoleName with Password, to do what it is granted. Empty: nowhere.
	Listen string

	// Password is that of RoleName, for TCP: printable ASCII.
	Password string

	// Log gets what the package does; nil discards it.
	Log *slog.Logger
}

// Template is the content of a database. It is made once, kept in the user's
// cache, and throw-away clusters begin as copies.
type Template struct {
	// Name is of this content and no other: a hash of what it is made from.
	Name string

	// Fill makes the content in an empty database. Without a cache to keep it in,
	// it does so at each start.
	Fill func(ctx context.Context, databaseURL string) error
}

// ErrInUse says that another process runs the cluster of this data directory.
// Running gives the URL of its server.
var ErrInUse = errors.New("another mocktenant is using it; stop that one, choose another MOCKTENANT_DATA_DIR, or run with --ephemeral")

// ErrNoBinaries says that the machine has no PostgreSQL to start and that none
// could be fetched.
var ErrNoBinaries = errors.New("no PostgreSQL 15 or later found: install one (apt-get install postgresql, brew install postgresql@17), " +
	"or name a running server with DATABASE_URL=postgres://user:password@host/database, or use docker compose up")
