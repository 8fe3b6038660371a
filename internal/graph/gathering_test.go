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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// setupAlone returns a service with a separate database, in which tables can be locked, and
// a function that makes requests by a writer in its demo tenant.
func setupAlone(t *testing.T, noGathering bool) (*server.Server, func(method, path, body string) *http.Request) {
	t.Helper()
	s, err := server.Start(t.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Demo: true, NoGathering: noGathering, Log: testenv.Log(),
		RequestTimeout: time.Hour, // calls wait for the test as long as the machine takes
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

// pause locks the partners in the database until resume: changes wait with the mode SHARE,
// reads too with ACCESS EXCLUSIVE.
func pause(t *testing.T, pool *db.Pool, mode string) (resume func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE remote_assistance_partners IN "+mode+" MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Error(err)
		}
	}
}

// While the database pauses, a bounded number of creates wait; later ones are told to
// retry. When the database continues, all waiting creates are answered.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	const most = 1 + 4 + 4096                                             // two statements in flight, and the waiting calls
	s, request := setupAlone(t, false)                                    // gathering even in the run without it, where each call waits for a connection
	s.Handler().ServeHTTP(httptest.NewRecorder(), request("GET", "", "")) // makes the caller known
	resume := pause(t, s.Pool(), "SHARE")
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
		t.Errorf("%d answers say created, %d partners exist, want %d; %v", created, rows, most, err)
	}
}

