//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

const (
	growthKey      = "a key for the measurement of growth"
	grownEntities  = 20 // in each tenant
	growthMakers   = 16 // clients that make tenants
	growthProxy    = "10.99.0.10"
	growthPatience = time.Minute // for the service to become ready
)

// growthSizes are the numbers of tenants at which the service is measured.
var growthSizes = []int{100, 1000, 10_000}

// proxyConfig configures HAProxy like deploy/compose/haproxy.cfg, for the hosts. It is more
// patient, because one machine does the work of all.
const proxyConfig = `defaults
    mode http
    balance leastconn
    timeout connect 2s
    timeout client 2m
    timeout server 2m
    retries 3
    option redispatch 1
    default-server check port 8080 inter 5s fall 3 rise 1
    option httpchk GET /readyz
frontend http
    bind ` + growthProxy + `:8080
    default_backend graph
frontend administration
    bind ` + growthProxy + `:8081
    default_backend administration
backend graph
    server one 10.99.0.21:8080 send-proxy-v2
    server two 10.99.0.22:8080 send-proxy-v2
backend administration
    server one 10.99.0.21:8081 send-proxy-v2
    server two 10.99.0.22:8081 send-proxy-v2
`

// grown is a service on several hosts, and the tenants made so far.
type grown struct {
	*subject

	programs []*exec.Cmd
	admin    *client.Client
	entity   string // its id, the same in all tenants

	mu     sync.Mutex
	tokens []string
	took   []time.Duration // to make each of the tenants of a step
}

// growth measures two replicas behind a proxy on a cluster, each on a host of its own, as the
// number of tenants grows. The part hosts must be running, and the cluster on its hosts.
func (s *subject) growth(ctx context.Context, w io.Writer, d time.Duration) error {
	g := &grown{subject: s, entity: uuid.NewString()}
	defer g.end()
	if err := g.begin(ctx); err != nil {
		return err
	}
	var sizes strings.Builder
	_, _ = fmt.Fprintf(w, "| tenants | %d clients | requests/s | p50 ms | p99 ms | proxy µs | replicas µs | coordinator µs | workers µs |\n|%s\n", clusterClients, strings.Repeat("---|", 9))
	for _, size := range growthSizes {
		start := time.Now()
		made := size - len(g.tokens)
		if err := g.grow(ctx, size); err != nil {
			return err
		}
		perSecond := float64(made) / time.Since(start).Seconds()
		for _, work := range g.work() {
			if err := g.measure(ctx, w, work, d); err != nil {
				return err
			}
		}
		if err := g.describe(ctx, &sizes, perSecond); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n| tenants | made/s by %d | p50 ms | coordinator MB | workers MB | a replica MB | list of 100 tenants ms | /metrics ms |\n|%s\n%s\n", growthMakers, strings.Repeat("---|", 8), sizes.String())
	return err
}

// begin starts the replicas and the proxy.
func (g *grown) begin(ctx context.Context) (err error) {
	for _, name := range []string{"replica1", "replica2"} {
		at := hostAddresses[name]
		err = errors.Join(err, g.run(ctx, name, []string{
			"DATABASE_URL=" + g.distributed, "MOCKTENANT_HTTP_ADDR=" + at + ":8080", "MOCKTENANT_HTTPS_ADDR=", "MOCKTENANT_ADMIN_ADDR=" + at + ":8081",
			"MOCKTENANT_ADMIN_KEY=" + growthKey, "MOCKTENANT_ACCEPT_PROXY_PROTOCOL=true", "MOCKTENANT_LOG_LEVEL=warn",
		}, g.binary))
	}
	file := filepath.Join(g.dir, "haproxy.cfg")
	err = errors.Join(err, os.WriteFile(file, []byte(proxyConfig), 0o600))
	if err == nil {
		err = g.run(ctx, "proxy", nil, "haproxy", "-db", "-q", "-f", file)
	}
	if err != nil {
		return err
	}
	if g.admin, err = client.New("http://"+growthProxy+":8081", growthKey); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, g.binary, "healthcheck", "--wait", growthPatience.String(), "--url", "http://"+growthProxy+":8080").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("the service on the hosts: %w: %s", err, out)
	}
	return err
}

// run starts a program on a host.
func (g *grown) run(ctx context.Context, host string, settings []string, program ...string) error {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", hostPrefix + host}, program...)...)
	c.Env, c.Stderr = append(os.Environ(), settings...), os.Stderr
	g.programs = append(g.programs, c)
	return c.Start()
}

func (g *grown) end() {
	for _, c := range slices.Backward(g.programs) {
		if c.Process != nil {
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
		}
	}
}

