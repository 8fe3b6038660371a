//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/process"
	"github.com/mocktenant/mocktenant/internal/server"
)

const (
	partnersPath = "/v1.0/deviceManagement/remoteAssistancePartners"

	partner = `{"@odata.type":"#microsoft.graph.remoteAssistancePartner","displayName":"Display Name value","onboardingUrl":"https://example.com/onboardingUrl/","onboardingStatus":"onboarding","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`

	selectOne  = "SELECT * FROM remote_assistance_partners WHERE tenant_id = :tenant AND id = :id;\n"
	selectPage = "SELECT * FROM remote_assistance_partners WHERE tenant_id = :tenant AND id > :after ORDER BY id LIMIT 101 OFFSET 0;\n"
)

// subject is the service, built and run as users run it, and its database.
type subject struct {
	dir      string
	binary   string
	postgres *embeddedpg.Server
	service  *exec.Cmd

	postmaster  int            // its process id
	profiles    string         // the folder for profiles; "" makes none
	requests    *regexp.Regexp // names of the requests that the ceiling measures
	distributed string         // the URL of a distributed database; may be empty
	quiet       bool           // whether the service's log is left out
	pictures    []plot         // of the part being measured
	variables   []string       // of pgbench's scripts, sent as parameters
	url         string
	adminURL    string
	token       string
	sent        atomic.Int64 // number of the ceiling's requests so far
}

