//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// operation is a kind of request that the clients send.
type operation string

const (
	create operation = "create"
	get    operation = "get"
	rename operation = "rename" // changes displayName
	relink operation = "relink" // changes onboardingUrl
	remove operation = "remove"
	list   operation = "list" // of all shared partners of the phase
)

// done is the status of each operation that succeeded.
var done = map[operation]int{create: 201, get: 200, rename: 200, relink: 200, remove: 204, list: 200}

// partner is what the clients read of a remoteAssistancePartner.
type partner struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
	URL  string `json:"onboardingUrl"`
}

// call is one request of a client, and its answer.
type call struct {
	operation
	client       int
	replica      int
	id           string // of the partner; of a create, from its answer
	name, url    string // what the client wrote
	begun, ended int64  // nanoseconds since the trial began
	status       int    // 0: no answer
	retryAfter   bool   // whether the answer had Retry-After
	raw          string // the partner as a create answered it
	seen         []partner
}

// acknowledged reports whether the service said that it did the operation.
func (c call) acknowledged() bool { return c.status == done[c.operation] }

// unknown reports whether the service may have made the change, now or later.
func (c call) unknown() bool { return c.status == 0 || c.status == 503 }

// writes reports whether the call changes a partner that exists.
func (c call) writes() bool {
	return c.operation == rename || c.operation == relink || c.operation == remove
}

// item is a partner in a list that was read after the phase.
type item struct {
	partner
	raw string
}

// version is one of a partner's versions in its history.
type version struct {
	number int64
	partner
}

// history is everything that the clients of a phase did and saw, and what was stored
// afterwards.
type history struct {
	shared   string // the beginning of the names of partners that all clients use
	calls    []call
	final    [][]item             // by replica
	versions map[string][]version // of shared partners by id, the newest first
}

// byEntity returns the calls of each partner.
func (h *history) byEntity() map[string][]call {
	calls := map[string][]call{}
	for _, c := range h.calls {
		if c.id != "" {
			calls[c.id] = append(calls[c.id], c)
		}
	}
	return calls
}

// count returns how many calls were acknowledged, and how many had an unknown result.
func (h *history) count() (acknowledged, unknown int) {
	for _, c := range h.calls {
		if c.acknowledged() {
			acknowledged++
		} else if c.unknown() {
			unknown++
		}
	}
	return acknowledged, unknown
}

// outage returns the longest time in which a replica answered nothing as it should.
func (h *history) outage() (longest time.Duration) {
	last := map[int]int64{}
	calls := slices.Clone(h.calls)
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.ended, b.ended) })
	for _, c := range calls {
		if !c.acknowledged() {
			continue
		}
		if at, ok := last[c.replica]; ok {
			longest = max(longest, time.Duration(c.ended-at))
		}
		last[c.replica] = c.ended
	}
	return longest
}

// observed returns all states of partners that clients saw, by id. A partner that wasn't found
// has the zero state.
func (h *history) observed() map[string]map[partner]bool {
	states := map[string]map[partner]bool{}
	add := func(id string, p partner) {
		if states[id] == nil {
			states[id] = map[partner]bool{}
		}
		states[id][p] = true
	}
	for _, c := range h.calls {
		for _, p := range c.seen {
			add(p.ID, p)
		}
		if c.status == 404 {
			add(c.id, partner{})
		}
	}
	return states
}

// until returns when the call can have had its effect at the latest.
func (c call) until() int64 {
	if c.unknown() {
		return math.MaxInt64
	}
	return c.ended
}

var contextMember = regexp.MustCompile(`"@odata\.context":"[^"]*",`)

// stored returns a partner as lists show it: without the context, which names the address that
// the client used.
func stored(body string) string { return contextMember.ReplaceAllString(strings.TrimSpace(body), "") }

// parseItems reads the partners of a list's answer and the link to the next page.
func parseItems(body string) (items []item, next string, err error) {
	var page struct {
		Next  string `json:"@odata.nextLink"`
		Value []json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		return nil, "", err
	}
	for _, raw := range page.Value {
		i := item{raw: string(raw)}
		if err := json.Unmarshal(raw, &i.partner); err != nil {
			return nil, "", err
		}
		items = append(items, i)
	}
	return items, page.Next, nil
}
