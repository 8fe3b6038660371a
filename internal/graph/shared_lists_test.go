package graph_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Concurrent lists share reads, but each answer has everything that existed at its request,
// only from its tenant, in the form of its request.
func TestSharedLists(t *testing.T) {
	t.Parallel()
	one, other := setup(t), setup(t)
	other.create(`{"displayName":"the other's"}`)
	forms := []string{"?$top=1000", "?$top=1000&$format=application/json;odata.metadata=none", "?$top=1000&$select=id", "?$top=1000&$count=true"}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 8 {
				id := one.create("{}")
				form := forms[(i+j)%len(forms)]
				got := one.do("GET", "/v1.0"+partners+form, "")
				if strings.Contains(got.body, "@odata.type") == ((i+j)%len(forms) == 1) || strings.Contains(got.body, "@odata.count") != ((i+j)%len(forms) == 3) {
					t.Errorf("%s: in another form: %.200s", form, got.body)
				}
				if got.status != http.StatusOK || !strings.Contains(got.body, id) || strings.Contains(got.body, "the other's") {
					t.Errorf("%s: %d without %s, which existed, or with another tenant's: %.200s", form, got.status, id, got.body)
				}
				if got := other.do("GET", "/v1.0"+partners+form, ""); strings.Count(got.body, `"id"`) != 1 {
					t.Errorf("%s of the other tenant: %s", form, got.body)
				}
			}
		})
	}
	wg.Wait()
}

// While a list is read, equal lists wait for one more statement. They don't each get their
// own, and don't fail when the first of them goes away.
func TestSharedListsTakeOneStatement(t *testing.T) {
	t.Parallel()
	s, request := setupAlone(t, false)
	s.Handler().ServeHTTP(httptest.NewRecorder(), request("GET", "", "")) // makes the caller known
	resume := pause(t, s.Pool(), "ACCESS EXCLUSIVE")
	defer resume()
	var wg sync.WaitGroup
	answers := make(chan *httptest.ResponseRecorder, 20)
	ask := func(ctx context.Context) {
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, request("GET", "", "").WithContext(ctx))
			answers <- w
		})
	}
	statements := func() (n int) { // without those that look for expired onboardings
		if err := s.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND relation = 'remote_assistance_partners'::regclass AND query NOT LIKE '-- name: GetCaller%' AND query NOT LIKE '-- name: ListTenantsWithOnboardings%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ask(t.Context())
	for statements() == 0 {
	}
	second, goAway := context.WithCancel(t.Context())
	ask(second)
	time.Sleep(10 * time.Millisecond) // the first to wait
	for range 10 {
		ask(t.Context())
	}
	time.Sleep(100 * time.Millisecond) // all are waiting
	if n := statements(); n != 1 {
		t.Errorf("%d statements are in flight, want 1", n)
	}
	goAway()
	if w := <-answers; w.Code == http.StatusOK {
		t.Errorf("the canceled request was answered: %d %s", w.Code, w.Body)
	}
	resume()
	wg.Wait()
	for range 11 {
		if w := <-answers; w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(), `"value":[]}`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
