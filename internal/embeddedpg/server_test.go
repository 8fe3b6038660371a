//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

func TestKeptClusterKeepsItsData(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := filepath.Join(newDir(t), "a", "b")

	first := newServer(t, dir, h)
	writeRow(t, first.DatabaseURL())
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	eventually(t, "no process is left", func() bool { return processesIn(dir) == 0 })
	second := newServer(t, dir, h)

	if got := query(t, second.DatabaseURL(), "SELECT v FROM kept"); got != "row" {
		t.Errorf("got %q, want row", got)
	}
	if got := query(t, second.DatabaseURL(), "SELECT current_setting('fsync') || current_setting('TimeZone') || current_setting('listen_addresses')"); got != "onUTC" {
		t.Errorf("fsync, time zone and addresses: got %q, want onUTC", got)
	}
	if names := entries(t, dir); !slices.Equal(names, []string{"lock", "postgres", "postgres.log", "run"}) {
		t.Errorf("the data directory holds %q", names)
	}
}

// Other clients sign in over TCP with a password, as a role that has only what is granted
// to it; never without a password, and never as the superuser.
func TestListens(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	free, err := net.Listen("tcp", net.JoinHostPort(testAddress, port))
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := newDataDir(t, h)
	begin := func(listen, password string) *Server {
		t.Helper()
		s, err := start(t.Context(), Options{DataDir: dir, Listen: listen, Password: password, Log: logger(t)}, h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop() })
		return s
	}
	first := begin(testAddress, "first")
	writeRow(t, first.DatabaseURL())
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	password := "it's a \"second\" % one"
	listen := testAddress + ":" + freePort(t)
	s := begin(listen, password)
	if s.DatabaseURL() != first.DatabaseURL() {
		t.Errorf("another URL of the socket: %s, it was %s", s.DatabaseURL(), first.DatabaseURL())
	}

	url := TCPURL(listen, password)
	if got, err := tryQuery(url, "SELECT v FROM kept"); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("reads what it isn't granted: %s %v", got, err)
	}
	_, _ = tryQuery(s.DatabaseURL(), "GRANT SELECT, UPDATE ON kept TO "+RoleName) // it returns no row
	if got := query(t, url, "UPDATE kept SET v = 'changed' RETURNING v"); got != "changed" {
		t.Errorf("got %q", got)
	}
	if got := query(t, s.DatabaseURL(), "SELECT v FROM kept"); got != "changed" {
		t.Errorf("by the socket: %q", got)
	}
	for _, tt := range []struct{ name, url, want string }{
		{"another password", TCPURL(listen, "first"), "28P01"},
		{"no password", TCPURL(listen, ""), "password"},
		{"the superuser", strings.Replace(url, RoleName+":", superuser+":", 1), "28000"},
	} {
		if got, err := tryQuery(tt.url, "SELECT 'in'"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s %v", tt.name, got, err)
		}
	}
	if got, err := tryQuery(url, "CREATE ROLE r"); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("a role that makes roles: %s %v", got, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	begin(testAddress, password) // at the usual port again
	if got := query(t, TCPURL(testAddress, password), "SELECT v FROM kept"); got != "changed" {
		t.Errorf("at the usual port again: %q", got)
	}
}

// freePort returns a port of testAddress at which nobody listened a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", testAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestTCPURL(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"*": "localhost:5432", "0.0.0.0": "localhost:5432", "::": "localhost:5432", "::1": "[::1]:5432", "db,127.0.0.1": "db:5432",
		"127.0.0.1:6000": "127.0.0.1:6000", "[::1]:6000": "[::1]:6000", "*:6000": "localhost:6000", ":6000": "localhost:6000",
		"db, 127.0.0.1:6000": "db:6000", "[::]:6000,db:6000": "localhost:6000",
	} {
		if got := TCPURL(listen, "p@ss"); got != "postgres://mocktenant:p%40ss@"+want+"/mocktenant?sslmode=disable" {
			t.Errorf("%s: %s", listen, got)
		}
	}
	for listen, want := range map[string]string{
		"db:0": `"db:0": want a port from 1 to 65535`, "db:x": `"db:x": want a port from 1 to 65535`, "db:70000": `"db:70000": want a port from 1 to 65535`,
		"a:b:c": `"a:b:c": want HOST, HOST:PORT, or * for all`, "db,": "a host is empty", "db:1,db:2": `"db:2" has another port than 1`,
	} {
		if _, _, err := ParseListen(listen); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", listen, err, want)
		}
	}
}

