//go:build unix

package embeddedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest supported PostgreSQL.
const minMajor = 15

// binaries is a folder with initdb and postgres.
type binaries struct {
	dir     string
	version string // as postgres prints it, "15.14 (Debian 15.14-0+deb12u1)"
	major   int
}

// want says which binaries to find.
type want struct {
	binDir  string // the only folder to look in, unless major is set; "" for any
	major   int    // the version that made the cluster; 0 for any
	cluster string // the folder of that cluster
}

// findBinaries returns the first binaries that w allows and the account can reach. If the
// machine has none, it downloads them.
func (h host) findBinaries(ctx context.Context, w want, a account, log *slog.Logger) (binaries, error) {
	if err := w.checkNamed(); err != nil {
		return binaries{}, err
	}
	var passed []error
	for _, dir := range h.candidates(w) {
		b, err := w.check(ctx, dir, a)
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			passed = append(passed, err)
		}
	}
	if ctx.Err() != nil {
		return binaries{}, ctx.Err()
	}
	why := errors.Join(passed...)
	if w.major != 0 && w.major != h.fetched.major {
		return binaries{}, w.mismatch(why)
	}
	if w.major == 0 && w.binDir != "" {
		return binaries{}, w.unusable(why)
	}
	b, err := h.fetchBinaries(ctx, a, log)
	if ctx.Err() != nil {
		return binaries{}, ctx.Err()
	}
	if err != nil && w.major != 0 {
		return binaries{}, w.mismatch(errors.Join(why, err))
	}
	if err != nil {
		return binaries{}, fmt.Errorf("%w (%w)", ErrNoBinaries, errors.Join(why, err))
	}
	return b, nil
}

// checkNamed returns an error if a folder is named in which the binaries aren't.
func (w want) checkNamed() error {
	if w.binDir == "" {
		return nil
	}
	if errors.Is(haveBinaries(w.binDir), fs.ErrNotExist) {
		return w.unusable(nil)
	}
	return nil
}

// candidates returns the folders to look in, in order of preference.
func (h host) candidates(w want) []string {
	var dirs []string
	if w.binDir != "" {
		dirs = append(dirs, w.binDir)
		if w.major == 0 {
			return dirs
		}
	}
	if path, err := h.lookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	var found []string
	for _, glob := range h.globs {
		matches, _ := filepath.Glob(glob)
		found = append(found, matches...)
	}
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(majorInPath(b), majorInPath(a)) })
	dirs = append(dirs, found...)
	if dir := h.fetchedDir(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "native", "bin"))
	}
	return dirs
}

// majorInPath guesses the version in path: its largest number below 100.
func majorInPath(path string) int {
	largest := 0
	for _, digits := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(digits); err == nil && n < 100 {
			largest = max(largest, n)
		}
	}
	return largest
}

// haveBinaries returns fs.ErrNotExist if dir lacks initdb or postgres.
func haveBinaries(dir string) error {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// inspect returns the binaries in dir, or fs.ErrNotExist if some are missing.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if err := haveBinaries(dir); err != nil {
		return binaries{}, err
	}
	path := filepath.Join(dir, "postgres")
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "postgres (PostgreSQL) ")
	major, err := strconv.Atoi(leadingDigits(version))
	if !ok || err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: it said %q", path, out)
	}
	return binaries{dir: dir, version: version, major: major}, nil
}

// check returns the binaries in dir if w allows them and the account can reach them.
func (w want) check(ctx context.Context, dir string, a account) (binaries, error) {
	b, err := inspect(ctx, dir)
	if err != nil {
		return binaries{}, err
	}
	if err := w.allows(b); err != nil {
		return binaries{}, err
	}
	return b, a.reach(dir)
}

func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

func (w want) allows(b binaries) error {
	if b.major < minMajor || w.major != 0 && b.major != w.major {
		return fmt.Errorf("%s has version %s", b.dir, b.version)
	}
	return nil
}

// mismatch returns the error for a cluster that none of the found binaries can run. It
// includes why each was rejected.
func (w want) mismatch(why error) error {
	if w.major < minMajor {
		return fmt.Errorf("%s was made by PostgreSQL %d, but %d or later is needed; choose another MOCKTENANT_DATA_DIR (the data there is unchanged)", w.cluster, w.major, minMajor)
	}
	text := fmt.Sprintf("%s was made by PostgreSQL %d, but no binaries of that version were found; install them, or choose another MOCKTENANT_DATA_DIR (the data there is unchanged)", w.cluster, w.major)
	if why == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %w", text, why)
}

// unusable returns the error for binaries that the caller asked for by folder.
func (w want) unusable(why error) error {
	if why == nil {
		return fmt.Errorf("MOCKTENANT_PG_BINDIR %q doesn't contain initdb and postgres", w.binDir)
	}
	return fmt.Errorf("MOCKTENANT_PG_BINDIR can't be used; PostgreSQL %d or later is needed: %w", minMajor, why)
}
