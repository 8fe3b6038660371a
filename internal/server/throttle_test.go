package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/server"
)

func (d *demo) setThrottling(text string) {
	d.Helper()
	if w := d.administer("PATCH", "", `{"settings":{"throttling":`+text+`}}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"throttling":{`) {
		d.Fatalf("%s: %d %s", text, w.Code, w.Body)
	}
	time.Sleep(1100 * time.Millisecond) // other replicas cache the setting for a second
}

// window is a model of a limit as Graph documents it.
type window struct {
	most         int
	begun, until time.Duration // by the tenant's clock; until is 0 unless the window is full
	wait         time.Duration
	used         int
}

const windowLength = 20 * time.Second

// call returns how long a request must wait, or 0.
func (w *window) call(now time.Duration) time.Duration {
	switch {
	case w.until > now:
		w.until = max(w.until, now+w.wait)
		return w.until - now
	case w.used == 0 || w.until > 0 || now >= w.begun+windowLength:
		*w = window{most: w.most, begun: now, used: 1}
		return 0
	case w.used < w.most:
		w.used++
		return 0
	}
	w.until = w.begun + windowLength
	w.wait = w.until - now
	return w.wait
}

// Requests are throttled exactly like a model of Graph's limits, on two replicas, alone and in
// batches, and when the clock moves.
func TestThrottleModel(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	second := start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now})
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	d.setThrottling(`{"limits":"own","applicationWrites":4,"tenantWrites":5,"applicationRequests":9,"tenantRequests":12}`)
	limits := map[bool][]*window{true: {{most: 4}, {most: 5}, {most: 9}, {most: 12}}}
	limits[false] = limits[true][2:]
	random, now := rand.New(rand.NewPCG(1, 7)), time.Duration(0)
	throttled, at := 0, []string{d.URL(), second.URL()}
	for i := range 80 {
		if random.IntN(3) == 0 {
			step := random.IntN(45)
			d.setClock(fmt.Sprintf(`{"advanceSeconds":%d}`, step))
			now += time.Duration(step) * time.Second
		}
		write := random.IntN(2) == 0
		var want time.Duration
		for _, w := range limits[write] {
			want = max(want, w.call(now))
		}
		got, wait := d.throttled(at[random.IntN(2)], write, random.IntN(3) == 0)
		if got != (want > 0) || got && wait != strconv.Itoa(int(want.Seconds())) {
			t.Fatalf("request %d at %s: throttled %t for %q, want %s", i, now, got, wait, want)
		}
		if got {
			throttled++
		}
	}
	if throttled < 5 || throttled > 75 {
		t.Errorf("%d of 80 were throttled", throttled)
	}
}

// A limit above 128 is granted in leases, a 64th of it at a time. A replica's leases don't cost the
// other one its share, together they grant exactly the limit, and what is left of a lease ends with
// its window.
func TestThrottleLeases(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	second := start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now})
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	d.setThrottling(`{"limits":"own","tenantRequests":192}`)
	pass := func(at string, want int) {
		t.Helper()
		for i := range want {
			if throttled, _ := d.throttled(at, false, false); throttled {
				t.Fatalf("request %d at %s of %d was throttled", i, at, want)
			}
		}
	}
	for range 2 {
		pass(d.URL(), 1) // leaves two of a lease
		pass(second.URL(), 189)
		pass(d.URL(), 2)
		for _, at := range []string{d.URL(), second.URL()} {
			if throttled, wait := d.throttled(at, false, false); !throttled || wait != "20" {
				t.Errorf("after the limit: throttled %t for %q", throttled, wait)
			}
		}
		d.setClock(`{"advanceSeconds":20}`)
		pass(d.URL(), 1)
		d.setClock(`{"advanceSeconds":20}`)
	}
}

// Of concurrent requests, each of which may take a lease, exactly the limit passes.
func TestThrottleLeasesAtOnce(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	d.setThrottling(`{"limits":"own","tenantRequests":192}`)
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 13 {
				if throttled, _ := d.throttled(d.URL(), false, false); !throttled {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != 192 {
		t.Errorf("%d requests passed, want 192", got)
	}
}

// If the database can't count a request, the client should come back soon.
func TestThrottleFailure(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.token = d.signIn()
	d.setThrottling(`{"limits":"own","tenantRequests":9}`)
	if r, body := d.send("GET", partners, ""); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, body)
	}
	// So long a wait ends after the last date that Postgres knows.
	if _, err := d.Pool().Exec(t.Context(), "UPDATE throttles SET blocked_until = now() + interval '1 hour', wait = 9223372036854775807 WHERE tenant_id = $1", server.DemoTenantID); err != nil {
		t.Fatal(err)
	}
	r, body := d.send("GET", partners, "")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "2" || !strings.Contains(body, `"code":"serviceNotAvailable"`) {
		t.Errorf("%d, Retry-After %q: %s", r.StatusCode, r.Header.Get("Retry-After"), body)
	}
}

