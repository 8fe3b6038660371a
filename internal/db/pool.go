package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// roomTimeout is how long a call without a deadline waits when the server refuses
	// another connection.
	roomTimeout = 10 * time.Second

	// connectPause is the time between attempts to open a connection on a full server. Each
	// attempt costs the server a process and a line in its log.
	connectPause = 100 * time.Millisecond

	// idlePause is the time between checks for an idle connection.
	idlePause = 5 * time.Millisecond
)

// errNoRoom says that a call's time ran out while it waited for a connection.
var errNoRoom = fmt.Errorf("%w: the server has no room for another connection, and none became free in time", ErrUnavailable)

// Pool is a pool of connections. When the server has no room for another connection
// (SQLSTATE 53300), a call waits for one to become idle, until its context ends. Only the
// methods defined here wait; those promoted from pgxpool.Pool don't.
type Pool struct {
	*pgxpool.Pool

	cluster bool          // whether tables are distributed over a cluster
	first   chan struct{} // holds one token, taken by the first call in line
	refused time.Time     // when the server last had no room; owned by the first call
}

func newPool(pool *pgxpool.Pool) *Pool { return &Pool{Pool: pool, first: make(chan struct{}, 1)} }

// OnCluster returns the same pool for tables that are distributed over a cluster. There, a
// change takes several statements, of which each goes to one server.
func (p *Pool) OnCluster() *Pool {
	return &Pool{Pool: p.Pool, cluster: true, first: p.first}
}

// Acquire returns a connection, which the caller must release.
func (p *Pool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if len(p.first) == 0 {
		conn, err := p.Pool.Acquire(ctx)
		if !NoRoom(err) {
			return conn, err
		}
	}
	return p.await(ctx)
}

// await waits for a connection. Calls are served in the order of arrival: the first asks
// the server and the pool, and the others wait for their turn.
func (p *Pool) await(ctx context.Context) (*pgxpool.Conn, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, roomTimeout)
		defer cancel()
	}
	select {
	case p.first <- struct{}{}:
		defer func() { <-p.first }()
	case <-ctx.Done():
		return nil, errors.Join(errNoRoom, ctx.Err())
	}
	look := time.NewTicker(idlePause)
	defer look.Stop()
	for {
		if p.Stat().IdleConns() > 0 || time.Since(p.refused) >= connectPause {
			conn, err := p.Pool.Acquire(ctx)
			if !NoRoom(err) {
				return conn, err
			}
			p.refused = time.Now()
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, errors.Join(errNoRoom, ctx.Err())
		}
	}
}

// AcquireFunc calls f with a connection.
func (p *Pool) AcquireFunc(ctx context.Context, f func(*pgxpool.Conn) error) error {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return f(conn)
}

// Exec executes a statement.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer conn.Release()
	return conn.Exec(ctx, sql, args...)
}

// Query executes a statement that returns rows, which the caller must close.
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		conn.Release()
		return rows, err
	}
	return &pooledRows{rows, conn}, nil
}

// CopyFrom copies rows into a table.
func (p *Pool) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	return conn.CopyFrom(ctx, table, columns, rows)
}

// pooledRows releases its connection when it is closed.
type pooledRows struct {
	pgx.Rows
	conn *pgxpool.Conn
}

func (r *pooledRows) Close() {
	r.Rows.Close()
	r.conn.Release()
}

func (r *pooledRows) Next() bool {
	more := r.Rows.Next()
	if !more {
		r.Close()
	}
	return more
}

// QueryRow executes a statement that returns a row, which the caller must scan.
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return failedRow{err}
	}
	return &pooledRow{conn.QueryRow(ctx, sql, args...), conn}
}

// pooledRow releases its connection when it is scanned.
type pooledRow struct {
	pgx.Row
	conn *pgxpool.Conn
}

func (r *pooledRow) Scan(into ...any) error {
	defer r.conn.Release()
	return r.Row.Scan(into...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// Begin begins a transaction, which the caller must commit or roll back.
func (p *Pool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx works like Begin, with options.
func (p *Pool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		conn.Release()
		return nil, err
	}
	if p.cluster {
		tx = clusterTx{tx}
	}
	return &pooledTx{tx, conn}, nil
}

// pooledTx releases its connection when it ends.
type pooledTx struct {
	pgx.Tx
	conn *pgxpool.Conn
}

func (t *pooledTx) Commit(ctx context.Context) error {
	defer t.conn.Release()
	return t.Tx.Commit(ctx)
}

func (t *pooledTx) Rollback(ctx context.Context) error {
	defer t.conn.Release()
	return t.Tx.Rollback(ctx)
}

// clusterTx is a transaction or savepoint on a cluster.
type clusterTx struct{ pgx.Tx }

// Begin makes a savepoint.
func (t clusterTx) Begin(ctx context.Context) (pgx.Tx, error) {
	inner, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return clusterTx{inner}, nil
}
