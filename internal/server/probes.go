package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
)

// probeTimeout bounds what a readiness probe waits for the database.
const probeTimeout = 2 * time.Second

// readiness is the answer of /readyz: "ok" or what is missing, by part.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

// live answers that the process serves HTTP.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ready answers 200 if requests can be served now, else 503 and what is missing.
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
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answer := readiness{Ready: true, Checks: map[string]string{}}
	check := func(part string, err error) {
		answer.Checks[part] = "ok"
		if err != nil {
			answer.Ready, answer.Checks[part] = false, err.Error()
		}
	}
	if s.stopping.Load() {
		check("service", errors.New("it is stopping"))
	}
	check("database", s.pool.Ping(ctx))
	check("migrations", s.migrated(ctx))
	check("keys", s.identity.Ready())
	return answer
}

// migrated returns an error if the schema lacks what this program wants. One that
// is further is no reason to stop: while a new version rolls out, or is rolled
// back, the old one serves on what the new one has migrated.
func (s *Server) migrated(ctx context.Context) error {
	have, want, err := db.Revision(ctx, s.pool)
	if err == nil && have < want {
		err = fmt.Errorf("the database is at migration %d, this program wants %d: run mocktenant migrate up", have, want)
	}
	return err
}
