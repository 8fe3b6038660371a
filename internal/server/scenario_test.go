package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/fault"
	"github.com/mocktenant/mocktenant/internal/server"
)

// Starting a scenario adds its rules, and stopping it removes them. Other rules stay.
func TestScenarioStartsAndStops(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.fault(`{"match":{"path":"/nowhere"},"effect":{"status":500}}`)
	for range 2 { // starting it again replaces its rules
		if w := d.administer("POST", "/scenarios", `{"name":"license-lost","seed":3}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"scenario":"license-lost"`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if r, body := d.send("GET", partners, ""); r.StatusCode != 401 || !strings.Contains(body, `"code":"UnknownError"`) || len(d.faults()) != 2 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if w := d.administer("DELETE", "/scenarios/license-lost", ""); w.Code != 204 || len(d.faults()) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for path, want := range map[string]int{"/scenarios/license-lost": 404, "/scenarios/none": 404} {
		if w := d.administer("DELETE", path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := d.administer("POST", "/scenarios", `{"name":"doomsday"}`); w.Code != 400 || !strings.Contains(w.Body.String(), "/name") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if r, _ := d.send("GET", partners, ""); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
}

// Each scenario can be started. A client that only repeats failed requests succeeds, in
// scenarios in which a good client does that.
func TestScenariosEnd(t *testing.T) {
	t.Parallel()
	for _, s := range fault.Scenarios {
		if s.Name == "license-lost" { // which never ends
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			d := newDemo(t)
			if w := d.administer("POST", "/scenarios", `{"name":"`+s.Name+`"}`); w.Code != 201 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			for range 3 {
				status := 0
				for n := 0; status != 200 && n < 20; n++ {
					if r, _ := d.send("GET", partners, ""); r != nil {
						status = r.StatusCode
					}
				}
				if status != 200 {
					t.Errorf("%d", status)
				}
			}
		})
	}
}

// status lists at a replica and returns the status.
func (d *demo) status(at string) string {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), "GET", at+partners, nil)
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "cut"
	}
	defer func() { _ = response.Body.Close() }()
	return response.Status
}

// A seed replays a run: in another tenant the same requests get the same answers, on one
// replica or two. With another seed the run differs.
func TestAdversarialReplays(t *testing.T) {
	t.Parallel()
	run := func(seed, replicas int) string {
		d := newDemo(t)
		at := []string{d.URL()}
		if replicas == 2 {
			at = append(at, start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now}).URL())
		}
		if w := d.administer("POST", "/scenarios", fmt.Sprintf(`{"name":%q,"seed":%d}`, fault.Adversarial, seed)); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var statuses []string
		for i := range 60 {
			statuses = append(statuses, d.status(at[i%len(at)]))
		}
		for _, f := range d.faults() {
			statuses = append(statuses, fmt.Sprint(f.Fired))
		}
		return strings.Join(statuses, " ")
	}
	one, again, two, other := run(7, 1), run(7, 1), run(7, 2), run(8, 1)
	if one != again || one != two || one == other {
		t.Errorf("%s\n%s\n%s\n%s", one, again, two, other)
	}
}

// Rules are part of a tenant's state: a snapshot has them with their counts, a restore
// restores them, and a copy of the tenant has them.
func TestFaultsInSnapshots(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	rule := d.fault(`{"match":{"method":"POST"},"schedule":{"times":2},"effect":{"status":503}}`)
	if got := d.create("a"); got != 503 {
		t.Fatal(got)
	}
	if w := d.administer("POST", "/snapshots", `{"name":"before"}`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if a, b := d.create("a"), d.create("b"); a != 503 || b != 201 {
		t.Fatal(a, b)
	}
	d.administer("DELETE", "/faults/"+rule.Id.String(), "")
	if w := d.administer("POST", "/snapshots/before/restore", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := d.faults(); len(got) != 1 || got[0].Id != rule.Id || got[0].Fired != 1 {
		t.Errorf("%+v", got)
	}
	if got := []int{d.create("a"), d.create("a")}; !slices.Equal(got, []int{503, 201}) {
		t.Errorf("%v", got)
	}
}
