package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	// maxNearest is how many of the most similar requests a failure shows.
	maxNearest = 3

	// pageRows is how many entries are read at a time.
	pageRows = 200
)

// Verification is a compiled verification, which can be checked repeatedly.
type Verification struct {
	request api.RequestVerify
	counts  []Match
	order   []Match
}

// NewVerification compiles a verification. For an invalid one, the error has a JSON pointer
// and the reason.
func NewVerification(r api.RequestVerify) (v *Verification, pointer string, err error) {
	v = &Verification{request: r}
	if r.Counts == nil && r.Order == nil && !is(r.RetryAfterHonoured) && !is(r.NoExpiredToken) {
		return nil, "", fmt.Errorf("there is nothing to check: want counts, order, retryAfterHonoured or noExpiredToken")
	}
	if r.Since != nil && r.Until != nil && r.Until.Before(*r.Since) {
		return nil, "/until", fmt.Errorf("%s is before since", r.Until.Format(time.RFC3339Nano))
	}
	for i, c := range list(r.Counts) {
		m, pointer, err := compileCount(c)
		if err != nil {
			return nil, fmt.Sprintf("/counts/%d%s", i, pointer), err
		}
		v.counts = append(v.counts, m)
	}
	for i, match := range list(r.Order) {
		m, err := Compile(match)
		if err != nil {
			return nil, fmt.Sprintf("/order/%d", i), err
		}
		v.order = append(v.order, m)
	}
	return v, "", nil
}

func compileCount(c api.RequestCount) (m Match, pointer string, err error) {
	switch {
	case c.Exactly != nil && (c.AtLeast != nil || c.AtMost != nil):
		return m, "/exactly", fmt.Errorf("excludes atLeast and atMost")
	case c.AtLeast != nil && c.AtMost != nil && *c.AtLeast > *c.AtMost:
		return m, "/atLeast", fmt.Errorf("%d is more than atMost, %d", *c.AtLeast, *c.AtMost)
	}
	m, err = Compile(c.Match)
	return m, "/match", err
}

func is(b *bool) bool { return b != nil && *b }

func list[T any](p *[]T) []T {
	if p == nil {
		return nil
	}
	return *p
}

// Range is a part of a tenant's journal.
type Range struct {
	Tenant       uuid.UUID
	After        uuid.UUID
	Since, Until *time.Time
	Newest       bool // first, and After is where it begins
}

// Each calls f with the entries of a range until f returns false.
func Each(ctx context.Context, q *db.Queries, r Range, f func(*db.JournalEntry) bool) error {
	p := db.ListJournalEntriesParams{TenantID: r.Tenant, After: r.After, Before: uuid.Max, Since: r.Since, Until: r.Until, Newest: r.Newest, RowLimit: pageRows}
	if r.Newest {
		p.After = uuid.Nil
		if r.After != uuid.Nil {
			p.Before = r.After
		}
	}
	for {
		rows, err := q.ListJournalEntries(ctx, p)
		for i := range rows {
			if !f(&rows[i]) {
				return nil
			}
		}
		if err != nil || len(rows) < pageRows {
			return err
		}
		if last := rows[len(rows)-1].ID; r.Newest {
			p.Before = last
		} else {
			p.After = last
		}
	}
}

// Gaps returns what the journal lacks of a range.
func Gaps(ctx context.Context, q *db.Queries, r Range) ([]api.RequestGap, error) {
	if r.Newest {
		r.After = uuid.Nil
	}
	rows, err := q.ListJournalGaps(ctx, db.ListJournalGapsParams{TenantID: r.Tenant, After: r.After, Since: r.Since, Until: r.Until})
	gaps := make([]api.RequestGap, len(rows))
	for i, row := range rows {
		gaps[i] = api.RequestGap{Kind: api.RequestGapKind(row.Kind), Count: row.Count, Since: row.SinceAt.UTC(), Until: row.UntilAt.UTC()}
	}
	return gaps, err
}

