package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	// workersPatience is how long a probe waits for the workers' state. Then it answers what
	// was known before: proxies allow a probe less time than a worker that is gone takes.
	workersPatience = 100 * time.Millisecond

	// workersTimeout bounds a check of the workers, which may outlast the probe.
	workersTimeout = 10 * time.Second
)

// watch checks which workers of a cluster answer. Without a worker, its tenants get 503, but
// the service stays ready: other tenants still work, and every replica would drop out.
type watch struct {
	asking singleflight.Group

	mu    sync.Mutex
	lost  map[string]bool // by address
	state string
}

// ask returns the state of the workers: "ok", or how many don't answer. Which ones is only in
// the log, because the answer is public.
func (w *watch) ask(ctx context.Context, s *Server) string {
	ctx = context.WithoutCancel(ctx)
	done := w.asking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, workersTimeout)
		defer cancel()
		w.check(ctx, s)
		return nil, nil
	})
	select {
	case <-done:
	case <-time.After(workersPatience):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == "" { // this is the first check
		return "not known"
	}
	return w.state
}

// check asks the coordinator, and logs which workers were lost or answer again.
func (w *watch) check(ctx context.Context, s *Server) {
	workers, err := db.Workers(ctx, s.pool)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.state = "not known"
		return
	}
	lost := map[string]bool{}
	for _, one := range workers {
		if one.Answers {
			continue
		}
		lost[one.Address] = true
		if !w.lost[one.Address] {
			s.log.Warn("a worker doesn't answer: its tenants get 503", "worker", one.Address)
		}
	}
	for address := range w.lost {
		if !lost[address] {
			s.log.Info("a worker answers again, or was replaced", "worker", address)
		}
	}
	w.lost, w.state = lost, "ok"
	if len(lost) > 0 {
		w.state = fmt.Sprintf("%d of %d not available", len(lost), len(workers))
	}
}
