package graphtest_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/graphtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var throttledRuns = flag.Int("throttled-runs", testenv.Often(10, 100), "how often TestThrottledCreate runs")

const partnersPath = "/v1.0/deviceManagement/remoteAssistancePartners"

// createPatiently creates a partner, and waits and tries again as an SDK does when it is throttled.
func createPatiently(ctx context.Context, s *graphtest.Server, tenant *graphtest.Tenant) error {
	for {
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL+partnersPath, strings.NewReader(`{"displayName":"x"}`))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := tenant.Client().Do(r)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		switch response.StatusCode {
		case http.StatusCreated:
			return nil
		case http.StatusTooManyRequests:
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			if err != nil {
				return err
			}
			time.Sleep(time.Duration(seconds) * time.Second)
		default:
			return fmt.Errorf("%s", response.Status)
		}
	}
}

// thirdIsThrottled is the test that an author writes: the third create is throttled for a
// second, the client waits and succeeds, and sent exactly four POSTs.
func thirdIsThrottled(t *testing.T, s *graphtest.Server, tenant *graphtest.Tenant) {
	tenant.Fault(t, api.FaultCreate{
		Match: &api.FaultMatch{Method: new("POST")}, Schedule: &api.FaultSchedule{After: new(int64(2)), Times: new(int64(1))},
		Effect: api.FaultEffect{Error: new("throttled"), RetryAfterSeconds: new(int32(1))},
	})
	for range 3 {
		if err := createPatiently(t.Context(), s, tenant); err != nil {
			t.Error(err)
		}
	}
	tenant.Verify(t, api.RequestVerify{Counts: &[]api.RequestCount{{Match: api.RequestMatch{Method: new("POST")}, Exactly: new(int64(4))}}, RetryAfterHonoured: new(true)})
}

// It passes each time, on a server on which other tenants send as much as they can.
func TestThrottledCreate(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	ctx, stop := context.WithCancel(t.Context())
	var load, runs sync.WaitGroup
	for range 3 {
		other := s.NewTenant(t)
		load.Go(func() {
			for ctx.Err() == nil {
				_ = createPatiently(ctx, s, other)
			}
		})
	}
	turns := make(chan struct{}, 16)
	for range *throttledRuns {
		turns <- struct{}{}
		runs.Go(func() {
			defer func() { <-turns }()
			thirdIsThrottled(t, s, s.NewTenant(t))
		})
	}
	runs.Wait()
	stop()
	load.Wait()
}

// The requests of a tenant are listed with what they sent, from all pages.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	tenant := s.NewTenant(t)
	for range 2 {
		if err := createPatiently(t.Context(), s, tenant); err != nil {
			t.Fatal(err)
		}
	}
	got := tenant.Requests(t, api.ListRequestsParams{Status: new("2xx"), Top: new(1)})
	if len(got) != 2 || got[0].Request.Body != `{"displayName":"x"}` || got[1].DateTime.Before(got[0].DateTime) {
		t.Errorf("%+v", got)
	}
}

// A test sees what its checks are missing, also in a cleanup.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	posts := api.RequestVerify{Counts: &[]api.RequestCount{{Match: api.RequestMatch{Method: new("POST")}, Exactly: new(int64(1))}}}
	t.Cleanup(func() { s.Tenant.Verify(t, posts) })
	var f fakeTB
	f.run(func(tb testing.TB) { s.Tenant.Verify(tb, posts) })
	if !strings.Contains(f.failure, "0 requests match: want exactly 1") {
		t.Errorf("%q", f.failure)
	}
	if err := createPatiently(t.Context(), s, s.Tenant); err != nil {
		t.Error(err)
	}
}

// Rules are changed and removed, scenarios started and stopped, and requests throttled.
func TestTestControl(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	tenant := s.NewTenant(t)
	rule := tenant.Fault(t, api.FaultCreate{Effect: api.FaultEffect{Error: new("internalError")}})
	got := []int{status(t, s, tenant)}
	tenant.ChangeFault(t, rule.Id, api.FaultUpdate{Effect: &api.FaultEffect{Error: new("conflict")}})
	got = append(got, status(t, s, tenant))
	tenant.RemoveFault(t, rule.Id)
	tenant.StartScenario(t, "license-lost", 1)
	got = append(got, status(t, s, tenant))
	tenant.StopScenario(t, "license-lost")
	tenant.Throttle(t, api.Throttling{Limits: api.ThrottlingLimitsOwn, TenantRequests: new(int64(1))})
	got = append(got, status(t, s, tenant), status(t, s, tenant))
	if want := []int{500, 409, 401, 200, 429}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// status returns the status of a list.
func status(t *testing.T, s *graphtest.Server, tenant *graphtest.Tenant) int {
	t.Helper()
	return call(t, tenant.Client(), "GET", s.URL+partnersPath, "").status
}

// A control that is refused ends the test, with the reason.
func TestRefusedControl(t *testing.T) {
	t.Parallel()
	tenant := graphtest.NewServer(t).Tenant
	for name, tt := range map[string]struct {
		control func(testing.TB)
		want    string
	}{
		"a contradictory rule": {func(tb testing.TB) { tenant.Fault(tb, api.FaultCreate{}) }, "mocktenant: make a fault: "},
		"an unknown rule":      {func(tb testing.TB) { tenant.RemoveFault(tb, tenant.ID) }, "mocktenant: remove a fault: "},
		"a changed rule":       {func(tb testing.TB) { tenant.ChangeFault(tb, tenant.ID, api.FaultUpdate{}) }, "mocktenant: change a fault: "},
		"an unknown scenario":  {func(tb testing.TB) { tenant.StartScenario(tb, "calm", 1) }, "mocktenant: start the scenario calm: "},
		"a stopped scenario":   {func(tb testing.TB) { tenant.StopScenario(tb, "license-lost") }, `No scenario "license-lost" runs in the tenant.`},
		"limits":               {func(tb testing.TB) { tenant.Throttle(tb, api.Throttling{Limits: "few"}) }, "mocktenant: throttle: "},
		"backwards":            {func(tb testing.TB) { tenant.Clock().Advance(tb, -time.Hour) }, "mocktenant: set the clock: "},
		"a status":             {func(tb testing.TB) { tenant.Requests(tb, api.ListRequestsParams{Status: new("teapot")}) }, "mocktenant: list requests: "},
		"no checks":            {func(tb testing.TB) { tenant.Verify(tb, api.RequestVerify{}) }, "mocktenant: verify requests: "},
	} {
		var f fakeTB
		f.run(func(tb testing.TB) {
			tt.control(tb)
			t.Errorf("%s: the test continues", name)
		})
		if !strings.Contains(f.failure, tt.want) {
			t.Errorf("%s: %q, want %q", name, f.failure, tt.want)
		}
	}
}
