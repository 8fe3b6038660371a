//go:build unix

package embeddedpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClosedParentIsNamed(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(newDir(t), "closed")
	dir := filepath.Join(closed, "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a := newAccount(65534, 65534)
	if err := a.reach(dir); err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := os.Chmod(closed, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(closed, 0o700) }()
	if os.Geteuid() != 0 {
		return // this process can't look into it either
	}

	err := a.reach(dir)

	if err == nil || !strings.Contains(err.Error(), closed+" is closed to") {
		t.Errorf("got error %v, want one naming %s", err, closed)
	}
}

func TestRootRunsAClusterAsItsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if a := pickAccount(t.TempDir()); a.credential != nil {
			t.Errorf("got %+v, want this process's own account", a)
		}
		return
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4321, 4322); err != nil {
		t.Fatal(err)
	}

	a := pickAccount(dir)

	if a.credential == nil || a.credential.Uid != 4321 || a.credential.Gid != 4322 {
		t.Errorf("got %+v, want 4321:4322", a)
	}
}
