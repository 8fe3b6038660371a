package graph_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// setupAlone is a service with a database of its own, in which tables can be locked,
// and a request by a writer of its demo tenant.
func setupAlone(t *testing.T) (*server.Server, func(method, path, body string) *http.Request) {
	t.Helper()
	s, err := server.Start(t.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Demo: true, NoGathering: os.Getenv("MOCKTENANT_NO_GATHERING") != "",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	token, err := s.Identity().IssueAccessToken(server.DemoAccessToken([]string{readWrite}, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s, func(method, path, body string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/v1.0"+partners+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		return r
	}
}

// pause makes the database answer nothing that has to do with partners, until
// resume.
func pause(t *testing.T, pool *pgxpool.Pool) (resume func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE remote_assistance_partners IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Error(err)
		}
	}
}

// While the database pauses, a bounded number of creates wait; who comes then is
// told to come again. When it goes on, all who waited are answered.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	if os.Getenv("MOCKTENANT_NO_GATHERING") != "" {
		return // each waits for a connection
	}
	const most = 1 + 4 + 4096 // two statements in flight, and those that wait
	s, request := setupAlone(t)
	s.Handler().ServeHTTP(httptest.NewRecorder(), request("GET", "", "")) // the caller is known
	resume := pause(t, s.Pool())
	defer resume()
	refused, answers := make(chan *httptest.ResponseRecorder, most), make(chan *httptest.ResponseRecorder, most+100)
	var wg sync.WaitGroup
	for range most + 100 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, request("POST", "", "{}"))
			answers <- w
			if w.Code != http.StatusCreated {
				refused <- w
			}
		})
	}
	for range 100 {
		if w := <-refused; w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"code":"serviceNotAvailable"`) {
			t.Errorf("beyond the bound: %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	resume()
	wg.Wait()
	close(answers)
	created := 0
	for w := range answers {
		if w.Code == http.StatusCreated {
			created++
		}
	}
	var rows int
	if err := s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM remote_assistance_partners").Scan(&rows); err != nil || rows != created || created != most {
		t.Errorf("%d were answered as created, %d are there, want %d; %v", created, rows, most, err)
	}
}

// A shutdown waits for those who wait for a shared statement.
func TestShutdownDrainsTheQueue(t *testing.T) {
	t.Parallel()
	s, request := setupAlone(t)
	resume := pause(t, s.Pool())
	defer resume()
	const clients = 20
	status := make(chan error, clients)
	for range clients {
		go func() {
			response, err := http.DefaultClient.Do(request("POST", "", "{}"))
			if err == nil {
				_ = response.Body.Close()
				if response.StatusCode != http.StatusCreated {
					err = errors.New(response.Status)
				}
			}
			status <- err
		}()
	}
	for waiting := 0; waiting < 1; { // one is in flight
		err := s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'remote_assistance_partners'::regclass").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond) // the others have been read by now
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	for { // until it listens no more
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	resume()
	for range clients {
		if err := <-status; err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Of creates, gets and changes at once, some by clients that go away, some by a
// tenant that is gone, each has its own outcome: whoever was answered finds it so.
func TestGatheredOutcomes(t *testing.T) {
	t.Parallel()
	c, gone := setup(t), setup(t)
	gone.want(http.StatusOK, gone.do("GET", "/v1.0"+partners, "")) // the caller is known, for a second
	if _, err := c.server.Pool().Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", gone.tenant.ID); err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, token, method, path, body string) (int, string, error) {
		r, err := http.NewRequestWithContext(ctx, method, c.server.URL()+"/v1.0"+partners+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		return response.StatusCode, string(text), err
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 20 {
				if status, body, err := send(t.Context(), gone.token, "POST", "", "{}"); status != http.StatusUnauthorized || err != nil {
					t.Errorf("in a tenant that is gone: %d %s, %v", status, body, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(5000))*time.Microsecond)
				_, _, _ = send(ctx, c.token, "POST", "", "{}") // goes away
				cancel()
				status, created, err := send(t.Context(), c.token, "POST", "", fmt.Sprintf(`{"displayName":"%d-%d"}`, i, j))
				if status != http.StatusCreated || err != nil {
					t.Errorf("create: %d %s, %v", status, created, err)
					return
				}
				id := decode[entity](c, answer{body: created}).ID
				if status, got, err := send(t.Context(), c.token, "GET", "/"+id, ""); status != http.StatusOK || got != created || err != nil {
					t.Errorf("get: %d %s, %v, want\n%s", status, got, err, created)
				}
				changed := strings.Replace(created, fmt.Sprintf(`"%d-%d"`, i, j), `"changed"`, 1)
				if status, got, err := send(t.Context(), c.token, "PATCH", "/"+id, `{"displayName":"changed"}`); status != http.StatusOK || got != changed || err != nil {
					t.Errorf("change: %d %s, %v, want\n%s", status, got, err, changed)
				}
			}
		})
	}
	wg.Wait()
}

// Clients that read no answer keep nobody waiting.
func TestClientsThatDontRead(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(strings.Replace(seedExample, "Display Name value", strings.Repeat("x", 1000), 1))
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.server.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for _, request := range []string{"GET /v1.0" + partners + "/" + id, "GET /v1.0" + partners, "PATCH /v1.0" + partners + "/" + id} {
			_, _ = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n%-20s", request, c.token, `{"displayName":"a"}`)
		}
	}
	for range 20 {
		c.create(seedExample)
		c.want(http.StatusOK, c.do("GET", "/v1.0"+partners+"/"+id, ""))
		c.want(http.StatusOK, c.do("PATCH", "/v1.0"+partners+"/"+id, `{"displayName":"b"}`))
	}
}
