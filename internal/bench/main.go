//go:build linux

// Command bench compares the service with pgbench, which sends the same statements to the
// same Postgres with the same number of clients, but without HTTP, tokens and JSON. It
// prints Markdown; -write puts that into docs/performance.md, with plots. -only measures a
// single part: starts, loads, rows, replicas, tenants, teams, control, console, ceiling,
// cluster, changes, faults or growth. The last four go to docs/scaling.md, and need a
// distributed database. Faults also needs the shell commands that stop and start one of the
// workers. Growth also needs root, haproxy, and the hosts that -only hosts makes until it is
// interrupted, with the cluster's servers on three of them.
//
//	go run ./internal/bench -write
//	go run ./internal/bench -only cluster -distributed URL -write
//	go run ./internal/bench -only changes -distributed URL -write
//	go run ./internal/bench -only faults -distributed URL -stop COMMAND -start COMMAND -write
//	go run ./internal/bench -only hosts
//	go run ./internal/bench -only growth -distributed URL -write
//
// It requires Linux and pgbench. Both sides take turns, and each figure is the median of
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
	rounds := flag.Int("rounds", 5, "how many times each case runs")
	seconds := flag.Int("seconds", 3, "how long each run takes")
	write := flag.Bool("write", false, "put the result into docs/performance.md")
	only := flag.String("only", "", "measure only this part: starts, loads, rows, replicas, tenants, teams, control, console, ceiling, cluster, changes, faults, hosts or growth")
	binary := flag.String("binary", "", "the program to measure; if empty, one is built from here")
	profiles := flag.String("profile", "", "write profiles of the loads into this directory")
	distributed := flag.String("distributed", "", "the URL of a distributed database, for the parts cluster, changes, faults and growth, which are left out without it")
	stop := flag.String("stop", "", "for the part faults, a shell command that stops one of the workers and returns when it has stopped")
	start := flag.String("start", "", "for the part faults, a shell command that starts that worker again and returns when it accepts connections")
	delay := flag.Duration("delay", 250*time.Microsecond, "for the part hosts, how long a packet takes from one host to another")
	requests := flag.String("requests", "", "for the ceiling, measure only requests whose names match this regular expression, without writing the result")
	flag.Parse()

	if *only == "hosts" {
		return serveHosts(ctx, os.Stdout, *delay)
	}
	names, err := regexp.Compile(*requests)
	if err != nil {
		return fmt.Errorf("-requests: %w", err)
	}
	s, err := newSubject(ctx, *binary)
	if err != nil {
		return err
	}
	defer s.close()
	s.profiles, s.requests, s.distributed = *profiles, names, *distributed
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
		{"teams", func(ctx context.Context, w io.Writer) error { return s.teams(ctx, w, *rounds, d) }},
		{"control", func(ctx context.Context, w io.Writer) error { return s.control(ctx, w, *rounds, d) }},
		{"console", func(ctx context.Context, w io.Writer) error { return s.console(ctx, w, *rounds) }},
		{"ceiling", func(ctx context.Context, w io.Writer) error { return s.ceiling(ctx, w, d) }},
		{"cluster", func(ctx context.Context, w io.Writer) error { return s.cluster(ctx, w, *rounds, d) }},
		{"changes", func(ctx context.Context, w io.Writer) error { return s.changes(ctx, w, *rounds, d) }},
		{"faults", func(ctx context.Context, w io.Writer) error { return s.faults(ctx, w, *stop, *start, d) }},
		{"growth", func(ctx context.Context, w io.Writer) error { return s.growth(ctx, w, d) }},
	}
	for _, part := range parts {
		scaling := slices.Contains([]string{"cluster", "changes", "faults", "growth"}, part.name)
		alone := part.name == "faults" || part.name == "growth" // they need more than this command
		if *only != "" && *only != part.name || scaling && s.distributed == "" || *only == "" && alone {
			continue
		}
		var b strings.Builder
		if err := part.measure(ctx, io.MultiWriter(&b, os.Stdout)); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if *write && *requests == "" {
			page := "docs/performance.md"
			if scaling {
				page = "docs/scaling.md"
			}
			if err := replaceSection(page, part.name, b.String()); err != nil {
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

// replaceSection replaces the text between a part's markers in a file.
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

// figures are the results of one run.
type figures struct {
	perSecond float64
	p50, p99  time.Duration

	// Processor time for a request, in microseconds, if it was measured.
	service, postgres float64
}

func (f figures) processor() float64 { return f.service + f.postgres }

// summarize returns the figures for the latencies of all requests of a run.
func summarize(latencies []time.Duration, took time.Duration) figures {
	if len(latencies) == 0 {
		return figures{}
	}
	slices.Sort(latencies)
	return figures{perSecond: float64(len(latencies)) / took.Seconds(), p50: latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100]}
}

// median returns each field's median.
func median(runs []figures) figures {
	return figures{
		perSecond: middle(each(runs, func(f figures) float64 { return f.perSecond })),
		p50:       middle(each(runs, func(f figures) time.Duration { return f.p50 })),
		p99:       middle(each(runs, func(f figures) time.Duration { return f.p99 })),
		service:   middle(each(runs, func(f figures) float64 { return f.service })),
		postgres:  middle(each(runs, func(f figures) float64 { return f.postgres })),
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
