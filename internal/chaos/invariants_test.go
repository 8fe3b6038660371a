//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// sound is a history without a fault: one shared partner is created, renamed, relinked, seen by
// reads and lists, and deleted; another one remains, next to one that nobody changes.
func sound() *history {
	a := partner{"a", "s-1", "u-1"}
	renamed := partner{"a", "s-2", "u-1"}
	relinked := partner{"a", "s-2", "u-2"}
	b, d := partner{"b", "s-3", "u-3"}, partner{"d", "r-1", "u-4"}
	bLater := partner{"b", "s-4", "u-3"}
	ok := func(o operation, p partner, name, url string, begun, ended int64) call {
		return call{operation: o, id: p.ID, name: name, url: url, begun: begun, ended: ended, status: done[o], seen: []partner{p}}
	}
	made := func(p partner, begun, ended int64) call {
		c := ok(create, p, p.Name, p.URL, begun, ended)
		c.raw = "raw " + p.ID
		return c
	}
	lists := func(begun, ended int64, seen ...partner) call {
		return call{operation: list, begun: begun, ended: ended, status: 200, seen: seen}
	}
	return &history{
		shared: "s-",
		calls: []call{
			made(a, 1, 2), made(b, 1, 2), made(d, 1, 2),
			lists(3, 4, a, b),
			ok(rename, renamed, "s-2", "", 5, 6),
			lists(7, 8, renamed, b),
			ok(get, renamed, "", "", 7, 8),
			ok(relink, relinked, "", "u-2", 9, 10),
			{operation: rename, id: "b", name: "s-4", begun: 9, ended: 10, status: 503, retryAfter: true},
			ok(get, relinked, "", "", 11, 12),
			{operation: rename, id: "b", name: "s-5", begun: 11, ended: 12},
			lists(13, 14, relinked, bLater),
			{operation: remove, id: "a", begun: 15, ended: 16, status: 204},
			{operation: get, id: "a", begun: 17, ended: 18, status: 404},
			lists(19, 20, bLater),
		},
		final: [][]item{{{bLater, "raw b, later"}, {d, "raw d"}}, {{bLater, "raw b, later"}, {d, "raw d"}}},
		versions: map[string][]version{
			"a": {{3, relinked}, {2, renamed}, {1, a}},
			"b": {{2, bLater}, {1, b}},
		},
	}
}

// alive is sound, without the calls of unknown result.
func alive() *history {
	h := sound()
	h.calls = slices.DeleteFunc(h.calls, func(c call) bool { return c.unknown() })
	return h
}

// whole is evidence that keeps every invariant, made for the one to test.
func whole(invariant string) evidence {
	h := sound()
	if invariant == "uninterrupted" || invariant == "every call answered" {
		h = alive()
	}
	now := time.Now()
	return evidence{
		history: h,
		kept:    &kept{before: []item{{raw: "x", partner: partner{ID: "1"}}}, after: []item{{raw: "x", partner: partner{ID: "1"}}, {raw: "y", partner: partner{ID: "2"}}}},
		outages: []time.Duration{time.Second},
		states:  &states{"{\n\"a\": 1\n}", "{\n\"a\": 1\n}"},
		stamps:  []stamp{{tenant: "t", at: now, earliest: now.Add(-time.Second), last: now.Add(time.Second)}},
		slow:    []slowClient{{listener: "HTTP", habit: "sends nothing", lasted: 10 * time.Second, limit: 20 * time.Second}},
		idle:    &idle{connections: 10, bytes: 100_000, served: 1},
		others:  others{called: 2, served: 2},
		use:     &use{before: resources{10, 1000, 10}, after: resources{12, 1100, 11}},
	}
}

// mutation is a fault of the service that an invariant must find.
type mutation struct {
	invariant, name string
	mutate          func(*evidence)
}

func ofCalls(invariant, name string, mutate func(*history)) mutation {
	return mutation{invariant, name, func(e *evidence) { mutate(e.history) }}
}

// at returns the nth call of an operation, which a mutation changes.
func (h *history) at(o operation, n int) *call {
	for i := range h.calls {
		if h.calls[i].operation == o {
			if n--; n < 0 {
				return &h.calls[i]
			}
		}
	}
	panic("no such call")
}