// newSubject builds the service, unless binary is given.
func newSubject(ctx context.Context, binary string) (*subject, error) {
	dir, err := os.MkdirTemp("", "mocktenant-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // root's Postgres runs as another user
		return nil, err
	}
	s := &subject{dir: dir, binary: filepath.Join(dir, "mocktenant")}
	if binary != "" {
		s.binary = binary
		return s, nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-tags=nomsgpack,grpcnotrace", "-trimpath", "-ldflags=-s -w", "-o", s.binary, "./cmd/mocktenant") // as releases are
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return s, nil
}

func (s *subject) close() {
	s.stop()
	_ = os.RemoveAll(s.dir)
}

// startOnPostgres starts the service on a Postgres that bench can reach too.
func (s *subject) startOnPostgres(ctx context.Context, name string) (err error) {
	if s.postgres, err = embeddedpg.Start(ctx, embeddedpg.Options{DataDir: filepath.Join(s.dir, name), Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	if s.postmaster, err = s.postmasterID(ctx); err != nil {
		return err
	}
	return s.startService(ctx, "DATABASE_URL="+s.postgres.DatabaseURL())
}

func (s *subject) stop() {
	s.stopService()
	if s.postgres != nil {
		_ = s.postgres.Stop()
		s.postgres = nil
	}
}

// starts measures the time from the start of the process to the first 201: twice on its own
// data directory, and once on a running Postgres.
func (s *subject) starts(ctx context.Context, w io.Writer) (err error) {
	if err := s.startOnPostgres(ctx, "starts"); err != nil { // this migrates the database
		return err
	}
	defer s.stop()
	s.stopService()
	fresh, kept, running := []time.Duration{}, []time.Duration{}, []time.Duration{}
	for i := range 5 {
		data := "MOCKTENANT_DATA_DIR=" + filepath.Join(s.dir, "data"+strconv.Itoa(i))
		for _, start := range []struct {
			setting string
			took    *[]time.Duration
		}{{data, &fresh}, {data, &kept}, {"DATABASE_URL=" + s.postgres.DatabaseURL(), &running}} {
			took, err := s.firstCreate(ctx, start.setting)
			if err != nil {
				return err
			}
			*start.took = append(*start.took, took)
		}
	}
	info, err := os.Stat(s.binary)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "| start to first 201 | ms, median of 5 |\n|---|---|\n| fresh data directory | %d |\n| kept data directory | %d |\n| on a running Postgres | %d |\n\nBinary: %.1f MB (stripped).\n\n",
		middle(fresh).Milliseconds(), middle(kept).Milliseconds(), middle(running).Milliseconds(), float64(info.Size())/1e6)
	return err
}

// firstCreate starts the service, and stops it after it has created a partner.
func (s *subject) firstCreate(ctx context.Context, setting string) (time.Duration, error) {
	start := time.Now()
	if err := s.startService(ctx, setting); err != nil {
		return 0, err
	}
	defer s.stopService()
	_, err := load(ctx, []string{s.address()}, [][]byte{s.request("POST", partnersPath, partner)}, 201, 1, time.Millisecond)
	return time.Since(start), err
}

// loads measures each kind of work next to pgbench.
func (s *subject) loads(ctx context.Context, w io.Writer, rounds int, d time.Duration) (err error) {
	if err := s.startOnPostgres(ctx, "load"); err != nil {
		return err
	}
	defer s.stop()
	select {
	case <-time.After(time.Second): // then it is idle
	case <-ctx.Done():
	}
	idle, err := s.resident("VmRSS")
	if err != nil {
		return err
	}
	own, err := s.resident("RssAnon")
	if err != nil {
		return err
	}
	if err := s.createPages(ctx); err != nil {
		return err
	}
	works, err := s.works(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| work | clients | requests/s | p99 ms | pgbench/s | p99 ms | ratio | p99 ratio | service µs | Postgres µs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	n := 0
	for _, work := range works {
		if err := s.analyze(ctx); err != nil {
			return err
		}
		picture := plot{
			name: strings.ReplaceAll(work.name, " ", "-"), title: "Throughput of " + work.name + " over clients", x: "clients", y: "a second",
			lines: []line{{name: "mocktenant"}, {name: "pgbench, the same statement"}},
		}
		for _, clients := range []int{1, 8, 32, 64} {
			var ours, theirs []figures
			for range rounds {
				f, err := s.load(ctx, work, clients, d)
				if err != nil {
					return err
				}
				n++
				g, err := pgbench(ctx, s.postgres.DatabaseURL(), work.scripts, clients, d, append(s.variables, "n="+strconv.Itoa(n*10_000_000))...)
				if err != nil {
					return err
				}
				ours, theirs = append(ours, f), append(theirs, g)
			}
			f, g := median(ours), median(theirs)
			_, _ = fmt.Fprintf(w, "| %s | %d | %.0f | %.2f | %.0f | %.2f | %.2f | %.2f | %.0f | %.0f |\n", work.name, clients,
				f.perSecond, ms(f.p99), g.perSecond, ms(g.p99), f.perSecond/g.perSecond, ms(f.p99)/ms(g.p99), f.service, f.postgres)
			picture.labels = append(picture.labels, strconv.Itoa(clients))
			picture.lines[0].values = append(picture.lines[0].values, f.perSecond)
			picture.lines[1].values = append(picture.lines[1].values, g.perSecond)
		}
		s.pictures = append(s.pictures, picture)
	}
	busy, err := s.resident("VmHWM")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\nService µs and Postgres µs are the processor time of a request in the service and in its Postgres sessions.\n")
	_, err = fmt.Fprintf(w, "Resident memory of the service: %.0f MB idle, of which %.0f MB aren't mapped from the program's file; %.0f MB at peak.\n\n", idle, own, busy)
	for _, p := range s.pictures {
		_, _ = fmt.Fprint(w, p.link())
	}
	return err
}

// work is the content of a load: the requests, and the same as pgbench scripts.
type work struct {
	name     string
	scripts  []string
	requests [][]byte
	status   int
}

// read is the number of partners that gets choose from and of pages that lists choose from.
// Each has its own script, so that pgbench computes no key and, like the service, sends it
// as a parameter.
const read = 64

func (s *subject) works(ctx context.Context) ([]work, error) {
	ids, err := s.ids(ctx, read)
	if err != nil {
		return nil, err
	}
	s.variables = []string{"tenant=" + server.DemoTenantID.String()}
	get := work{name: "get", status: 200}
	for i, id := range ids {
		s.variables = append(s.variables, fmt.Sprintf("id%d=%s", i, id))
		get.scripts = append(get.scripts, strings.ReplaceAll(selectOne, ":id", fmt.Sprint(":id", i)))
		get.requests = append(get.requests, s.request("GET", partnersPath+"/"+id, ""))
	}
	patch := work{name: "patch", status: 200}
	for i, id := range ids {
		patch.scripts = append(patch.scripts, strings.ReplaceAll(update(), ":id", fmt.Sprint(":id", i)))
		patch.requests = append(patch.requests, s.request("PATCH", partnersPath+"/"+id, `{"displayName":"Another name"}`))
	}
	pages := work{name: "list of 100", status: 200}
	links, last, err := s.pages(ctx)
	if err != nil {
		return nil, err
	}
	for i, link := range links {
		s.variables = append(s.variables, fmt.Sprintf("after%d=%s", i, last[i]))
		pages.scripts = append(pages.scripts, strings.ReplaceAll(selectPage, ":after", fmt.Sprint(":after", i)))
		pages.requests = append(pages.requests, s.request("GET", link, ""))
	}
	return []work{
		{name: "create", scripts: []string{insert(server.DemoTenantID.String())}, requests: [][]byte{s.request("POST", partnersPath, partner)}, status: 201},
		get,
		patch,
		pages,
		{name: "one list of 100", scripts: pages.scripts[:1], requests: pages.requests[:1], status: 200},
	}, nil
}

// createPages creates enough partners for the pages that are read.
func (s *subject) createPages(ctx context.Context) error {
	for created := 0; created <= read*100; {
		f, err := load(ctx, []string{s.address()}, [][]byte{s.request("POST", partnersPath, partner)}, 201, 16, 100*time.Millisecond)
		if err != nil {
			return err
		}
		created += int(f.perSecond / 10)
	}
	return nil
}

// pages follows the links of a list. It returns the link of every page but the first, and
// the id after which each page starts.
func (s *subject) pages(ctx context.Context) (links, after []string, err error) {
	for next := s.url + partnersPath + "?$top=100"; len(links) < read; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, next, nil)
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, nil, err
		}
		var page struct {
			NextLink string `json:"@odata.nextLink"`
			Value    []struct{ ID string }
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		_ = response.Body.Close()
		if err != nil {
			return nil, nil, err
		}
		if len(page.Value) == 0 || page.NextLink == "" {
			return nil, nil, fmt.Errorf("%s: %s, and no next page", next, response.Status)
		}
		next = page.NextLink
		links, after = append(links, strings.TrimPrefix(next, s.url)), append(after, page.Value[len(page.Value)-1].ID)
	}
	return links, after, nil
}

// load runs the work and measures the processor time of each request.
func (s *subject) load(ctx context.Context, work work, clients int, d time.Duration) (figures, error) {
	var profiled errgroup.Group
	if s.profiles != "" && clients == profiledClients {
		for _, kind := range []string{"profile", "allocs"} {
			profiled.Go(func() error { return s.profile(ctx, kind, work.name, d) })
		}
	}
	service, postgres := s.processorTime()
	f, err := load(ctx, []string{s.address()}, work.requests, work.status, clients, d)
	if err != nil {
		return f, fmt.Errorf("%s by %d clients: %w", work.name, clients, err)
	}
	serviceAfter, postgresAfter := s.processorTime()
	requests := f.perSecond * d.Seconds()
	f.service = float64((serviceAfter - service).Microseconds()) / requests
	f.postgres = float64((postgresAfter - postgres).Microseconds()) / requests
	return f, profiled.Wait()
}

// profiledClients is the number of clients of the load that is profiled.
const profiledClients = 32

// profile writes a profile of the service, for go tool pprof.
func (s *subject) profile(ctx context.Context, kind, work string, d time.Duration) error {
	seconds := max(1, int(d.Seconds())-1) // so that it ends before the load does
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/debug/pprof/%s?seconds=%d", s.adminURL, kind, seconds), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", kind, response.Status, body)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.profiles, strings.ReplaceAll(work, " ", "-")+"."+kind), body, 0o644)
}

