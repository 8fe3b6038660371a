//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/embeddedpg"
)

// cluster is a Postgres and the replicas of the service on it.
type cluster struct {
	lab      *lab
	dataDir  string             // has the Postgres in a folder postgres
	binDir   string             // of Postgres; "" finds one
	postgres *embeddedpg.Server // nil if the only replica runs its own
	replicas []*replica
	lasts    time.Duration // how long the present fault is meant to last
	others   others        // what replicas did that the present fault left alone
}

// layout says what a cluster consists of.
type layout struct {
	replicas int    // on a shared Postgres; 0: one, with its own
	binary   string // of the service; "" is the one to test
	binDir   string // with Postgres's programs; "" finds one
	dir      string // where Postgres stores its data; "" makes one
}

func (l layout) String() string {
	switch l.replicas {
	case 0:
		return "own Postgres"
	case 1:
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", l.replicas)
}

// cluster starts a cluster. The caller must end it.
func (l *lab) cluster(ctx context.Context, o layout) (*cluster, error) {
	if o.dir == "" {
		dir, err := l.newDir()
		if err != nil {
			return nil, err
		}
		o.dir = dir
	}
	c := &cluster{lab: l, dataDir: filepath.Join(o.dir, "data"), binDir: o.binDir}
	for range max(o.replicas, 1) {
		if _, err := c.add(o.binary); err != nil {
			return nil, err
		}
	}
	if o.replicas > 0 {
		if err := c.startPostgres(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range c.replicas {
		r.settings = c.settings()
		if err := r.start(ctx); err != nil {
			c.end()
			return nil, err
		}
	}
	return c, nil
}

// add adds a replica, without starting it.
func (c *cluster) add(binary string) (*replica, error) {
	if binary == "" {
		binary = c.lab.binary
	}
	log, err := os.CreateTemp(c.lab.dir, "replica-*.log")
	r := &replica{number: len(c.replicas), binary: binary, log: log}
	c.replicas = append(c.replicas, r)
	return r, err
}

// settings are the variables that lead a replica to its Postgres.
func (c *cluster) settings() []string {
	if c.postgres != nil {
		return []string{"DATABASE_URL=" + c.postgres.DatabaseURL()}
	}
	settings := []string{"MOCKTENANT_DATA_DIR=" + c.dataDir}
	if c.binDir != "" {
		settings = append(settings, "MOCKTENANT_PG_BINDIR="+c.binDir)
	}
	return settings
}

func (c *cluster) startPostgres(ctx context.Context) (err error) {
	c.postgres, err = embeddedpg.Start(ctx, embeddedpg.Options{DataDir: c.dataDir, BinDir: c.binDir, Log: slog.New(slog.DiscardHandler)})
	return err
}

// stop stops everything as a supervisor does, and removes the data.
func (c *cluster) stop() error {
	var errs []error
	for _, r := range c.replicas {
		errs = append(errs, r.stop())
	}
	if c.postgres != nil {
		errs = append(errs, c.postgres.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dataDir))...)
}

// end ends whatever still runs.
func (c *cluster) end() {
	for _, r := range c.replicas {
		if r.cmd != nil && r.cmd.ProcessState == nil && r.cmd.Process != nil {
			_ = r.kill()
		}
		_ = r.log.Close()
	}
	if c.postgres != nil {
		_ = c.postgres.Stop()
	}
}

// heal waits until every replica serves.
func (c *cluster) heal(ctx context.Context) error {
	since := time.Now()
	for _, r := range c.replicas {
		for {
			err := r.serves(ctx)
			if err == nil {
				break
			}
			if time.Since(since) > 2*patience || ctx.Err() != nil {
				return fmt.Errorf("replica %d doesn't heal: %w; its log is %s", r.number, err, r.log.Name())
			}
			sleep(ctx, 10*time.Millisecond)
		}
	}
	return nil
}

// postmaster returns the id of Postgres's first process.
func (c *cluster) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dataDir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// connect connects to the database as superuser.
func (c *cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	url, running := embeddedpg.Running(c.dataDir)
	if !running {
		return nil, errors.New("no Postgres is running")
	}
	return pgx.Connect(ctx, url)
}

// backends returns the ids of the processes of Postgres that serve the service, the latest first.
func (c *cluster) backends(ctx context.Context) ([]int, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE application_name = 'mocktenant' ORDER BY state_change DESC")
	if err != nil {
		return nil, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err == nil && len(pids) == 0 {
		err = errors.New("the service has no session")
	}
	return pids, err
}

// signalPostgres sends a signal to all processes of Postgres, to the first one first, so that
// it starts no more.
func (c *cluster) signalPostgres(signal syscall.Signal) error {
	postmaster, err := c.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(postmaster, signal); err != nil {
		return err
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		// proc_pid_stat(5): pid (name) state parent …
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(postmaster) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			_ = syscall.Kill(pid, signal) // it may have ended
		}
	}
	return nil
}
