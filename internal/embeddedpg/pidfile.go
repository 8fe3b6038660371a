//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyPID returns the process id of the postmaster that says it takes
// connections, or 0. Source: src/include/utils/pidfile.h of PostgreSQL.
func (h *home) readyPID() int {
	text, err := os.ReadFile(h.pidFile())
	if err != nil {
		return 0
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 8 || strings.TrimSpace(lines[7]) != "ready" {
		return 0
	}
	pid, _ := strconv.Atoi(lines[0])
	return pid
}

// clearStale makes way for a new postmaster: it ends one that a killed process
// left behind, and removes the pid file and the socket. Their process id may
// belong to a zombie or another program, now or in a moment, which postgres would
// take for a postmaster: in a container ids begin anew at each start. The lock, which
// we hold, says that nobody needs any of them; that no process of a postmaster that
// was killed still writes, postgres sees by its shared memory.
func (h *home) clearStale(ctx context.Context, log *slog.Logger) error {
	text, err := os.ReadFile(h.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return h.removeFiles(h.socketFiles()...)
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	whole := err == nil && pid > 1 // or it was cut short by a crash
	if whole && serves(pid, h.cluster()) {
		log.Info("ending a PostgreSQL that an earlier process left behind", "pid", pid, "directory", h.dir)
		if err := h.endOrphan(ctx, pid); err != nil {
			return err
		}
	}
	return h.removeFiles(append(h.socketFiles(), h.pidFile())...)
}

// endOrphan asks process pid to end and waits until it has. One that was told to
// stop amid the recovery from a crash may never do so (seen with PostgreSQL 15): after
// a while it is told to end at once, which costs the next start a recovery and no
// commit.
func (h *home) endOrphan(ctx context.Context, pid int) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, orphanPatience}, {syscall.SIGQUIT, 2 * orphanPatience}, {syscall.SIGKILL, orphanPatience}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !serves(pid, h.cluster()) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for process %d to stop: %w", pid, ctx.Err())
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("process %d, a PostgreSQL that an earlier process left behind, can't be stopped", pid)
}

// orphanPatience is how long an orphan may take to stop: it was told before, when
// its parent died.
const orphanPatience = 5 * time.Second

func (h *home) socketFiles() []string {
	socket := filepath.Join(h.socketDir, socketName)
	return []string{socket, socket + ".lock"}
}

func (h *home) removeFiles(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