// grow makes tenants until there are so many.
func (g *grown) grow(ctx context.Context, size int) error {
	state := json.RawMessage(document(grownEntities - 1))
	state = append(append(state[:strings.LastIndex(string(state), "]")], `,{"id":"`+g.entity+`","displayName":"Partner"}`...), "]}"...)
	makers, ctx := errgroup.WithContext(ctx)
	makers.SetLimit(growthMakers)
	g.took = nil
	for range size - len(g.tokens) {
		makers.Go(func() error {
			start := time.Now()
			made, err := client.Read[api.TenantCreated](g.admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench", Source: &api.TenantSource{Document: &state}}))
			if err != nil {
				return err
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.tokens, g.took = append(g.tokens, made.Credentials.AccessToken), append(g.took, time.Since(start))
			return nil
		})
	}
	return makers.Wait()
}

func (g *grown) work() []clusterWork {
	one := partnersPath + "/" + g.entity
	return []clusterWork{
		{name: "create", method: "POST", path: partnersPath, body: partner, status: 201},
		{name: "get", method: "GET", path: one, status: 200},
		{name: "list of 10", method: "GET", path: partnersPath + "?$top=10", status: 200},
		{name: "patch", method: "PATCH", path: one, body: `{"displayName":"Another name"}`, status: 200},
	}
}

// measure prints what a kind of request takes, and the processor time of each host for one.
func (g *grown) measure(ctx context.Context, w io.Writer, work clusterWork, d time.Duration) error {
	const address = growthProxy + ":8080"
	var all [][]byte
	for _, token := range g.tokens {
		all = append(all, request(address, token, work.method, work.path, work.body))
	}
	before, err := g.processorTimes()
	if err != nil {
		return err
	}
	start := time.Now()
	f, err := load(ctx, []string{address}, all, work.status, clusterClients, d)
	if err != nil {
		return fmt.Errorf("%s in %d tenants: %w", work.name, len(all), err)
	}
	after, err := g.processorTimes()
	requests := f.perSecond * time.Since(start).Seconds()
	each := func(hosts ...string) (us float64) {
		for _, host := range hosts {
			us += float64((after[host] - before[host]).Microseconds()) / requests
		}
		return us
	}
	_, _ = fmt.Fprintf(w, "| %d | %s | %.0f | %.1f | %.1f | %.0f | %.0f | %.0f | %.0f |\n", len(all), work.name, f.perSecond, ms(f.p50), ms(f.p99),
		each("proxy"), each("replica1", "replica2"), each("coordinator"), each("worker1", "worker2"))
	return err
}

// describe writes what the tenants take.
func (g *grown) describe(ctx context.Context, w io.Writer, perSecond float64) error {
	conn, err := pgx.Connect(ctx, g.distributed)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var coordinator, workers int64
	err = conn.QueryRow(ctx, `SELECT pg_database_size(current_database()), sum(result::bigint)::bigint
FROM run_command_on_workers('SELECT pg_database_size(current_database())')`).Scan(&coordinator, &workers)
	if err != nil {
		return err
	}
	list, err := g.get(ctx, "http://"+growthProxy+":8081/v1/tenants?top=100")
	if err != nil {
		return err
	}
	metrics, err := g.get(ctx, "http://"+growthProxy+":8081/metrics")
	if err != nil {
		return err
	}
	memory, err := (&subject{service: g.programs[0]}).resident("VmRSS")
	_, _ = fmt.Fprintf(w, "| %d | %.0f | %.1f | %.0f | %.0f | %.0f | %.1f | %.1f |\n", len(g.tokens), perSecond, ms(middle(g.took)),
		float64(coordinator)/1e6, float64(workers)/1e6, memory, ms(list), ms(metrics))
	return err
}

// get returns how long an answer takes, which must be 200.
func (g *grown) get(ctx context.Context, url string) (time.Duration, error) {
	start := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+growthKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", url, response.Status, body)
	}
	return time.Since(start), err
}

// processorTimes returns the processor time used so far on each host, by processes that have
// ended too.
func (g *grown) processorTimes() (map[string]time.Duration, error) {
	times := map[string]time.Duration{}
	for name := range hostAddresses {
		if name == "clients" {
			continue
		}
		out, err := exec.Command("ip", "netns", "pids", hostPrefix+name).Output()
		if err != nil {
			return nil, fmt.Errorf("list the processes of host %s: %w", name, err)
		}
		for pid := range strings.FieldsSeq(string(out)) {
			times[name] += processorTime(pid)
		}
	}
	return times, nil
}

// processorTime returns the processor time of a process and its ended children.
func processorTime(pid string) (used time.Duration) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0 // the process has ended
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	for _, field := range strings.Fields(rest)[11:15] { // proc(5): the process's own, and its children's
		n, _ := strconv.Atoi(field)
		used += time.Duration(n) * time.Second / ticks
	}
	return used
}
