//go:build unix

package embeddedpg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// TestStalePIDFile plants pid files that postgres alone would mistake for a running
// server's.
func TestStalePIDFile(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() })
	zombie := exec.Command("true") // the test waits for it only at the end
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zombie.Wait() })

	for _, tt := range []struct{ name, content string }{
		{"another program", fmt.Sprintf("%d\n/somewhere\n1\n5432\n", sleeper.Process.Pid)},
		{"zombie", fmt.Sprintf("%d\n/somewhere\n1\n5432\n", zombie.Process.Pid)},
		{"no process", "4194303\n/somewhere\n1\n5432\n"},
		{"empty", ""},
		{"no number", "x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newDataDir(t, h)
			for _, path := range []string{
				filepath.Join(dir, clusterName, "postmaster.pid"),
				filepath.Join(dir, runName, socketName+".lock"),
			} {
				if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
					t.Fatal(err)
				}
			}

			newServer(t, dir, h)
		})
	}
	if err := sleeper.Process.Signal(os.Interrupt); err != nil {
		t.Errorf("the other program was ended: %v", err)
	}
}

// TestOrphanIsEnded starts a server that survives the process that started it.
func TestOrphanIsEnded(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)
	i := &instance{host: h, log: logger(t)}
	if err := i.open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := i.prepare(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	orphan, err := i.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.close(); err != nil { // releases the lock, but leaves the server running
		t.Fatal(err)
	}

	newServer(t, dir, h)

	<-orphan.done
}

func TestSweep(t *testing.T) {
	t.Parallel()
	parent := newDir(t)
	mkdir := func(name string) string {
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Join(dir, clusterName), 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	touch := func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch(filepath.Join(mkdir(throwAwayPrefix+"abandoned"), lockName))
	touch(filepath.Join(mkdir("other"), lockName))
	mkdir(throwAwayPrefix + "nolock")
	held := flock.New(filepath.Join(mkdir(throwAwayPrefix+"held"), lockName))
	if ok, err := held.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer held.Unlock()

	sweep(parent, logger(t))

	want := throwAwayPrefix + "held " + throwAwayPrefix + "nolock other"
	if got := strings.Join(entries(t, parent), " "); got != want {
		t.Errorf("left: %s, want: %s", got, want)
	}
}

func TestThrowAwayOfAKilledProgramIsRemoved(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	scratch := h.scratch[0]
	p := newHolder(t, "", scratchEnv+"="+scratch)
	query(t, p.url, "SELECT 'runs'")
	abandoned := entries(t, scratch)

	p.kill()
	s := newServer(t, "", h)

	query(t, s.DatabaseURL(), "SELECT 'runs'")
	eventually(t, "the abandoned one is gone", func() bool { // its janitor may remove it too
		left := entries(t, scratch)
		return len(left) == 1 && left[0] != abandoned[0]
	})
}
