//go:build unix

package embeddedpg

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// janitorScript removes the files that its arguments name. It does so once the pipe that it
// reads ends, which means that our process has died, and once the postmaster, which dies
// with us, has released them. A line on the pipe dismisses it.
const janitorScript = `
read -r line && exit
tries=0
while [ -e "$1/` + clusterName + `/postmaster.pid" ] && [ $tries -lt 200 ]; do
	tries=$((tries + 1))
	sleep 0.05 || sleep 1
done
rm -rf "$@"
`

// janitor is a process that outlives ours in order to remove a throw-away cluster.
type janitor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// newJanitor starts a janitor for the throw-away cluster. It runs as our own user, who owns
// the folders.
func newJanitor(h home) (*janitor, error) {
	cmd := exec.Command("/bin/sh", "-c", janitorScript, "sh", h.dir, h.socketDir)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of a terminal's Ctrl-C
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the janitor: %w", err)
	}
	return &janitor{cmd, pipe}, nil
}

// dismiss ends the janitor, which has nothing left to remove. j may be nil.
func (j *janitor) dismiss() {
	if j == nil {
		return
	}
	_, _ = io.WriteString(j.pipe, "\n")
	_ = j.pipe.Close()
	_ = j.cmd.Wait()
}
