package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/replicas"
	"github.com/mocktenant/mocktenant/internal/server"
)

// The journal has the requests to the tenant's authority, with or without a token, however
// the path names the tenant. Owners see requests that name no tenant.
func TestJournalOfAuthorities(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	id := server.DemoTenantID.String()
	tenant := want[api.Tenant](d, "GET", "", "", 200)
	for _, tt := range []struct {
		method, path, token string
		owners              bool
	}{
		{method: "GET", path: "/" + id + "/v2.0/.well-known/openid-configuration"},
		{method: "GET", path: "/" + strings.ToUpper(id) + "/discovery/v2.0/keys"},
		{method: "GET", path: "/" + tenant.Domains[0] + "/v2.0/.well-known/openid-configuration"},
		{method: "POST", path: "/" + tenant.Domains[0] + "/oauth2/v2.0/token"},
		{method: "PUT", path: "/" + id + "/oauth2/v2.0/token"},
		{method: "GET", path: "/" + id + "/oauth2/v2.0/authorize?client_id=x"},
		{method: "GET", path: "/" + id + "/oauth2/v2.0/logout"},
		{method: "GET", path: "/v1.0", token: d.token},
		{method: "GET", path: "/v1.0/no/such/path", token: d.token},
		{method: "GET", path: "/v1.0", owners: true},
		{method: "GET", path: "/v1.0/no/such/path", owners: true},
		{method: "GET", path: partners, token: "nonsense", owners: true},
		{method: "GET", path: "/" + uuid.NewString() + "/v2.0/.well-known/openid-configuration", owners: true},
		{method: "GET", path: "/nobody.example/oauth2/v2.0/authorize", owners: true},
		{method: "GET", path: "/common/discovery/v2.0/keys", owners: true},
		{method: "POST", path: "/organizations/oauth2/v2.0/token", owners: true},
	} {
		d.administer("DELETE", "/requests", "")
		call(t, tt.method, d.URL()+tt.path, tt.token, "")
		path, _, _ := strings.Cut(tt.path, "?")
		got := d.requests("")
		if tt.owners {
			if len(got.Value) != 0 {
				t.Errorf("%s %s is the tenant's: %+v", tt.method, tt.path, got.Value)
			}
			w := administer(t, d.Server, "/v1/requests?order=newest&top=1")
			if !strings.Contains(w.Body.String(), `"path":"`+path+`"`) {
				t.Errorf("%s %s isn't the owner's: %s", tt.method, tt.path, w.Body)
			}
			continue
		}
		if len(got.Value) != 1 || got.Value[0].Method != tt.method || !strings.EqualFold(got.Value[0].Path, path) {
			t.Errorf("%s %s isn't the tenant's: %+v", tt.method, tt.path, got.Value)
		}
	}
}

// The journal has times by the tenant's clock, also for refused requests.
func TestJournalFollowsTheClock(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	then := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	d.setClock(`{"now":"` + then.Format(time.RFC3339) + `","rate":0}`)
	old := d.token
	d.token = d.signIn()
	d.administer("DELETE", "/requests", "")
	call(t, "GET", d.URL()+partners, old, "") // the token has expired
	call(t, "GET", d.URL()+"/v1.0", d.token, "")
	call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"1","method":"GET","url":"/"},{"id":"2","method":"GET","url":"/%zz"},{"id":"3","method":"GET","url":"/me","dependsOn":["2"]}]}`)
	call(t, "POST", d.URL()+"/"+server.DemoTenantID.String()+"/oauth2/v2.0/token", "", `{}`)
	call(t, "PUT", d.URL()+"/"+server.DemoTenantID.String()+"/oauth2/v2.0/token", "", "")
	got := d.requests("").Value
	if len(got) != 8 {
		t.Errorf("%d entries", len(got))
	}
	for _, r := range got {
		if !r.DateTime.Equal(then) {
			t.Errorf("%s: %v", line(r), r.DateTime)
		}
		if date := r.Response.Headers["Date"]; date != then.Format(http.TimeFormat) && r.Front == api.RequestFrontGraph {
			t.Errorf("%s: Date %q", line(r), date)
		}
		if strings.Contains(r.Response.Body, `"date":"`) && !strings.Contains(r.Response.Body, `"date":"2031-05-06T07:08:09"`) {
			t.Errorf("%s: %s", line(r), r.Response.Body)
		}
	}
}

