package embeddedpg

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelGuards reports that setDeathSignal works here.
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

// sharing returns the server's kind of shared memory: files of the cluster if the
// folder in memory is small, where a query by several workers would fail.
func sharing() string {
	if memoryDir() == "" {
		return "mmap"
	}
	return "posix"
}

// serves reports whether process pid is the postmaster of the cluster in dir. A zombie
// isn't.
func serves(pid int, dir string) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := strings.Split(string(raw), "\x00")
	if name := filepath.Base(args[0]); name != "postgres" && name != "postmaster" {
		return false
	}
	for n, arg := range args[1:] {
		if arg == dir && args[n] == "-D" {
			return true
		}
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	real, _ := filepath.EvalSymlinks(dir)
	return err == nil && cwd == real
}

// syncDisk flushes to disk what the file system of dir has buffered.
func syncDisk(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = unix.Syncfs(int(d.Fd()))
		_ = d.Close()
	}
}

// orphansEnd notifies ended when a child of this process ends, if this is the first process
// of a container and so inherits the processes of a killed postmaster.
func orphansEnd() (ended <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	if os.Getpid() != 1 {
		return c, func() {}
	}
	signal.Notify(c, syscall.SIGCHLD)
	return c, func() { signal.Stop(c) }
}

// reap waits for the ended processes of earlier postmasters. It skips p, which has its own
// waiter and may be nil.
func reap(p *postmaster) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if p != nil && pid == p.cmd.Process.Pid {
			continue
		}
		// proc_pid_stat(5): pid (name) state parent …
		text, _ := os.ReadFile(path)
		if strings.HasPrefix(string(text), fmt.Sprintf("%d (postgres) Z %d ", pid, os.Getpid())) {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
