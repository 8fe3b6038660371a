package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/mocktenant/mocktenant/internal/db"
)

// probeTimeout bounds how long a readiness probe waits for the database.
const probeTimeout = 2 * time.Second

// readiness is the answer of /readyz: for each part "ok" or what is missing. It is public,
// so the reason (where the database is, what it said) is only in the log.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

// prober asks the database whether requests can be served. It has its own connection, which
// is available however many requests wait for the pool. Concurrent probes share an answer.
type prober struct {
	pool   *db.Pool
	asking singleflight.Group

	mu         sync.Mutex
	conn       *pgx.Conn // nil before the first probe
	have, want int64     // the migrations found last

	said string // what was missing last, as the log has it
}

// live answers that the process serves HTTP.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ready answers 200 if requests can be served now, otherwise 503 and what is missing.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	answer := s.readiness(r.Context())
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) readiness(ctx context.Context) readiness {
	ctx = context.WithoutCancel(ctx) // the answer may be for others too
	answer, _, _ := s.prober.asking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		return s.ask(ctx), nil
	})
	return answer.(readiness)
}

// ask checks each part.
func (s *Server) ask(ctx context.Context) readiness {
	answer, why := readiness{Ready: true, Checks: map[string]string{}}, error(nil)
	check := func(part, missing string, err error) {
		answer.Checks[part] = "ok"
		if err != nil {
			answer.Ready, answer.Checks[part] = false, missing
			why = errors.Join(why, fmt.Errorf("%s: %w", part, err))
		}
	}
	if s.stopping.Load() {
		check("service", "it is stopping", errors.New("it is stopping"))
	}
	have, want, err := s.prober.ask(ctx)
	database, migrations := "not available", "not known"
	switch {
	case errors.Is(err, errReadOnly), errors.Is(err, errUndistributed):
		database = err.Error()
	case err == nil && have < want:
		// A newer schema is fine: during a rollout or a rollback, the old version keeps
		// serving on what the new one has migrated.
		migrations = fmt.Sprintf("the database is at migration %d, this program wants %d: run mocktenant migrate up", have, want)
		check("migrations", migrations, errors.New(migrations))
	}
	check("database", database, err)
	if _, done := answer.Checks["migrations"]; !done {
		check("migrations", migrations, err)
	}
	check("keys", "not loaded", s.identity.Ready())
	if s.distributed && err == nil {
		answer.Checks["workers"] = s.workers.ask(ctx, s)
	}
	s.prober.log(s, why)
	return answer
}

// log logs why the service isn't ready, once for each reason, and when it becomes ready.
func (p *prober) log(s *Server, why error) {
	switch said := fmt.Sprint(why); {
	case said == p.said:
	case why != nil:
		p.said = said
		s.log.Warn("not ready", "error", why)
	default:
		if p.said != "" {
			s.log.Info("ready again")
		}
		p.said = said
	}
}

var (
	errReadOnly      = errors.New("the server is read-only")
	errUndistributed = errors.New("tables that the cluster doesn't distribute, run mocktenant migrate distribute")
)

// ask returns the migration of the database and the required one, or an error if the
// database can't be used.
func (p *prober) ask(ctx context.Context) (have, want int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.conn
	have, want, err = p.askOnce(ctx)
	if err != nil && kept != nil && kept == p.conn && kept.IsClosed() { // it was cut while nobody asked
		have, want, err = p.askOnce(ctx)
	}
	return have, want, err
}

func (p *prober) askOnce(ctx context.Context) (have, want int64, err error) {
	on, err := p.connection(ctx)
	if err != nil {
		return 0, 0, err
	}
	have, want, err = examine(ctx, on)
	switch {
	case err == nil:
		p.have, p.want = have, want
	case on == db.DBTX(p.pool) && ctx.Err() != nil && p.want > 0 && p.pool.Stat().AcquiredConns() > 0:
		// The server has just answered that it has no room, and all of the pool's
		// connections are serving.
		return p.have, p.want, nil
	}
	return have, want, err
}

// examine returns the migration of a database and the required one, or an error if the
// database can't be used.
func examine(ctx context.Context, on db.DBTX) (have, want int64, err error) {
	writable, err := db.Writable(ctx, on)
	if err != nil {
		return 0, 0, err
	}
	if !writable {
		return 0, 0, errReadOnly
	}
	have, want, err = db.Revision(ctx, on)
	if err != nil {
		return 0, 0, err
	}
	return have, want, checkDistribution(ctx, on)
}

// checkDistribution returns errUndistributed if a cluster lacks tables: a tenant's rows there
// would outlive it.
func checkDistribution(ctx context.Context, on db.DBTX) error {
	local, err := db.Undistributed(ctx, on)
	if err == nil && len(local) > 0 {
		err = fmt.Errorf("%w: %s", errUndistributed, strings.Join(local, ", "))
	}
	return err
}

// connection returns the prober's own connection or, if the server has no room for it, the
// pool, whose connections still serve.
func (p *prober) connection(ctx context.Context) (db.DBTX, error) {
	if p.conn != nil && !p.conn.IsClosed() {
		return p.conn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if db.NoRoom(err) {
		return p.pool, nil
	}
	if err != nil {
		return nil, err
	}
	p.conn = conn
	return conn, nil
}

// close ends the connection.
func (p *prober) close(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close(ctx)
	}
}