var mutations = []mutation{
	ofCalls("expected answers", "a 500", func(h *history) { h.at(get, 0).status = 500 }),
	ofCalls("expected answers", "a 503 without Retry-After", func(h *history) { h.at(rename, 1).retryAfter = false }),
	ofCalls("expected answers", "a 404 before any delete", func(h *history) { h.at(get, 0).status = 404 }),
	ofCalls("expected answers", "a 404 of one that exists", func(h *history) { h.at(remove, 0).id = "other" }),
	ofCalls("expected answers", "an answer that isn't one", func(h *history) { h.at(list, 0).status = -1 }),
	ofCalls("expected answers", "a create answered with 200", func(h *history) { h.at(create, 0).status = 200 }),

	ofCalls("every call answered", "a call without an answer", func(h *history) { h.at(get, 0).status = 0 }),

	ofCalls("uninterrupted", "a call without an answer", func(h *history) { h.at(get, 0).status = 0 }),
	ofCalls("uninterrupted", "a 503", func(h *history) { h.at(get, 0).status = 503 }),

	ofCalls("durable", "a dropped row", func(h *history) { h.final[0] = h.final[0][:1] }),
	ofCalls("durable", "a row that one replica lacks", func(h *history) { h.final[1] = h.final[1][:1] }),
	ofCalls("durable", "a changed byte", func(h *history) { h.final[0][1].raw = "raw D" }),

	ofCalls("once", "a row twice", func(h *history) { h.final[1] = append(h.final[1], h.final[1][1]) }),
	ofCalls("once", "a create that was made twice", func(h *history) {
		h.final[0] = append(h.final[0], item{partner{"e", "r-1", "u-4"}, "raw e"})
	}),

	ofCalls("known", "a name that nobody sent", func(h *history) { h.final[0][1].Name = "r-2" }),
	ofCalls("known", "a URL that nobody sent", func(h *history) { h.final[1][0].URL = "u-9" }),

	ofCalls("linearizable", "a stale read", func(h *history) { h.at(get, 0).seen = h.at(create, 0).seen }),
	ofCalls("linearizable", "a lost change of another property", func(h *history) { h.at(relink, 0).seen = []partner{{"a", "s-1", "u-2"}} }),
	ofCalls("linearizable", "a change that was made although the answer was 404", func(h *history) { h.at(rename, 0).status = 404 }),
	ofCalls("linearizable", "a read after the delete", func(h *history) { h.at(get, 2).status, h.at(get, 2).seen = 200, h.at(get, 1).seen }),
	ofCalls("linearizable", "a change that comes and goes", func(h *history) {
		h.calls = append(h.calls,
			call{operation: get, id: "b", begun: 30, ended: 31, status: 200, seen: []partner{{"b", "s-5", "u-3"}}},
			call{operation: get, id: "b", begun: 32, ended: 33, status: 200, seen: []partner{{"b", "s-3", "u-3"}}})
	}),
	ofCalls("linearizable", "two deletes of one partner", func(h *history) {
		h.calls = append(h.calls, call{operation: remove, id: "a", begun: 30, ended: 31, status: 204})
	}),

	ofCalls("fresh lists", "a stale list: an old name", func(h *history) { h.at(list, 1).seen = h.at(list, 0).seen }),
	ofCalls("fresh lists", "a stale list: an old URL", func(h *history) { h.at(list, 2).seen = h.at(list, 1).seen }),
	ofCalls("fresh lists", "a stale list: one that was deleted", func(h *history) { h.at(list, 3).seen = h.at(list, 2).seen }),
	ofCalls("fresh lists", "a list without a new partner", func(h *history) { h.at(list, 0).seen = h.at(list, 0).seen[:1] }),
	ofCalls("fresh lists", "a list with a partner twice", func(h *history) { h.at(list, 0).seen = append(h.at(list, 0).seen, h.at(list, 0).seen[0]) }),
	ofCalls("fresh lists", "a list with a name from later", func(h *history) { h.at(list, 0).seen = h.at(list, 1).seen }),
	ofCalls("fresh lists", "a list with a name that nobody sent", func(h *history) { h.at(list, 0).seen[0].Name = "s-9" }),

	ofCalls("one version each", "a double version", func(h *history) {
		h.versions["b"] = []version{{3, h.versions["b"][0].partner}, h.versions["b"][0], h.versions["b"][1]}
	}),
	ofCalls("one version each", "a number twice", func(h *history) { h.versions["a"][0].number = 2 }),
	ofCalls("one version each", "a missing version", func(h *history) { h.versions["a"] = h.versions["a"][1:] }),
	ofCalls("one version each", "a version without the other change", func(h *history) { h.versions["a"][0].Name = "s-1" }),
	ofCalls("one version each", "a version that nobody made", func(h *history) { h.versions["a"][0].URL = "u-9" }),
	ofCalls("one version each", "a version of a change that was refused", func(h *history) { h.at(rename, 0).status = 404 }),
	ofCalls("one version each", "a last version that isn't stored", func(h *history) { h.final[0][0].Name, h.final[1][0].Name = "s-3", "s-3" }),
	ofCalls("one version each", "no version at all", func(h *history) { h.versions["a"] = nil }),

	ofCalls("agreement", "a replica that lists another value", func(h *history) { h.final[1][0].raw = "raw b" }),
	ofCalls("agreement", "a replica that lists less", func(h *history) { h.final[1] = h.final[1][:1] }),

	{"kept", "a row that is gone", func(e *evidence) { e.kept.after = e.kept.after[1:] }},
	{"kept", "a row that changed", func(e *evidence) { e.kept.after[0].raw = "z" }},
	{"recovers", "a recovery that takes longer than a minute", func(e *evidence) { e.outages = append(e.outages, patience+1) }},
	{"same state", "a different value", func(e *evidence) { e.states.replica = "{\n\"a\": 2\n}" }},
	{"same state", "a missing end", func(e *evidence) { e.states.replica = "{\n\"a\": 1" }},
	{"same state", "something more", func(e *evidence) { e.states.replica += "\n" }},
	{"follows the clock", "a time before the clock", func(e *evidence) { e.stamps[0].at = e.stamps[0].earliest.Add(-1) }},
	{"follows the clock", "a time after the clock", func(e *evidence) { e.stamps[0].at = e.stamps[0].last.Add(1) }},
	{"slow clients end", "one that lasts too long", func(e *evidence) { e.slow[0].lasted = time.Minute }},
	{"slow clients end", "one that lasts forever", func(e *evidence) { e.slow[0].lasted = 0 }},
	{"idle is cheap", "much memory", func(e *evidence) { e.idle.bytes = 1_600_000 }},
	{"idle is cheap", "nobody served", func(e *evidence) { e.idle.served = 0 }},
	{"others serve", "a call that waits for the stopped one", func(e *evidence) { e.others.served-- }},
	{"returns to rest", "a leak of goroutines", func(e *evidence) { e.use.after.goroutines = 64 }},
	{"returns to rest", "a leak of files", func(e *evidence) { e.use.after.files = 64 }},
	{"returns to rest", "a leak of memory", func(e *evidence) { e.use.after.heap = 20 << 20 }},
}

