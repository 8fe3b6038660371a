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

// readyPID returns the process id of a postmaster that reports that it accepts connections,
// or 0. Source: src/include/utils/pidfile.h of PostgreSQL.
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

// clearStale makes way for a new postmaster: it stops the one that a killed process left
// behind, and removes its pid file and socket. The process id in the file may belong, now
// or in a moment, to a zombie or another program, which postgres would mistake for a
// postmaster; in a container, ids start afresh each time. Nobody needs these files, because
// this process holds the lock. Postgres itself sees by its shared memory if a process of a
// killed postmaster still writes.
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
	whole := err == nil && pid > 1 // false if a crash cut it short
	if whole && serves(pid, h.cluster()) {
		log.Info("ending a PostgreSQL that an earlier process left behind", "pid", pid, "directory", h.dir)
		if err := h.endOrphan(ctx, pid); err != nil {
			return err
		}
	}
	return h.removeFiles(append(h.socketFiles(), h.pidFile())...)
}

// endOrphan asks process pid to stop and waits until it has. A server that is told to stop
// during crash recovery may never do so (seen with PostgreSQL 15), so after orphanPatience
// it is told to stop at once. That costs the next start a recovery, but loses no commit.
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

// orphanPatience is how long an orphan may take to stop. It got its first signal when its
// parent died.
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
