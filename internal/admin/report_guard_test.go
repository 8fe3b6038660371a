package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/server"
)

// A report login's transaction that takes too long is ended with its session, even if it is
// idle. A session without a transaction may stay open.
func TestGuardEndsLongTransactions(t *testing.T) {
	t.Parallel()
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	c := &client{TB: t, server: s}
	made := c.newLogin(c.newTenant(api.TenantCreate{}).Tenant.Id)
	open, idle, busy := connect(c, made.Dsn), connect(c, made.Dsn), connect(c, made.Dsn)
	for _, statement := range []string{"BEGIN", "SELECT count(*) FROM reporting.users"} {
		if _, err := idle.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := busy.Exec(t.Context(), "SELECT pg_sleep(100)")
		ended <- err
	}()

	// In addition to the service's own guard, which would allow two minutes.
	reports := reporting.New(reporting.Config{DB: s.Pool(), LongestReport: 20 * time.Millisecond, GuardPause: 10 * time.Millisecond})
	guarding, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { reports.Guard(guarding); close(stopped) }()
	ends(t, idle)
	var shutdown *pgconn.PgError
	if err := <-ended; !errors.As(err, &shutdown) || shutdown.Code != "57P01" { // admin_shutdown
		t.Errorf("a long statement: %v", err)
	}
	stop()
	<-stopped
	if err := open.Ping(t.Context()); err != nil {
		t.Errorf("a session with no transaction: %v", err)
	}
}
