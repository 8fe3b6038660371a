package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxConns is how many connections a pool opens at most, unless the URL says
// pool_max_conns. Measured: fewer starve 32 clients, more gain nothing.
const maxConns = 32

// minVersion is the oldest server that is supported, as server_version_num.
const minVersion = 150000

// Open connects to the Postgres at url (a URL or a keyword=value string, as
// libpq reads them) and returns a pool. A server that can't be reached yet is
// awaited for as long as wait says, each try logged; what waiting can't mend (a
// wrong password, an unknown database, a server older than 15) fails at once. A
// tracer, if there is one, is told of every query.
func Open(ctx context.Context, url string, wait time.Duration, log *slog.Logger, tracer ...pgx.QueryTracer) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "mocktenant"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	if len(tracer) > 0 {
		config.ConnConfig.Tracer = tracer[0]
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		registerUUID(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := await(ctx, pool, wait, log); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func await(ctx context.Context, pool *pgxpool.Pool, wait time.Duration, log *slog.Logger) error {
	const pause = 500 * time.Millisecond
	deadline := time.Now().Add(wait)
	for {
		err := checkVersion(ctx, pool)
		if err == nil || !errors.Is(Classify(err), ErrUnavailable) || time.Now().Add(pause).After(deadline) {
			return err
		}
		log.Warn("waiting for the database", "error", err, "seconds_left", int(time.Until(deadline).Seconds()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func checkVersion(ctx context.Context, pool *pgxpool.Pool) error {
	var version int
	err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	if version < minVersion {
		return fmt.Errorf("the database server is Postgres %d.%d; 15 or later is needed", version/10000, version%10000)
	}
	return nil
}

// refusedLogin tells whether the server answered and would not let us in.
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
