// Package journal records requests of tenants' clients and the answers. A hook takes in the
// requests, a goroutine masks them and writes them in bulk, and verifications read them.
// Its memory and its share of the database are bounded: requests beyond the limits are
// dropped, and counted for their tenants.
package journal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
)

const (
	// flushPause is how long entries wait to be written together.
	flushPause = 100 * time.Millisecond

	// retryPause is the time between attempts to write.
	retryPause = time.Second

	// maxRows is how many entries are written together at most.
	maxRows = 1000

	// gapPause is the time between two rows about a tenant's gaps.
	gapPause = time.Second

	// writeTimeout is how long writing a part may take. A larger part is then written in smaller
	// ones, because a slow database would never finish it.
	writeTimeout = 5 * time.Second
)

// Service is the tenant of requests without a tenant.
var Service = uuid.Nil

// Config configures a Journal; DB is required.
type Config struct {
	DB  *db.Pool
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil means time.Now

	Rate    int   // maximum number of entries a second; 0 records nothing
	Memory  int64 // maximum size of waiting entries in bytes
	MaxBody int   // maximum stored size of a body in bytes
}

// Journal takes entries in and writes them.
type Journal struct {
	config   Config
	queries  *db.Queries
	tenants  tenants
	open     answers
	wake     chan struct{} // capacity 1
	urgent   chan struct{} // capacity 1; a flush is waiting
	stopped  chan struct{}
	stopping context.Context
	stop     context.CancelFunc

	interrupted context.Context
	interrupt   context.CancelFunc

	mu       sync.Mutex
	pending  []*entry
	taken    uint64 // how many entries have ever been pending
	written  uint64 // how many of those were written, or belong to a deleted tenant
	waiting  []waiter
	shares   shares
	gaps     map[uuid.UUID]*gap
	sinceGap time.Time

	// Used only by the writer.
	rows  int                 // how many entries are written together now
	added map[uuid.UUID]int32 // entries of tenants since their last trim
}

// waiter waits until a number of entries is written.
type waiter struct {
	until uint64
	done  chan struct{}
}

// gap counts a tenant's dropped requests.
type gap struct {
	count        int64
	since, until time.Time
	last         uuid.UUID
}

// New returns a journal. Run must be called to write it.
func New(c Config) *Journal {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	j := &Journal{
		config: c, queries: db.New(c.DB), wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), stopped: make(chan struct{}),
		gaps: map[uuid.UUID]*gap{}, rows: maxRows, added: map[uuid.UUID]int32{},
	}
	j.tenants = newTenants(j.queries)
	j.shares = newShares(c.Rate, c.Memory)
	j.stopping, j.stop = context.WithCancel(context.Background())
	j.interrupted, j.interrupt = context.WithCancel(context.Background())
	return j
}

// full reports whether an entry of this size would be dropped now.
func (j *Journal) full(o owner, size int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return o.limit == 0 || j.shares.full(o.tenant, size, time.Now())
}

// admit reports whether an entry of this size may be added.
func (j *Journal) admit(o owner, size int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.shares.take(o.tenant, size, time.Now())
}

// miss counts a request as dropped.
func (j *Journal) miss(o owner, x *front.Exchange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.gaps[o.tenant]
	if g == nil {
		g = &gap{since: x.Now}
		j.gaps[o.tenant] = g
	}
	g.count++
	g.until, g.last = x.Now, x.Entry
	signal(j.wake)
}

