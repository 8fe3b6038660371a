package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A database that pauses for five seconds delays nobody longer: waiting calls get their 201
// or a 503, everything acknowledged is stored, and the service recovers by itself.
func TestDatabasePauses(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)})
	var wg sync.WaitGroup
	var mu sync.Mutex
	created, stop := map[string]string{}, make(chan struct{})
	for i := range 64 {
		wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					return
				default:
				}
				status, body, err := p.do("POST", partners, fmt.Sprintf(`{"displayName":"%d-%d"}`, i, j))
				if err != nil || status != http.StatusCreated && status != http.StatusServiceUnavailable {
					t.Errorf("%d %s %v", status, body, err)
					return
				}
				if status == http.StatusCreated {
					mu.Lock()
					created[id(t, body)] = body
					mu.Unlock()
				}
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(created)
	}
	more := func(than int) {
		t.Helper()
		for start := time.Now(); count() < than+200; time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > time.Minute {
				t.Errorf("the clients create nothing: %d", count())
				return
			}
		}
	}
	more(0)
	pids, err := p.signalPostgres(syscall.SIGSTOP)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT) // one may have ended
	}
	more(count())
	close(stop)
	wg.Wait()
	found(t, p, created)
	onceEach(t, p, created)
	p.stop(t)
}

// signalPostgres sends a signal to all processes of the service's own Postgres.
func (p *process) signalPostgres(signal syscall.Signal) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(p.setting("MOCKTENANT_DATA_DIR"), "postgres", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(postmaster, signal); err != nil { // first, so that it starts no more processes
		return nil, err
	}
	pids := []int{postmaster}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		// proc_pid_stat(5): pid (name) state parent …
		if m := regexp.MustCompile(`^(\d+) \(postgres\) \S (\d+) `).FindStringSubmatch(string(text)); m != nil && m[2] == first {
			pid, _ := strconv.Atoi(m[1])
			_ = syscall.Kill(pid, signal)
			pids = append(pids, pid)
		}
	}
	if len(pids) < 3 {
		return nil, fmt.Errorf("found only the processes %v of Postgres", pids)
	}
	return pids, nil
}

// Ten thousand idle clients don't keep others from being served. Each takes at most 150 kB, or
// 50 without the race detector.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	p := serve(t, nil, "--ephemeral")
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want := 10_000
	if room := int(limit.Cur) - 500; room < want {
		t.Logf("%d connections, for this process may open %d files", room, limit.Cur)
		want = room
	}
	before := p.memory(t)
	address := strings.TrimPrefix(p.url, "http://")
	conns := make(chan net.Conn, want)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range want / 50 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				conns <- conn
				_, _ = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", address)
				if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("%v %v", response, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if status, text, err := p.do("POST", partners, "{}"); err != nil || status != http.StatusCreated {
		t.Errorf("among them: %d %s %v", status, text, err)
	}
	if each := (p.memory(t) - before) / want; each > 150_000 {
		t.Errorf("a connection takes %d bytes", each)
	}
	close(conns)
	for conn := range conns {
		_ = conn.Close()
	}
	if status, text, err := p.do("POST", partners, "{}"); err != nil || status != http.StatusCreated {
		t.Errorf("after them: %d %s %v", status, text, err)
	}
	p.stop(t)
}

// memory returns the process's resident memory, in bytes.
func (p *process) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal(string(text))
	}
	n, _ := strconv.Atoi(m[1])
	return n * 1024
}
