//go:build linux

// Command bench measures the service beside its yardstick: pgbench, sending the
// same statements to the same Postgres with the same number of clients, with no
// HTTP, no token and no JSON. It prints Markdown; -write puts that into
// docs/performance.md, and plots beside it. -only measures a part alone: starts, loads,
// rows, replicas, tenants or ceiling.
//
//	go run ./internal/bench -write
//
// It needs Linux and pgbench. Both sides take turns, and each figure is the median of
// the rounds.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rounds := flag.Int("rounds", 5, "how often each case runs")
	seconds := flag.Int("seconds", 3, "how long each run takes")
	write := flag.Bool("write", false, "put the result into docs/performance.md")
	only := flag.String("only", "", "measure this part alone: starts, loads, rows, replicas, tenants or ceiling")
	binary := flag.String("binary", "", "measure this program; none: build it from here")
	profiles := flag.String("profile", "", "write profiles of the loads into this directory")
	requests := flag.String("requests", "", "of the ceiling, measure the requests alone whose names this regular expression matches; they aren't written")
	flag.Parse()

	names, err := regexp.Compile(*requests)
	if err != nil {
		return fmt.Errorf("-requests: %w", err)
	}
	s, err := newSubject(ctx, *binary)
	if err != nil {
		return err
	}
	defer s.close()
	s.profiles, s.requests = *profiles, names
	d := time.Duration(*seconds) * time.Second
	parts := []struct {
		name    string
		measure func(context.Context, io.Writer) error
	}{
		{"starts", s.starts},
		{"loads", func(ctx context.Context, w io.Writer) error { return s.loads(ctx, w, *rounds, d) }},
		{"rows", func(ctx context.Context, w io.Writer) error { return s.rows(ctx, w, *rounds, d) }},
		{"replicas", func(ctx context.Context, w io.Writer) error { return s.replicas(ctx, w, *rounds, d) }},
		{"tenants", func(ctx context.Context, w io.Writer) error { return s.tenants(ctx, w, *rounds, d) }},
		{"ceiling", func(ctx context.Context, w io.Writer) error { return s.ceiling(ctx, w, d) }},
	}
	for _, part := range parts {
		if *only != "" && *only != part.name {
			continue
		}
		var b strings.Builder
		if err := part.measure(ctx, io.MultiWriter(&b, os.Stdout)); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if *write && *requests == "" {
			if err := replaceSection("docs/performance.md", part.name, b.String()); err != nil {
				return err
			}
			for _, p := range s.pictures {
				if err := p.write(); err != nil {
					return err
				}
			}
		}
		s.pictures = nil
	}
	return nil
}

// replaceSection puts text between a part's markers in a file.
func replaceSection(file, part, text string) error {
	begin, end := "<!-- bench "+part+" -->\n", "<!-- /bench "+part+" -->"
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the markers %s%s", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644)
}

// figures are those of one run.
type figures struct {
	perSecond float64
	p50, p99  time.Duration

	// What a request took of the processors, in microseconds, if that was measured.
	service, postgres float64
}

// summarize takes the latencies of all requests of a run.
func summarize(latencies []time.Duration, took time.Duration) figures {
	if len(latencies) == 0 {
		return figures{}
	}
	slices.Sort(latencies)
	return figures{perSecond: float64(len(latencies)) / took.Seconds(), p50: latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100]}
}

// median is each field's own.
func median(runs []figures) figures {
	return figures{
		middle(each(runs, func(f figures) float64 { return f.perSecond })),
		middle(each(runs, func(f figures) time.Duration { return f.p50 })),
		middle(each(runs, func(f figures) time.Duration { return f.p99 })),
		middle(each(runs, func(f figures) float64 { return f.service })),
		middle(each(runs, func(f figures) float64 { return f.postgres })),
	}
}

func each[T any](runs []figures, field func(figures) T) []T {
	var all []T
	for _, r := range runs {
		all = append(all, field(r))
	}
	return all
}

func middle[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