func (j *Journal) add(e *entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(j.pending, e)
	j.taken++
	signal(j.wake)
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run writes entries until Close is called.
func (j *Journal) Run() {
	defer close(j.stopped)
	for {
		select {
		case <-j.stopping.Done():
			if err := j.write(); err != nil {
				j.config.Log.Error("write the request journal at the end", "error", err)
			}
			return
		case <-j.wake:
		}
		select { // wait for more entries
		case <-time.After(flushPause):
		case <-j.urgent:
		case <-j.stopping.Done():
		}
		if err := j.write(); err != nil {
			j.config.Log.Warn("write the request journal", "error", err)
			signal(j.wake)
			select {
			case <-time.After(retryPause):
			case <-j.stopping.Done():
			}
		}
	}
}

// Interrupt ends waiting verifications.
func (j *Journal) Interrupt() { j.interrupt() }

// Interrupted returns a channel that Interrupt closes.
func (j *Journal) Interrupted() <-chan struct{} { return j.interrupted.Done() }

// Close writes the pending entries and ends Run, which must be running.
func (j *Journal) Close(ctx context.Context) error {
	j.stop()
	select {
	case <-j.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes all pending entries, in parts, and the gaps.
func (j *Journal) write() error {
	for {
		more, err := j.writePart()
		if err != nil || !more {
			return err
		}
	}
}

// writePart writes the first pending entries and the gaps. More says that other entries
// shouldn't wait. Each part has its own time limit: a busy journal writes parts without end.
func (j *Journal) writePart() (more bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	j.mu.Lock()
	part := j.pending[:min(len(j.pending), j.rows)]
	j.mu.Unlock()
	full := len(part) == j.rows
	if len(part) > 0 {
		if err := j.store(ctx, part); err != nil {
			if ctx.Err() != nil {
				j.rows = max(1, len(part)/2)
			}
			return false, err
		}
		j.rows = min(maxRows, j.rows+1+j.rows/8)
		j.done(part)
		if err := j.trim(ctx, part); err != nil {
			return false, err
		}
	}
	if err := j.writeGaps(ctx); err != nil {
		return false, err
	}
	j.release()
	return full || len(part) > 0 && j.stopping.Err() != nil, nil // fewer wait to be written together
}

// done removes the first pending entries.
func (j *Journal) done(part []*entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range part {
		j.shares.free(e.size)
	}
	if j.pending = j.pending[len(part):]; len(j.pending) == 0 {
		j.pending = nil
	}
	j.written += uint64(len(part))
}

// release wakes waiters whose entries are written.
func (j *Journal) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = slices.DeleteFunc(j.waiting, func(w waiter) bool {
		if w.until > j.written {
			return false
		}
		close(w.done)
		return true
	})
}

// store writes entries. Entries of a tenant that was deleted meanwhile are discarded.
func (j *Journal) store(ctx context.Context, part []*entry) error {
	rows := make([]db.CreateJournalEntriesParams, 0, len(part))
	for _, e := range part {
		if e.authority != "" {
			if err := j.tenants.name(ctx, e); err != nil {
				return err
			}
		}
		if e.limit > 0 {
			rows = append(rows, j.row(e))
		}
	}
	slices.SortStableFunc(rows, func(a, b db.CreateJournalEntriesParams) int { return bytes.Compare(a.TenantID[:], b.TenantID[:]) })
	return j.insert(ctx, rows)
}

// insert writes rows, which are in the order of their tenants. It halves those that are refused,
// until it has left out the rows whose tenant was deleted, and those that are already there because
// the answer to an earlier attempt was lost.
func (j *Journal) insert(ctx context.Context, rows []db.CreateJournalEntriesParams) error {
	err := j.copy(ctx, rows)
	if !tenantGone(err) && !errors.Is(db.Classify(err), db.ErrTaken) {
		return err
	}
	if tenantGone(err) {
		j.tenants.known.Purge()
	}
	half := len(rows) / 2
	if half == 0 || tenantGone(err) && rows[0].TenantID == rows[len(rows)-1].TenantID {
		return nil
	}
	if err := j.insert(ctx, rows[:half]); err != nil {
		return err
	}
	return j.insert(ctx, rows[half:])
}

// copy writes rows, all or none.
func (j *Journal) copy(ctx context.Context, rows []db.CreateJournalEntriesParams) error {
	return pgx.BeginFunc(ctx, j.config.DB, func(tx pgx.Tx) error {
		q := j.queries.WithTx(tx)
		if err := q.UseOneConnectionPerWorker(ctx); err != nil {
			return err
		}
		_, err := q.CreateJournalEntries(ctx, rows)
		return err
	})
}

func tenantGone(err error) bool { return errors.Is(db.Classify(err), db.ErrNoTenant) }

// trim removes the entries that exceed the limits of journals, after each tenth of a limit.
func (j *Journal) trim(ctx context.Context, part []*entry) error {
	last := map[uuid.UUID]*entry{}
	for _, e := range part {
		j.added[e.tenant]++
		last[e.tenant] = e
	}
	var failed error
	for tenant, e := range last {
		if j.added[tenant] < max(1, e.limit/10) {
			continue
		}
		surplus := db.FindSurplusJournalEntryParams{TenantID: tenant, Kept: int64(e.limit)}
		err := j.trimTenant(ctx, tenant, func(q *db.Queries) (uuid.UUID, error) { return q.FindSurplusJournalEntry(ctx, surplus) })
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		delete(j.added, tenant)
	}
	return failed
}

// trimTenant removes the entries of a tenant up to the one that find returns.
func (j *Journal) trimTenant(ctx context.Context, tenant uuid.UUID, find func(*db.Queries) (uuid.UUID, error)) error {
	err := pgx.BeginFunc(ctx, j.config.DB, func(tx pgx.Tx) error {
		q := j.queries.WithTx(tx)
		if err := q.ReadJournalInOrder(ctx); err != nil {
			return err
		}
		last, err := find(q)
		if err != nil {
			return err
		}
		return q.TrimJournal(ctx, db.TrimJournalParams{TenantID: tenant, Through: last})
	})
	if errors.Is(err, pgx.ErrNoRows) || tenantGone(err) {
		return nil
	}
	return err
}

// writeGaps writes the gaps, at most once per gapPause unless a flush waits.
func (j *Journal) writeGaps(ctx context.Context) error {
	j.mu.Lock()
	if len(j.gaps) == 0 || len(j.waiting) == 0 && time.Since(j.sinceGap) < gapPause && j.stopping.Err() == nil {
		if len(j.gaps) > 0 {
			signal(j.wake)
		}
		j.mu.Unlock()
		return nil
	}
	gaps := j.gaps
	j.gaps, j.sinceGap = map[uuid.UUID]*gap{}, time.Now()
	j.mu.Unlock()
	var errs []error
	for tenant, g := range gaps {
		err := j.queries.CreateJournalGap(ctx, db.CreateJournalGapParams{TenantID: tenant, ID: uuid.Must(uuid.NewV7()), Count: g.count, SinceAt: g.since, UntilAt: g.until, UntilID: g.last})
		if err != nil && !tenantGone(err) {
			errs = append(errs, err)
			j.keepGap(tenant, g)
		}
	}
	return errors.Join(errs...)
}

// keepGap restores a gap that could not be written.
func (j *Journal) keepGap(tenant uuid.UUID, g *gap) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now := j.gaps[tenant]; now != nil {
		g.count, g.until, g.last = g.count+now.count, now.until, now.last
	}
	j.gaps[tenant] = g
}

// Flush returns when everything answered before it is in the database.
func (j *Journal) Flush(ctx context.Context) error {
	if j.config.Rate == 0 {
		return nil
	}
	j.open.wait(ctx)
	j.mu.Lock()
	if len(j.pending) == 0 && len(j.gaps) == 0 {
		j.mu.Unlock()
		return nil
	}
	w := waiter{j.taken, make(chan struct{})}
	j.waiting = append(j.waiting, w)
	j.mu.Unlock()
	signal(j.wake)
	signal(j.urgent)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-j.stopped:
		return errors.New("the service stops")
	}
}

// Sweep removes entries that exceed the maximum age.
func (j *Journal) Sweep(ctx context.Context) error {
	now := j.config.Now()
	overdue, err := j.queries.ListOverdueJournals(ctx, db.ListOverdueJournalsParams{Now: now, RowLimit: maxRows})
	for _, t := range overdue {
		keep := time.Duration(t.JournalSeconds) * time.Second
		old := db.FindOldJournalEntryParams{TenantID: t.ID, Before: t.Now.Add(-keep)}
		err = errors.Join(err, j.trimTenant(ctx, t.ID, func(q *db.Queries) (uuid.UUID, error) { return q.FindOldJournalEntry(ctx, old) }))
	}
	_, gapsErr := j.queries.DeleteOldJournalGaps(ctx, now)
	return errors.Join(err, gapsErr)
}
