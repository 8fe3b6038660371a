//go:build linux

// Command chaos harms a running service in every way that it should survive, and checks what
// its clients saw. It prints its progress; -write puts the result into docs/reliability.md.
//
//	go run ./internal/chaos -write
//	go run ./internal/chaos -long -write
//	go run ./internal/chaos -only 'killed|soak'
//
// It requires Linux, Postgres 15 or later with pg_dump and, for the other versions of Postgres,
// npm. Only root, or a user who may call sudo without a password, can fill a disk.
//
// A trial (trials) runs phases. In each, 64 clients work, a fault happens, and afterwards every
// invariant of the trial (invariants) is checked against the recorded calls and what is stored.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	hour := flag.Bool("long", false, "repeat everything, for about an hour")
	write := flag.Bool("write", false, "put the result into docs/reliability.md")
	only := flag.String("only", "", "run only trials whose names match this regular expression")
	strict := flag.Bool("all", false, "a trial that can't run on this machine fails")
	flag.Parse()

	names, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	part, s := "short", short
	if *hour {
		part, s = "long", long
	}
	l, err := newLab(ctx, s)
	if err != nil {
		return err
	}
	l.strict = *strict
	runs, err := l.all(ctx, names)
	l.close(err != nil)
	fmt.Println(table(runs))
	if *write && ctx.Err() == nil {
		err = errors.Join(err, writePage(ctx, part, runs))
	}
	return err
}

// all runs the trials whose names match.
func (l *lab) all(ctx context.Context, names *regexp.Regexp) (runs []*run, err error) {
	for i, t := range trials {
		if !names.MatchString(t.name) {
			continue
		}
		if ctx.Err() != nil {
			return runs, ctx.Err()
		}
		l.say("%d of %d: %s", i+1, len(trials), t.name)
		r := l.do(ctx, t)
		runs = append(runs, r)
		switch result := r.figures.result; {
		case result == nil:
			l.say("  passed")
		case errors.Is(result, errNotHere) && !l.strict:
			l.say("  %s", result)
		default:
			l.say("  FAILED: %s", result)
			err = errors.Join(err, fmt.Errorf("failed: %s", t.name))
		}
	}
	return runs, err
}