// testAddress is a loopback address that nothing else uses.
const testAddress = "127.83.12.7"

// A new cluster is a copy of the given one, unless that one has another version.
func TestBase(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	made := newDataDir(t, h)
	s := newServer(t, made, h)
	writeRow(t, s.DatabaseURL())
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(made, clusterName)
	begin := func(dir string) string {
		t.Helper()
		s, err := start(t.Context(), Options{DataDir: dir, Base: base, Log: logger(t)}, h)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Stop() }()
		return query(t, s.DatabaseURL(), "SELECT coalesce(to_regclass('kept')::text, 'nothing')")
	}

	if got := begin(filepath.Join(newDir(t), "data")); got != "kept" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(filepath.Join(base, "PG_VERSION"), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := begin(filepath.Join(newDir(t), "data")); got != "nothing" {
		t.Errorf("of another version: got %q", got)
	}
}

func TestURLIsReadByPsql(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, tt := range []struct {
		name, dir string
		inDir     bool // the socket is in the data directory
	}{
		{"odd", "a b+c&d%20é?#=", true},
		{"comma", "a,b", false},
		{"long", strings.Repeat("long/", 30), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(newDir(t), tt.dir)
			fillDataDir(t, h, dir)
			s := newServer(t, dir, h)

			if got := query(t, s.DatabaseURL(), "SELECT current_database()"); got != databaseName {
				t.Errorf("got database %q", got)
			}
			if url, ok := Running(dir); !ok || url != s.DatabaseURL() {
				t.Errorf("Running: got %q, %v, want %q", url, ok, s.DatabaseURL())
			}
			socket := findSocketDir(dir)
			if got := strings.HasPrefix(socket, dir); got != tt.inDir {
				t.Errorf("the socket is in %s", socket)
			}
			if psql, err := exec.LookPath("psql"); err == nil {
				out, err := exec.Command(psql, "-XAtc", "SELECT 'by psql'", s.DatabaseURL()).CombinedOutput()
				if err != nil || string(out) != "by psql\n" {
					t.Errorf("psql: %v %s", err, out)
				}
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(socket); err == nil && !tt.inDir {
				t.Errorf("%s is still there", socket)
			}
		})
	}
}

func TestForeignEnvironmentChangesNothing(t *testing.T) {
	h := newHost(t)
	for name, value := range map[string]string{
		"PGDATA": "/nonexistent", "PGPORT": "1", "PGHOST": "host.invalid", "PGUSER": "nobody", "PGDATABASE": "none",
		"LC_ALL": "xx_XX.UTF-8", "TZ": "Asia/Tokyo",
	} {
		t.Setenv(name, value)
	}

	s := newServer(t, filepath.Join(newDir(t), "data"), h)

	if got := query(t, s.DatabaseURL(), "SELECT current_database() || ' ' || current_setting('log_timezone')"); got != databaseName+" UTC" {
		t.Errorf("got %q", got)
	}
}

