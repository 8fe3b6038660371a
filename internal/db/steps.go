package db

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// steps executes a change in one round trip: it collects statements, and sends them with the
// first query that returns a row. A cluster sends each of them to the tenant's server whole.
// Outside a transaction, they are one.
type steps struct {
	pool  *Pool  // nil in a transaction
	tx    pgx.Tx // nil outside
	batch pgx.Batch
}

// stepsOn returns the steps of a change in the connection or transaction of q, or nil if it
// doesn't belong to a cluster.
func stepsOn(q *Queries) *steps {
	switch on := q.db.(type) {
	case *Pool:
		if on.cluster {
			s := &steps{pool: on}
			s.batch.Queue("BEGIN")
			return s
		}
	case *pooledTx:
		if tx, ok := on.Tx.(clusterTx); ok {
			return &steps{tx: tx}
		}
	case clusterTx:
		return &steps{tx: on}
	}
	return nil
}

// Exec implements DBTX. The number of changed rows isn't known yet.
func (s *steps) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// QueryRow implements DBTX. The statements are sent when the row is scanned.
func (s *steps) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return stepRow{s, ctx, s.batch.Queue(sql, args...)}
}

func (*steps) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errInSteps }

func (*steps) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errInSteps
}

var errInSteps = errors.New("these statements return no rows, except one, which returns one")

// send sends the statements.
func (s *steps) send(ctx context.Context) error {
	if s.tx != nil {
		return s.tx.SendBatch(ctx, &s.batch).Close()
	}
	s.batch.Queue("COMMIT")
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes it if a statement has failed, so the transaction ends
	return conn.SendBatch(ctx, &s.batch).Close()
}

// firstStep is like steps, but executes the query that returns a row before the statements
// collected so far.
type firstStep struct{ *steps }

// QueryRow implements DBTX.
func (s firstStep) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	query := s.batch.Queue(sql, args...)
	first := 0
	if s.pool != nil {
		first = 1 // after BEGIN
	}
	all := s.batch.QueuedQueries
	copy(all[first+1:], all[first:])
	all[first] = query
	return stepRow{s.steps, ctx, query}
}

// stepRow is the row of the statement that returns one.
type stepRow struct {
	*steps
	ctx   context.Context
	query *pgx.QueuedQuery
}

func (s stepRow) Scan(into ...any) error {
	s.query.QueryRow(func(row pgx.Row) error { return row.Scan(into...) })
	return s.send(s.ctx)
}
