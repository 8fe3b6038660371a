//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// evidence is what a trial gathered. Parts that it doesn't have are nil.
type evidence struct {
	history *history
	kept    *kept
	outages []time.Duration // from each fault until every replica answered again
	states  *states
	stamps  []stamp
	slow    []slowClient
	idle    *idle
	use     *use
	others  others
}

// invariant is something that must be true whatever happens.
type invariant struct {
	name, says string
	check      func(evidence) error
}

// errNothing reports evidence that an invariant says nothing about.
var errNothing = errors.New("nothing was checked")

// invariants has everything that trials check. TestMutations shows that each can fail.
var invariants = []invariant{
	{"expected answers", "A call succeeds, gets 404 after a delete, gets 503 with `Retry-After`, or gets no answer.", ofHistory(expectedAnswers)},
	{"every call answered", "The service answers every call while its process lives.", ofHistory(everyCallAnswered)},
	{"uninterrupted", "No call fails at all.", ofHistory(uninterrupted)},
	{"durable", "What was answered with 201, and never changed, is stored byte for byte on every replica.", ofHistory(durable)},
	{"once", "No partner is stored twice.", ofHistory(once)},
	{"known", "Nothing is stored that no client sent.", ofHistory(known)},
	{"linearizable", "One order of all calls of a partner explains every answer (checked by Porcupine).", ofHistory(linearizable)},
	{"fresh lists", "A list, from any replica, shows every change that was answered before the list was requested.", ofHistory(freshLists)},
	{"one version each", "Each change made one version, numbered without a gap, and the last version is the stored state.", ofHistory(oneVersionEach)},
	{"agreement", "All replicas list the same afterwards.", ofHistory(agreement)},
	{"kept", "Later faults, upgrades and restores change nothing that was stored before them.", checkKept},
	{"recovers", "After a fault, every replica serves again within a minute, without help.", recovers},
	{"same state", "A copy has the same state as the original.", sameState},
	{"follows the clock", "Stored times follow the tenant's clock, and no other tenant's.", followsTheClock},
	{"slow clients end", "The service closes connections of slow clients at its time limits.", slowClientsEnd},
	{"idle is cheap", "An idle connection takes at most 150 kB, and others are served meanwhile.", idleIsCheap},
	{"others serve", "While one replica is stopped, the others answer every call.", othersServe},
	{"returns to rest", "Afterwards the service has the goroutines, heap and open files that it began with.", returnsToRest},
}

func ofHistory(check func(*history) error) func(evidence) error {
	return func(e evidence) error {
		if e.history == nil {
			return errNothing
		}
		return check(e.history)
	}
}

func expectedAnswers(h *history) error {
	removed := map[string]int64{} // when a delete began, by id
	for _, c := range h.calls {
		if at, ok := removed[c.id]; c.operation == remove && (!ok || c.begun < at) {
			removed[c.id] = c.begun
		}
	}
	n := 0
	for _, c := range h.calls {
		at, ok := removed[c.id]
		switch {
		case c.acknowledged():
			n++
		case c.status == 0:
		case c.status == 503 && c.retryAfter:
		case c.status == 404 && ok && at < c.ended:
		default:
			return fmt.Errorf("a %s of %q was answered with %d, Retry-After %t: %s", c.operation, c.id, c.status, c.retryAfter, c.raw)
		}
	}
	return some(n)
}

func everyCallAnswered(h *history) error {
	for _, c := range h.calls {
		if c.status == 0 {
			return fmt.Errorf("a %s of %q got no answer: %s", c.operation, c.id, c.raw)
		}
	}
	return some(len(h.calls))
}

func uninterrupted(h *history) error {
	for _, c := range h.calls {
		if c.unknown() {
			return fmt.Errorf("a %s of %q got status %d", c.operation, c.id, c.status)
		}
	}
	return some(len(h.calls))
}

// some returns an error if nothing was checked.
func some(n int) error {
	if n == 0 {
		return errNothing
	}
	return nil
}

func durable(h *history) error {
	touched := map[string]bool{}
	for _, c := range h.calls {
		if c.writes() {
			touched[c.id] = true
		}
	}
	n := 0
	for replica, items := range h.final {
		found := map[string]string{}
		for _, i := range items {
			found[i.ID] = i.raw
		}
		for _, c := range h.calls {
			if c.operation != create || !c.acknowledged() || touched[c.id] {
				continue
			}
			if n++; found[c.id] != c.raw {
				return fmt.Errorf("replica %d has\n%s, but the answer was\n%s", replica, found[c.id], c.raw)
			}
		}
	}
	return some(n)
}

func once(h *history) error {
	n := 0
	for _, items := range h.final {
		names, ids := map[string]bool{}, map[string]bool{}
		for _, i := range items {
			if n++; names[i.Name] || ids[i.ID] {
				return fmt.Errorf("%s (%s) is stored twice", i.ID, i.Name)
			}
			names[i.Name], ids[i.ID] = true, true
		}
	}
	return some(n)
}