// Check checks the verification against the current journal of a tenant.
func (v *Verification) Check(ctx context.Context, q *db.Queries, tenant uuid.UUID) (result api.Verification, err error) {
	r := Range{Tenant: tenant, Since: v.request.Since, Until: v.request.Until}
	if v.request.After != nil {
		r.After = *v.request.After
	}
	c := newChecks(v)
	if err := Each(ctx, q, r, func(e *db.JournalEntry) bool { c.see(e); return true }); err != nil {
		return result, err
	}
	result.Requests = c.seen
	result.Failures = c.failures()
	if result.Gaps, err = Gaps(ctx, q, r); err != nil {
		return result, err
	}
	for _, gap := range result.Gaps {
		result.Failures = append(result.Failures, api.VerificationFailure{
			Check: "gaps", Nearest: []api.RequestMiss{},
			Detail: fmt.Sprintf("The journal %s requests between %s and %s: %s.", gapCount(gap), gap.Since.Format(time.RFC3339Nano), gap.Until.Format(time.RFC3339Nano), gapReason[gap.Kind]),
		})
	}
	result.Verified = len(result.Failures) == 0
	return result, nil
}

// gapCount says how many requests are missing, as far as it is known.
func gapCount(gap api.RequestGap) string {
	if gap.Kind == api.RequestGapKindUnanswered {
		return "may lack"
	}
	return fmt.Sprintf("lacks %d", gap.Count)
}

var gapReason = map[api.RequestGapKind]string{
	api.RequestGapKindDropped:    "too many came to record them",
	api.RequestGapKindRemoved:    "it keeps no more of them, or no longer; see the settings journalLimit and journalSeconds",
	api.RequestGapKindUnanswered: "a replica of the service didn't answer in time, and may have answered some",
}

// checks processes the entries of a range one after another.
type checks struct {
	*Verification
	seen    int
	counted []int64
	nearest [][]api.RequestMiss // for each count
	reached int                 // in the order
	last    []api.RequestMiss   // most similar to the next request in the order
	waits   map[caller]wait
	broken  []api.VerificationFailure
}

// caller is a client that may repeat a request.
type caller struct {
	user                      uuid.UUID
	application, method, path string
}

// wait is until when a caller must wait.
type wait struct {
	until time.Time // real time
	entry api.RequestMiss
	delay time.Duration
}

func newChecks(v *Verification) *checks {
	return &checks{Verification: v, counted: make([]int64, len(v.counts)), nearest: make([][]api.RequestMiss, len(v.counts)), waits: map[caller]wait{}}
}

func (c *checks) see(e *db.JournalEntry) {
	c.seen++
	s := subjectOf(e)
	for i, m := range c.counts {
		if d := m.differences(s); len(d) == 0 {
			c.counted[i]++
			if most := c.most(i); most >= 0 && c.counted[i] > most { // one too many
				c.nearest[i] = near(c.nearest[i], e, []string{"matches"})
			}
		} else if c.most(i) < 0 || c.counted[i] < c.most(i) {
			c.nearest[i] = near(c.nearest[i], e, d)
		}
	}
	if c.reached < len(c.order) {
		if d := c.order[c.reached].differences(s); len(d) == 0 {
			c.reached++
			c.last = nil
		} else {
			c.last = near(c.last, e, d)
		}
	}
	if is(c.request.RetryAfterHonoured) {
		c.seeWait(e)
	}
	if is(c.request.NoExpiredToken) && e.TokenExpiresAt != nil && !e.At.Before(*e.TokenExpiresAt) {
		c.breaks("noExpiredToken", fmt.Sprintf("A request came at %s with a token that had expired at %s.", stamp(e.At), stamp(*e.TokenExpiresAt)), missOf(e, nil))
	}
}

// most is how many entries may match at most; -1 is any number.
func (c *checks) most(i int) int64 {
	count := list(c.request.Counts)[i]
	switch {
	case count.Exactly != nil:
		return *count.Exactly
	case count.AtMost != nil:
		return *count.AtMost
	}
	return -1
}