func TestServerEndsWithAKilledProgram(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, tt := range []struct{ name, env string }{
		{"by this system's way", ""},
		{"by the guard", guardEnv + "=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newDataDir(t, h)
			p := newHolder(t, dir, tt.env)
			writeRow(t, p.url)
			pid := postmasterPID(t, dir)

			p.kill()

			eventually(t, "the server has ended", func() bool {
				return !serves(pid, filepath.Join(dir, clusterName)) && processesIn(dir) == 0
			})
			if log, _ := os.ReadFile(filepath.Join(dir, "postgres.log")); !strings.Contains(string(log), "database system is shut down") {
				t.Errorf("no clean shutdown:\n%s", log)
			}
			s := newServer(t, dir, h)
			if got := query(t, s.DatabaseURL(), "SELECT v FROM kept"); got != "row" {
				t.Errorf("got %q, want row", got)
			}
		})
	}
}

func TestStartRightAfterAKilledProgram(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)

	for range 3 {
		newHolder(t, dir).kill()
	}

	newServer(t, dir, h)
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)
	if url, ok := Running(dir); ok {
		t.Errorf("Running before any start: %q", url)
	}
	p := newHolder(t, dir)

	_, err := start(t.Context(), Options{DataDir: dir, Log: logger(t)}, h)

	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want ErrInUse and the directory", err)
	}
	url, ok := Running(dir)
	if !ok || url != p.url {
		t.Errorf("Running: got %q, %v, want %q", url, ok, p.url)
	}
	query(t, url, "SELECT 'still there'")
	p.kill()
	if url, ok := Running(dir); ok {
		t.Errorf("Running after a kill: %q", url)
	}
}

func TestServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed", syscall.SIGKILL}, {"stopped by another", syscall.SIGINT}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newDataDir(t, h)
			s := newServer(t, dir, h)
			writeRow(t, s.DatabaseURL())

			if err := syscall.Kill(postmasterPID(t, dir), tt.signal); err != nil {
				t.Fatal(err)
			}

			time.Sleep(10 * time.Millisecond) // or it might still answer
			eventually(t, "the server answers again", func() bool {
				got, err := tryQuery(s.DatabaseURL(), "SELECT v FROM kept")
				return err == nil && got == "row"
			})
		})
	}
}

func TestStopDuringARestart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for n := range 5 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dir := newDataDir(t, h)
			s := newServer(t, dir, h)
			if err := syscall.Kill(postmasterPID(t, dir), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(n) * 35 * time.Millisecond)

			if err := s.Stop(); err != nil {
				t.Error(err)
			}

			eventually(t, "no process is left", func() bool { return processesIn(dir) == 0 })
			if _, ok := Running(dir); ok {
				t.Error("still running")
			}
			newServer(t, dir, h) // it frees the shared memory that the killed server left
		})
	}
}

func TestThrowAwayServersLeaveNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	scratch := h.scratch[0]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := start(t.Context(), Options{Log: logger(t)}, h)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := tryQuery(s.DatabaseURL(), "SELECT current_setting('fsync')"); got != "off" {
				t.Errorf("fsync: got %q, %v, want off", got, err)
			}
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if left := entries(t, scratch); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	eventually(t, "no process is left", func() bool { return processesIn(scratch) == 0 })
}

// A killed program leaves neither processes nor folders behind, wherever its socket is.
func TestThrowAwayGoesWithAKilledProgram(t *testing.T) {
	t.Parallel()
	newHost(t)
	for _, tt := range []struct{ name, scratch, env string }{
		{"by this system's way", "short", ""},
		{"by the guard", "short", guardEnv + "=1"},
		{"with its socket elsewhere", strings.Repeat("long/", 30), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scratch := filepath.Join(newDir(t), tt.scratch)
			if err := os.MkdirAll(scratch, 0o755); err != nil {
				t.Fatal(err)
			}
			p := newHolder(t, "", scratchEnv+"="+scratch, tt.env)
			if got := query(t, p.url, "SELECT current_database()"); got != databaseName {
				t.Errorf("got database %q", got)
			}
			socket := findSocketDir(filepath.Join(scratch, entries(t, scratch)[0]))

			p.kill()

			eventually(t, "nothing is left", func() bool {
				_, err := os.Stat(socket)
				return errors.Is(err, fs.ErrNotExist) && len(entries(t, scratch)) == 0 && processesIn(scratch) == 0
			})
		})
	}
}