func known(h *history) error {
	names, urls := map[string]bool{}, map[string]bool{}
	for _, c := range h.calls {
		names[c.name], urls[c.url] = true, true
	}
	n := 0
	for _, items := range h.final {
		for _, i := range items {
			if n++; !names[i.Name] || !urls[i.URL] {
				return fmt.Errorf("no client sent %q with %q", i.Name, i.URL)
			}
		}
	}
	return some(n)
}

func agreement(h *history) error {
	n := 0
	for replica, items := range h.final {
		if n += len(items); !slices.Equal(items, h.final[0]) {
			return fmt.Errorf("replicas 0 and %d list different partners, %d and %d", replica, len(h.final[0]), len(items))
		}
	}
	return some(n)
}

// kept is what was stored before and after something, as lists show it.
type kept struct{ before, after []item }

func checkKept(e evidence) error {
	if e.kept == nil {
		return errNothing
	}
	after := map[string]string{}
	for _, i := range e.kept.after {
		after[i.ID] = i.raw
	}
	for _, i := range e.kept.before {
		if after[i.ID] != i.raw {
			return fmt.Errorf("%s became %q", i.raw, after[i.ID])
		}
	}
	return some(len(e.kept.before))
}

// patience is how long a recovery may take.
const patience = time.Minute

func recovers(e evidence) error {
	for _, took := range e.outages {
		if took > patience {
			return fmt.Errorf("it took %s", took)
		}
	}
	return some(len(e.outages))
}

// states are documents of a tenant and of its copy.
type states struct{ original, replica string }

func sameState(e evidence) error {
	if e.states == nil || e.states.original == "" {
		return errNothing
	}
	a, b := strings.Split(e.states.original, "\n"), strings.Split(e.states.replica, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Errorf("the documents, of %d and %d lines, differ at line %d", len(a), len(b), i+1)
		}
	}
	return nil
}

// stamp is a stored time, and what the tenant's clock may have shown while it was made.
type stamp struct {
	tenant             string
	at, earliest, last time.Time
}

func followsTheClock(e evidence) error {
	for _, s := range e.stamps {
		if s.at.Before(s.earliest) || s.at.After(s.last) {
			return fmt.Errorf("%s stored %s, and its clock showed %s to %s", s.tenant, s.at, s.earliest, s.last)
		}
	}
	return some(len(e.stamps))
}

// slowClient is a connection on which a client is slow, and how long the service kept it.
type slowClient struct {
	listener, habit string
	lasted, limit   time.Duration // lasted is 0 if the service never closed it
}

func slowClientsEnd(e evidence) error {
	for _, s := range e.slow {
		if s.lasted == 0 || s.lasted > s.limit {
			return fmt.Errorf("%s: a client that %s kept its connection for %s (0: until it gave up), and the limit is %s", s.listener, s.habit, s.lasted, s.limit)
		}
	}
	return some(len(e.slow))
}

// idle describes many idle connections.
type idle struct {
	connections int
	bytes       int // of the service's resident memory, more than before
	served      int // calls of others that were answered meanwhile
}

func idleIsCheap(e evidence) error {
	switch {
	case e.idle == nil || e.idle.connections == 0:
		return errNothing
	case e.idle.served == 0:
		return errors.New("nobody was served meanwhile")
	case e.idle.bytes/e.idle.connections > 150_000:
		return fmt.Errorf("a connection takes %d bytes", e.idle.bytes/e.idle.connections)
	}
	return nil
}

// others counts calls to replicas while another one is stopped.
type others struct{ called, served int }

func othersServe(e evidence) error {
	if e.others.served < e.others.called {
		return fmt.Errorf("they answered %d calls of %d", e.others.served, e.others.called)
	}
	return some(e.others.called)
}

// resources are what a process of the service uses at rest.
type resources struct {
	goroutines, heap int
	files            int // without the pooled connections to Postgres
}

// use is what a process used before and after a trial.
type use struct{ before, after resources }

// Caches and pools may have grown by this much.
const (
	someGoroutines = 10
	someFiles      = 10
	someHeap       = 8 << 20
)

func returnsToRest(e evidence) error {
	if e.use == nil || e.use.before == (resources{}) {
		return errNothing
	}
	a, b := e.use.before, e.use.after
	return errors.Join(
		atMost("goroutines", b.goroutines, a.goroutines+someGoroutines),
		atMost("open files", b.files, a.files+someFiles),
		atMost("bytes of heap", b.heap, a.heap*6/5+someHeap),
	)
}

func atMost(what string, n, most int) error {
	if n > most {
		return fmt.Errorf("%d %s, want at most %d", n, what, most)
	}
	return nil
}
