//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	clusterName   = "postgres"
	lockName      = "lock"
	runName       = "run"
	socketDirName = "socket-dir"
)

// home is the folder of a cluster. This process holds its lock.
type home struct {
	dir       string
	socketDir string
	lock      *flock.Flock
	janitor   *janitor // nil: nothing is removed
}

// openKept makes dir if it is missing and takes its lock. It returns ErrInUse if another
// process has held the lock for 2 seconds.
func openKept(ctx context.Context, dir string, a account) (home, error) {
	if !filepath.IsAbs(dir) {
		return home{}, fmt.Errorf("data directory %q is not an absolute path", dir)
	}
	if err := a.makeReachable(dir); err != nil {
		return home{}, fmt.Errorf("%w, or choose another MOCKTENANT_DATA_DIR", err)
	}
	if err := a.owns(filepath.Join(dir, clusterName)); err != nil {
		return home{}, err
	}
	h := home{dir: filepath.Clean(dir), lock: flock.New(filepath.Join(dir, lockName))}
	if err := h.takeLock(ctx); err != nil {
		return home{}, fmt.Errorf("data directory %s: %w", dir, err)
	}
	if err := h.makeSocketDir(a); err != nil {
		return home{}, errors.Join(err, h.lock.Unlock())
	}
	return h, nil
}

func (h *home) takeLock(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Second, ErrInUse)
	defer cancel()
	_, err := h.lock.TryLockContext(ctx, 20*time.Millisecond)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (h *home) cluster() string { return filepath.Join(h.dir, clusterName) }
func (h *home) log() string     { return filepath.Join(h.dir, "postgres.log") }
func (h *home) hba() string     { return filepath.Join(h.dir, "pg_hba.conf") }
func (h *home) pidFile() string { return filepath.Join(h.cluster(), "postmaster.pid") }

// lockHeld reports whether any process holds the lock of the data directory.
func lockHeld(dataDir string) bool {
	free, err := lockFree(dataDir)
	return err == nil && !free
}

func lockFree(dataDir string) (bool, error) {
	path := filepath.Join(dataDir, lockName)
	if _, err := os.Stat(path); err != nil {
		return false, err
	}
	lock := flock.New(path)
	free, err := lock.TryRLock()
	_ = lock.Unlock()
	return free, err
}
