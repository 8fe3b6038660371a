//go:build unix && !linux

package embeddedpg

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// kernelGuards reports that a child needs a guard here, see guard.
const kernelGuards = false

// setDeathSignal does nothing here.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// memoryDir returns "": no folder in memory exists on every machine.
func memoryDir() string { return "" }

// sharing returns the server's kind of shared memory.
func sharing() string { return "posix" }

// serves reports whether process pid is the postmaster of the cluster in dir. A zombie
// isn't.
func serves(pid int, dir string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false
	}
	line := strings.TrimSpace(string(out)) + " "
	return strings.Contains(line, "postgres") && strings.Contains(line, " -D "+dir+" ")
}

// syncDisk flushes to disk what file systems have buffered.
func syncDisk(string) { syscall.Sync() }

// orphansEnd never notifies: on these systems this process is never the first one.
func orphansEnd() (ended <-chan os.Signal, stop func()) { return nil, func() {} }

func reap(*postmaster) {}
