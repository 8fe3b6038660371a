//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const throwAwayPrefix = "mocktenant-pg-"

// openThrowAway makes our own folder in the first of parents that allows it. Before, it
// removes those that killed processes left there.
func openThrowAway(parents []string, a account, log *slog.Logger) (home, error) {
	var failures []error
	for _, parent := range parents {
		sweep(parent, log)
		h, err := newThrowAway(parent, a)
		if err == nil {
			if h.janitor, err = newJanitor(h); err != nil {
				log.Warn("if this process is killed, its throw-away PostgreSQL remains until the next one starts", "directory", h.dir, "error", err)
			}
			return h, nil
		}
		failures = append(failures, err)
	}
	return home{}, errors.Join(failures...)
}

// errSwept reports that another process removed a new folder before this one had its lock.
var errSwept = errors.New("swept")

func newThrowAway(parent string, a account) (home, error) {
	if err := a.reach(parent); err != nil {
		return home{}, err
	}
	for {
		h, err := tryThrowAway(parent, a)
		if !errors.Is(err, errSwept) {
			return h, err
		}
	}
}

func tryThrowAway(parent string, a account) (home, error) {
	dir, err := os.MkdirTemp(parent, throwAwayPrefix)
	if err != nil {
		return home{}, err
	}
	h := home{dir: dir, lock: flock.New(filepath.Join(dir, lockName))}
	ok, err := h.lock.TryLock()
	if errors.Is(err, fs.ErrNotExist) {
		return home{}, errSwept
	}
	if err != nil {
		return home{}, errors.Join(err, os.RemoveAll(dir), h.lock.Unlock())
	}
	if !ok || !h.locked() {
		_ = h.lock.Unlock()
		return home{}, errSwept
	}
	if err := errors.Join(os.Chmod(dir, a.dirMode()), h.makeSocketDir(a)); err != nil {
		return home{}, errors.Join(err, os.RemoveAll(dir), h.lock.Unlock())
	}
	return h, nil
}

// locked reports whether the file that this process has locked is still the lock file in the
// folder.
func (h *home) locked() bool {
	held, err := h.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(h.lock.Path())
	return err == nil && os.SameFile(held, there)
}

// sweep removes the throw-away folders in parent that no process holds. It leaves other
// users' folders alone.
func sweep(parent string, log *slog.Logger) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), throwAwayPrefix) || !e.IsDir() {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		info, err := e.Info()
		if err != nil || owner(info) != os.Geteuid() {
			continue
		}
		if err := removeAbandoned(dir, log); err != nil {
			log.Warn("a throw-away PostgreSQL of a killed process could not be removed", "directory", dir, "error", err)
		}
	}
}

// removeAbandoned removes the throw-away folder dir unless its lock is held.
func removeAbandoned(dir string, log *slog.Logger) error {
	h := home{dir: dir, socketDir: findSocketDir(dir), lock: flock.New(filepath.Join(dir, lockName))}
	if _, err := os.Stat(h.lock.Path()); err != nil {
		_ = os.Remove(dir) // being made, being removed, or never used: gone if empty
		return nil
	}
	if ok, err := h.lock.TryLock(); !ok || err != nil || !h.locked() {
		_ = h.lock.Unlock()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := h.clearStale(ctx, log)
	if err == nil {
		err = errors.Join(h.removeSocketDir(), os.RemoveAll(dir))
	}
	return errors.Join(err, h.lock.Unlock())
}
