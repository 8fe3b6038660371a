//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mocktenant/mocktenant/internal/server"
)

// replicas measures several processes of the service on one Postgres, with the clients
// spread over them.
func (s *subject) replicas(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	const clients = 32
	if err := s.startOnPostgres(ctx, "replicas"); err != nil {
		return err
	}
	defer s.stop()
	var others []*exec.Cmd
	defer func() {
		for _, c := range others {
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
		}
	}()
	if err := s.createPages(ctx); err != nil {
		return err
	}
	works, err := s.works(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| replicas |")
	picture := plot{name: "replicas", title: "Throughput over replicas on one Postgres, 32 clients, two cores for all", x: "replicas", y: "a second"}
	for _, work := range works {
		_, _ = fmt.Fprintf(w, " %s/s | p99 ms |", work.name)
		picture.lines = append(picture.lines, line{name: work.name})
	}
	_, _ = fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|---|", len(works)))
	addresses := []string{s.address()}
	for _, n := range []int{1, 2, 4} {
		for len(addresses) < n {
			others = append(others, s.service)
			if err := s.startService(ctx, "DATABASE_URL="+s.postgres.DatabaseURL(), "MOCKTENANT_LOG_LEVEL=warn"); err != nil {
				return err
			}
			addresses = append(addresses, s.address())
		}
		_, _ = fmt.Fprintf(w, "| %d |", n)
		picture.labels = append(picture.labels, strconv.Itoa(n))
		for i, work := range works {
			var runs []figures
			for range rounds {
				f, err := load(ctx, addresses, work.requests, work.status, clients, d)
				if err != nil {
					return err
				}
				runs = append(runs, f)
			}
			f := median(runs)
			_, _ = fmt.Fprintf(w, " %.0f | %.2f |", f.perSecond, ms(f.p99))
			picture.lines[i].values = append(picture.lines[i].values, f.perSecond)
		}
		_, _ = fmt.Fprintln(w)
	}
	s.pictures = append(s.pictures, picture)
	_, err = fmt.Fprintf(w, "\nOne tenant, %s.\n\n%s", server.DemoTenantID, picture.link())
	return err
}
