package admin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mocktenant/mocktenant/api"
)

// Readers can scrape the metrics, in either format.
func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := setup(t).as(api.AdminRoleReader, t.Name())
	for accept, want := range map[string]string{
		"":                             "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		"application/openmetrics-text": "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
	} {
		r := reader.want(200, reader.do("GET", "/metrics", nil, "Accept", accept))
		if got := r.header.Get("Content-Type"); got != want || !strings.Contains(r.body, "# TYPE mocktenant_tenants gauge\n") {
			t.Errorf("%q: %q, want %q\n%s", accept, got, want, r.body)
		}
	}
	if detail := reader.refused(400, "", reader.do("GET", "/metrics?name=x", nil)); !strings.Contains(detail, `"name" does not exist`) {
		t.Error(detail)
	}
}

// An owner can get every profile except the command line, which may contain secrets.
func TestProfiles(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	const gzip = "\x1f\x8b"
	for path, want := range map[string]string{
		"": "<title>/debug/pprof/</title>", "heap?gc=1": gzip, "allocs": gzip, "threadcreate": gzip, "block": gzip, "mutex": gzip,
		"goroutine?debug=1": "goroutine profile: total ", "profile?seconds=1": gzip, "trace?seconds=1": "go 1.",
	} {
		if r := owner.want(200, owner.do("GET", "/debug/pprof/"+path, nil)); !strings.Contains(r.body, want) {
			t.Errorf("%s: %.100q, want %q", path, r.body, want)
		}
	}
	for path, want := range map[string]string{
		"cmdline":        "The parameter profile: want allocs, block, goroutine, heap, mutex, profile, threadcreate or trace",
		"heap?seconds=0": "The parameter seconds: want at least 1", "heap?second=1": `The query parameter "second" does not exist here.`,
	} {
		if detail := owner.refused(400, "", owner.do("GET", "/debug/pprof/"+path, nil)); detail != want {
			t.Errorf("%s: %s", path, detail)
		}
	}
	for refused := false; !refused; { // two profiles, until they overlap
		var answers [2]reply
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() { answers[i] = owner.do("GET", "/debug/pprof/trace?seconds=1", nil) })
		}
		both.Wait()
		for _, r := range answers {
			refused = refused || r.status == http.StatusConflict
			if r.status == http.StatusConflict && !strings.Contains(r.body, "Another profile or trace is being taken") || r.status != http.StatusConflict && r.status != http.StatusOK {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
	}
}
