//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Server is a running PostgreSQL. Its methods may be called by many goroutines.
type Server struct {
	url  string
	stop func() error
}

// Start starts the cluster that o names, making it first if there is none, and
// returns once it takes connections. ctx limits the start alone; the server
// runs until Stop. Returns ErrInUse if another process runs this cluster, after
// waiting 2 seconds for one that is just ending, and ErrNoBinaries if there is
// nothing to start.
func Start(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, o, thisHost())
}

// DatabaseURL returns the URL of the database "mocktenant", for pgx and psql
// alike. It stays the same until Stop, also when the server is started again.
func (s *Server) DatabaseURL() string {
	return s.url
}

// Stop ends the server and gives up its lock; a throw-away cluster is deleted.
// Open connections are cut. It takes some 15 ms, at most 25 seconds, and fails
// if the server had to be killed or something couldn't be removed. Later calls
// return what the first one did.
func (s *Server) Stop() error {
	return s.stop()
}

// Running returns the URL of the server that a process, this one or another,
// runs on the kept data directory right now: its lock is held and its socket
// answers.
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

// Owns tells whether a URL is that of the data directory's server, whether or not
// it runs.
func Owns(dataDir, url string) bool {
	return url == databaseURL(findSocketDir(dataDir), databaseName)
}

func start(ctx context.Context, o Options, h host) (_ *Server, err error) {
	i := &instance{host: h, log: o.Log, throwAway: o.DataDir == "", template: o.Template, base: o.Base, listen: o.Listen, password: o.Password}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
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

// serve hands the running p to a supervisor.
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

// The pauses before a server that ended is started again: each try doubles the
// pause, and a server that lasted goodRun begins with the first one again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	goodRun    = 10 * time.Second
)

// supervise keeps the server running, p being its first run, until ctx is done;
// then it ends the server and returns how that went.
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
			i.log.Warn("PostgreSQL ended and is started again", "reason", p.reason(), "log", i.home.log())
		}
		if p = i.again(ctx, pause); p != nil {
			i.log.Warn("PostgreSQL is running again")
		}
		pause, since = min(2*pause, lastPause), time.Now()
	}
}

// again starts the server once more after the pause. Returns nil if ctx ended
// first or the start failed.
func (i *instance) again(ctx context.Context, pause time.Duration) *postmaster {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(pause):
	}
	p, err := i.start(ctx)
	if err != nil && ctx.Err() == nil {
		i.log.Warn("PostgreSQL could not be started again", "error", err)
	}
	return p
}
