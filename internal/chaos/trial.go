//go:build linux

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"time"
)

// packages names the versions of Postgres to test.
//
//go:embed postgres
var packages embed.FS

// trial is something that may happen to a service, and the invariants that it must not break.
type trial struct {
	name, does string
	invariants []string
	run        func(context.Context, *run) error
}

// always are the invariants of every phase of load.
var always = []string{"expected answers", "durable", "once", "known", "linearizable", "fresh lists", "one version each", "agreement", "recovers"}

// served is always, for trials in which no process of the service is killed.
var served = with("every call answered")

func with(more ...string) []string { return slices.Concat(always, more) }

var everyLayout = []layout{{replicas: 0}, {replicas: 1}, {replicas: 2}}

var onShared = []layout{{replicas: 1}, {replicas: 2}}

// trials are listed in the order in which they run.
var trials = []trial{
	{
		name: "service killed", does: "SIGKILL of a random replica, which is started again",
		invariants: with("kept"), run: phases(killService, everyLayout...),
	},
	{
		name: "postmaster killed", does: "SIGKILL of Postgres's first process",
		invariants: with("kept", "every call answered"), run: phases(killPostmaster, everyLayout...),
	},
	{
		name: "backend killed", does: "SIGKILL of a session's process in Postgres, which ends all sessions",
		invariants: with("kept", "every call answered"), run: phases(killBackend, everyLayout...),
	},
	{
		name: "both killed", does: "SIGKILL of the postmaster or a backend, and up to 300 ms later of every replica",
		invariants: with("kept"), run: phases(killBoth, everyLayout...),
	},
	{
		name: "Postgres pauses", does: "SIGSTOP of all processes of Postgres, then SIGCONT",
		invariants: served, run: held(pause, everyLayout...),
	},
	{
		name: "a replica pauses", does: "SIGSTOP of one of two replicas, then SIGCONT",
		invariants: with("every call answered", "others serve"), run: held(pauseService, layout{replicas: 2}),
	},
	{
		name: "outage", does: "Postgres is stopped, and later started again",
		invariants: served, run: held(outage, onShared...),
	},
	{
		name: "connections exhausted", does: "other clients take every connection that Postgres has left, and those of the service, whose sessions are ended",
		invariants: served, run: held(exhaust, onShared...),
	},
	{
		name: "disk full", does: "the file system of Postgres's data is full, and later isn't",
		invariants: served, run: diskFull,
	},
	{
		name: "slow clients", does: "on each of the four listeners, 50 clients each that send nothing, half a header a byte a second, or a body a byte a second",
		invariants: with("every call answered", "slow clients end"), run: slowClients,
	},
	{
		name: "idle connections", does: "thousands of idle connections",
		invariants: []string{"idle is cheap"}, run: idleConnections,
	},
	{
		name: "Postgres 15 to 18", does: "postmaster and service killed on each major version of Postgres",
		invariants: always, run: majors,
	},
	{
		name: "upgrade at rest", does: "data of earlier commits is served by this one, and by the earlier one again",
		invariants: with("kept"), run: upgradeAtRest,
	},
	{
		name: "rolling upgrade", does: "two replicas of an earlier commit are replaced one by one, and then back",
		invariants: with("uninterrupted", "kept"), run: rollingUpgrade,
	},
	{
		name: "dump and restore", does: "`pg_dump` during load, `pg_restore`, and a service on the result",
		invariants: with("kept", "same state"), run: dumpAndRestore,
	},
	{
		name: "export and import", does: "a tenant's document makes another tenant",
		invariants: []string{"same state"}, run: exportAndImport,
	},
	{
		name: "clock jumps", does: "a tenant's clock jumps by an hour, by 400 days and back, stops, and runs 100 times as fast; without the long jumps also during load",
		invariants: with("every call answered", "follows the clock"), run: clockJumps,
	},
	{
		name: "soak", does: "load, and rest afterwards",
		invariants: with("every call answered", "returns to rest"), run: soak,
	},
}

// run is one run of a trial.
type run struct {
	*lab
	trial   trial
	checked map[string]int // how often each invariant was checked
	figures figures
	cases   []string // what it ran on
}

// figures are what a trial's clients got.
type figures struct {
	phases                int
	acknowledged, unknown int
	longest               time.Duration // from a fault until every replica served again
	notes                 []string
	took                  time.Duration
	result                error
}

// do runs a trial. It fails if an invariant is broken, or was never checked.
func (l *lab) do(ctx context.Context, t trial) *run {
	r := &run{lab: l, trial: t, checked: map[string]int{}}
	began := time.Now()
	r.figures.result = t.run(ctx, r)
	r.figures.took = time.Since(began)
	for _, name := range t.invariants {
		if r.figures.result == nil && r.checked[name] == 0 {
			r.figures.result = fmt.Errorf("invariant %q was never checked", name)
		}
	}
	return r
}

// check checks the trial's invariants that the evidence is about.
func (r *run) check(e evidence) error {
	var errs []error
	for _, i := range invariants {
		if !slices.Contains(r.trial.invariants, i.name) {
			continue
		}
		switch err := i.check(e); {
		case err == nil:
			r.checked[i.name]++
		case !errors.Is(err, errNothing):
			errs = append(errs, fmt.Errorf("%s: %w", i.name, err))
		}
	}
	r.count(e)
	return errors.Join(errs...)
}

func (r *run) count(e evidence) {
	if e.history != nil {
		acknowledged, unknown := e.history.count()
		r.figures.phases++
		r.figures.acknowledged += acknowledged
		r.figures.unknown += unknown
	}
	for _, took := range e.outages {
		r.figures.longest = max(r.figures.longest, took)
	}
}

func (r *run) note(format string, values ...any) {
	r.figures.notes = append(r.figures.notes, fmt.Sprintf(format, values...))
}

// on records what a part of the trial ran on.
func (r *run) on(what any) {
	r.cases = append(r.cases, fmt.Sprint(what))
	r.say("  on %s", what)
}