// With two replicas under load, every request is either recorded or counted as dropped,
// whichever replica served it. Verifying a range with dropped requests fails with that
// reason; verifying a later range doesn't. A replica that has gone delays a verification
// once, for a bounded time.
func TestJournalOverReplicas(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{JournalRate: 60, JournalMegabytes: 1})
	second := start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now, JournalRate: 60, JournalMegabytes: 1})
	d.administer("DELETE", "/requests", "")
	const clients, each = 8, 50
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := range each {
				at := []string{d.URL(), second.URL()}[(n+i)%2]
				if i%10 == 0 {
					call(t, "POST", at+"/v1.0/$batch", d.token, `{"requests":[{"id":"1","method":"GET","url":"/"},{"id":"2","method":"GET","url":"/%zz"}]}`)
				} else {
					call(t, "GET", at+partners+"?$top=1", d.token, "")
				}
			}
		})
	}
	all.Wait()
	const sent = clients * each * 12 / 10
	recorded, dropped := d.counted()
	if recorded+dropped != sent || dropped == 0 {
		t.Errorf("%d requests recorded and %d dropped, want %d and some dropped", recorded, dropped, sent)
	}
	if v := d.verify(`{"counts":[{"match":{},"atLeast":0}]}`); v.Verified || !strings.Contains(v.Failures[0].Detail, "too many came to record them") {
		t.Errorf("%+v", v)
	}
	time.Sleep(1100 * time.Millisecond) // longer than the second to which the rate applies
	d.administer("DELETE", "/requests", "")
	for i := range 10 {
		call(t, "PUT", []string{d.URL(), second.URL()}[i%2]+partners, d.token, "")
		if v := d.verify(fmt.Sprintf(`{"counts":[{"match":{"method":"PUT"},"exactly":%d}]}`, i+1)); !v.Verified {
			t.Errorf("after %d: %+v", i+1, v)
		}
	}
	gone := uuid.New()
	if _, err := d.Pool().Exec(t.Context(), "INSERT INTO replicas (id, acknowledged, seen_at) VALUES ($1, 0, now())", gone); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	call(t, "PUT", second.URL()+partners, d.token, "")
	count := `{"counts":[{"match":{"method":"PUT"},"exactly":11}]}`
	if v := d.verify(count); v.Verified || !strings.Contains(v.Failures[0].Detail, "a replica of the service didn't answer in time") || time.Since(begun) > 30*time.Second {
		t.Errorf("with a replica that is gone: %+v after %v", v, time.Since(begun))
	}
	d.administer("DELETE", "/requests", "")
	if v := d.verify(strings.Replace(count, "11", "0", 1)); !v.Verified {
		t.Errorf("a journal that was cleared: %+v", v)
	}
	var left int
	if err := d.Pool().QueryRow(t.Context(), "SELECT count(*) FROM replicas WHERE id = $1", gone).Scan(&left); err != nil || left != 0 {
		t.Errorf("the replica that is gone is still there: %d, %v", left, err)
	}
}

// counted returns how many requests the tenant's journal has and how many it has dropped.
func (d *demo) counted() (recorded, dropped int) {
	d.Helper()
	for after := ""; ; {
		page := d.requests("?top=1000" + after)
		recorded += len(page.Value)
		if page.NextLink == nil {
			for _, gap := range page.Gaps {
				dropped += int(gap.Count)
			}
			return recorded, dropped
		}
		after = "&after=" + page.Value[len(page.Value)-1].Id.String()
	}
}

// A replica that is alive but doesn't answer in time may have recorded what a verification
// asks for: each one of that time fails and says so, whatever waited for the replica. It
// passes when the replica has answered, and always did for other times.
func TestVerificationOfASilentReplica(t *testing.T) {
	t.Parallel()
	d := journaled(t, server.Config{})
	d.administer("DELETE", "/requests", "")
	call(t, "PUT", d.URL()+partners, d.token, "")
	var answers atomic.Bool
	answers.Store(true)
	silent, err := replicas.Join(t.Context(), db.New(d.Pool()), slog.New(slog.DiscardHandler), func(context.Context) error {
		if !answers.Load() {
			return errors.New("not now")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	go silent.Run()
	t.Cleanup(func() { _ = silent.Leave(context.WithoutCancel(t.Context())) })
	const one = `"counts":[{"match":{"method":"PUT"},"exactly":1}]`
	if v := d.verify(`{` + one + `}`); !v.Verified {
		t.Errorf("before: %+v", v)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/tenants", strings.NewReader(`{"displayName":"at the end of its clock",
		"source":{"document":{"version":1,"clock":{"now":"2030-01-01T00:00:00Z","rate":86400,"from":"2001-01-01T00:00:00Z"}}}}`))
	r.Host = "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if d.AdminHandler().ServeHTTP(w, r); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	answers.Store(false)
	d.fault(`{"match":{"path":"/nowhere"},"effect":{"status":500}}`) // waits for it
	for range 2 {
		v := d.verify(`{` + one + `}`)
		if v.Verified || len(v.Failures) != 1 || v.Failures[0].Check != "gaps" || len(v.Gaps) != 1 || v.Gaps[0].Kind != api.RequestGapKindUnanswered {
			t.Fatalf("while it is silent: %+v", v)
		}
		if want := "The journal may lack requests between " + v.Gaps[0].Since.Format(time.RFC3339Nano) + " and " + v.Gaps[0].Until.Format(time.RFC3339Nano) + ": a replica of the service didn't answer in time, and may have answered some."; v.Failures[0].Detail != want {
			t.Errorf("%s, want %s", v.Failures[0].Detail, want)
		}
	}
	if v := d.verify(`{"until":"2001-01-01T00:00:00Z","counts":[{"match":{},"exactly":0}]}`); !v.Verified {
		t.Errorf("of another time: %+v", v)
	}
	answers.Store(true)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		v := d.verify(`{` + one + `}`)
		if v.Verified {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after its answer: %+v", v)
		}
	}
}
