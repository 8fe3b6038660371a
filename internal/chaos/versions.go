//go:build linux

package main

import "fmt"

// oneVersionEach checks the versions of every shared partner against its calls.
func oneVersionEach(h *history) error {
	final := map[string]partner{}
	for _, items := range h.final {
		for _, i := range items {
			final[i.ID] = i.partner
		}
	}
	calls := h.byEntity()
	for id, versions := range h.versions {
		if err := checkVersions(versions, calls[id]); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if p, exists := final[id]; exists && p != versions[0].partner {
			return fmt.Errorf("%s: the last version is %v, stored is %v", id, versions[0].partner, p)
		}
	}
	return some(len(h.versions))
}

// checkVersions checks one partner's versions, the newest first, against its calls.
func checkVersions(versions []version, calls []call) error {
	if len(versions) == 0 {
		return fmt.Errorf("it has no version")
	}
	made := map[string]int{} // how many versions introduced a value
	for i, v := range versions {
		if want := int64(len(versions) - i); v.number != want {
			return fmt.Errorf("version %d instead of %d", v.number, want)
		}
		if i+1 == len(versions) {
			break // the create
		}
		before := versions[i+1]
		if (v.Name == before.Name) == (v.URL == before.URL) {
			return fmt.Errorf("version %d changes %v to %v", v.number, before.partner, v.partner)
		}
		if v.Name != before.Name {
			made[v.Name]++
		} else {
			made[v.URL]++
		}
	}
	return checkChanges(made, calls)
}

// checkChanges expects each acknowledged change once, each with an unknown result at most
// once, and no others.
func checkChanges(made map[string]int, calls []call) error {
	for _, c := range calls {
		value := c.name + c.url // it writes one of them
		if c.operation != rename && c.operation != relink {
			continue
		}
		if n := made[value]; n > 1 || n == 0 && c.acknowledged() || n == 1 && !c.acknowledged() && !c.unknown() {
			return fmt.Errorf("the change to %q, answered with %d, made %d versions", value, c.status, n)
		}
		delete(made, value)
	}
	for value := range made {
		return fmt.Errorf("no client changed it to %q", value)
	}
	return nil
}
