package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/reporting"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// refuser is an administration with its own database and a clock that the test moves. Its calls
// are refused.
type refuser struct {
	*client
	clock   *clock
	api     *admin.API
	handler http.Handler
}

func newRefuser(t *testing.T) *refuser {
	c := open(t)
	r := &refuser{c, &clock{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}, nil, nil}
	r.api = admin.New(admin.Config{DB: c.server.Pool(), Identity: c.server.Identity(), Reports: reporting.New(reporting.Config{DB: c.server.Pool()}), Now: r.clock.Now})
	r.handler = r.api.Handler()
	return r
}

func (r *refuser) call(status int, address, key, method, path string) {
	r.Helper()
	q := httptest.NewRequestWithContext(r.Context(), method, path, nil)
	q.RemoteAddr = address
	q.Header.Set("X-Forwarded-For", "203.0.113.9") // which the service must ignore
	if key != "" {
		q.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	if w.Code != status {
		r.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
}

// sweep advances the clock by a minute, and returns the denials, oldest first.
func (r *refuser) sweep() []string {
	r.Helper()
	r.clock.move(time.Minute)
	if err := r.api.Sweep(r.Context()); err != nil {
		r.Fatal(err)
	}
	return r.denied()
}

func (r *refuser) denied() (all []string) {
	r.Helper()
	rows, err := r.server.Pool().Query(r.Context(), "SELECT concat_ws(' ', address, key_name, action, count) FROM audit_entries WHERE outcome = 'denied' ORDER BY id")
	if err != nil {
		r.Fatal(err)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			r.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

func (r *refuser) want(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("%q\nwant %q", got, want)
	}
}

// Refusals of an address within a minute share an entry that counts them. Refusals of a key
// have an entry for each operation.
func TestDenialsAreCounted(t *testing.T) {
	t.Parallel()
	r := newRefuser(t)
	reader := r.as(api.AdminRoleReader, "r")
	for range 50 {
		r.call(401, "192.0.2.1:1", "", "GET", "/v1/tenants")
		r.call(401, "192.0.2.1:2", "nonsense", "POST", "/v1/seeds")
		r.call(401, "[2001:db8::1]:1", "", "GET", "/nowhere")
		r.call(401, "[2001:db8::2]:1", "", "GET", "/v1/tenants")
		r.call(403, "192.0.2.1:3", reader.key, "POST", "/v1/tenants")
		r.call(403, "192.0.2.1:3", reader.key, "GET", "/v1/keys")
	}
	r.want(r.denied(), "192.0.2.1 listTenants 1", "2001:db8::1 GET /nowhere 1", "192.0.2.1 r createTenant 1", "192.0.2.1 r listKeys 1") // at once
	first := []string{"192.0.2.1 listTenants 100", "2001:db8::1 GET /nowhere 100", "192.0.2.1 r createTenant 50", "192.0.2.1 r listKeys 50"}
	r.want(r.sweep(), first...)
	r.call(401, "192.0.2.1:1", "", "GET", "/v1/tenants") // in another minute
	r.want(r.sweep(), append(first, "192.0.2.1 listTenants 1")...)
}

// However many addresses refused callers have, and whatever they send, the log stays small.
func TestDenialsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRefuser(t)
	r.as(api.AdminRoleReader, "r") // with a key, the administration is closed
	for i := range 300 {
		r.call(401, fmt.Sprintf("198.51.%d.%d:1", i/256, i%256), "", "GET", fmt.Sprintf("/%d%%00%%ff%s", i, strings.Repeat("x", 8000)))
	}
	denied := r.sweep()
	if len(denied) != 61 || !strings.HasPrefix(denied[60], "others GET /60\uFFFD\uFFFDxxx") || !strings.HasSuffix(denied[60], "x 240") {
		t.Errorf("%d entries, the last %s", len(denied), denied[len(denied)-1])
	}
	var most int
	if err := r.server.Pool().QueryRow(t.Context(), "SELECT max(pg_column_size(e.*)) FROM audit_entries AS e").Scan(&most); err != nil || most > 700 {
		t.Errorf("an entry has %d bytes, %v", most, err)
	}

	r.clock.move(29 * 24 * time.Hour)
	if n := len(r.sweep()); n != 61 {
		t.Errorf("%d entries after 29 days", n)
	}
	r.clock.move(24 * time.Hour)
	r.call(401, "192.0.2.1:1", "", "GET", "/v1/tenants")
	r.want(r.sweep(), "192.0.2.1 listTenants 1")
	done := "SELECT count(*) FROM audit_entries WHERE outcome = 'done'"
	var kept int
	if err := r.server.Pool().QueryRow(t.Context(), done).Scan(&kept); err != nil || kept == 0 {
		t.Errorf("%d changes are kept, %v", kept, err)
	}

	// Of recent denials, only a maximum number is kept.
	if _, err := r.server.Pool().Exec(t.Context(), `INSERT INTO audit_entries (id, at, action, outcome, status, address)
		SELECT ('ffffffff-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1, 'x', 'denied', 401, n::text FROM generate_series(1, 100050) AS n`, r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if denied := r.sweep(); len(denied) != 100_000 || denied[0] != "51 x 1" {
		t.Errorf("%d entries, the first %s", len(denied), denied[0])
	}
}

// Entries show how many calls they count.
func TestAuditCounts(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	reader := owner.as(api.AdminRoleReader, t.Name())
	reader.refused(403, "", reader.do("GET", "/v1/keys", nil))
	list := decode[api.AuditList](t, owner.want(200, owner.do("GET", "/v1/audit?top=1000", nil)))
	if !slices.ContainsFunc(list.Value, func(e api.AuditEntry) bool { return e.KeyName != nil && *e.KeyName == t.Name() && e.Count == 1 }) {
		t.Error("the refusal is not there")
	}
}