// Every invariant accepts sound evidence, and finds each mutation of it.
func TestMutations(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for _, m := range mutations {
		i := slices.IndexFunc(invariants, func(i invariant) bool { return i.name == m.invariant })
		if i < 0 {
			t.Fatalf("no invariant is called %q", m.invariant)
		}
		e := whole(m.invariant)
		if err := invariants[i].check(e); err != nil {
			t.Errorf("%s: sound evidence: %v", m.invariant, err)
		}
		m.mutate(&e)
		if err := invariants[i].check(e); err == nil || errors.Is(err, errNothing) {
			t.Errorf("%s doesn't find %s: %v", m.invariant, m.name, err)
		}
		found[m.invariant]++
	}
	for _, i := range invariants {
		if found[i.name] == 0 {
			t.Errorf("no mutation shows that %q can fail", i.name)
		}
		for _, empty := range []evidence{{}, {history: &history{}}} {
			if err := i.check(empty); !errors.Is(err, errNothing) {
				t.Errorf("%s: without evidence: %v", i.name, err)
			}
		}
	}
}

// Every trial checks something that exists, and every invariant is checked in a trial.
func TestTrials(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, trial := range trials {
		if len(trial.invariants) == 0 {
			t.Errorf("%s checks nothing", trial.name)
		}
		for _, name := range trial.invariants {
			used[name] = true
			if !slices.ContainsFunc(invariants, func(i invariant) bool { return i.name == name }) {
				t.Errorf("%s: no invariant is called %q", trial.name, name)
			}
		}
	}
	for _, i := range invariants {
		if !used[i.name] {
			t.Errorf("no trial checks %q", i.name)
		}
	}
}

// A trial that breaks an invariant, or checks none, fails.
func TestBrokenTrialsFail(t *testing.T) {
	t.Parallel()
	l := &lab{say: t.Logf}
	broken := whole("durable")
	broken.history.final[0] = broken.history.final[0][:1]
	for _, tt := range []struct {
		name string
		e    evidence
		fail bool
	}{
		{name: "sound", e: whole("durable")},
		{name: "broken", e: broken, fail: true},
		{name: "nothing checked", fail: true},
	} {
		r := l.do(t.Context(), trial{name: tt.name, invariants: []string{"durable"}, run: func(_ context.Context, r *run) error { return r.check(tt.e) }})
		if failed := r.figures.result != nil; failed != tt.fail {
			t.Errorf("%s: %v", tt.name, r.figures.result)
		}
	}
}
