package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxConns is how many connections a pool opens at most, unless the URL sets
// pool_max_conns. Measured: with fewer, 32 clients wait for connections; more bring
// nothing.
const maxConns = 32

// minVersion is the oldest supported server, as server_version_num.
const minVersion = 150000

// Open connects to the Postgres at url, a URL or a keyword=value string as in libpq, and
// returns a pool. It waits up to wait for an unreachable server. It fails at once on errors
// that waiting can't cure: a wrong password, an unknown database, a server older than 15,
// an encoding other than UTF8, a pooler that loses prepared statements. A tracer other than
// nil sees every query.
func Open(ctx context.Context, url string, wait time.Duration, log *slog.Logger, tracer ...pgx.QueryTracer) (*Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "mocktenant"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: conn}
	}
	if len(tracer) > 0 {
		config.ConnConfig.Tracer = tracer[0]
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerUUID(conn.TypeMap())
		// Where Postgres expects many rows it compiles a plan (JIT), which takes longer than any
		// of our queries: seconds for a long filter, minutes for a report. Poolers refuse this
		// setting in a connection's parameters. It passes the tracer by, because it belongs to
		// no request.
		return conn.PgConn().Exec(ctx, "SET jit = off").Close()
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := await(ctx, pool, wait, log); err != nil {
		pool.Close()
		return nil, err
	}
	return newPool(pool), nil
}

// logPause is the time between log lines about a database that isn't up.
const logPause = 10 * time.Second

func await(ctx context.Context, pool *pgxpool.Pool, wait time.Duration, log *slog.Logger) error {
	const pause = 500 * time.Millisecond
	deadline := time.Now().Add(wait)
	var logged time.Time
	for {
		err := check(ctx, pool)
		if err == nil || !errors.Is(Classify(err), ErrUnavailable) || time.Now().Add(pause).After(deadline) {
			return err
		}
		if time.Since(logged) >= logPause {
			logged = time.Now()
			log.Warn("waiting for the database", "error", err, "left", time.Until(deadline).Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// check refuses a server that the service can't use, and says why.
func check(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return connectError{err}
	}
	defer conn.Release()
	var version int
	var encoding string
	var backend uint32
	// Use the simple protocol, because it isn't known yet whether others work.
	err = conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_backend_pid()",
		pgx.QueryExecModeSimpleProtocol).Scan(&version, &encoding, &backend)
	switch {
	case err != nil:
		return connectError{err}
	case version < minVersion:
		return fmt.Errorf("the database server is Postgres %d.%d; 15 or later is needed", version/10000, version%10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database %q has the encoding %s; UTF8 is needed: make one with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
			conn.Conn().Config().Database, encoding)
	case backend != conn.Conn().PgConn().PID(): // a pooler answers instead of the server
		return checkPooler(ctx, conn.Conn().Config())
	}
	return nil
}

// connectError returns an error of pgx in one line. pgx writes a line for each address that
// it tried, some of them twice.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

func (e connectError) Error() string {
	var tried []string
	for line := range strings.SplitSeq(e.error.Error(), "\n") {
		if line = strings.TrimSpace(line); !slices.Contains(tried, line) {
			tried = append(tried, line)
		}
	}
	return "reach the database: " + strings.Join(tried, " ")
}

// Writable reports whether the server accepts changes. A standby doesn't, nor does a server
// that was set to read-only.
func Writable(ctx context.Context, q DBTX) (writable bool, err error) {
	err = q.QueryRow(ctx, "-- name: Writable :one\nSELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::boolean").Scan(&writable)
	return writable, err
}

// poolerTries is how often checkPooler tries. A busy pooler may happen to give each of its
// connections a different server connection.
const poolerTries = 5

// checkPooler refuses a pooler that shares server connections among clients (transaction or
// statement pooling) if the service would lose its prepared statements there. It detects
// this with two connections at the same time.
func checkPooler(ctx context.Context, config *pgx.ConnConfig) error {
	mode := config.DefaultQueryExecMode
	if mode != pgx.QueryExecModeCacheStatement && mode != pgx.QueryExecModeDescribeExec {
		return nil // the service prepares nothing in this mode
	}
	var two [2]*pgx.Conn
	for i := range two {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return connectError{err}
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		two[i] = conn
	}
	for range poolerTries {
		lost, err := losesStatements(ctx, two, mode)
		if err != nil {
			return fmt.Errorf("try the pooler of the database: %w", err)
		}
		if lost {
			return fmt.Errorf("the pooler at %s:%d loses the statements that default_query_exec_mode=%s prepares: "+
				"add default_query_exec_mode=cache_describe to the database URL, or use session pooling, or (PgBouncer 1.21 or later, for cache_statement) set max_prepared_statements", config.Host, config.Port, mode)
		}
	}
	return nil
}

// losesStatements reports whether two connections share a server connection and see each
// other's statements. Then a named statement already exists when the second one prepares
// it, unless the pooler tracks whose it is. No pooler tracks unnamed statements.
func losesStatements(ctx context.Context, two [2]*pgx.Conn, mode pgx.QueryExecMode) (bool, error) {
	name := "mocktenant_" + rand.Text()
	var backends [2]uint32
	for i, conn := range two {
		if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&backends[i]); err != nil {
			return false, err
		}
		if mode == pgx.QueryExecModeDescribeExec {
			continue
		}
		var refusal *pgconn.PgError
		if _, err := conn.PgConn().Prepare(ctx, name, "SELECT 1", nil); errors.As(err, &refusal) && refusal.Code == "42P05" { // duplicate_prepared_statement
			return true, nil
		} else if err != nil {
			return false, err
		}
	}
	return mode == pgx.QueryExecModeDescribeExec && backends[0] == backends[1], nil
}

// refusedLogin reports whether the server answered and refused the login.
func refusedLogin(err error) bool {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.Code {
	case "28000", "28P01", "3D000", "42501": // authorization, password, no such database, no privilege
		return true
	}
	return false
}
