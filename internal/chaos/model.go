//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// state is a partner between two calls.
type state struct {
	exists    bool
	name, url string
}

// model is how one partner must behave: each call takes effect at one moment between its start
// and its answer. A change with an unknown result takes effect at some later moment or, if that
// is after all other calls, never.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(before, input, _ any) (bool, any) { return step(before.(state), input.(call)) },
}

func step(s state, c call) (bool, state) {
	switch {
	case c.status == 404:
		return !s.exists, s
	case c.operation == create:
		return !s.exists, state{exists: true, name: c.name, url: c.url}
	case c.unknown() && !s.exists:
		return true, s
	case !s.exists:
		return false, s
	case c.operation == remove:
		return true, state{}
	case c.operation == rename:
		s.name = c.name
	case c.operation == relink:
		s.url = c.url
	}
	return c.unknown() || sees(s, c), s
}

// sees reports whether a call's answer shows the state.
func sees(s state, c call) bool {
	return len(c.seen) == 1 && c.seen[0] == partner{ID: c.id, Name: s.name, URL: s.url}
}

// linearizable checks each partner's calls against the model.
func linearizable(h *history) error {
	observed, checked := h.observed(), 0
	for id, calls := range h.byEntity() {
		operations := toOperations(calls, observed[id])
		checked += len(operations)
		switch porcupine.CheckOperationsTimeout(model, operations, time.Minute) {
		case porcupine.Illegal:
			return fmt.Errorf("no order of the %d calls of %s explains their answers%s", len(operations), id, show(operations))
		case porcupine.Unknown:
			return fmt.Errorf("the %d calls of %s couldn't be checked within a minute%s", len(operations), id, show(operations))
		}
	}
	if checked == 0 {
		return errNothing
	}
	return nil
}

// toOperations leaves out calls that say nothing: reads without an answer, changes with an
// unknown result that nobody saw, and of deletes with an unknown result all but the first, which
// can do whatever the others can. Without them the check is as strict, and takes much less time.
func toOperations(calls []call, observed map[partner]bool) []porcupine.Operation {
	var all []porcupine.Operation
	var first *call
	for i, c := range calls {
		switch {
		case !c.unknown():
			all = append(all, c.toOperation())
		case !c.writes() || !wasSeen(c, observed):
		case c.operation != remove:
			all = append(all, c.toOperation())
		case first == nil || c.begun < first.begun:
			first = &calls[i]
		}
	}
	if first != nil {
		all = append(all, first.toOperation())
	}
	return all
}

func (c call) toOperation() porcupine.Operation {
	return porcupine.Operation{ClientId: c.client, Input: c, Call: c.begun, Return: c.until()}
}

// show lists the calls, for people.
func show(operations []porcupine.Operation) string {
	var b strings.Builder
	slices.SortFunc(operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for _, o := range operations {
		c := o.Input.(call)
		_, _ = fmt.Fprintf(&b, "\n%12d to %12d ns: %s %q %q, %d %v", c.begun, c.ended, c.operation, c.name, c.url, c.status, c.seen)
	}
	return b.String()
}

// wasSeen reports whether any client saw what a change did.
func wasSeen(c call, observed map[partner]bool) bool {
	for p := range observed {
		switch {
		case c.operation == remove && p == partner{},
			c.operation == rename && p.Name == c.name,
			c.operation == relink && p.URL == c.url:
			return true
		}
	}
	return false
}
