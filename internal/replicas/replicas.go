// Package replicas lets the processes of a service wait for each other. When Call returns,
// every process has heeded the call, for example by reading a changed rule, so the caller can
// report that a change is in effect everywhere. docs/decisions/0007 says why it polls.
package replicas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	// patience is how long a call waits for a replica, which then counts as gone. It is
	// longer than a replica caches settings (tenant.Cache), so that even a replica that
	// counts as gone no longer serves settings from before the call.
	patience = 2 * time.Second

	// pause is the time between two checks for calls. lonePause is the same while there are
	// no other replicas, which could call.
	pause     = 50 * time.Millisecond
	lonePause = time.Second

	// answerPause is the time between two checks for answers.
	answerPause = 10 * time.Millisecond
)

// Replicas represents this process among the processes of the service.
type Replicas struct {
	queries *db.Queries
	log     *slog.Logger
	id      uuid.UUID
	heed    func(context.Context) error

	mu           sync.Mutex // held while writing this process's row
	acknowledged int64
	left         chan struct{} // closed by Leave
}

// Join adds this process. It calls heed for each call of another process, and again after an
// error. The call is answered once heed returns nil.
func Join(ctx context.Context, q *db.Queries, log *slog.Logger, heed func(context.Context) error) (*Replicas, error) {
	r := &Replicas{queries: q, log: log, id: uuid.New(), heed: heed, left: make(chan struct{})}
	_, err := r.look(ctx)
	return r, err
}

// Run answers calls until Leave.
func (r *Replicas) Run() {
	ctx := context.Background()
	next := lonePause
	for {
		select {
		case <-r.left:
			return
		case <-time.After(next):
		}
		others, err := r.look(ctx)
		switch {
		case err != nil:
			r.log.Warn("can't check for calls of other replicas", "error", err)
			next = lonePause
		case others > 0:
			next = pause
		default:
			next = lonePause
		}
	}
}

// look answers the latest call of another process, and returns the number of other processes.
// If another process removed this one's row, because it didn't answer in time, it joins again.
func (r *Replicas) look(ctx context.Context) (others int, err error) {
	rows, err := r.queries.ListReplicas(ctx)
	if err != nil {
		return 0, err
	}
	call, known := int64(0), false
	for _, row := range rows {
		switch row.ID {
		case uuid.Nil:
			call = row.Acknowledged
		case r.id:
			known = true
		default:
			others++
		}
	}
	return others, r.answer(ctx, call, known)
}

// answer heeds and answers a call, unless this process has answered it before. It also adds
// this process's row if that is missing.
func (r *Replicas) answer(ctx context.Context, call int64, known bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hasLeft() || known && call <= r.acknowledged {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.heed(ctx); err != nil {
		return err
	}
	if err := r.queries.KeepReplica(ctx, db.KeepReplicaParams{ID: r.id, Acknowledged: call, Now: time.Now()}); err != nil {
		return err
	}
	r.acknowledged = call
	if !known { // others may have missed what is now in the journals
		return r.queries.DeleteReplicaGaps(ctx, r.id)
	}
	return nil
}

// ErrGone reports that some replicas didn't answer a call in time.
var ErrGone = errors.New("didn't answer in time")

// Call returns once every other replica has heeded the call. Replicas that don't answer in
// time then count as gone, and the error wraps ErrGone: what they cached is out of date by
// then, but what they hadn't written yet may be lost.
func (r *Replicas) Call(ctx context.Context) error {
	if others, err := r.silent(ctx, 0); err != nil || len(others) == 0 {
		return err
	}
	call, err := r.queries.CallReplicas(ctx, time.Now())
	if err != nil {
		return err
	}
	limit := time.Now().Add(patience)
	for {
		silent, err := r.silent(ctx, call)
		switch {
		case err != nil || len(silent) == 0:
			return err
		case time.Now().After(limit):
			return r.giveUp(ctx, silent, call)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(answerPause):
		}
	}
}

// silent returns the other replicas that haven't answered a call; 0 returns all.
func (r *Replicas) silent(ctx context.Context, call int64) ([]db.Replica, error) {
	rows, err := r.queries.ListReplicas(ctx)
	return slices.DeleteFunc(rows, func(row db.Replica) bool {
		return row.ID == uuid.Nil || row.ID == r.id || call > 0 && row.Acknowledged >= call
	}), err
}

func (r *Replicas) giveUp(ctx context.Context, silent []db.Replica, call int64) error {
	ids := make([]uuid.UUID, len(silent))
	for i, row := range silent {
		if err := r.remove(ctx, row, call); err != nil {
			return err
		}
		ids[i] = row.ID
	}
	err := fmt.Errorf("replicas %v %w", ids, ErrGone)
	r.log.Warn("replicas count as gone", "error", err)
	return err
}

// remove removes a replica that hasn't answered a call, and notes in the journals that they
// may lack what it answered. The note comes first, so that no verification misses it; a
// replica that answers after all removes it.
func (r *Replicas) remove(ctx context.Context, row db.Replica, call int64) error {
	if err := r.queries.CreateReplicaGaps(ctx, db.CreateReplicaGapsParams{Replica: row.ID, SeenAt: row.SeenAt, Now: time.Now(), UntilID: uuid.Must(uuid.NewV7())}); err != nil {
		return err
	}
	removed, err := r.queries.DeleteReplica(ctx, db.DeleteReplicaParams{ID: row.ID, Call: call})
	if err != nil || removed > 0 {
		return err
	}
	return r.queries.DeleteReplicaGaps(ctx, row.ID)
}

func (r *Replicas) hasLeft() bool {
	select {
	case <-r.left:
		return true
	default:
		return false
	}
}

// Leave removes this process. Only the first call does anything.
func (r *Replicas) Leave(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hasLeft() {
		return nil
	}
	close(r.left)
	_, err := r.queries.DeleteReplica(ctx, db.DeleteReplicaParams{ID: r.id, Call: r.acknowledged + 1})
	return err
}
