package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// serviceClock is a service's clock, which a test moves.
type serviceClock struct{ shows atomic.Int64 }

func newServiceClock() *serviceClock {
	c := &serviceClock{}
	c.shows.Store(time.Now().UnixNano())
	return c
}

func (c *serviceClock) now() time.Time          { return time.Unix(0, c.shows.Load()) }
func (c *serviceClock) advance(d time.Duration) { c.shows.Add(int64(d)) }

// demo is the demo tenant of a service whose clock the test moves.
type demo struct {
	*testing.T
	*server.Server
	clock *serviceClock
	token string
}

func newDemo(t *testing.T) *demo {
	t.Helper()
	clock := newServiceClock()
	d := &demo{T: t, Server: start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true, Now: clock.now}), clock: clock}
	d.token = d.signIn()
	return d
}

func (d *demo) signIn() string {
	d.Helper()
	status, _, body := signIn(d.T, d.Server, server.DemoTenantID.String(), server.DemoPassword)
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil {
		d.Fatalf("%d %s", status, body)
	}
	return got.Token
}

// administer calls the administration about the demo tenant.
func (d *demo) administer(method, path, body string) *httptest.ResponseRecorder {
	d.Helper()
	r := httptest.NewRequestWithContext(d.Context(), method, "/v1/tenants/"+server.DemoTenantID.String()+path, strings.NewReader(body))
	r.Host = "127.0.0.1"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	d.AdminHandler().ServeHTTP(w, r)
	return w
}

func (d *demo) setClock(body string) api.Clock {
	d.Helper()
	w := d.administer("PUT", "/clock", body)
	var clock api.Clock
	if err := json.Unmarshal(w.Body.Bytes(), &clock); w.Code != 200 || err != nil {
		d.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
	return clock
}

// claims returns the times in a token.
func claims(t *testing.T, token string) (c struct{ Iat, Nbf, Exp int64 }) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// With a frozen clock, no time in an answer, a token or a row comes from the service's clock.
func TestFrozenClock(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.clock.advance(time.Hour)
	service := d.clock.now().Add(-time.Minute)
	frozen := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	if got := d.setClock(`{"now":"2031-05-06T07:08:09Z","rate":0}`); !got.Now.Equal(frozen) || got.Rate != 0 || !got.Moved {
		t.Fatalf("%+v", got)
	}
	d.clock.advance(90 * time.Minute)

	token := d.signIn()
	if c := claims(t, token); c.Iat != frozen.Add(-5*time.Minute).Unix() || c.Nbf != c.Iat || c.Exp <= frozen.Unix() {
		t.Errorf("the token says %+v", c)
	}
	status, header, body := signIn(t, d.Server, server.DemoTenantID.String(), "wrong")
	if status != 400 || header.Get("Date") != frozen.Format(http.TimeFormat) || !strings.Contains(body, `"timestamp":"2031-05-06 07:08:09Z"`) {
		t.Errorf("a refused sign-in: %v %s", header, body)
	}
	r, body := call(t, "POST", d.URL()+partners, token, `{"displayName":"x"}`)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || r.StatusCode != 201 || r.Header.Get("Date") != frozen.Format(http.TimeFormat) {
		t.Fatalf("%d %v %s", r.StatusCode, r.Header, body)
	}
	for _, change := range []struct{ method, path, body string }{
		{"PATCH", "", `{"displayName":"y"}`},
		{"POST", "/beginOnboarding", ``},
		{"POST", "/disconnect", ``},
		{"DELETE", "", ``},
	} {
		if r, body := call(t, change.method, d.URL()+partners+"/"+made.ID+change.path, token, change.body); r.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s", change.method, change.path, r.StatusCode, body)
		}
	}
	if r, body := call(t, "GET", d.URL()+partners+"/"+made.ID, token, ""); r.StatusCode != 404 || !strings.Contains(body, `"date":"2031-05-06T07:08:09"`) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if w := d.administer("POST", "/users", `{"userPrincipalName":"new@`+server.DemoDomain+`"}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"createdDateTime":"2031-05-06T07:08:09Z"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := d.administer("POST", "/applications/"+server.DemoClientID.String()+"/secrets", `{}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"2033-05-`) {
		t.Errorf("a secret for two years: %d %s", w.Code, w.Body)
	}
	d.checkRows(service, frozen)
}

