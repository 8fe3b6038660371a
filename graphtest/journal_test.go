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
)

var throttledRuns = flag.Int("throttled-runs", 100, "how often TestThrottledCreate runs")

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
	third, one, four, second, status, method, yes := int64(2), int64(1), int64(4), int32(1), int32(429), "POST", true
	if _, err := tenant.Fault(t.Context(), api.FaultCreate{
		Match: &api.FaultMatch{Method: &method}, Schedule: &api.FaultSchedule{After: &third, Times: &one},
		Effect: api.FaultEffect{Status: &status, RetryAfterSeconds: &second},
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := createPatiently(t.Context(), s, tenant); err != nil {
			t.Fatal(err)
		}
	}
	if err := tenant.Verify(t.Context(), api.RequestVerify{Counts: &[]api.RequestCount{{Match: api.RequestMatch{Method: &method}, Exactly: &four}}, RetryAfterHonoured: &yes}); err != nil {
		t.Error(err)
	}
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

// The requests of a tenant are listed with what they sent.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	tenant := s.NewTenant(t)
	if err := createPatiently(t.Context(), s, tenant); err != nil {
		t.Fatal(err)
	}
	status := "2xx"
	got, err := tenant.Requests(t.Context(), api.RequestMatch{Status: &status})
	if err != nil || len(got) != 1 || got[0].Request.Body != `{"displayName":"x"}` {
		t.Errorf("%+v, %v", got, err)
	}
	five := int64(5)
	err = tenant.Verify(t.Context(), api.RequestVerify{Counts: &[]api.RequestCount{{Match: api.RequestMatch{Status: &status}, Exactly: &five}}})
	if err == nil || !strings.Contains(err.Error(), "1 requests match: want exactly 5") {
		t.Errorf("%v", err)
	}
}

// Rules are changed and removed, scenarios started and stopped, and requests throttled.
func TestTestControl(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	tenant, ctx := s.NewTenant(t), t.Context()
	status := func() int {
		t.Helper()
		r, err := tenant.Client().Get(s.URL + partnersPath)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		return r.StatusCode
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, second := int32(500), int32(409)
	rule, err := tenant.Fault(ctx, api.FaultCreate{Effect: api.FaultEffect{Status: &first}})
	must(err)
	got := []int{status()}
	_, err = tenant.ChangeFault(ctx, rule.Id, api.FaultUpdate{Effect: &api.FaultEffect{Status: &second}})
	must(err)
	got = append(got, status())
	must(tenant.RemoveFault(ctx, rule.Id))
	must(tenant.StartScenario(ctx, "license-lost", 1))
	got = append(got, status())
	must(tenant.StopScenario(ctx, "license-lost"))
	one := int64(1)
	must(tenant.Throttle(ctx, api.Throttling{Limits: api.ThrottlingLimitsOwn, TenantRequests: &one}))
	got = append(got, status(), status())
	if want := []int{500, 409, 401, 200, 429}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := tenant.StopScenario(ctx, "license-lost"); err == nil || !strings.Contains(err.Error(), `No scenario "license-lost" runs in the tenant.`) {
		t.Errorf("%v", err)
	}
}
