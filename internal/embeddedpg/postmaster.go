//go:build unix

package embeddedpg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// postmaster is one run of postgres, from its start to its end.
type postmaster struct {
	cmd      *exec.Cmd
	logStart int64         // offset in the log at which this run begins, in bytes
	done     chan struct{} // closed when it ends
	err      error         // how it ended; read it once done is closed
}

// launch starts cmd. It calls release when cmd ends or can't be started.
func launch(cmd *exec.Cmd, logStart int64, release func()) (*postmaster, error) {
	p := &postmaster{cmd: cmd, logStart: logStart, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the death signal when the thread that forked ends, so this thread
		// does nothing else while the server runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer release()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended returns a channel that is closed once p has ended; p may be nil.
func (p *postmaster) ended() <-chan struct{} {
	if p == nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return p.done
}

// reason describes how p ended.
func (p *postmaster) reason() string {
	if p.err == nil {
		return "it was told to stop"
	}
	return p.err.Error()
}

// end stops p: with the signal, after 20 seconds with SIGQUIT, and 5 seconds later with
// SIGKILL. It fails only if SIGKILL was needed or p can't be signalled.
func (p *postmaster) end(signal syscall.Signal) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{signal, 20 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}} {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(step.wait):
		}
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return errors.New("PostgreSQL did not stop and was killed")
}

// openLog opens the server's log for appending. It empties a log larger than 10 MB.
func openLog(path string) (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > 10<<20 {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}

// logTail returns at most the last 4 kB of the log, starting no earlier than byte start.
func logTail(path string, start int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		start = max(start, info.Size()-4<<10)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, start, 4<<10))
	return strings.TrimSpace(string(text))
}