// processorTime returns the processor time used so far by the service, and by the sessions
// of its Postgres, ended ones included.
func (s *subject) processorTime() (service, postgres time.Duration) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the third field on: proc(5)
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		took := time.Duration(user+system) * time.Second / ticks
		switch pid := filepath.Base(filepath.Dir(file)); {
		case pid == strconv.Itoa(s.service.Process.Pid):
			service = took
		case pid == strconv.Itoa(s.postmaster):
			user, _ = strconv.Atoi(fields[13])
			system, _ = strconv.Atoi(fields[14])
			postgres += time.Duration(user+system) * time.Second / ticks
		case fields[1] == strconv.Itoa(s.postmaster):
			postgres += took
		}
	}
	return service, postgres
}

// ticks is the number of ticks per second in /proc, which is constant on Linux.
const ticks = 100

// startService starts the service and waits until it serves.
func (s *subject) startService(ctx context.Context, settings ...string) error {
	var log io.Writer = os.Stderr
	if s.quiet {
		log = io.Discard
	}
	service, at, err := process.Start(ctx, s.binary, log, settings...)
	if err != nil {
		return err
	}
	s.service, s.url, s.adminURL, s.token = service, at.HTTP, at.Admin, at.Token
	return nil
}

func (s *subject) stopService() {
	if s.service == nil {
		return
	}
	_ = s.service.Process.Signal(syscall.SIGTERM)
	_ = s.service.Wait()
	s.service = nil
}

func (s *subject) address() string { return strings.TrimPrefix(s.url, "http://") }

func (s *subject) request(method, path, body string) []byte {
	return request(s.address(), s.token, method, path, body)
}

func request(host, token, method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, host, token, len(body), body)
}

// ids returns the ids of the first n partners.
func (s *subject) ids(ctx context.Context, n int) ([]string, error) {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT id::text FROM remote_assistance_partners ORDER BY id LIMIT $1", n)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(ids) < n {
		err = fmt.Errorf("got %d partners, want %d", len(ids), n)
	}
	return ids, err
}

// postmasterID returns the process whose children are the sessions.
func (s *subject) postmasterID(ctx context.Context) (int, error) {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	var file string
	if err := conn.QueryRow(ctx, "SELECT pg_read_file('postmaster.pid')").Scan(&file); err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(file, "\n")
	return strconv.Atoi(first)
}

// analyze does what autovacuum would do within a minute.
func (s *subject) analyze(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "ANALYZE")
	return err
}

// resident returns a memory figure of the service in MB: VmRSS (now), RssAnon (the part
// that isn't mapped from a file) or VmHWM (the peak so far).
func (s *subject) resident(field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.service.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kb) / 1000, err
}
