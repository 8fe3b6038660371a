//go:build unix

package embeddedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// instance is a cluster and everything needed to run it.
type instance struct {
	host      host
	home      home
	account   account
	bin       binaries
	throwAway bool
	base      string
	hosts     []string // where it listens for TCP
	port      string   // for TCP; "" is the default
	password  string
	template  Template
	fresh     bool // the cluster was made at this start, so nobody has used it yet
	hasDB     bool // the cluster is known to have our database with the template's content
	log       *slog.Logger
}

// open makes the folder of the cluster, takes its lock and picks the account.
func (i *instance) open(ctx context.Context, dataDir string) (err error) {
	if i.throwAway {
		i.account = pickAccount("")
		i.home, err = openThrowAway(i.host.scratch, i.account, i.log)
	} else {
		i.account = pickAccount(filepath.Join(dataDir, clusterName))
		i.home, err = openKept(ctx, dataDir, i.account)
	}
	return err
}

// close deletes what doesn't outlive the server and releases the lock.
func (i *instance) close() error {
	err := i.home.removeSocketDir()
	if i.throwAway {
		err = errors.Join(err, os.RemoveAll(i.home.dir))
	}
	if err == nil {
		i.home.janitor.dismiss()
	}
	if err := errors.Join(err, i.home.lock.Unlock()); err != nil {
		return fmt.Errorf("clean up after PostgreSQL: %w", err)
	}
	return nil
}

// prepare finds binaries and makes a cluster for them if there isn't one.
func (i *instance) prepare(ctx context.Context, binDir string) error {
	major, err := clusterMajor(i.home.cluster())
	if err != nil {
		return fmt.Errorf("read the version of %s: %w", i.home.cluster(), err)
	}
	i.bin, err = i.host.findBinaries(ctx, want{binDir: binDir, major: major, cluster: i.home.cluster()}, i.account, i.log)
	if err != nil {
		return fmt.Errorf("find PostgreSQL: %w", err)
	}
	if major != 0 {
		return nil
	}
	i.fresh = true
	if i.throwAway {
		return i.fillThrowAway(ctx)
	}
	return i.makeKept(ctx)
}

// start runs postgres and returns once it accepts connections. If that fails, no process of
// it is left running.
func (i *instance) start(ctx context.Context) (*postmaster, error) {
	if err := i.home.clearStale(ctx, i.log); err != nil {
		return nil, fmt.Errorf("remove an earlier server: %w", err)
	}
	if err := i.writeHBA(); err != nil {
		return nil, fmt.Errorf("write pg_hba.conf: %w", err)
	}
	if err := i.home.linkSocket(i.port); err != nil {
		return nil, fmt.Errorf("make the socket: %w", err)
	}
	logFile, err := openLog(i.home.log())
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer logFile.Close()
	p, err := i.launch(logFile)
	if err != nil {
		return nil, i.account.explain(err)
	}
	if err := i.awaitReady(ctx, p); err != nil {
		return nil, errors.Join(err, p.end(i.stopSignal()))
	}
	return p, nil
}

// launch runs postgres, with its output going to logFile.
func (i *instance) launch(logFile *os.File) (*postmaster, error) {
	size, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	cmd := i.command(context.Background(), "postgres", i.home.cluster(), i.settings()...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	release := func() {}
	if i.host.guarded {
		if release, err = guard(cmd, i.stopSignal()); err != nil {
			return nil, fmt.Errorf("guard the server: %w", err)
		}
	} else {
		setDeathSignal(cmd.SysProcAttr, i.stopSignal())
	}
	return launch(cmd, size, release)
}

// settings returns the arguments of postgres.
func (i *instance) settings() []string {
	shared := sharing()
	if i.throwAway {
		shared = "mmap" // in the cluster's folder, so that nothing is left behind
	}
	args := []string{
		"-D", i.home.cluster(),
		"-k", i.home.socketDir,
		"-c", "listen_addresses=" + strings.Join(i.hosts, ","),
		"-c", "port=" + cmp.Or(i.port, port),
		"-c", "unix_socket_permissions=0700",
		"-c", "timezone=UTC",
		"-c", "log_timezone=UTC",
		"-c", "dynamic_shared_memory_type=" + shared,
	}
	if len(i.hosts) > 0 {
		args = append(args, "-c", "hba_file="+i.home.hba())
	}
	if i.throwAway {
		args = append(args, "-F",
			"-c", "synchronous_commit=off",
			"-c", "full_page_writes=off",
			"-c", "max_connections=200")
	}
	return args
}

// stopSignal returns the signal that stops the server: SIGINT closes connections and leaves
// a clean cluster, SIGQUIT leaves one that would need recovery. Source: PostgreSQL
// documentation, "Shutting Down the Server".
func (i *instance) stopSignal() syscall.Signal {
	if i.throwAway {
		return syscall.SIGQUIT
	}
	return syscall.SIGINT
}

// awaitReady waits until p accepts connections. postgres records that in its pid file, and
// polling the file is faster than connecting.
func (i *instance) awaitReady(ctx context.Context, p *postmaster) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if i.home.readyPID() == p.cmd.Process.Pid {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return fmt.Errorf("postgres ended: %s\n%s", p.reason(), logTail(i.home.log(), p.logStart))
		case <-tick.C:
		}
	}
}

// run runs one of the binaries to completion, with input as its standard input. The error
// includes what it printed.
func (i *instance) run(ctx context.Context, name, home, input string, args ...string) error {
	runtime.LockOSThread() // the death signal is tied to the thread that forks
	defer runtime.UnlockOSThread()
	cmd := i.command(ctx, name, home, args...)
	setDeathSignal(cmd.SysProcAttr, syscall.SIGKILL)
	// Let postgres, which initdb starts too, release its shared memory.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", i.account.explain(err), strings.TrimSpace(string(out)))
	}
	return nil
}

// command returns one of the binaries as a command in its own process group, out of reach
// of a terminal's Ctrl-C, and without our environment, whose PG* variables would change
// what the server does.
func (i *instance) command(ctx context.Context, name, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(i.bin.dir, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + i.bin.dir + ":/usr/bin:/bin", "HOME=" + home, "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: i.account.credential}
	return cmd
}
