//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	url  string
	stop func() error
}

// Start starts the cluster that o names, makes it first if it doesn't exist, and returns
// once it accepts connections. ctx limits only the start; the server runs until Stop. Start
// returns ErrInUse if another process runs this cluster and doesn't end within 2 seconds,
// and ErrNoBinaries if it finds no PostgreSQL.
func Start(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, o, thisHost())
}

// DatabaseURL returns the URL of database "mocktenant", for pgx and psql. It stays the same
// until Stop, even if the server is restarted.
func (s *Server) DatabaseURL() string {
	return s.url
}

// Stop stops the server, releases its lock and deletes a throw-away cluster. It closes open
// connections. It takes about 15 ms, at most 25 seconds, and fails if the server had to be
// killed or a file couldn't be removed. Later calls return the result of the first.
func (s *Server) Stop() error {
	return s.stop()
}

// Running returns the URL of the server that some process runs on the kept data directory.
// ok is false unless the directory's lock is held and its socket answers.
func Running(dataDir string) (url string, ok bool) {
	if !lockHeld(dataDir) {
		return "", false
	}
	socket := findSocketDir(dataDir)
	if !answers(socket) {
		return "", false
	}
	return databaseURL(socket, databaseName), true
}

// Exists reports whether the data directory has a cluster.
func Exists(dataDir string) bool {
	major, err := clusterMajor(filepath.Join(dataDir, clusterName))
	return err != nil || major != 0
}

// Abandoned reports whether the process that used the data directory has ended. It is
// false where that can't be known.
func Abandoned(dataDir string) bool {
	free, err := lockFree(dataDir)
	return err == nil && free
}

// Owns reports whether url is the URL of the data directory's server, running or not.
func Owns(dataDir, url string) bool {
	return url == databaseURL(findSocketDir(dataDir), databaseName)
}

func start(ctx context.Context, o Options, h host) (_ *Server, err error) {
	hosts, port, err := ParseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	i := &instance{host: h, log: o.Log, throwAway: o.DataDir == "", template: o.Template, base: o.Base, hosts: hosts, port: port, password: o.Password}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if err := (want{binDir: o.BinDir}).checkNamed(); err != nil { // before anything is made
		return nil, fmt.Errorf("find PostgreSQL: %w", err)
	}
	if err := i.open(ctx, o.DataDir); err != nil {
		return nil, fmt.Errorf("prepare a place for PostgreSQL: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	if err := i.prepare(ctx, o.BinDir); err != nil {
		return nil, err
	}
	p, err := i.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL %s: %w", i.bin.version, err)
	}
	if err := i.ensureDatabase(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("create database %s: %w", databaseName, err), p.end(i.stopSignal()))
	}
	if err := i.ensureRole(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("let role %s in: %w", RoleName, err), p.end(i.stopSignal()))
	}
	i.log.Info("PostgreSQL is running", "version", i.bin.version, "directory", i.home.dir)
	return serve(i, p), nil
}

// serve passes the running p to a supervisor.
func serve(i *instance, p *postmaster) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- i.supervise(ctx, p) }()
	return &Server{
		url: databaseURL(i.home.socketDir, databaseName),
		stop: sync.OnceValue(func() error {
			cancel()
			return errors.Join(<-ended, i.close())
		}),
	}
}

// Pauses before a server that ended is restarted: each attempt doubles the pause, and a run
// longer than goodRun resets it.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	goodRun    = 10 * time.Second
)

// supervise restarts the server, whose first run is p, whenever it ends. When ctx is done,
// it stops the server and returns the result.
func (i *instance) supervise(ctx context.Context, p *postmaster) error {
	pause, since := firstPause, time.Now()
	orphans, stop := orphansEnd()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			if p == nil {
				return nil
			}
			return p.end(i.stopSignal())
		case <-orphans:
			reap(p)
			continue
		case <-p.ended():
		}
		if p != nil {
			if time.Since(since) >= goodRun {
				pause = firstPause
			}
			i.log.Warn("PostgreSQL ended and will be restarted", "reason", p.reason(), "log", i.home.log())
		}
		if p = i.again(ctx, pause); p != nil {
			i.log.Warn("PostgreSQL is running again")
		}
		pause, since = min(2*pause, lastPause), time.Now()
	}
}

// again restarts the server after the pause. It returns nil if ctx ends first or the start
// fails.
func (i *instance) again(ctx context.Context, pause time.Duration) *postmaster {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(pause):
	}
	p, err := i.start(ctx)
	if err != nil && ctx.Err() == nil {
		i.log.Warn("PostgreSQL could not be restarted", "error", err)
	}
	return p
}
