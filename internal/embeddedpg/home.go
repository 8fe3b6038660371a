//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	clusterName      = "postgres"
	lockName         = "lock"
	runName          = "run"
	socketDirName    = "socket-dir"
	throwAwayPrefix  = "mocktenant-pg-"
	socketTempPrefix = "mocktenant-socket-"

	port       = "5432" // only a part of the socket's name
	socketName = ".s.PGSQL." + port

	// maxSocketPath is the longest path of a socket, in bytes: sun_path of
	// macOS and the BSDs without its final zero. Linux has 107.
	maxSocketPath = 103
)

// home is the folder of one cluster, whose lock we hold.
type home struct {
	dir       string
	socketDir string
	lock      *flock.Flock
}

// openKept makes dir if need be and takes its lock. Returns ErrInUse if another
// process has held the lock for 2 seconds.
func openKept(ctx context.Context, dir string, a account) (home, error) {
	if !filepath.IsAbs(dir) {
		return home{}, fmt.Errorf("data directory %q is not an absolute path", dir)
	}
	if err := a.makeDir(dir); err != nil {
		return home{}, err
	}
	if err := a.reach(dir); err != nil {
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

// openThrowAway makes a folder of our own in the first of parents that takes
// one. It first removes those that killed processes left there.
func openThrowAway(parents []string, a account, log *slog.Logger) (home, error) {
	var failures []error
	for _, parent := range parents {
		sweep(parent, log)
		h, err := newThrowAway(parent, a)
		if err == nil {
			return h, nil
		}
		failures = append(failures, err)
	}
	return home{}, errors.Join(failures...)
}

func newThrowAway(parent string, a account) (home, error) {
	if err := a.reach(parent); err != nil {
		return home{}, err
	}
	for {
		dir, err := os.MkdirTemp(parent, throwAwayPrefix)
		if err != nil {
			return home{}, err
		}
		h := home{dir: dir, lock: flock.New(filepath.Join(dir, lockName))}
		ok, err := h.lock.TryLock()
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!ok || !h.locked()) {
			_ = h.lock.Unlock()
			continue // swept before we had its lock
		}
		if err == nil {
			err = os.Chmod(dir, a.dirMode())
		}
		if err == nil {
			err = h.makeSocketDir(a)
		}
		if err != nil {
			return home{}, errors.Join(err, os.RemoveAll(dir), h.lock.Unlock())
		}
		return h, nil
	}
}

// locked says whether the lock we hold is that of the file still in the folder.
func (h *home) locked() bool {
	held, err := h.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(h.lock.Path())
	return err == nil && os.SameFile(held, there)
}

// sweep removes the throw-away folders in parent that no process holds. It
// touches none that another user owns.
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

func (h *home) cluster() string { return filepath.Join(h.dir, clusterName) }
func (h *home) log() string     { return filepath.Join(h.dir, "postgres.log") }
func (h *home) pidFile() string { return filepath.Join(h.cluster(), "postmaster.pid") }

// makeSocketDir makes the folder for the socket: run, or a short one in the
// temporary folder, noted in socket-dir, if the path would be too long or have
// a character that ends it in a list of folders.
func (h *home) makeSocketDir(a account) error {
	if err := h.removeSocketDir(); err != nil {
		return err
	}
	h.socketDir = filepath.Join(h.dir, runName)
	if len(filepath.Join(h.socketDir, socketName)) <= maxSocketPath && !strings.ContainsAny(h.socketDir, `,"`) {
		if err := os.Mkdir(h.socketDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return a.own(h.socketDir)
	}
	dir, err := os.MkdirTemp("/tmp", socketTempPrefix)
	if err != nil {
		return fmt.Errorf("make a folder for the socket: %w", err)
	}
	h.socketDir = dir
	if err := os.WriteFile(filepath.Join(h.dir, socketDirName), []byte(dir+"\n"), 0o600); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	return a.own(dir)
}

// removeSocketDir removes a socket folder in the temporary folder, of this or
// of an earlier run, and the note of it.
func (h *home) removeSocketDir() error {
	dir := findSocketDir(h.dir)
	if !strings.HasPrefix(filepath.Base(dir), socketTempPrefix) {
		return nil
	}
	for _, name := range []string{socketName, socketName + ".lock", ""} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(filepath.Join(h.dir, socketDirName))
}

// findSocketDir returns the folder of the socket of the cluster in dataDir.
func findSocketDir(dataDir string) string {
	if note, err := os.ReadFile(filepath.Join(dataDir, socketDirName)); err == nil {
		return strings.TrimSpace(string(note))
	}
	return filepath.Join(dataDir, runName)
}

func lockHeld(dataDir string) bool {
	path := filepath.Join(dataDir, lockName)
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock := flock.New(path)
	free, err := lock.TryRLock()
	_ = lock.Unlock()
	return err == nil && !free
}

func answers(socketDir string) bool {
	conn, err := net.DialTimeout("unix", filepath.Join(socketDir, socketName), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// databaseURL escapes a space as libpq reads it, which doesn't know "+".
func databaseURL(socketDir, database string) string {
	host := strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(socketDir))
	return "postgres:///" + database + "?host=" + host + "&port=" + port + "&user=" + superuser
}

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
// left behind, and removes a pid file or socket whose process id now belongs to
// a zombie or another program, which postgres would take for a postmaster. The
// lock, which we hold, says that nobody needs any of them.
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
	if err != nil || pid <= 1 { // cut short by a crash
		return h.removeFiles(append(h.socketFiles(), h.pidFile())...)
	}
	exists, serving := serves(pid, h.cluster())
	if serving {
		log.Info("ending a PostgreSQL that an earlier process left behind", "pid", pid, "directory", h.dir)
		if err := h.endOrphan(ctx, pid); err != nil {
			return err
		}
	}
	stale := h.socketFiles()
	if exists {
		stale = append(stale, h.pidFile())
	}
	return h.removeFiles(stale...)
}

// endOrphan asks process pid to end and waits until it has.
func (h *home) endOrphan(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	for {
		if _, serving := serves(pid, h.cluster()); !serving {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for process %d to stop: %w", pid, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

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
