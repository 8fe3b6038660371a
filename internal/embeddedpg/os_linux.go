package embeddedpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// kernelGuards says that setDeathSignal works here.
const kernelGuards = true

// setDeathSignal makes the kernel signal the child when the thread that forked
// it ends. Source: PR_SET_PDEATHSIG in prctl(2).
func setDeathSignal(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Pdeathsig = signal
}

// memoryDir returns a folder in memory with at least 512 MB free, or "". Docker
// gives a container 64 MB by default.
func memoryDir() string {
	const dir, enough = "/dev/shm", 512 << 20
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return ""
	}
	return dir
}

// serves says whether process pid exists and whether it is the postmaster of
// the cluster in dir. A zombie exists and serves nothing.
func serves(pid int, dir string) (exists, serving bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false, false
	}
	args := strings.Split(string(raw), "\x00")
	if name := filepath.Base(args[0]); name != "postgres" && name != "postmaster" {
		return true, false
	}
	for n, arg := range args[1:] {
		if arg == dir && args[n] == "-D" {
			return true, true
		}
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	real, _ := filepath.EvalSymlinks(dir)
	return true, err == nil && cwd == real
}