// near keeps the entries with the fewest differences, the earlier first.
func near(kept []api.RequestMiss, e *db.JournalEntry, differences []string) []api.RequestMiss {
	if len(kept) == maxNearest && len(kept[maxNearest-1].Differences) <= len(differences) {
		return kept
	}
	kept = append(kept, missOf(e, differences))
	slices.SortStableFunc(kept, func(a, b api.RequestMiss) int { return len(a.Differences) - len(b.Differences) })
	return kept[:min(len(kept), maxNearest)]
}

func missOf(e *db.JournalEntry, differences []string) api.RequestMiss {
	if differences == nil {
		differences = []string{}
	}
	return api.RequestMiss{Id: e.ID, DateTime: e.At.UTC(), Method: e.Method, Url: e.Url, Status: e.Status, Differences: differences}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// seeWait checks whether the caller waited, and notes for how long it must wait now. Clients
// wait in real time, which the entries' ids have.
func (c *checks) seeWait(e *db.JournalEntry) {
	key := caller{application: e.Application, method: e.Method, path: e.Path}
	if e.UserID != nil {
		key.user = *e.UserID
	}
	came := arrival(e.ID)
	if w, ok := c.waits[key]; ok {
		if early := w.until.Sub(came); early > 0 {
			c.breaks("retryAfterHonoured", fmt.Sprintf("%s %s was sent again %s too early: the answer of %s said to wait %s.", e.Method, e.Path, early.Round(time.Millisecond), stamp(w.entry.DateTime), w.delay), w.entry, missOf(e, nil))
		}
		delete(c.waits, key)
	}
	if delay, ok := retryAfter(e); ok {
		c.waits[key] = wait{came.Add(delay), missOf(e, nil), delay}
	}
}

// arrival returns when the entry's request came, in real time.
func arrival(id uuid.UUID) time.Time { return time.Unix(id.Time().UnixTime()) }

// retryAfter returns how long an answer says to wait.
func retryAfter(e *db.JournalEntry) (time.Duration, bool) {
	var headers map[string]string
	if json.Unmarshal(e.ResponseHeaders, &headers) != nil {
		return 0, false
	}
	value := headers["Retry-After"]
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(e.At)), true
	}
	return 0, false
}

// maxBroken is how many breaches of a rule for all requests are shown.
const maxBroken = 20

func (c *checks) breaks(check, detail string, entries ...api.RequestMiss) {
	if len(c.broken) < maxBroken {
		c.broken = append(c.broken, api.VerificationFailure{Check: check, Detail: detail, Nearest: entries})
	}
}

// failures returns the checks that don't hold.
func (c *checks) failures() []api.VerificationFailure {
	failures := append([]api.VerificationFailure{}, c.broken...)
	for i, count := range list(c.request.Counts) {
		if want := unmet(count, c.counted[i]); want != "" {
			failures = append(failures, api.VerificationFailure{
				Check: fmt.Sprintf("counts/%d", i), Detail: fmt.Sprintf("%d requests match: want %s.", c.counted[i], want), Nearest: append([]api.RequestMiss{}, c.nearest[i]...),
			})
		}
	}
	if c.reached < len(c.order) {
		failures = append(failures, api.VerificationFailure{
			Check: fmt.Sprintf("order/%d", c.reached), Detail: fmt.Sprintf("After %d requests in their order, none matches the next one.", c.reached), Nearest: append([]api.RequestMiss{}, c.last...),
		})
	}
	return failures
}

// unmet says what a count should be, or "" if it is.
func unmet(c api.RequestCount, n int64) string {
	switch {
	case c.Exactly != nil && n != *c.Exactly:
		return fmt.Sprintf("exactly %d", *c.Exactly)
	case c.AtLeast != nil && n < *c.AtLeast:
		return fmt.Sprintf("at least %d", *c.AtLeast)
	case c.AtMost != nil && n > *c.AtMost:
		return fmt.Sprintf("at most %d", *c.AtMost)
	case c.Exactly == nil && c.AtLeast == nil && c.AtMost == nil && n == 0:
		return "at least one"
	}
	return ""
}
