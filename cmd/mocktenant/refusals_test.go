package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

// The files in testdata/refusals are transcripts of a terminal: commands after $, with their
// output and exit codes.
func TestRefusals(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 { // root may write to every folder
		if _, err := exec.LookPath("setpriv"); err != nil {
			testenv.Skip(t, "setpriv is not installed")
		}
	}
	files, err := filepath.Glob("testdata/refusals/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newTranscript(t, filepath.Base(file) == "service.txt").play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) {
				t.Errorf("%s differs: go test ./cmd/mocktenant -run TestRefusals -update, then read the diff\n%s", file, got)
			}
		})
	}
}

// transcript runs commands in a shell in which mocktenant is the program.
type transcript struct {
	testing.TB

	dir      string
	env      []string
	replaced []string // pairs of a varying text and its replacement in the files
}

// newTranscript returns a transcript in a new folder, with or without a running service.
func newTranscript(t *testing.T, serves bool) *transcript {
	t.Helper()
	dir := dataDir(t)
	if serves {
		dir = preparedDir(t)
	}
	c := command(t, []string{"MOCKTENANT_DATA_DIR=" + dir, "COLUMNS=100"})
	term := &transcript{TB: t, dir: filepath.Dir(dir), env: append(c.Env, "PROGRAM="+os.Args[0])}
	term.replaced = []string{dir, "DATA", term.dir, "DIR"}
	if serves {
		serve(t, []string{"MOCKTENANT_DATA_DIR=" + dir})
		return term
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	empty := dbtest.NewEmptyDatabase(t)
	term.env = append(term.env, "TAKEN="+taken.Addr().String(), "EMPTY="+empty)
	term.replaced = append([]string{taken.Addr().String(), "TAKEN", empty, "EMPTY"}, term.replaced...)
	return term
}

// play runs the commands in a file, and returns the file with their present output.
func (t *transcript) play(file string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(file) {
		script, run := strings.CutPrefix(line, "$ ")
		if run || strings.HasPrefix(line, "#") {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line)
		}
		if run {
			b.WriteString(t.run(script))
		}
	}
	return b.String()
}

var (
	loopbackPort = regexp.MustCompile(`127\.0\.0\.1:[0-9]{5}\b`)
	anyTime      = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*(Z|[+-]\d\d:\d\d)`)
	longList     = regexp.MustCompile(`want (one of )?(\S+, ){7}.*`)
	anyID        = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
)

// pathOfBody matches a refusal that names a place in a body that the user didn't write.
var pathOfBody = regexp.MustCompile(`(?m)^mocktenant: (line [0-9]+: )?/`)

// run returns a command's output on both streams and its exit code.
func (t *transcript) run(script string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-c", `mocktenant() { "$PROGRAM" "$@"; }; `+script)
	c.Dir, c.Env = t.dir, t.env
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if pathOfBody.Match(out.Bytes()) {
		t.Errorf("%s: want the flag, got %s", script, &out)
	}
	text := strings.NewReplacer(t.replaced...).Replace(out.String())
	text = anyTime.ReplaceAllString(loopbackPort.ReplaceAllString(text, "127.0.0.1:PORT"), "TIME")
	text = longList.ReplaceAllString(text, "want one of many")
	text = anyID.ReplaceAllStringFunc(text, func(id string) string {
		if strings.Contains(script, id) {
			return id
		}
		return "ID"
	})
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if code := c.ProcessState.ExitCode(); code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}
