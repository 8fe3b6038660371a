package reporting

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// guardPause is the time between checks of the sessions of report logins.
	guardPause = time.Second

	// longestReport is how long a transaction of a report login may take.
	longestReport = 2 * time.Minute

	// maxReportLocks is how many locks a session of a report login may hold. A report takes
	// some dozens; a server has about ten thousand for all sessions together.
	maxReportLocks = 256
)

// guard ends sessions of report logins that keep others from working: those that hold
// an advisory lock or very many others, idle or not, those whose transaction takes too
// long, and those in another database than the service's.
//
// It has a connection of its own, opened while nobody does any harm: when Postgres's
// table of locks is full, no new connection gets in.
type guard struct {
	awake          chan struct{}
	longest, pause time.Duration
}

func newGuard(c Config) guard {
	return guard{
		awake:   make(chan struct{}, 1),
		longest: cmp.Or(c.LongestReport, longestReport),
		pause:   cmp.Or(c.GuardPause, guardPause),
	}
}

// Wake tells the guard that logins exist.
func (l *Logins) Wake() {
	select {
	case l.guard.awake <- struct{}{}:
	default: // it already knows
	}
}

// Guard ends harmful sessions of report logins until ctx ends. Without logins it holds no
// connection.
func (l *Logins) Guard(ctx context.Context) {
	roles, err := reportRoles(ctx, l.pool)
	if len(roles) > 0 || err != nil {
		l.Wake()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.guard.awake:
		}
		if err := l.watch(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("guard against report logins", "error", err)
			time.AfterFunc(l.guard.pause, l.Wake)
		}
	}
}

// watch checks the sessions regularly until the last login is removed or the connection
// breaks.
func (l *Logins) watch(ctx context.Context) error {
	config := l.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "mocktenant guard"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var database string
	if err := conn.QueryRow(ctx, "SELECT oid::text FROM pg_database WHERE datname = current_database()").Scan(&database); err != nil {
		return fmt.Errorf("find the database: %w", err)
	}
	tick := time.NewTicker(l.guard.pause)
	defer tick.Stop()
	var known []string
	for {
		roles, err := reportRoles(ctx, conn)
		if err == nil {
			if known = roles; len(known) == 0 {
				return nil
			}
		} // otherwise the table of locks is full: use the roles of the last check
		if err := l.guard.endHarmful(ctx, conn, database, known); err != nil && conn.IsClosed() {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.guard.awake:
		case <-tick.C:
		}
	}
}

// reportRoles returns the roles of this database's logins. Reading their names puts them
// into the connection's cache, where endHarmful finds them.
func reportRoles(ctx context.Context, q querier) ([]string, error) {
	const find = `SELECT r.oid::text FROM pg_roles AS r WHERE starts_with(r.rolname::text, $1)
		AND shobj_description(r.oid, 'pg_authid') = current_database()
		AND pg_get_userbyid(r.oid) = r.rolname AND pg_has_role(r.oid, 'USAGE') IS NOT NULL`
	rows, err := q.Query(ctx, find, loginPrefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// endHarmful ends the harmful sessions of roles. It calls only functions, because reading a
// relation needs a lock, and none may be left.
func (g guard) endHarmful(ctx context.Context, conn *pgx.Conn, database string, roles []string) error {
	const end = `SELECT pg_terminate_backend(a.pid) FROM pg_stat_get_activity(NULL) AS a
		LEFT JOIN (
			SELECT pid, bool_or(locktype = 'advisory') AS advisory, count(*) FILTER (WHERE mode <> 'SIReadLock') AS held
			FROM pg_lock_status() GROUP BY pid
		) AS l ON l.pid = a.pid
		WHERE a.usesysid = ANY($1::text[]::oid[])
			AND (a.datid NOT IN (0, $2::text::oid) OR statement_timestamp() - a.xact_start > $3::interval OR l.advisory OR l.held > $4::bigint)`
	_, err := conn.Exec(ctx, end, roles, database, g.longest.String(), maxReportLocks)
	return err
}
