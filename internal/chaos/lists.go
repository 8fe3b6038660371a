//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// freshLists checks each list against the changes before it. One client's list follows other
// clients' changes on other replicas, so this includes reading one's own writes.
func freshLists(h *history) error {
	entities, n := map[string]sharedEntity{}, 0
	for id, calls := range h.byEntity() {
		if e := newSharedEntity(calls); strings.HasPrefix(e.create.name, h.shared) {
			entities[id] = e
		}
	}
	for _, c := range h.calls {
		if c.operation != list || !c.acknowledged() {
			continue
		}
		if err := freshList(c, entities); err != nil {
			return err
		}
		n++
	}
	return some(n)
}

func freshList(c call, entities map[string]sharedEntity) error {
	seen := map[string]partner{}
	for _, p := range c.seen {
		if _, twice := seen[p.ID]; twice {
			return fmt.Errorf("a list shows %s twice", p.ID)
		}
		seen[p.ID] = p
	}
	for id, e := range entities {
		p, there := seen[id]
		switch {
		case !there && e.create.ended < c.begun && e.firstRemove > c.ended:
			return fmt.Errorf("a list lacks %s, which was created before it", id)
		case there && e.removed < c.begun:
			return fmt.Errorf("a list shows %s, which was deleted before it", id)
		case there && e.names.stale(p.Name, c):
			return fmt.Errorf("a list shows %s as %q, which was replaced before it", id, p.Name)
		case there && e.urls.stale(p.URL, c):
			return fmt.Errorf("a list shows %s at %q, which was replaced before it", id, p.URL)
		}
	}
	return nil
}

// sharedEntity has what happened to a partner.
type sharedEntity struct {
	create      call
	firstRemove int64 // when the first delete began
	removed     int64 // when a delete was answered
	names, urls writes
}

func newSharedEntity(calls []call) sharedEntity {
	e := sharedEntity{firstRemove: math.MaxInt64, removed: math.MaxInt64}
	for _, c := range calls {
		switch c.operation {
		case create:
			e.create, e.names, e.urls = c, append(e.names, c), append(e.urls, c)
		case rename:
			e.names = append(e.names, c)
		case relink:
			e.urls = append(e.urls, c)
		case remove:
			e.firstRemove = min(e.firstRemove, c.begun)
			if c.acknowledged() {
				e.removed = min(e.removed, c.ended)
			}
		}
	}
	return e
}

// writes are the calls that set a property. Each writes another value.
type writes []call

// stale reports whether a list can't show the value: nobody had written it yet, or another write
// began after it was answered and was itself answered before the list was requested.
func (w writes) stale(value string, l call) bool {
	for _, by := range w {
		if by.name == value || by.url == value {
			return by.begun > l.ended || w.replaced(by, l)
		}
	}
	return true
}

func (w writes) replaced(by, l call) bool {
	for _, later := range w {
		if later.acknowledged() && later.begun > by.until() && later.ended < l.begun {
			return true
		}
	}
	return false
}
