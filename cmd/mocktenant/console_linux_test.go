package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mocktenant/mocktenant/api"
)

// newTerminal returns both ends of a terminal: the screen and keyboard, and the end for
// programs.
func newTerminal(t *testing.T, columns uint16) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 24})
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return screen, tty
}

// answer runs a command at a terminal, and answers its question.
func (a administration) answer(question, word string, args ...string) (log string, code int) {
	a.Helper()
	screen, tty := newTerminal(a.T, 80)
	c := command(a.T, a.settings, args...)
	var out strings.Builder
	c.Stdin, c.Stdout, c.Stderr = tty, &out, tty
	if err := c.Start(); err != nil {
		a.Fatal(err)
	}
	shown := bufio.NewReader(screen)
	asked, err := shown.ReadString(']')
	if err != nil || asked != question+" [y/N]" {
		a.Errorf("%q asks %q, %v", args, asked, err)
	}
	if _, err := io.WriteString(screen, word+"\n"); err != nil {
		a.Fatal(err)
	}
	_ = c.Wait()
	_ = tty.Close()
	rest, _ := io.ReadAll(shown) // until an error, because the other end is closed
	return string(rest) + out.String(), c.ProcessState.ExitCode()
}

// At a terminal, commands that destroy a tenant's data ask for confirmation, unless a flag
// disables that, and say what they did.
func TestAsks(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}}
	p := serve(t, a.settings)
	id := parse[api.Credentials](t, a.run("tenant", "create", "--display-name", "x", "-o", "json")).TenantId.String()
	reset := "Reset the entities of tenant " + id + " to those that it was made with?"
	if log, code := a.answer(reset, "", "tenant", "reset", id); code != exitFailure || !strings.Contains(log, "mocktenant: nothing was changed") {
		t.Errorf("nothing said: exit %d\n%s", code, log)
	}
	if log, code := a.answer(reset, "yes", "tenant", "reset", id); code != 0 || !strings.Contains(log, "Reset tenant "+id+".\n") {
		t.Errorf("yes: exit %d\n%s", code, log)
	}
	remove := "Remove " + id + " and everything in it?"
	if log, code := a.answer(remove, "n", "tenant", "delete", id); code != exitFailure || !strings.Contains(log, "mocktenant: nothing was changed") {
		t.Errorf("no: exit %d\n%s", code, log)
	}
	a.run("tenant", "get", id)
	screen, tty := newTerminal(t, 80)
	c := command(t, a.settings, "tenant", "delete", "--yes", id)
	c.Stdin, c.Stderr = tty, tty
	if out, err := c.Output(); err != nil || string(out) != "Removed tenant "+id+".\n" {
		t.Errorf("--yes: %s, %v", out, err)
	}
	_ = screen.Close()
	a.fails(exitNotFound, id, "tenant", "get", id)
	p.stop(t)
}