// A shutdown waits for calls that wait for a shared statement.
func TestShutdownDrainsTheQueue(t *testing.T) {
	t.Parallel()
	s, request := setupAlone(t, os.Getenv("MOCKTENANT_NO_GATHERING") != "")
	resume := pause(t, s.Pool(), "SHARE")
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
	for active(t, s) <= clients { // the others haven't all been read
		time.Sleep(10 * time.Millisecond)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	for { // until it stops listening
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

// active returns how many requests a service is answering, with that for its metrics.
func active(t *testing.T, s *server.Server) (n int) {
	t.Helper()
	response, err := http.Get(s.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "\nhttp_server_active_requests ")
	if _, err := fmt.Sscan(line, &n); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return n
}

// Concurrent creates, gets, updates, actions and deletes, some by clients that go away,
// some in a deleted tenant, each have their own outcome, and later reads agree with each
// answer.
func TestGatheredOutcomes(t *testing.T) {
	t.Parallel()
	c, gone := setup(t), setup(t)
	gone.want(http.StatusOK, gone.do("GET", "/v1.0"+partners, "")) // makes the caller known for a second
	if _, err := c.server.Pool().Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", gone.tenant.ID); err != nil {
		t.Fatal(err)
	}
	// The clients that go away have separate connections. Otherwise another request could
	// get one that is being closed.
	leaving := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	send := func(ctx context.Context, token, method, path, body string) (int, string, error) {
		client := http.DefaultClient
		if ctx != t.Context() {
			client = leaving
		}
		r, err := http.NewRequestWithContext(ctx, method, c.server.URL()+"/v1.0"+partners+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
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
				goesAway := func(method, path, body string) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(5000))*time.Microsecond)
					defer cancel()
					_, _, _ = send(ctx, c.token, method, path, body)
				}
				goesAway("POST", "", "{}")
				status, created, err := send(t.Context(), c.token, "POST", "", fmt.Sprintf(`{"displayName":"%d-%d"}`, i, j))
				if status != http.StatusCreated || err != nil {
					t.Errorf("create: %d %s, %v", status, created, err)
					return
				}
				id := decode[partner](c, answer{body: created}).ID
				if status, got, err := send(t.Context(), c.token, "GET", "/"+id, ""); status != http.StatusOK || got != created || err != nil {
					t.Errorf("get: %d %s, %v, want\n%s", status, got, err, created)
				}
				changed := strings.Replace(created, fmt.Sprintf(`"%d-%d"`, i, j), `"changed"`, 1)
				if status, got, err := send(t.Context(), c.token, "PATCH", "/"+id, `{"displayName":"changed"}`); status != http.StatusOK || got != changed || err != nil {
					t.Errorf("change: %d %s, %v, want\n%s", status, got, err, changed)
				}
				left := "/" + c.create("{}") // by clients that go away: may be done late
				for _, action := range []struct{ path, made string }{
					{"/beginOnboarding", strings.Replace(changed, `"notOnboarded"`, `"onboarding"`, 1)},
					{"/disconnect", changed},
				} {
					goesAway("POST", left+action.path, "")
					if status, got, err := send(t.Context(), c.token, "POST", "/"+id+action.path, ""); status != http.StatusNoContent || err != nil {
						t.Errorf("%s: %d %s, %v", action.path, status, got, err)
					}
					if status, got, err := send(t.Context(), c.token, "GET", "/"+id, ""); status != http.StatusOK || got != action.made || err != nil {
						t.Errorf("after %s: %d %s, %v, want\n%s", action.path, status, got, err, action.made)
					}
				}
				goesAway("DELETE", left, "")
				if i%2 == 0 { // the other half stays
					if status, got, err := send(t.Context(), c.token, "DELETE", "/"+id, ""); status != http.StatusNoContent || err != nil {
						t.Errorf("delete: %d %s, %v", status, got, err)
					}
					for _, method := range []string{"GET", "DELETE"} {
						if status, got, err := send(t.Context(), c.token, method, "/"+id, ""); status != http.StatusNotFound || err != nil {
							t.Errorf("%s after it was deleted: %d %s, %v", method, status, got, err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
}

// bothWays returns two services on one database, only one of which gathers. With their own clock,
// they have their own database, because a sweep also deletes other tests' rows by its clock.
func bothWays(t *testing.T, now func() time.Time) map[string]*server.Server {
	t.Helper()
	both, database := map[string]*server.Server{}, dbtest.URL(t)
	if now != nil {
		database = dbtest.NewDatabase(t)
	}
	for name, noGathering := range map[string]bool{"gathering": false, "alone": true} {
		s, err := server.Start(t.Context(), server.Config{
			HTTPAddr: "127.0.0.1:0", DatabaseURL: database, NoGathering: noGathering, Now: now, Log: testenv.Log(),
			RequestTimeout: time.Minute, // a busy machine may take more than ten seconds
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
		both[name] = s
	}
	return both
}

// The same concurrent changes to partners of many tenants with equal ids leave the same
// answers, rows and histories, gathered or not.
func TestGatheredChangesAreTheSame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678912300, time.UTC)
	var want []string
	for name, s := range bothWays(t, func() time.Time { return now }) {
		for i, got := range changeAll(t, s, 4, 12) {
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, tenant %d differs from the first one (-want +got):\n%s", name, i, diff)
			}
		}
	}
}

// changeAll changes the partners of tenants; each partner has a client that makes one
// change after another. It returns the answers and the database's contents by tenant.
func changeAll(t *testing.T, s *server.Server, tenants, each int) [][]string {
	t.Helper()
	clients, answers := make([]*client, tenants), make([][]string, tenants*each)
	var wg sync.WaitGroup
	for i := range clients {
		c := newClient(t, s)
		if _, err := s.Pool().Exec(t.Context(), "UPDATE tenants SET id_seed = 'the same' WHERE id = $1", c.tenant.ID); err != nil {
			t.Fatal(err)
		}
		clients[i] = c
		for j := range each {
			id := c.create(fmt.Sprintf(`{"displayName":"%d","onboardingStatus":"%s"}`, j, []string{"notOnboarded", "onboarding", "onboarded"}[j%3]))
			wg.Go(func() { answers[i*each+j] = c.changeOne(id, j) })
		}
	}
	wg.Wait()
	all := make([][]string, tenants)
	for i, c := range clients {
		all[i] = append(slices.Concat(answers[i*each:(i+1)*each]...), c.stored()...)
	}
	return all
}

// changeOne changes a partner in a way that depends on n, and returns the answers.
func (c *client) changeOne(id string, n int) (answers []string) {
	changes := [][2]string{
		{"POST", "/beginOnboarding"},
		{"POST", "/disconnect"},
		{"PATCH", `{"displayName":"b"}`},
		{"POST", "/beginOnboarding"},
		{"PATCH", `{"onboardingStatus":"onboarded"}`},
		{"POST", "/beginOnboarding"},
		{"PATCH", `{"onboardingStatus":"no"}`},
		{"POST", "/disconnect"},
		{"POST", "/disconnect"},
		{"DELETE", ""},
		{"DELETE", ""},
		{"POST", "/disconnect"},
		{"PATCH", `{"displayName":"c"}`},
	}
	for _, change := range changes[n%5 : len(changes)-n%2*4] { // half of them omit the last changes
		path, body := "/v1.0"+partners+"/"+id, change[1]
		if strings.HasPrefix(body, "/") {
			path, body = path+body, ""
		}
		a := c.do(change[0], path, body)
		if a.status >= 400 { // the text has ids of the request
			a.body = decode[errorDocument](c, a).Error.Code
		}
		answers = append(answers, fmt.Sprint(id, " ", change, " ", a.status, " ", strings.ReplaceAll(a.body, c.server.URL(), "")))
	}
	return answers
}

// stored returns everything stored about a tenant's partners.
func (c *client) stored() []string {
	c.Helper()
	rows, err := c.server.Pool().Query(c.Context(), `
		SELECT v - ARRAY['tenant_id', 'row', 'created_by', 'created_with', 'created_request', 'changed_by', 'changed_with', 'changed_request'] || (v -> 'row') || jsonb_build_object('by', ARRAY[v ->> 'created_by', v ->> 'changed_by', v ->> 'created_with', v ->> 'changed_with'] = ARRAY[$2, $2, $3, $3]) AS one
		FROM (SELECT to_jsonb(v) AS v FROM entity_versions AS v WHERE tenant_id = $1) AS v
		UNION ALL SELECT p - ARRAY['tenant_id', 'created_by', 'created_with', 'created_request'] || jsonb_build_object('with', p ->> 'created_with' = $3)
		FROM (SELECT to_jsonb(p) AS p FROM remote_assistance_partners AS p WHERE tenant_id = $1) AS p
		ORDER BY one`, c.tenant.ID, c.tenant.UserID.String(), c.tenant.ClientID.String())
	if err != nil {
		c.Fatal(err)
	}
	stored, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.Fatal(err)
	}
	return stored
}

// Concurrent updates and actions on one partner are all kept, gathered or not: each makes
// the next version of the one that it found. Exactly one delete succeeds.
func TestConcurrentActions(t *testing.T) {
	t.Parallel()
	const clients, each = 16, 10
	for name, s := range bothWays(t, nil) {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s)
			id := c.create(`{"displayName":"start"}`)
			item := "/v1.0" + partners + "/" + id
			all := func(f func(i int)) {
				var wg sync.WaitGroup
				for i := range clients {
					wg.Go(func() { f(i) })
				}
				wg.Wait()
			}
			all(func(i int) {
				for j := range each {
					for _, a := range []answer{
						c.do("POST", item+"/beginOnboarding", ""),
						c.do("PATCH", item, fmt.Sprintf(`{"displayName":"%d-%d"}`, i, j)),
						c.do("POST", item+"/disconnect", ""),
					} {
						if a.status >= 300 {
							t.Errorf("status %d: %s", a.status, a.body)
						}
					}
				}
			})
			var deleted atomic.Int32
			all(func(int) {
				switch a := c.do("DELETE", item, ""); a.status {
				case http.StatusNoContent:
					deleted.Add(1)
				case http.StatusNotFound:
				default:
					t.Errorf("status %d: %s", a.status, a.body)
				}
			})
			if n := deleted.Load(); n != 1 {
				t.Errorf("%d deleted it", n)
			}
			checkChain(t, c.history(id), clients*each)
		})
	}
}

