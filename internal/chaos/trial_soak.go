//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/mocktenant/mocktenant/internal/process"
)

// soak lets clients work for a long time, and then compares what the process uses at rest with
// what it used at rest after a first phase, which filled its pools and caches.
func soak(ctx context.Context, r *run) error {
	c, err := r.cluster(ctx, layout{replicas: 1})
	if err != nil {
		return err
	}
	defer c.end()
	r.on(fmt.Sprintf("1 replica, %s", r.size.soak))
	lasts := func(ctx context.Context, c *cluster) error {
		c.wait(ctx, 10*time.Second)
		return nil
	}
	if _, err := c.phase(ctx, r.tag(), 50*time.Millisecond, lasts); err != nil {
		return err
	}
	u := use{}
	if u.before, err = c.replicas[0].rest(ctx, nil); err != nil {
		return err
	}
	for end := time.Now().Add(r.size.soak); time.Now().Before(end); {
		e, err := c.phase(ctx, r.tag(), 50*time.Millisecond, lasts)
		if err == nil {
			err = r.check(e)
		}
		if err != nil {
			return err
		}
	}
	if u.after, err = c.replicas[0].rest(ctx, &u); err != nil {
		return err
	}
	r.note("before and after: %d and %d goroutines, %d and %d files beside the pool's, %.1f and %.1f MB of heap",
		u.before.goroutines, u.after.goroutines, u.before.files, u.after.files, float64(u.before.heap)/1e6, float64(u.after.heap)/1e6)
	return r.check(evidence{use: &u})
}

// rest returns what the process uses ten seconds after the clients have left. If it must return
// to an earlier use, it gets two minutes more.
func (r *replica) rest(ctx context.Context, like *use) (now resources, err error) {
	clients.CloseIdleConnections()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(10 * time.Second):
		}
		if now, err = r.resources(ctx); err != nil || like == nil || time.Since(began) > 2*time.Minute {
			return now, err
		}
		like.after = now
		if returnsToRest(evidence{use: like}) == nil {
			return now, nil
		}
	}
}

// resources reads what the process uses, after a garbage collection.
func (r *replica) resources(ctx context.Context) (u resources, err error) {
	at := addresses{Addresses: process.Addresses{HTTP: r.at.Load().Admin}}
	if got, err := at.send(ctx, http.MethodGet, "/debug/pprof/heap?gc=1", ""); err != nil || got.status != http.StatusOK {
		return u, fmt.Errorf("collect garbage: %d %w", got.status, err)
	}
	metrics, err := at.send(ctx, http.MethodGet, "/metrics", "")
	if err != nil {
		return u, err
	}
	if u.goroutines, err = metric(metrics.body, "go_goroutines"); err == nil {
		u.heap, err = metric(metrics.body, "go_memstats_heap_alloc_bytes")
	}
	if err != nil {
		return u, err
	}
	pooled, err := metric(metrics.body, "pgxpool_total_connections") // which the pool bounds, and keeps for half an hour
	if err != nil {
		return u, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	u.files = len(files) - pooled
	return u, err
}

func metric(text, name string) (int, error) {
	m := regexp.MustCompile(`(?m)^` + name + `(?:\{.*\})? (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no metric %s", name)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	return int(n), err
}
