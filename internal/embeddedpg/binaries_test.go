//go:build unix

package embeddedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newBinaries makes a folder with scripts named initdb and postgres that only print a
// version.
func newBinaries(tb testing.TB, version string) string {
	tb.Helper()
	dir := newDir(tb)
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func noPath(string) (string, error) { return "", exec.ErrNotFound }

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	v14, v16, v17 := newBinaries(t, "14.9"), newBinaries(t, "16.2 (Debian 16.2-1)"), newBinaries(t, "17beta1")
	empty := newDir(t)
	for _, tt := range []struct {
		name  string
		globs []string
		want  want
		found string
		err   string
	}{
		{name: "first suitable", globs: []string{empty, v14, v16, v17}, found: v16},
		{name: "the cluster's version", globs: []string{v16, v17}, want: want{major: 17}, found: v17},
		{name: "given", globs: []string{v16}, want: want{binDir: v17}, found: v17},
		{name: "given, but the cluster has another version", globs: []string{v16}, want: want{binDir: v17, major: 16}, found: v16},
		{name: "given and empty", globs: []string{v16}, want: want{binDir: empty}, err: "doesn't contain initdb and postgres"},
		{name: "given and empty, with a cluster", globs: []string{v16}, want: want{binDir: empty, major: 16}, err: "doesn't contain initdb and postgres"},
		{name: "given and too old", globs: []string{v16}, want: want{binDir: v14}, err: "15 or later is needed"},
		{name: "too old", globs: []string{v14}, err: "has version 14.9"},
		{name: "none", err: ErrNoBinaries.Error()},
		{name: "none for the cluster", globs: []string{v16}, want: want{major: 18, cluster: "/c"}, err: "/c was made by PostgreSQL 18"},
		{name: "cluster too old", globs: []string{v14}, want: want{major: 14, cluster: "/c"}, err: "/c was made by PostgreSQL 14, but 15 or later is needed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := host{lookPath: noPath, globs: tt.globs}

			b, err := h.findBinaries(t.Context(), tt.want, account{}, logger(t))

			if b.dir != tt.found {
				t.Errorf("found %q, want %q", b.dir, tt.found)
			}
			if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFindBinariesOnPathBehindALink(t *testing.T) {
	t.Parallel()
	dir, bin := newBinaries(t, "16.2"), newDir(t)
	link := filepath.Join(bin, "initdb")
	if err := os.Symlink(filepath.Join(dir, "initdb"), link); err != nil {
		t.Fatal(err)
	}
	h := host{lookPath: func(string) (string, error) { return link, nil }}

	b, err := h.findBinaries(t.Context(), want{}, account{}, logger(t))

	real, _ := filepath.EvalSymlinks(dir)
	if err != nil || b.dir != real || b.major != 16 {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestHighestVersionFirst(t *testing.T) {
	t.Parallel()
	parent := newDir(t)
	for _, v := range []string{"9", "15", "17"} {
		if err := os.Mkdir(filepath.Join(parent, v), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := host{lookPath: noPath, globs: []string{parent + "/*"}}

	got := h.candidates(want{})

	if len(got) != 3 || filepath.Base(got[0]) != "17" || filepath.Base(got[2]) != "9" {
		t.Errorf("got %q", got)
	}
}

func TestClusterOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)
	version := filepath.Join(dir, clusterName, "PG_VERSION")
	if err := os.WriteFile(version, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, filepath.Join(dir, clusterName))

	_, err := start(t.Context(), Options{DataDir: dir, Log: logger(t)}, h)

	if err == nil || errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), "was made by PostgreSQL 99") {
		t.Errorf("got error %v", err)
	}
	if after := listing(t, filepath.Join(dir, clusterName)); after != before {
		t.Errorf("the cluster was changed:\n%s\nwas:\n%s", after, before)
	}
}

func TestFilesThatAreNoCluster(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)
	if err := os.Remove(filepath.Join(dir, clusterName, "PG_VERSION")); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)

	_, err := start(t.Context(), Options{DataDir: dir, Log: logger(t)}, h)

	if err == nil || !strings.Contains(err.Error(), "no PG_VERSION") {
		t.Errorf("got error %v", err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder was changed:\n%s\nwas:\n%s", after, before)
	}
}

// listing returns the names, sizes and times of all files in dir.
func listing(tb testing.TB, dir string) string {
	tb.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && !e.IsDir() {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b.String()
}
