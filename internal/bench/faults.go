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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

const (
	faultTenants  = 24
	faultPace     = 5 * time.Millisecond // between a client's requests
	faultPatience = time.Minute          // for an answer
)

// faultPhases are what happens to the cluster, in order.
var faultPhases = []string{"all workers", "while one stops", "without it", "while it starts", "with it again", "while shards move", "afterwards"}

// faultTenant is a tenant in which one client creates entities.
type faultTenant struct {
	id    uuid.UUID
	token string
	shard int64  // of table tenants
	node  string // where that is

	created []string                  // names of entities whose creation was answered with 201
	answers map[string]map[string]int // by phase, and by status or "no answer"
}

// faulty is a service on a cluster, and clients that create entities in its tenants.
type faulty struct {
	*subject

	tenants []*faultTenant
	ready   map[string]string // what /readyz says, by phase

	mu    sync.Mutex
	phase string
}

// faults stops a worker under load and starts it again, and then moves a group of shards. It
// counts the answers, and fails unless each entity whose creation was answered with 201 is
// stored, once.
func (s *subject) faults(ctx context.Context, w io.Writer, stop, start string, d time.Duration) error {
	if stop == "" || start == "" {
		return errors.New("-stop and -start say how to stop and start a worker")
	}
	s.quiet = true // it logs every 503
	defer func() { s.quiet = false }()
	if err := s.startService(ctx, "DATABASE_URL="+s.distributed); err != nil {
		return err
	}
	defer s.stopService()
	conn, err := pgx.Connect(ctx, s.distributed)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	f := &faulty{subject: s, ready: map[string]string{}}
	if err := f.createTenants(ctx, conn); err != nil {
		return err
	}
	var lost string
	var move movement
	err = f.underLoad(ctx, func() error { lost, move, err = f.harm(ctx, conn, stop, start, d); return err })
	if err != nil {
		return err
	}
	f.report(w, lost, move)
	return f.check(ctx, conn)
}

// harm goes through the phases. It returns the worker that was stopped.
func (f *faulty) harm(ctx context.Context, conn *pgx.Conn, stop, start string, d time.Duration) (lost string, m movement, err error) {
	for _, phase := range faultPhases {
		f.enter(phase)
		switch phase {
		case "while one stops":
			err = command(ctx, stop)
		case "while it starts":
			err = command(ctx, start)
		case "while shards move":
			m, err = f.move(ctx, conn)
		case "without it":
			if err = f.wait(ctx, d); err == nil {
				err = conn.QueryRow(ctx, "SELECT coalesce(min(to_nodename || ':' || to_nodeport), '') FROM citus_check_cluster_node_health() WHERE from_nodeport = (SELECT nodeport FROM pg_dist_node WHERE groupid = 0) AND result IS NOT TRUE").Scan(&lost)
			}
			if err == nil && lost == "" {
				err = errors.New("-stop stopped no worker")
			}
		default:
			err = f.wait(ctx, d)
		}
		if err != nil {
			return "", m, fmt.Errorf("%s: %w", phase, err)
		}
	}
	return lost, m, nil
}

// wait lets the clients work, and then asks for readiness.
func (f *faulty) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	start := time.Now()
	status, body, err := f.send(ctx, http.MethodGet, "/readyz", "", "")
	if err != nil {
		return err
	}
	took := time.Since(start)
	var answer struct{ Checks struct{ Workers string } }
	err = json.Unmarshal(body, &answer)
	f.ready[f.phaseNow()] = fmt.Sprintf("%d in %.1f ms, workers: %s", status, ms(took), answer.Checks.Workers)
	return err
}

func command(ctx context.Context, text string) error {
	c := exec.CommandContext(ctx, "sh", "-c", text)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// enter begins a phase.
func (f *faulty) enter(phase string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase = phase
}

func (f *faulty) phaseNow() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phase
}

func (f *faulty) createTenants(ctx context.Context, conn *pgx.Conn) error {
	admin, err := client.New(f.adminURL, "")
	if err != nil {
		return err
	}
	for range faultTenants {
		made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench"}))
		if err != nil {
			return err
		}
		t := &faultTenant{id: made.Tenant.Id, token: made.Credentials.AccessToken, answers: map[string]map[string]int{}}
		err = conn.QueryRow(ctx, `SELECT s.shardid, s.nodename || ':' || s.nodeport FROM citus_shards AS s
WHERE s.table_name = 'tenants'::regclass AND s.shardid = get_shard_id_for_distribution_column('tenants', $1::uuid)`, t.id).Scan(&t.shard, &t.node)
		if err != nil {
			return fmt.Errorf("find a tenant's shard: %w", err)
		}
		f.tenants = append(f.tenants, t)
	}
	return nil
}

// underLoad runs do while a client in each tenant creates entities.
func (f *faulty) underLoad(ctx context.Context, do func() error) error {
	loaded, end := context.WithCancel(ctx)
	defer end()
	f.enter(faultPhases[0])
	var all sync.WaitGroup
	for _, t := range f.tenants {
		all.Go(func() {
			for n := 0; loaded.Err() == nil; n++ {
				f.create(ctx, t, fmt.Sprint("Partner ", n))
				select {
				case <-time.After(faultPace):
				case <-loaded.Done():
				}
			}
		})
	}
	err := do()
	end()
	all.Wait()
	return err
}

