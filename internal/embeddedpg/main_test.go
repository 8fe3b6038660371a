//go:build unix

package embeddedpg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// Environment variables for a helper process, which is this test binary run again.
const (
	holdEnv    = "EMBEDDEDPG_TEST_HOLD"    // the data directory whose server to run
	guardEnv   = "EMBEDDEDPG_TEST_GUARD"   // "1" runs it with a guard
	scratchEnv = "EMBEDDEDPG_TEST_SCRATCH" // folder for a throw-away cluster
	cacheEnv   = "EMBEDDEDPG_TEST_CACHE"   // the cache folder
)

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(holdEnv); ok {
		hold(dir)
	}
	testenv.Clean()
	code := m.Run()
	_ = os.RemoveAll(testCache())
	os.Exit(code)
}

// testCache is the cache folder that all tests share.
var testCache = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp(memoryDir(), "embeddedpg-cache-")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	return dir
})

// hold runs a server, prints its URL on standard output and exits when its standard input
// ends, without stopping the server.
func hold(dir string) {
	h := thisHost()
	h.guarded = h.guarded || os.Getenv(guardEnv) == "1"
	h.scratch, h.cacheDir = []string{os.Getenv(scratchEnv)}, os.Getenv(cacheEnv)
	s, err := start(context.Background(), Options{DataDir: dir}, h)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("url", s.DatabaseURL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// newHost returns this machine with no downloads and the test's own scratch folder. It
// skips the test if the machine has no PostgreSQL.
func newHost(tb testing.TB) host {
	tb.Helper()
	testenv.Long(tb)
	h := thisHost()
	h.fetched = npmPackage{}
	h.cacheDir = testCache()
	h.scratch = []string{newDir(tb)}
	if _, err := h.findBinaries(tb.Context(), want{}, pickAccount(""), logger(tb)); err != nil {
		testenv.Skip(tb, err.Error())
	}
	return h
}

// newDir returns a new folder that, unlike tb.TempDir's, has a short path, is open to the
// server's account and is in memory if possible.
func newDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp(memoryDir(), "embeddedpg-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// newDataDir returns a data directory that contains a cluster. It copies the template,
// which is faster than initdb.
func newDataDir(tb testing.TB, h host) string {
	tb.Helper()
	dir := filepath.Join(newDir(tb), "data")
	fillDataDir(tb, h, dir)
	return dir
}

func fillDataDir(tb testing.TB, h host, dir string) {
	tb.Helper()
	i := &instance{host: h, log: logger(tb)}
	if err := i.open(tb.Context(), dir); err != nil {
		tb.Fatal(err)
	}
	var err error
	if i.bin, err = h.findBinaries(tb.Context(), want{}, i.account, i.log); err != nil {
		tb.Fatal(err)
	}
	if err := i.copyTemplate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := i.close(); err != nil {
		tb.Fatal(err)
	}
}

// newServer starts a server and stops it at the end of the test.
func newServer(tb testing.TB, dataDir string, h host) *Server {
	tb.Helper()
	s, err := start(tb.Context(), Options{DataDir: dataDir, Log: logger(tb)}, h)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// holder is a helper process that holds a server.
type holder struct {
	cmd *exec.Cmd
	url string
}

// newHolder starts a helper process on the data directory and kills it at the end of the
// test.
func newHolder(tb testing.TB, dataDir string, env ...string) *holder {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), holdEnv+"="+dataDir, cacheEnv+"="+testCache()), env...)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	h := &holder{cmd: cmd}
	tb.Cleanup(h.kill)
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "url ")
	if !ok {
		tb.Fatalf("the helper process said %q", line)
	}
	h.url = url
	return h
}

// kill kills the helper process and waits for it to end. Its server keeps running.
func (h *holder) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// writeRow writes a row that "SELECT v FROM kept" reads.
func writeRow(tb testing.TB, url string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(tb.Context())
	if _, err := conn.Exec(tb.Context(), "CREATE TABLE kept AS SELECT 'row' AS v"); err != nil {
		tb.Fatal(err)
	}
}

// query returns the single text value that sql selects on the server at url.
func query(tb testing.TB, url, sql string) string {
	tb.Helper()
	text, err := tryQuery(url, sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return text
}

func tryQuery(url, sql string) (text string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, sql).Scan(&text)
	return text, err
}

// eventually waits up to 10 seconds for what to become true.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("still not so: " + what)
		}
	}
}

// postmasterPID returns the process id in the pid file of the data directory.
func postmasterPID(tb testing.TB, dataDir string) int {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir, clusterName, "postmaster.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		tb.Fatal(err)
	}
	return pid
}

// processesIn counts the processes that work in dir or below it, or were started with its
// name. It finds none on systems other than Linux.
func processesIn(dir string) int {
	count := 0
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, _ := os.Readlink(link)
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if strings.HasPrefix(cwd, dir) || strings.Contains(string(args), dir) {
			count++
		}
	}
	return count
}

// entries returns the names in dir.
func entries(tb testing.TB, dir string) []string {
	tb.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), nil))
}
