package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// newTenant makes a tenant in the service's own database.
func newTenant(t *testing.T, s *server.Server) dbtest.Tenant {
	t.Helper()
	tenant := dbtest.Tenant{ID: uuid.New(), UserID: uuid.New(), ClientID: uuid.New()}
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	q := db.New(s.Pool())
	_, err := q.CreateTenant(t.Context(), db.CreateTenantParams{TenantID: tenant.ID, DisplayName: "T", CreatedAt: long})
	if err == nil {
		_, err = q.CreateUser(t.Context(), db.CreateUserParams{TenantID: tenant.ID, ID: tenant.UserID, UserPrincipalName: "u@" + tenant.ID.String(), DisplayName: "U", CreatedAt: long, Enabled: true})
	}
	if err == nil {
		_, err = q.CreateApplication(t.Context(), db.CreateApplicationParams{TenantID: tenant.ID, ClientID: tenant.ClientID, ServicePrincipalID: uuid.New(), DisplayName: "A", CreatedAt: long})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// slow makes every read of a tenant's partners wait for a lock, which it takes. It returns
// the number of waiting reads, and the function that releases the lock.
func slow(t *testing.T, s *server.Server, tenant dbtest.Tenant) (waiting func() int, release func()) {
	t.Helper()
	dbtest.SkipOnCluster(t, "the workers have the reads and locks that it watches")
	for _, sql := range []string{
		"ALTER TABLE remote_assistance_partners RENAME TO held_partners",
		`CREATE FUNCTION held(tenant uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF tenant = '` + tenant.ID.String() + `' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
			RETURN true;
		END $$`,
		"CREATE VIEW remote_assistance_partners AS SELECT * FROM held_partners WHERE held(tenant_id)",
	} {
		if _, err := s.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	holder, err := pgx.ConnectConfig(t.Context(), s.Pool().Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close(context.WithoutCancel(t.Context())) })
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	waiting = func() (n int) {
		const blocked = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
		if err := holder.QueryRow(t.Context(), blocked).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	return waiting, sync.OnceFunc(func() {
		if _, err := holder.Exec(context.WithoutCancel(t.Context()), "SELECT pg_advisory_unlock(1)"); err != nil {
			t.Error(err)
		}
	})
}

// batchOf returns a batch of lists, each with a different filter.
func batchOf(n int, filter string) string {
	type item struct {
		ID     string `json:"id"`
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	var items []item
	for i := range n {
		items = append(items, item{fmt.Sprint(i), "GET", strings.TrimPrefix(partners, "/v1.0") + fmt.Sprintf("?$filter=displayName%%20ne%%20'%s%d'", filter, i)})
	}
	text, _ := json.Marshal(map[string]any{"requests": items})
	return string(text)
}

// A tenant with slow filters gets only its share of the connections, however much it sends
// and in whatever form: others are answered, and the service is ready. Earlier, it took all
// connections, and everybody else waited.
func TestTenantsShareTheConnections(t *testing.T) {
	t.Parallel()
	const share = 3
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t) + " pool_max_conns=8", TenantConnections: share})
	greedy, other := newTenant(t, s), newTenant(t, s)
	greedyToken, otherToken := token(t, s, greedy), token(t, s, other)
	want := func(status int, method, url, token, body string) string {
		t.Helper()
		r, text := call(t, method, s.URL()+url, token, body)
		if r.StatusCode != status {
			t.Errorf("%s %s: %d, want %d: %s", method, url, r.StatusCode, status, text)
		}
		return text
	}
	want(201, "POST", partners, greedyToken, `{"displayName":"greedy"}`)
	waiting, release := slow(t, s, greedy)
	defer release()

	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			_, _ = call(t, "GET", s.URL()+partners+fmt.Sprintf("?$filter=displayName%%20eq%%20'%d'", i), greedyToken, "")
		})
	}
	for i := range 3 {
		all.Go(func() { _, _ = call(t, "POST", s.URL()+"/v1.0/$batch", greedyToken, batchOf(20, fmt.Sprint(i, "-"))) })
	}
	for waiting() < share {
	}

	var made struct{ ID string }
	if err := json.Unmarshal([]byte(want(201, "POST", partners, otherToken, `{"displayName":"other"}`)), &made); err != nil {
		t.Fatal(err)
	}
	want(200, "GET", partners+"/"+made.ID, otherToken, "")
	want(200, "PATCH", partners+"/"+made.ID, otherToken, `{"displayName":"new"}`)
	want(200, "GET", partners+"?$filter=displayName%20eq%20'new'&$count=true", otherToken, "")
	want(200, "GET", partners+"/$count", otherToken, "")
	if text := want(200, "POST", "/v1.0/$batch", otherToken, batchOf(20, "x")); strings.Count(text, `"status":200`) != 20 {
		t.Errorf("batch: %s", text)
	}
	want(204, "POST", partners+"/"+made.ID+"/disconnect", otherToken, "")
	want(204, "DELETE", partners+"/"+made.ID, otherToken, "")
	want(200, "GET", "/readyz", "", "")
	if n := waiting(); n != share {
		t.Errorf("the other tenant has %d connections, want %d", n, share)
	}
	release()
	all.Wait()
	want(200, "GET", partners+"?$filter=displayName%20eq%20'greedy'", greedyToken, "")
}

// The statement of a request whose client has gone away is cancelled, even if others could
// have shared it, and its connection can be reused.
func TestStatementEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t) + " pool_max_conns=4"})
	tenant := newTenant(t, s)
	bearer := token(t, s, tenant)
	if r, text := call(t, "POST", s.URL()+partners, bearer, `{"displayName":"held"}`); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, text)
	}
	waiting, release := slow(t, s, tenant)
	defer release()
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			r, err := http.NewRequestWithContext(ctx, "GET", s.URL()+partners+"?$filter=displayName%20eq%20'held'", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+bearer)
			if response, err := http.DefaultClient.Do(r); err == nil {
				t.Errorf("answered %s", response.Status)
				_ = response.Body.Close()
			}
		})
	}
	for waiting() == 0 {
	}
	leave()
	all.Wait()
	for waiting() != 0 {
	}
	release()
	if r, text := call(t, "GET", s.URL()+partners, bearer, ""); r.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", r.StatusCode, text)
	}
}

// A server that accepts no changes isn't ready: a standby, or one that was set read-only.
// The public answer names only the part.
func TestReadyWantsAWritableServer(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t)})
	name := s.Pool().Config().ConnConfig.Database
	set := func(readOnly string) {
		t.Helper()
		// In the shared server's own database, ending its connections, like a failover.
		for _, sql := range []string{
			"ALTER DATABASE " + pgx.Identifier{name}.Sanitize() + " SET default_transaction_read_only = " + readOnly,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
		} {
			if _, err := dbtest.Pool(t).Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
		t.Fatalf("before: %d %s", r.StatusCode, body)
	}
	for _, step := range []struct{ readOnly, want string }{
		{"on", `{"ready":false,"checks":{"database":"the server is read-only","keys":"ok","migrations":"not known"}}`},
		{"off", `{"ready":true,"checks":{"database":"ok","keys":"ok","migrations":"ok"`}, // a cluster's has more
	} {
		set(step.readOnly)
		if _, body := call(t, "GET", s.URL()+"/readyz", "", ""); !strings.HasPrefix(body, step.want) {
			t.Errorf("read-only %s: %s", step.readOnly, body)
		}
	}
}
