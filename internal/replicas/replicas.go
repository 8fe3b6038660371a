// Package replicas lets the processes of a service wait for each other: when Call returns,
// every one of them has done what it must before the caller may say that a change holds
// everywhere. docs/decisions/0007 says why it polls.
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
	// longer than any replica remembers settings (tenant.Cache), so that what it still
	// serves then is as new as the call.
	patience = 2 * time.Second

	// pause is the time between two looks for calls, and lonePause the same while there is
	// no other replica that could call.
	pause     = 50 * time.Millisecond
	lonePause = time.Second

	// answerPause is the time between two looks for answers.
	answerPause = 10 * time.Millisecond
)

// Replicas are the processes of the service, as one of them sees them.
type Replicas struct {
	queries *db.Queries
	log     *slog.Logger
	id      uuid.UUID
	heed    func(context.Context) error

	mu           sync.Mutex // held while the row is written
	acknowledged int64
	left         chan struct{} // closed by Leave
}

// Join adds this process. For each call of another one, heed is called and must return
// nil before the call is answered; it is asked again after an error.
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
			r.log.Warn("look for calls of other replicas", "error", err)
			next = lonePause
		case others > 0:
			next = pause
		default:
			next = lonePause
		}
	}
}

// look answers what others called since the last time, and returns how many others there
// are. A process whose row somebody removed, because it didn't answer in time, joins again.
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

// answer heeds a call that this process hasn't answered, or joins if its row isn't known.
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
	if err := r.queries.KeepReplica(ctx, db.KeepReplicaParams{ID: r.id, Acknowledged: call}); err != nil {
		return err
	}
	r.acknowledged = call
	return nil
}

// ErrGone is the error of a call that some replicas didn't answer in time.
var ErrGone = errors.New("didn't answer in time")

// Call returns once every other replica has heeded the call. One that doesn't in time counts
// as gone from then on, and the error wraps ErrGone: what it has remembered is out of date
// by then, but what it knew is lost.
func (r *Replicas) Call(ctx context.Context) error {
	if others, err := r.silent(ctx, 0); err != nil || len(others) == 0 {
		return err
	}
	call, err := r.queries.CallReplicas(ctx)
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
func (r *Replicas) silent(ctx context.Context, call int64) ([]uuid.UUID, error) {
	rows, err := r.queries.ListReplicas(ctx)
	rows = slices.DeleteFunc(rows, func(row db.Replica) bool {
		return row.ID == uuid.Nil || row.ID == r.id || call > 0 && row.Acknowledged >= call
	})
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids, err
}

func (r *Replicas) giveUp(ctx context.Context, silent []uuid.UUID, call int64) error {
	for _, id := range silent {
		if err := r.queries.DeleteReplica(ctx, db.DeleteReplicaParams{ID: id, Call: call}); err != nil {
			return err
		}
	}
	err := fmt.Errorf("replicas %v %w", silent, ErrGone)
	r.log.Warn("a call to all replicas", "error", err)
	return err
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
	return r.queries.DeleteReplica(ctx, db.DeleteReplicaParams{ID: r.id, Call: r.acknowledged + 1})
}
