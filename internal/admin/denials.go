package admin

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// These bound what the service stores about refused callers, who need no key to send
// requests.
const (
	// maxStrangers is how many addresses without a key are distinguished within a minute.
	// Requests from further ones are counted together.
	maxStrangers = 60

	// maxDeniedText bounds the stored path of a refused call, in bytes.
	maxDeniedText = 200

	// deniedLifetime is how long denials are stored, and maxDenied how many.
	deniedLifetime = 30 * 24 * time.Hour
	maxDenied      = 100_000
)

// denials counts the refusals of the current minute. The first of each kind is written into
// the audit log immediately, the count when the minute is over.
type denials struct {
	mu        sync.Mutex
	minute    time.Time
	counts    map[denialKind]*denialCount
	strangers int
	over      db.SetAuditCountsParams // counts of past minutes, to be written
}

// denialKind identifies the refusals that share an entry.
type denialKind struct {
	network string
	key     uuid.UUID
	action  string // of a caller with a key
}

type denialCount struct {
	id uuid.UUID // the entry's
	n  int32
}

// add counts a refusal, and reports whether it is the first of its kind.
func (d *denials) add(e *db.CreateAuditEntryParams) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn(e.At)
	kind := denialKind{network: networkOf(e.Address)}
	if e.KeyID != nil {
		kind.key, kind.action = *e.KeyID, e.Action
	}
	c, known := d.counts[kind]
	if !known && e.KeyID == nil && d.strangers >= maxStrangers {
		kind, e.Address, e.Target = denialKind{}, "others", nil
		c, known = d.counts[kind]
	}
	if known {
		c.n++
		return false
	}
	d.counts[kind] = &denialCount{e.ID, 1}
	if e.KeyID == nil {
		d.strangers++
	}
	return true
}

// turn starts a new minute if the current one is over.
func (d *denials) turn(now time.Time) {
	minute := now.Truncate(time.Minute)
	if minute.Equal(d.minute) {
		return
	}
	for _, c := range d.counts {
		if c.n > 1 {
			d.over.Ids, d.over.Counts = append(d.over.Ids, c.id), append(d.over.Counts, c.n)
		}
	}
	d.minute, d.counts, d.strangers = minute, map[denialKind]*denialCount{}, 0
}

// take returns the counts of past minutes.
func (d *denials) take(now time.Time) db.SetAuditCountsParams {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn(now)
	over := d.over
	d.over = db.SetAuditCountsParams{}
	return over
}

// networkOf returns an IPv4 address, or the network that one client has for IPv6 (RFC
// 6177).
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() || ip.Is4In6() {
		return address
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// auditDenial records a refusal. If that fails, the caller is refused anyway.
func (a *API) auditDenial(x *call, status int) {
	e := auditEntry(x, x.Request.URL.Path, db.AuditOutcomeDenied, status)
	e.Action = auditText(e.Action, maxDeniedText)
	target := auditText(*e.Target, maxDeniedText)
	e.Target = &target
	if !a.denials.add(&e) {
		return
	}
	if err := a.queries.CreateAuditEntry(context.WithoutCancel(x.Request.Context()), e); err != nil {
		a.log.Warn("audit", "error", err)
	}
}

// sweepDenials writes the counts of denials and removes old ones.
func (a *API) sweepDenials(ctx context.Context, now time.Time) error {
	if over := a.denials.take(now); len(over.Ids) > 0 {
		if err := a.queries.SetAuditCounts(ctx, over); err != nil {
			return err
		}
	}
	_, err := a.queries.DeleteOldDenials(ctx, db.DeleteOldDenialsParams{Before: now.Add(-deniedLifetime), Keep: maxDenied})
	return err
}
