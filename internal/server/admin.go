package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
)

// administer makes the administration ready. A request may take any time, since documents
// are as long as they are; its client may not pause for long.
func (s *Server) administer(ctx context.Context) error {
	q, now := db.New(s.pool), s.config.Now()
	if s.config.AdminKey != "" {
		if err := admin.KeepKey(ctx, q, s.config.AdminKey, "MOCKTENANT_ADMIN_KEY", now); err != nil {
			return fmt.Errorf("keep MOCKTENANT_ADMIN_KEY: %w", err)
		}
	}
	open := loopback(s.config.AdminAddr)
	if s.config.AdminAddr != "" && !open {
		good, err := q.GoodAdminKeyExists(ctx, &now)
		if err != nil {
			return fmt.Errorf("look for keys of administrators: %w", err)
		}
		if !good {
			return fmt.Errorf("MOCKTENANT_ADMIN_ADDR %q: others than this machine reach it, and there is no key: set MOCKTENANT_ADMIN_KEY, make one by mocktenant admin-key create --direct, listen on 127.0.0.1, or turn it off by an empty address", s.config.AdminAddr)
		}
	}
	reportURL := s.config.ReportURL
	if reportURL == "" {
		reportURL = s.config.DatabaseURL
	}
	s.admin = admin.New(admin.Config{
		DB: s.pool, Identity: s.identity, Now: s.config.Now, Log: s.log, Open: open, ReportURL: reportURL, Spool: int64(s.config.SpoolMegabytes) << 20,
		Metrics: s.telemetry.Handler(), Observe: []gin.HandlerFunc{s.telemetry.Request}, Patience: s.config.Timeouts.WithDefaults().Read,
	})
	s.adminHTTP = s.config.Timeouts.LongServer(s.adminFront(s.admin.Handler()), s.log)
	return nil
}

// AdminHandler is what the administration serves.
func (s *Server) AdminHandler() http.Handler { return s.adminHTTP.Handler }

// Admin is the administration.
func (s *Server) Admin() *admin.API { return s.admin }
