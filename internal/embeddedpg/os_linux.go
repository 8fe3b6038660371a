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

// sharing is where the processes of a server share memory: in files of its cluster
// where the folder in memory is small, as a query by several workers would fail.
func sharing() string {
	if memoryDir() == "" {
		return "mmap"
	}
	return "posix"
}

// serves says whether process pid is the postmaster of the cluster in dir. A zombie
// serves nothing.
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

// syncDisk writes to disk what the file system of dir holds in memory.
func syncDisk(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = unix.Syncfs(int(d.Fd()))
		_ = d.Close()
	}
}

// orphansEnd tells, where this process is the first of a container and inherits
// the processes of a postmaster that was killed, that one of its children ended.
func orphansEnd() (ended <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	if os.Getpid() != 1 {
		return c, func() {}
	}
	signal.Notify(c, syscall.SIGCHLD)
	return c, func() { signal.Stop(c) }
}

// reap takes leave of what ended of earlier postmasters. p, which may be nil, has
// somebody who waits for it.
func reap(p *postmaster) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		// proc_pid_stat(5): pid (name) state parent …
		text, _ := os.ReadFile(path)
		if strings.HasPrefix(string(text), fmt.Sprintf("%d (postgres) Z %d ", pid, os.Getpid())) && (p == nil || pid != p.cmd.Process.Pid) {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
