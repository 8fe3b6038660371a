package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/console"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/journal"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/signin"
)

// administer prepares the administration. A request may take any time, because documents
// may be long, but its client must not pause for long.
func (s *Server) administer(ctx context.Context) error {
	q, now := db.New(s.pool), s.config.Now()
	if s.config.AdminKey != "" {
		if err := admin.KeepKey(ctx, q, s.config.AdminKey, "MOCKTENANT_ADMIN_KEY", now); err != nil {
			return fmt.Errorf("keep MOCKTENANT_ADMIN_KEY: %w", err)
		}
	}
	if s.config.AdminAddr != "" && !loopback(s.config.AdminAddr) && !s.config.OIDC.Enabled() {
		good, err := q.GoodAdminKeyExists(ctx, &now)
		if err != nil {
			return fmt.Errorf("look for administration keys: %w", err)
		}
		if !good {
			return fmt.Errorf("MOCKTENANT_ADMIN_ADDR %q: other machines can reach it, and no key exists: set MOCKTENANT_ADMIN_KEY or MOCKTENANT_OIDC_ISSUER, make one with mocktenant admin-key create --direct, listen on 127.0.0.1, or disable it with an empty address", s.config.AdminAddr)
		}
	}
	reportURL := s.config.ReportURL
	if reportURL == "" {
		reportURL = s.config.DatabaseURL
	}
	s.reports = reporting.New(reporting.Config{DB: s.pool, Now: s.config.Now, Log: s.log, URL: reportURL})
	s.admin = admin.New(admin.Config{
		DB: s.pool, Identity: s.identity, Now: s.config.Now, Log: s.log, Open: !s.config.NeedsKey(), Reports: s.reports, Spool: int64(s.config.SpoolMegabytes) << 20,
		Journal: s.journalOrNone(), Replicas: s.replicas,
		Routes:  sync.OnceValue(func() []string { return append(identity.Routes(), graph.Routes()...) }),
		Metrics: s.telemetry.Handler(), Hooks: s.hooks(), Portal: func() string { return s.addresses().HTTP }, Patience: s.config.Timeouts.WithDefaults().Read,
	})
	administration := s.admin.Handler()
	pages, err := s.console(ctx, administration)
	if err != nil {
		return err
	}
	s.adminHTTP = s.config.Timeouts.LongServer(s.adminFront(administration, pages.Handler()), s.log)
	s.adminHTTP.RegisterOnShutdown(pages.Close)
	return nil
}

// consoleKeyName names the secret that seals the console's sessions.
const consoleKeyName = "console"

// console returns the pages of the administration.
func (s *Server) console(ctx context.Context, administration http.Handler) (*console.Console, error) {
	secret, err := db.New(s.pool).ServiceSecret(ctx, consoleKeyName, s.config.Now())
	if err != nil {
		return nil, err
	}
	return console.New(console.Config{
		Administration: administration, Secret: secret, Now: s.config.Now, Log: s.log,
		People: s.people(), Sessions: sessions{s.admin}, Service: s.addresses, Health: s.health, Version: s.config.Version,
	}), nil
}

// people returns the identity provider of the console's users, or nil.
func (s *Server) people() *signin.Provider {
	if !s.config.OIDC.Enabled() {
		return nil
	}
	return signin.New(s.config.OIDC, s.config.Now)
}

// sessions are the console's sessions of people, which the administration keeps.
type sessions struct{ *admin.API }

func (s sessions) Begin(ctx context.Context, p signin.Person, address string, until time.Time) (uuid.UUID, error) {
	return s.BeginSession(ctx, personOf(p, uuid.Nil), p.Managers, address, until)
}

func (s sessions) End(ctx context.Context, id uuid.UUID) error { return s.EndSession(ctx, id) }

func (s sessions) As(ctx context.Context, p signin.Person, session uuid.UUID) context.Context {
	return admin.As(ctx, personOf(p, session))
}

func personOf(p signin.Person, session uuid.UUID) admin.Person {
	return admin.Person{ID: p.ID, Name: p.Name, Role: p.Role, Manager: p.Manager, Session: session}
}

// health returns the state of the service's parts, as /readyz does.
func (s *Server) health(ctx context.Context) map[string]string { return s.readiness(ctx).Checks }

// addresses returns the service's addresses for clients: its public URL, if it has one.
func (s *Server) addresses() console.Addresses {
	if public := strings.TrimSuffix(s.config.PublicURL, "/"); public != "" {
		return console.Addresses{HTTP: public}
	}
	return console.Addresses{HTTP: s.url, HTTPS: s.secureURL}
}

// journalOrNone returns the journal if it records anything.
func (s *Server) journalOrNone() *journal.Journal {
	if s.config.JournalRate == 0 {
		return nil
	}
	return s.journal
}

// AdminHandler returns the administration's handler.
func (s *Server) AdminHandler() http.Handler { return s.adminHTTP.Handler }

// ConsoleURL returns the address of the administration's pages, or "".
func (s *Server) ConsoleURL() string {
	if s.adminURL == "" {
		return ""
	}
	return s.adminURL + console.Root
}

// Admin returns the administration.
func (s *Server) Admin() *admin.API { return s.admin }
