package db

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// steps executes a transaction in one round trip: it collects statements, and sends them with
// the first query that returns a row, which ends the transaction. A cluster sends each of them
// to the tenant's server whole.
type steps struct {
	pool  *Pool
	batch pgx.Batch
}

func newSteps(pool *Pool) *steps {
	s := &steps{pool: pool}
	s.batch.Queue("BEGIN")
	return s
}

// Exec implements DBTX. The number of changed rows isn't known yet.
func (s *steps) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// QueryRow implements DBTX. The statements are sent when the row is scanned.
func (s *steps) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return lastStep{s, ctx, s.batch.Queue(sql, args...)}
}

func (*steps) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errInSteps }

func (*steps) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errInSteps
}

var errInSteps = errors.New("these statements return no rows, except the last, which returns one")

// lastStep is the row of a transaction's last statement.
type lastStep struct {
	*steps
	ctx   context.Context
	query *pgx.QueuedQuery
}

func (s lastStep) Scan(into ...any) error {
	s.query.QueryRow(func(row pgx.Row) error { return row.Scan(into...) })
	s.batch.Queue("COMMIT")
	conn, err := s.pool.Acquire(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes it if a statement has failed, so the transaction ends
	return conn.SendBatch(s.ctx, &s.batch).Close()
}