// checkRows checks that no time in the tenant's rows is between service, the service's time
// when the clock was set, and frozen.
func (d *demo) checkRows(service, frozen time.Time) {
	d.Helper()
	rows, err := d.Pool().Query(d.Context(), `SELECT c.table_name, c.column_name FROM information_schema.columns AS c
		JOIN information_schema.columns AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.column_name = 'tenant_id'
		JOIN information_schema.tables AS b ON b.table_schema = c.table_schema AND b.table_name = c.table_name AND b.table_type = 'BASE TABLE'
		WHERE c.table_schema = current_schema() AND c.data_type = 'timestamp with time zone'
			AND c.table_name NOT IN ('audit_entries')`) // it has the administration's times
	if err != nil {
		d.Fatal(err)
	}
	defer rows.Close()
	var columns [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			d.Fatal(err)
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil || len(columns) < 10 {
		d.Fatalf("%d columns: %v", len(columns), err)
	}
	own := 0
	for _, c := range columns {
		var wrong, right int
		err := d.Pool().QueryRow(d.Context(), fmt.Sprintf(`SELECT count(*) FILTER (WHERE %[2]s >= $2 AND %[2]s < $3), count(*) FILTER (WHERE %[2]s >= $3) FROM %[1]s WHERE tenant_id = $1`, c[0], c[1]),
			server.DemoTenantID, service, frozen).Scan(&wrong, &right)
		if err != nil {
			d.Fatal(err)
		}
		if own += right; wrong > 0 {
			d.Errorf("%s.%s has %d times of the service", c[0], c[1], wrong)
		}
	}
	if own < 8 {
		d.Errorf("%d times of the tenant's clock, want those of a partner, its history, a user and a secret", own)
	}
}

// Advancing a clock ends tokens. Resetting it makes tokens issued meanwhile not valid yet.
// Other tenants are unaffected.
func TestAdvancedClock(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	other := dbtest.Tenant{ID: uuid.New(), UserID: uuid.New(), ClientID: uuid.New()}
	w := httptest.NewRecorder()
	create := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/tenants", strings.NewReader(`{"displayName":"other","id":"`+other.ID.String()+`"}`))
	create.Host = "127.0.0.1"
	create.Header.Set("Content-Type", "application/json")
	d.AdminHandler().ServeHTTP(w, create)
	var made api.TenantCreated
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	want := func(when, token string, status int, text string) {
		t.Helper()
		if r, body := call(t, "GET", d.URL()+partners, token, ""); r.StatusCode != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s", when, r.StatusCode, body)
		}
	}
	want("before", d.token, 200, "")

	if w := d.administer("POST", "/snapshots", `{"name":"early"}`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got, want := d.setClock(`{"advanceSeconds":10800}`).Now, d.clock.now().Add(3*time.Hour).UTC().Truncate(time.Microsecond); !got.Equal(want) {
		t.Errorf("it shows %s, want %s", got, want)
	}
	want("three hours later", d.token, 401, "Lifetime validation failed, the token is expired.")
	want("three hours later, another tenant", made.Credentials.AccessToken, 200, "")
	late := d.signIn()
	want("three hours later, a new token", late, 200, "")

	if w := d.administer("POST", "/snapshots/early/restore", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want("restored, the late token", late, 401, "not yet valid")
	want("restored", d.token, 200, "")

	d.setClock(`{"rate":3600}`)
	d.clock.advance(3 * time.Second)
	want("three hours in three seconds", d.token, 401, "the token is expired")
	if w := d.administer("DELETE", "/clock", ""); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want("reset", d.token, 200, "")
	var clock api.Clock
	if w := d.administer("GET", "/clock", ""); json.Unmarshal(w.Body.Bytes(), &clock) != nil || clock.Moved || clock.Rate != 1 || !clock.Now.Equal(d.clock.now().Truncate(time.Microsecond)) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Invalid settings of a clock are refused, and the clock stays unchanged.
func TestClockRefuses(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:08:09Z","rate":0}`)
	for body, want := range map[string]struct {
		status int
		detail string
	}{
		`{"now":"2031-05-06T07:08:08.999999Z"}`:             {409, "A clock never runs backwards: it shows 2031-05-06T07:08:09Z, which is after 2031-05-06T07:08:08.999999Z."},
		`{"now":"1999-01-01T00:00:00Z"}`:                    {409, "A clock never runs backwards"},
		`{"now":"9500-01-01T00:00:00Z"}`:                    {400, "is after 9000-01-01T00:00:00Z, the maximum of a clock."},
		`{"now":"12000-01-01T00:00:00Z"}`:                   {400, "/now"},
		`{"now":"tomorrow"}`:                                {400, "/now"},
		`{"now":"2032-01-01T00:00:00Z","advanceSeconds":1}`: {400, "/advanceSeconds: excludes now"},
		`{"advanceSeconds":-1}`:                             {400, "/advanceSeconds"},
		`{"advanceSeconds":1e300}`:                          {400, "/advanceSeconds"},
		`{"rate":-1}`:                                       {400, "/rate"},
		`{"rate":1e9}`:                                      {400, "/rate"},
		`{}`:                                                {400, ""},
	} {
		if w := d.administer("PUT", "/clock", body); w.Code != want.status || !strings.Contains(w.Body.String(), want.detail) {
			t.Errorf("%s: %d %s, want %d %s", body, w.Code, w.Body, want.status, want.detail)
		}
	}
	if w := d.administer("GET", "/clock", ""); !strings.Contains(w.Body.String(), `"now":"2031-05-06T07:08:09Z"`) {
		t.Errorf("%s", w.Body)
	}
}
