package db

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Batch queues changes and sends them in one round trip. Of Queries, it takes those that
// return no rows; until Send, each of them reports one changed row.
//
//	b := db.NewBatch()
//	_, _ = b.Queries.CreateUser(ctx, user)
//	b.OrElse(errTaken)
//	err := b.Send(ctx, tx)
type Batch struct {
	Queries *Queries
	batch   *pgx.Batch
	fault   error
}

// NewBatch returns an empty Batch.
func NewBatch() *Batch {
	b := &Batch{batch: &pgx.Batch{}}
	b.Queries = New(queue{b})
	return b
}

// OrElse makes Send fail with err if the query called last changes no row.
func (b *Batch) OrElse(err error) {
	queries := b.batch.QueuedQueries
	queries[len(queries)-1].Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 && b.fault == nil {
			b.fault = err
		}
		return nil
	})
}

// Send makes the changes in order and empties the Batch. They are atomic only in a
// transaction, which the caller must roll back if Send fails.
func (b *Batch) Send(ctx context.Context, tx pgx.Tx) error {
	if b.batch.Len() == 0 {
		return nil
	}
	batch := b.batch
	b.batch, b.fault = &pgx.Batch{}, nil
	err := tx.SendBatch(ctx, batch).Close()
	if b.fault != nil { // later failures may result from this one
		return b.fault
	}
	return err
}

// queue collects statements in its Batch.
type queue struct{ to *Batch }

var errInBatch = errors.New("a batch takes only queries that return no rows")

func (q queue) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.to.batch.Queue(sql, args...)
	return pgconn.NewCommandTag("UPDATE 1"), nil
}

func (q queue) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errInBatch
}

func (q queue) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errInBatch }

func (q queue) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errInBatch }
