//go:build unix && !linux

package embeddedpg

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// kernelGuards says that a child needs a guard here, see guard.
const kernelGuards = false

// setDeathSignal does nothing here.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// memoryDir returns "": there is no folder in memory that every machine has.
func memoryDir() string { return "" }

// sharing is where the processes of a server share memory.
func sharing() string { return "posix" }

// serves says whether process pid is the postmaster of the cluster in dir. A zombie
// serves nothing.
func serves(pid int, dir string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false
	}
	line := strings.TrimSpace(string(out)) + " "
	return strings.Contains(line, "postgres") && strings.Contains(line, " -D "+dir+" ")
}

// syncDisk writes to disk what file systems hold in memory.
func syncDisk(string) { syscall.Sync() }

// orphansEnd tells nothing: on these systems this process isn't the first one.
func orphansEnd() (ended <-chan os.Signal, stop func()) { return nil, func() {} }

func reap(*postmaster) {}