// create creates an entity, and counts the answer in the phase in which it arrives.
func (f *faulty) create(ctx context.Context, t *faultTenant, name string) {
	status, _, err := f.send(ctx, http.MethodPost, partnersPath, t.token, `{"displayName":"`+name+`"}`)
	phase, answer := f.phaseNow(), fmt.Sprint(status)
	if err != nil {
		answer = "no answer"
	}
	if err == nil && status == http.StatusCreated {
		t.created = append(t.created, name)
	}
	if t.answers[phase] == nil {
		t.answers[phase] = map[string]int{}
	}
	t.answers[phase][answer]++
}

func (f *faulty) send(ctx context.Context, method, path, token, body string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, faultPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err = io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// movement is a group of shards that moved.
type movement struct {
	shard  int64 // of table tenants
	shards int
	took   time.Duration
}

// move moves the group of shards with the most tenants to another worker.
func (f *faulty) move(ctx context.Context, conn *pgx.Conn) (m movement, err error) {
	tenants := map[int64]int{}
	for _, t := range f.tenants {
		if tenants[t.shard]++; tenants[t.shard] > tenants[m.shard] {
			m.shard = t.shard
		}
	}
	var from, to string
	var fromPort, toPort int32
	err = conn.QueryRow(ctx, `SELECT s.nodename, s.nodeport, n.nodename, n.nodeport,
    (SELECT count(*) FROM citus_shards AS o WHERE o.colocation_id = s.colocation_id AND o.nodeport = s.nodeport AND o.nodename = s.nodename
        AND (SELECT h.shardminvalue FROM pg_dist_shard AS h WHERE h.shardid = o.shardid) = (SELECT h.shardminvalue FROM pg_dist_shard AS h WHERE h.shardid = s.shardid))
FROM citus_shards AS s JOIN pg_dist_node AS n ON n.shouldhaveshards AND (n.nodename, n.nodeport) <> (s.nodename, s.nodeport)
WHERE s.shardid = $1 LIMIT 1`, m.shard).Scan(&from, &fromPort, &to, &toPort, &m.shards)
	if err != nil {
		return m, fmt.Errorf("find another worker: %w", err)
	}
	start := time.Now()
	_, err = conn.Exec(ctx, "SELECT citus_move_shard_placement($1, $2, $3, $4, $5, 'force_logical')", m.shard, from, fromPort, to, toPort)
	m.took = time.Since(start)
	return m, err
}

// report prints how the creates were answered, in tenants that a fault concerns and in others.
func (f *faulty) report(w io.Writer, lost string, m movement) {
	_, _ = fmt.Fprintf(w, "| creates by %d clients | in tenants of the stopped worker | in other tenants | `/readyz` |\n|---|---|---|---|\n", len(f.tenants))
	moved := false
	for _, phase := range faultPhases {
		concerned := func(t *faultTenant) bool { return t.node == lost }
		if phase == "while shards move" {
			moved = true
			_, _ = fmt.Fprintf(w, "\nThe %d shards of a group moved to another worker in %.1f s.\n\n| | in tenants of the group | in other tenants | `/readyz` |\n|---|---|---|---|\n", m.shards, m.took.Seconds())
		}
		if moved {
			concerned = func(t *faultTenant) bool { return t.shard == m.shard }
		}
		_, _ = fmt.Fprintf(w, "| %s | %s | %s | %s |\n", phase, f.count(phase, concerned), f.count(phase, func(t *faultTenant) bool { return !concerned(t) }), f.ready[phase])
	}
	_, _ = fmt.Fprintln(w)
}

// count writes how many tenants there are of a kind, and their answers in a phase.
func (f *faulty) count(phase string, of func(*faultTenant) bool) string {
	tenants, sums := 0, map[string]int{}
	for _, t := range f.tenants {
		if of(t) {
			tenants++
			for answer, n := range t.answers[phase] {
				sums[answer] += n
			}
		}
	}
	var parts []string
	for answer, n := range sums {
		parts = append(parts, fmt.Sprintf("%s: %d", answer, n))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d tenants, %s", tenants, strings.Join(parts, ", "))
}

// check compares what was answered with 201 with what is stored.
func (f *faulty) check(ctx context.Context, conn *pgx.Conn) error {
	var all []error
	for _, t := range f.tenants {
		rows, err := conn.Query(ctx, "SELECT display_name FROM remote_assistance_partners WHERE tenant_id = $1", t.id)
		if err != nil {
			return err
		}
		stored, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if err := storedOnce(t.created, stored); err != nil {
			all = append(all, fmt.Errorf("in tenant %s: %w", t.id, err))
		}
	}
	return errors.Join(all...)
}

// storedOnce returns an error unless each of the names is stored once, and no other one twice.
func storedOnce(created, stored []string) error {
	times := map[string]int{}
	var all []error
	for _, name := range stored {
		if times[name]++; times[name] == 2 {
			all = append(all, fmt.Errorf("%q is stored twice", name))
		}
	}
	for _, name := range created {
		if times[name] == 0 {
			all = append(all, fmt.Errorf("%q was answered with 201, but isn't stored", name))
		}
	}
	return errors.Join(all...)
}
