package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// crowded starts a service with its own database role, and returns the role too.
func crowded(t *testing.T, c server.Config) (*server.Server, string) {
	t.Helper()
	dbtest.SkipOnCluster(t, "its role owns the database on one server")
	config, err := pgx.ParseConfig(dbtest.NewEmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	role := "role_" + uuid.NewString()
	quoted := pgx.Identifier{role}.Sanitize()
	admin(t, "CREATE ROLE "+quoted+" LOGIN CREATEROLE PASSWORD 'secret'")
	admin(t, "ALTER DATABASE "+pgx.Identifier{config.Database}.Sanitize()+" OWNER TO "+quoted)
	t.Cleanup(func() {
		// After the service has ended; the database is dropped together with its superuser.
		admin(t, "ALTER DATABASE "+pgx.Identifier{config.Database}.Sanitize()+" OWNER TO CURRENT_USER")
		onDatabase(t, config.Database, "REASSIGN OWNED BY "+quoted+" TO CURRENT_USER", "DROP OWNED BY "+quoted)
		admin(t, "DROP ROLE "+quoted)
	})
	c.DatabaseURL = fmt.Sprintf("host='%s' port=%d user='%s' password=secret dbname='%s' sslmode=disable pool_max_conns=8",
		config.Host, config.Port, role, config.Database)
	return start(t, c), role
}

// admin executes a statement as the server's superuser.
func admin(t *testing.T, sql string) {
	t.Helper()
	if _, err := dbtest.Pool(t).Exec(context.WithoutCancel(t.Context()), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func onDatabase(t *testing.T, database string, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dbtest.OfDatabase(t, database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// full lets the role have no more connections than it has now.
func full(t *testing.T, role string) {
	t.Helper()
	admin(t, "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" CONNECTION LIMIT 1")
}

// hold takes all connections of the pool, including those being returned to it.
func hold(t *testing.T, s *server.Server) (release func()) {
	t.Helper()
	var held []*pgxpool.Conn
	for stat := s.Pool().Stat(); int(stat.TotalConns()) > len(held); stat = s.Pool().Stat() {
		if stat.IdleConns() == 0 {
			runtime.Gosched()
			continue
		}
		conn, err := s.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	return sync.OnceFunc(func() {
		for _, conn := range held {
			conn.Release()
		}
	})
}

// If the server has no room for another connection, calls on every front wait for one to
// become free, and the service stays ready. Earlier, they got 503 at once.
func TestCallsWaitForAConnection(t *testing.T) {
	t.Parallel()
	s, role := crowded(t, server.Config{AdminAddr: "127.0.0.1:0", TenantConnections: 6})
	busy, other := newTenant(t, s), newTenant(t, s)
	busyToken, otherToken := token(t, s, busy), token(t, s, other)
	for _, token := range []string{busyToken, otherToken} {
		if r, body := call(t, "POST", s.URL()+partners, token, `{}`); r.StatusCode != 201 {
			t.Fatalf("before: %d %s", r.StatusCode, body)
		}
	}
	waiting, release := slow(t, s, busy)
	defer release()
	full(t, role)
	var all sync.WaitGroup
	for n := 1; s.Pool().Stat().IdleConns() > 0; n++ {
		all.Go(func() {
			filter := fmt.Sprintf("?$filter=displayName%%20ne%%20'%d'", n)
			if r, body := call(t, "GET", s.URL()+partners+filter, busyToken, ""); r.StatusCode != 200 {
				t.Errorf("a call that has a connection: %d %s", r.StatusCode, body)
			}
		})
		for waiting() < n {
			runtime.Gosched()
		}
	}

	before := s.Pool().Stat().NewConnsCount()
	for range 5 {
		all.Go(func() {
			if r, body := call(t, "GET", s.URL()+partners, otherToken, ""); r.StatusCode != 200 {
				t.Errorf("Graph: %d %s", r.StatusCode, body)
			}
		})
		all.Go(func() {
			if r, body := call(t, "GET", s.AdminURL()+"/v1/tenants", "", ""); r.StatusCode != 200 {
				t.Errorf("administration: %d %s", r.StatusCode, body)
			}
		})
		all.Go(func() {
			form := url.Values{"grant_type": {"password"}, "client_id": {other.ClientID.String()}, "username": {"nobody"}, "password": {"x"}, "scope": {"openid"}}
			r, err := http.PostForm(s.URL()+"/"+other.ID.String()+"/oauth2/v2.0/token", form)
			if err != nil {
				t.Error(err)
				return
			}
			if _ = r.Body.Close(); r.StatusCode != 401 { // the application has no secret
				t.Errorf("sign-in: %s", r.Status)
			}
		})
	}
	for s.Pool().Stat().NewConnsCount() < before+2 { // refused twice: one waits
		runtime.Gosched()
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
		t.Errorf("/readyz: %d %s", r.StatusCode, body)
	}
	release()
	all.Wait()
}

// A call that gets no connection in time is answered with 503 and Retry-After, and the next
// one is served as soon as there is a connection.
func TestCallsWaitWithinTheirTime(t *testing.T) {
	t.Parallel()
	s, role := crowded(t, server.Config{RequestTimeout: 200 * time.Millisecond})
	token := token(t, s, newTenant(t, s))
	full(t, role)
	release := hold(t, s)
	defer release()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			r, body := call(t, "GET", s.URL()+partners, token, "")
			if r.StatusCode != 503 || r.Header.Get("Retry-After") != "2" {
				t.Errorf("%d, Retry-After %q: %s", r.StatusCode, r.Header.Get("Retry-After"), body)
			}
		})
	}
	all.Wait()
	admin(t, "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" CONNECTION LIMIT -1")
	for { // the time is short: a busy machine may need more
		if r, _ := call(t, "GET", s.URL()+partners, token, ""); r.StatusCode == 200 {
			break
		}
	}
}

// If a probe's own connection breaks and the server has no room for another, the probe uses
// the pool's; if those are all serving, the probe doesn't take that for an unavailable
// database.
func TestReadyWithoutRoomForTheProbe(t *testing.T) {
	t.Parallel()
	s, role := crowded(t, server.Config{})
	newTenant(t, s) // leaves a connection in the pool
	full(t, role)
	release := hold(t, s)
	defer release()
	admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+role+"' AND query LIKE '-- name: Revision%'")
	ready := func(when string) {
		t.Helper()
		if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
			t.Errorf("%s: %d %s", when, r.StatusCode, body)
		}
	}
	ready("the pool's connections serve")
	release()
	ready("one of them is free")
}