// checkChain checks a history against the changes: it begins with a partner called start
// that isn't onboarded, has the given number of updates, each with a different name, and
// ends with a delete.
func checkChain(t *testing.T, history []string, updates int) {
	t.Helper()
	name, status, seen := "start", "notOnboarded", map[string]bool{}
	for i, version := range history {
		f := strings.Fields(version) // version, name, status, change
		if len(f) != 4 || f[0] != fmt.Sprint(i+1) || f[2] != status || (f[3] == "delete") != (i == len(history)-1) {
			t.Fatalf("version %d of %d is %q, want one that is %s", i+1, len(history), version, status)
		}
		if updated := i > 0 && strings.HasSuffix(history[i-1], " update"); updated == (f[1] == name) || updated && seen[f[1]] {
			t.Errorf("version %d is %q, after %q", i+1, version, history[i-1])
		}
		name, seen[f[1]] = f[1], true
		switch {
		case f[3] == "beginOnboarding" && status == "notOnboarded":
			status = "onboarding"
		case f[3] == "disconnect" && status != "notOnboarded":
			status = "notOnboarded"
		case f[3] != "update" && f[3] != "delete":
			t.Errorf("version %d, %q, should not have been replaced", i+1, version)
		}
	}
	if len(seen) != 1+updates {
		t.Errorf("%d names, want %d", len(seen), 1+updates)
	}
}

// Clients that don't read their answers don't delay others.
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
