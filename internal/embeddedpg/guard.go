//go:build unix

package embeddedpg

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// guardScript replaces itself with the command after its first argument, keeping the
// process id, and leaves a watcher behind. The watcher reads the pipe that is its standard
// input. A line dismisses it. If the pipe ends without one, our process has died, and the
// watcher signals the command. It forks twice so that the command, a postmaster, never sees
// it as a child.
const guardScript = `
signal=$1
shift
exec 3<&0 </dev/null
( ( read -r line <&3 || kill -"$signal" $$ ) & )
exec 3<&-
exec "$@"
`

// guard changes cmd so that the command gets the signal when this process dies, on systems
// whose kernel doesn't do that. release dismisses the guard; call it once the command has
// ended or couldn't be started.
func guard(cmd *exec.Cmd, signal syscall.Signal) (release func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	number := strconv.Itoa(int(signal))
	cmd.Args = append([]string{"sh", "-c", guardScript, "sh", number, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.Stdin = r
	return func() {
		_, _ = w.WriteString("\n")
		_ = w.Close()
		_ = r.Close()
	}, nil
}
