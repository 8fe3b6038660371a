//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/client"
)

// Aims of the ceiling part: the service's resident memory, and how much longer another
// tenant's gets may take than on a quiet service.
const (
	ceilingMB    = 512
	ceilingRatio = 10
)

// attack is a most expensive request that a route accepts.
type attack struct {
	route  string // method and path, as in its router
	name   string
	url    string // url and body: {n} becomes another number in each request
	kind   string // the body's Content-Type; "" is JSON
	body   string
	tokens []string // of the senders, with at least one client for each; empty: sent without a token
}

// at returns the nth request. Long bodies contain no number to fill in.
func (a attack) at(n int64) (url, body string) {
	fill := strings.NewReplacer("{n}", strconv.FormatInt(n, 10)).Replace
	if len(a.body) > 64<<10 {
		return fill(a.url), a.body
	}
	return fill(a.url), fill(a.body)
}

// ceiling measures the cost of the most expensive accepted request of each route, alone and
// by twenty clients, and its effect on another tenant.
func (s *subject) ceiling(ctx context.Context, w io.Writer, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "ceiling"); err != nil {
		return err
	}
	defer s.stop()
	admin, err := client.New(s.adminURL, "")
	if err != nil {
		return err
	}
	t, err := s.targets(ctx, admin)
	if err != nil {
		return err
	}
	other, err := s.tenant(ctx, admin, "other", nil, 0, 0)
	if err != nil {
		return err
	}
	if err := s.circumstances(ctx, w); err != nil {
		return err
	}
	probe := &prober{url: s.url + partnersPath + "?$top=1", token: other.token}
	_, _ = fmt.Fprintf(w, "| worst request of | answers | MB alone | MB by 20 | another tenant's p99 ms: quiet | alone | by 20 | ratio |\n|---|---|---|---|---|---|---|---|\n")
	var missed misses
	for _, a := range slices.Concat(t.graphAttacks(), t.authorityAttacks(), t.administrationAttacks()) {
		if !s.requests.MatchString(a.name) {
			continue
		}
		if err := s.withstand(ctx, w, a, probe, d, &missed); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	_, err = fmt.Fprintf(w, "\nThe aim is less than %d MB; missed by: %s.\nThe aim is a ratio below %d; missed by: %s.\n", ceilingMB, missed.memory, ceilingRatio, missed.ratio)
	return err
}

// circumstances writes the date, the machine's load and the version.
func (s *subject) circumstances(ctx context.Context, w io.Writer) error {
	loads, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	version, err := exec.CommandContext(ctx, s.binary, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", s.binary, err)
	}
	load, _, _ := strings.Cut(string(loads), " ")
	_, err = fmt.Fprintf(w, "Measured on %s, at a load average of %s before the start, with %s.\n\n", time.Now().UTC().Format(time.DateOnly), load, strings.TrimSpace(string(version)))
	return err
}

// misses are the requests that miss an aim.
type misses struct{ memory, ratio names }

type names []string

func (n names) String() string {
	if len(n) == 0 {
		return "none"
	}
	return strings.Join(n, "; ")
}

// withstand measures one attack.
func (s *subject) withstand(ctx context.Context, w io.Writer, a attack, probe *prober, d time.Duration, missed *misses) error {
	quiet, err := probe.during(ctx, func() error { return sleep(ctx, d) })
	if err != nil {
		return err
	}
	answers := map[int]int{}
	var memory [2]float64
	var p99 [2]time.Duration
	for i, clients := range []int{1, 20} {
		if err := s.restart(ctx); err != nil {
			return err
		}
		if p99[i], err = probe.during(ctx, func() error { return s.strike(ctx, a, max(clients, len(a.tokens)), d, answers) }); err != nil {
			return err
		}
		if memory[i], err = s.resident("VmHWM"); err != nil {
			return err
		}
	}
	var seen []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		seen = append(seen, fmt.Sprintf("%d × %d", answers[status], status))
	}
	ratio := float64(max(p99[0], p99[1])) / float64(quiet)
	if slices.Max(memory[:]) >= ceilingMB {
		missed.memory = append(missed.memory, a.name)
	}
	if ratio >= ceilingRatio {
		missed.ratio = append(missed.ratio, a.name)
	}
	_, err = fmt.Fprintf(w, "| %s | %s | %.0f | %.0f | %.1f | %.1f | %.1f | %.1f |\n", a.name, strings.Join(seen, ", "), memory[0], memory[1],
		ms(quiet), ms(p99[0]), ms(p99[1]), ratio)
	return err
}

// restart restarts the service at its addresses, so that earlier requests don't affect the
// next ones.
func (s *subject) restart(ctx context.Context) error {
	s.stopService()
	return s.startService(ctx, "DATABASE_URL="+s.postgres.DatabaseURL(), "MOCKTENANT_HTTP_ADDR="+s.address(), "MOCKTENANT_ADMIN_ADDR="+strings.TrimPrefix(s.adminURL, "http://"))
}

// strike sends a request repeatedly from this many clients, and counts the answers.
func (s *subject) strike(ctx context.Context, a attack, clients int, d time.Duration, answers map[int]int) error {
	end := time.Now().Add(d)
	method, _, _ := strings.Cut(a.route, " ")
	var all errgroup.Group
	var mu sync.Mutex
	for i := range clients {
		token := ""
		if len(a.tokens) > 0 {
			token = a.tokens[i%len(a.tokens)]
		}
		all.Go(func() error {
			for time.Now().Before(end) {
				url, body := a.at(s.sent.Add(1))
				status, err := send(ctx, method, url, token, a.kind, body)
				if ctx.Err() != nil {
					return err
				}
				mu.Lock()
				answers[status]++ // 0: the connection was cut
				mu.Unlock()
			}
			return nil
		})
	}
	return all.Wait()
}

// direct follows no redirects, because those of the authority lead to applications.
var direct = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func send(ctx context.Context, method, url, token, kind, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", cmp.Or(kind, "application/json"))
	response, err := direct.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// prober is another tenant, which reads now and then.
type prober struct{ url, token string }

// refusedRead is the latency that counts for a read that was refused or not answered.
const refusedRead = 10 * time.Second

// during returns the 99th percentile of its latencies while do runs.
func (p *prober) during(ctx context.Context, do func() error) (time.Duration, error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	var latencies []time.Duration
	for start := time.Now(); ; {
		select {
		case err := <-done:
			return summarize(latencies, time.Since(start)).p99, err
		case <-time.After(5 * time.Millisecond):
		}
		sent := time.Now()
		status, err := send(ctx, http.MethodGet, p.url, p.token, "", "")
		if ctx.Err() != nil {
			return 0, errors.Join(err, <-done)
		}
		took := time.Since(sent)
		if err != nil || status != http.StatusOK {
			took = max(took, refusedRead)
		}
		latencies = append(latencies, took)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