// Every throw-away cluster has the template's content, which is made once.
func TestTemplate(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cacheDir = newDir(t)
	var filled atomic.Int32
	fill := func(ctx context.Context, url string) error {
		filled.Add(1)
		writeRow(t, url)
		return nil
	}
	fails := func(context.Context, string) error { return errors.New("no room") }
	for _, tt := range []struct {
		name, cacheDir string
		template       Template
		want           int32
	}{
		{name: "made", cacheDir: h.cacheDir, template: Template{"a", fill}, want: 1},
		{name: "copied", cacheDir: h.cacheDir, template: Template{"a", fill}, want: 1},
		{name: "of another content", cacheDir: h.cacheDir, template: Template{"b", fill}, want: 2},
		{name: "without a cache", template: Template{"a", fill}, want: 3},
	} {
		h.cacheDir = tt.cacheDir
		s, err := start(t.Context(), Options{Template: tt.template, Log: logger(t)}, h)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := query(t, s.DatabaseURL(), "SELECT v FROM kept"); got != "row" || filled.Load() != tt.want {
			t.Errorf("%s: got %q after filling %d times, want row after %d", tt.name, got, filled.Load(), tt.want)
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := start(t.Context(), Options{Template: Template{"c", fails}, Log: logger(t)}, h); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got error %v, want what Fill said", err)
	}
	eventually(t, "nothing is left", func() bool { return len(entries(t, h.scratch[0])) == 0 && processesIn(h.scratch[0]) == 0 })
}

func TestUnusedTemplatesGo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cacheDir = newDir(t)
	old, used := filepath.Join(h.cacheDir, templatePrefix+"old"), filepath.Join(h.cacheDir, templatePrefix+"used")
	for dir, age := range map[string]time.Duration{old: templateLifetime + time.Hour, used: templateLifetime - time.Hour} {
		if err := os.MkdirAll(filepath.Join(dir, "base"), 0o755); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}

	newServer(t, "", h)

	if _, err := os.Stat(used); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the template unused for a month is still there")
	}
}

func TestThrowAwayWithoutACache(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cacheDir = ""

	s := newServer(t, "", h)

	if got := query(t, s.DatabaseURL(), "SELECT current_database()"); got != databaseName {
		t.Errorf("got database %q", got)
	}
}

func TestGuardedServer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.guarded = true
	s := newServer(t, "", h)
	if n := processesIn(h.scratch[0]); n < 2 {
		t.Errorf("%d processes, want at least the server and its guard", n)
	}

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	eventually(t, "neither server nor guard is left", func() bool { return processesIn(h.scratch[0]) == 0 })
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	_, err := start(ctx, Options{DataDir: dir, Log: logger(t)}, h)

	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got error %v, want the context's", err)
	}
	if _, err := os.Stat(filepath.Join(dir, clusterName)); err == nil {
		t.Error("an interrupted initdb left a cluster")
	}
	eventually(t, "no process is left", func() bool { return processesIn(dir) == 0 })
	if err := os.MkdirAll(filepath.Join(dir, "postgres.new-1", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	newServer(t, dir, h)
	if left, _ := filepath.Glob(filepath.Join(dir, "postgres.new-*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRelativeDataDir(t *testing.T) {
	t.Parallel()

	_, err := Start(t.Context(), Options{DataDir: "data"})

	if err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("got error %v", err)
	}
}

func TestFailedStartTellsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := newDataDir(t, h)
	conf := filepath.Join(dir, clusterName, "postgresql.auto.conf")
	if err := os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	_, err := start(t.Context(), Options{DataDir: dir, Log: logger(t)}, h)

	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got error %v, want what the server logged", err)
	}
	if _, ok := Running(dir); ok || lockHeld(dir) {
		t.Error("the lock is still held")
	}
}
