// Package embeddedpg starts a private PostgreSQL from the machine's own binaries, as a
// child of this process.
//
//	server, err := embeddedpg.Start(ctx, embeddedpg.Options{DataDir: "/var/lib/mocktenant"})
//	if err != nil { … }
//	defer server.Stop()
//	pool, err := pgxpool.New(ctx, server.DatabaseURL())
//
// The server listens on a unix socket in a folder that only its user can enter, and on no
// TCP port unless Options.Listen names one. It ends with this process, even on kill -9; if
// it ends earlier, it is restarted. It requires PostgreSQL 15 or later; a machine without
// one downloads it with npm, if npm is installed.
//
// A kept cluster lives in Options.DataDir, which contains:
//
//	postgres/      the cluster; never deleted or replaced
//	run/           the socket (see socket-dir if its path would be too long)
//	lock           held (flock) by the process that runs the cluster
//	pg_hba.conf    who may sign in over TCP
//	postgres.log   the server's output; emptied at start once above 10 MB
//	socket-dir     where the socket is, if run/ can't hold it
//
// The caller may keep other files next to these. A throw-away cluster has the same layout,
// in memory or the temporary folder. It is deleted by Stop or when the process ends,
// however that happens; the next throw-away start deletes what remains, after a power
// failure for example.
//
// Root can't run PostgreSQL. A process of root starts it as the owner of the cluster, or as
// user postgres, nobody or 65534, and itself remains root.
//
// The package knows no schema and no pool. It doesn't support Windows.
package embeddedpg

import (
	"context"
	"errors"
	"log/slog"
)

// RoleName is the role that signs in over TCP.
const RoleName = "mocktenant"

const databaseName = "mocktenant"

// Options says which cluster to run.
type Options struct {
	// DataDir is the absolute path of a kept cluster; Start creates it if missing. Empty
	// starts a throw-away cluster, which trades safety for speed.
	DataDir string

	// BinDir is the folder with initdb and postgres. If it is empty, Start looks for initdb
	// on PATH, then where each system's packages put it, highest version first. Only
	// binaries of the version that made a kept cluster can run it: Start uses those,
	// wherever it finds them.
	BinDir string

	// Template is the initial content of a throw-away cluster's database; the zero value
	// leaves it empty.
	Template Template

	// Base is a cluster to copy when a new kept one is made, if the versions match. That is
	// faster than initdb, and also works for a user without a name, where initdb refuses to
	// run. Empty: always run initdb.
	Base string

	// Listen is the address for TCP, in addition to the socket: an address, a host name,
	// several of them separated by commas, or * for all, each with :PORT or at port 5432.
	// Roles sign in there with a password (SCRAM), but the superuser can't. Role RoleName signs
	// in with Password. Empty: no TCP.
	Listen string

	// Password is RoleName's password for TCP, in printable ASCII.
	Password string

	// Log receives what the package does; nil discards it.
	Log *slog.Logger
}

// Template is the content of a database. It is made once and kept in the user's cache;
// throw-away clusters start as copies of it.
type Template struct {
	// Name identifies the content: a hash of its sources.
	Name string

	// Fill makes the content in an empty database. Without a cache, it runs at every start.
	Fill func(ctx context.Context, databaseURL string) error
}

// ErrInUse reports that another process runs the cluster in this data directory. Running
// returns the URL of its server.
var ErrInUse = errors.New("another mocktenant is using it; stop that one, choose another MOCKTENANT_DATA_DIR, or run with --ephemeral")

// ErrNoBinaries reports that the machine has no PostgreSQL and that none could be
// downloaded.
var ErrNoBinaries = errors.New("no PostgreSQL 15 or later found: install one (apt-get install postgresql, brew install postgresql@17), " +
	"or name a running server with DATABASE_URL=postgres://user:password@host/database, or use docker compose up")