// throttled sends a request and returns whether it was throttled, with its Retry-After.
func (d *demo) throttled(at string, write, batch bool) (bool, string) {
	d.Helper()
	method, path, body := "GET", partners, ""
	if write {
		method, body = "POST", `{}`
	}
	if batch {
		item := `{"id":"1","method":"` + method + `","url":"` + strings.TrimPrefix(partners, "/v1.0") + `"`
		if write {
			item += `,"headers":{"Content-Type":"application/json"},"body":{}`
		}
		method, path, body = "POST", "/v1.0/$batch", `{"requests":[`+item+`}]}`
	}
	r, answer := call(d.T, method, at+path, d.token, body)
	if !batch {
		return r.StatusCode == http.StatusTooManyRequests, r.Header.Get("Retry-After")
	}
	_, after, _ := strings.Cut(answer, `"Retry-After":"`)
	after, _, _ = strings.Cut(after, `"`)
	return strings.Contains(answer, `"status":429`), after
}

// Graph's simulated limits differ from the service's own rate limit, and send Retry-After in
// each form.
func TestThrottleLikeGraph(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	d.setThrottling(`{"limits":"graph"}`)
	for i := range 101 {
		want := 201
		if i == 100 {
			want = 429
		}
		if r, body := d.send("POST", partners, `{}`, "x-mocktenant-fault", "?"); r.StatusCode != want {
			t.Fatalf("change %d: %d %s", i, r.StatusCode, body)
		} else if i == 100 && (r.Header.Get("Retry-After") != "20" || r.Header.Get("x-mocktenant-fault") != "throttling" || !strings.Contains(body, `"code":"TooManyRequests"`)) {
			t.Errorf("%v %s", r.Header, body)
		}
	}
	if r, _ := d.send("GET", partners, ""); r.StatusCode != 200 {
		t.Errorf("a reading: %d", r.StatusCode)
	}
	for form, want := range map[string]string{"none": "", "date": "Tue, 06 May 2031 07:00:20 GMT"} {
		d.setThrottling(`{"limits":"graph","retryAfter":"` + form + `"}`)
		if r, _ := d.send("POST", partners, `{}`); r.StatusCode != 429 || r.Header.Get("Retry-After") != want {
			t.Errorf("%s: %d %q", form, r.StatusCode, r.Header.Get("Retry-After"))
		}
	}
	d.setThrottling(`{"limits":"off"}`)
	if r, body := d.send("POST", partners, `{}`); r.StatusCode != 201 {
		t.Errorf("off: %d %s", r.StatusCode, body)
	}
	if w := d.administer("PATCH", "", `{"quota":{"requestsPerSecond":1}}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	own := 0
	for range 3 {
		if r, _ := d.send("GET", partners, "", "x-mocktenant-fault", "?"); r.StatusCode == 429 && r.Header.Get("x-mocktenant-fault") == "" {
			own++
		}
	}
	if own == 0 {
		t.Error("the service's own limit isn't told apart")
	}
}

// Throttling that makes no sense is refused.
func TestThrottleRefuses(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for text, want := range map[string]string{
		`{"limits":"some"}`:                       "/settings/throttling/limits",
		`{"limits":"own"}`:                        "numbers require the limits own",
		`{"limits":"graph","tenantWrites":1}`:     "numbers require the limits own",
		`{"limits":"own","tenantWrites":0}`:       "/settings/throttling/tenantWrites",
		`{"limits":"graph","windowSeconds":5}`:    "/settings/throttling/windowSeconds",
		`{"limits":"own","tenantWrites":1,"a":1}`: "/settings/throttling/a",
	} {
		if w := d.administer("PATCH", "", `{"settings":{"throttling":`+text+`}}`); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", text, w.Code, w.Body)
		}
	}
}
