//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// size is how much a run does.
type size struct {
	rounds  int           // of each fault, per layout
	hold    time.Duration // how long a pause or an outage lasts
	soak    time.Duration
	idle    int // connections
	commits int // how many earlier ones to upgrade from, at most
}

var (
	quick = size{rounds: 1, hold: 3 * time.Second, soak: 10 * time.Second, idle: 5000, commits: 1}
	short = size{rounds: 2, hold: 5 * time.Second, soak: 30 * time.Second, idle: 5000, commits: 1}
	long  = size{rounds: 10, hold: 12 * time.Second, soak: 10 * time.Minute, idle: 5000, commits: 5}
)

// lab is where trials run: the program under test and a folder.
type lab struct {
	dir    string
	binary string
	size   size
	phases int  // so far
	strict bool // what can't run here fails
	say    func(format string, values ...any)
}

// keptVariables are those that may change what a run tests.
var keptVariables = []string{"MOCKTENANT_NO_GATHERING", "MOCKTENANT_PG_BINDIR", "PGOPTIONS"}

// cleanEnvironment unsets the variables that could lead the service, or Postgres's programs, to
// another database than the run's own.
func cleanEnvironment() {
	foreign := regexp.MustCompile(`^(MOCKTENANT_|DATABASE_URL|PG|OTEL_)`)
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if foreign.MatchString(name) && !slices.Contains(keptVariables, name) {
			_ = os.Unsetenv(name) // it is set, so its name is valid
		}
	}
}

// newLab builds the program.
func newLab(ctx context.Context, s size) (*lab, error) {
	cleanEnvironment()
	dir, err := newDir("", "mocktenant-chaos-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, binary: filepath.Join(dir, "mocktenant"), size: s, say: func(format string, values ...any) {
		fmt.Printf("%s  %s\n", time.Now().UTC().Format("15:04:05"), fmt.Sprintf(format, values...))
	}}
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	return l, build(ctx, root, l.binary)
}

// build builds the program of the source in a folder.
func build(ctx context.Context, source, program string) error {
	_, err := output(ctx, source, "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./cmd/mocktenant")
	return err
}

// output runs a command and returns what it printed.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var failure strings.Builder
	c.Stderr = &failure
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, failure.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// newDir makes an empty folder that Postgres's user can pass.
func (l *lab) newDir() (string, error) { return newDir(l.dir, "cluster-") }

func newDir(parent, prefix string) (string, error) {
	dir, err := os.MkdirTemp(parent, prefix)
	if err == nil {
		err = os.Chmod(dir, 0o711) // root's Postgres runs as another user
	}
	return dir, err
}

// tag returns the beginning of a phase's names.
func (l *lab) tag() string {
	l.phases++
	return fmt.Sprintf("p%d", l.phases)
}

// close removes everything, unless someone should read the logs.
func (l *lab) close(keep bool) {
	if keep {
		l.say("the logs are in %s", l.dir)
		return
	}
	_ = os.RemoveAll(l.dir)
}

// errNotHere reports that a trial can't run on this machine.
var errNotHere = errors.New("not run")

// majors installs Postgres 15 to 18 from npm, at the versions and sums of the package lock, and
// returns their folders with programs.
func (l *lab) majors(ctx context.Context) (map[int]string, error) {
	dir := filepath.Join(l.dir, "majors")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := packages.ReadFile("postgres/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := output(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotHere, err)
	}
	found := map[int]string{}
	for major := 15; major <= 18; major++ {
		native := filepath.Join(dir, "node_modules", fmt.Sprintf("postgres-%d", major), "native")
		if err := makeLinks(native); err != nil {
			return nil, err
		}
		found[major] = filepath.Join(native, "bin")
	}
	return found, nil
}

// makeLinks makes the links that the package lists, because npm's archives can't contain links,
// and the scripts of packages don't run here.
func makeLinks(native string) error {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	parent := filepath.Dir(native)
	for _, link := range links {
		err := os.Symlink(filepath.Join(parent, link.Source), filepath.Join(parent, link.Target))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
