package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// remember sets the tenant to repeat answers to changes for a minute.
func (c *client) remember() {
	c.Helper()
	if _, err := dbtest.Pool(c).Exec(c.Context(), "UPDATE tenants SET repeatability_seconds = 60 WHERE id = $1", c.tenant.ID); err != nil {
		c.Fatal(err)
	}
}

// named returns a header with an id of the request.
func named(id string) []string { return []string{"Client-Request-Id", id} }

// A change that is repeated with its client-request-id gets the same answer, byte for byte,
// and isn't made again.
func TestRepeatedChanges(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	id := c.create(`{}`)
	for i, tt := range []struct{ method, path, body string }{
		{"POST", partners, `{"displayName":"once"}`},
		{"PATCH", partners + "/" + id, `{"displayName":"patched"}`},
		{"POST", partners + "/" + id + "/beginOnboarding", ""},
		{"POST", partners + "('" + id + "')/microsoft.graph.disconnect", ""},
		{"DELETE", partners + "/" + id, ""},
	} {
		name := named(fmt.Sprint("request ", i))
		first := c.do(tt.method, "/v1.0"+tt.path, tt.body, name...)
		after := c.versions()
		second := c.do(tt.method, "/v1.0"+tt.path, tt.body, name...)
		if first.status >= 300 || first.status != second.status || first.body != second.body {
			t.Errorf("%s %s: %d %s, then %d %s", tt.method, tt.path, first.status, first.body, second.status, second.body)
		}
		for _, header := range []string{"Content-Type", "Content-Length", "Location", "OData-Version", "Cache-Control", "client-request-id"} {
			if !slices.Equal(first.header.Values(header), second.header.Values(header)) {
				t.Errorf("%s %s: %s is %q, then %q", tt.method, tt.path, header, first.header.Values(header), second.header.Values(header))
			}
		}
		if now := c.versions(); now != after {
			t.Errorf("%s %s was done twice: %s, then %s", tt.method, tt.path, after, now)
		}
	}
}

// versions counts the tenant's partners and their replaced versions.
func (c *client) versions() string {
	c.Helper()
	var text string
	err := dbtest.Pool(c).QueryRow(c.Context(), `SELECT concat(
		(SELECT count(*) FROM remote_assistance_partners WHERE tenant_id = $1), ' and ',
		(SELECT count(*) FROM entity_versions WHERE tenant_id = $1))`, c.tenant.ID).Scan(&text)
	if err != nil {
		c.Fatal(err)
	}
	return text
}

// A different request is run, and so is every request in a tenant without the setting.
func TestOtherRequestsAreNoRepeats(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	const path, body = "/v1.0" + partners, `{"displayName":"a"}`
	create := func(c *client, path, body string, header ...string) string {
		return decode[partner](c, c.want(http.StatusCreated, c.do("POST", path, body, header...))).ID
	}
	other := *c
	other.token = c.issue(c.userToken(readWrite, readOnly)) // the same user
	foreign := setup(t)
	foreign.remember()
	off := setup(t)
	ids := map[string]string{
		"first":                         create(c, path, body, named("1")...),
		"another id":                    create(c, path, body, named("2")...),
		"another body":                  create(c, path, `{"displayName":"b"}`, named("1")...),
		"another version":               create(c, "/beta"+partners, body, named("1")...),
		"no id":                         create(c, path, body),
		"no id, again":                  create(c, path, body),
		"an id that is too long":        create(c, path, body, named(strings.Repeat("x", 129))...),
		"an id that is too long, again": create(c, path, body, named(strings.Repeat("x", 129))...),
		"another tenant":                create(foreign, path, body, named("1")...),
		"off":                           create(off, path, body, named("1")...),
		"off, again":                    create(off, path, body, named("1")...),
	}
	seen := map[string]string{}
	for name, id := range ids {
		if before, ok := seen[id]; ok {
			t.Errorf("%s was answered as %s", name, before)
		}
		seen[id] = name
	}
	if got := create(&other, path, body, named("1")...); got != ids["first"] {
		t.Error("the same user's other token is another caller")
	}
	c.repeatPacked(ids["first"], path, body)
}

// repeatPacked repeats a plain request compressed and vice versa, as the Graph SDK for Go
// does.
func (c *client) repeatPacked(id, path, body string) {
	c.Helper()
	for _, again := range []string{gzipped(c, body), body, " " + body + "\n"} {
		a := c.want(http.StatusCreated, c.do("POST", path, again, append(named("1"), "Content-Encoding", "gzip")...))
		if got := decode[partner](c, a).ID; got != id {
			c.Errorf("%q: partner %s, want %s", again, got, id)
		}
	}
}

// A refused change isn't stored, because it may succeed the next time.
func TestRefusedChangesAreForgotten(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	id := c.create(`{}`)
	c.want(204, c.do("POST", "/v1.0"+partners+"/"+id+"/beginOnboarding", ""))
	c.want(200, c.do("PATCH", "/v1.0"+partners+"/"+id, `{"onboardingStatus":"onboarded"}`))
	begin := func() answer {
		return c.do("POST", "/v1.0"+partners+"/"+id+"/beginOnboarding", "", named("1")...)
	}
	c.want(400, begin())
	c.want(204, c.do("POST", "/v1.0"+partners+"/"+id+"/disconnect", ""))
	c.want(204, begin())
	var kept int
	if err := dbtest.Pool(t).QueryRow(t.Context(), "SELECT count(*) FROM repeatable_requests WHERE tenant_id = $1", c.tenant.ID).Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d answers are stored, %v", kept, err)
	}
}

// In a repeated batch, each change gets the same answer.
func TestRepeatedBatch(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	create := `"method":"POST","url":"` + partners + `","body":{"displayName":"x"},"headers":{"Content-Type":"application/json"`
	batch := `{"requests":[{"id":"1",` + create + `}},{"id":"2",` + create + `}},{"id":"3",` + create + `,"client-request-id":"own"}}]}`
	first := c.want(200, c.do("POST", "/v1.0/$batch", batch, named("batch")...))
	again := c.want(200, c.do("POST", "/v1.0/$batch", batch, named("batch")...))
	var ids [2][]string
	for i, a := range []answer{first, again} {
		for _, r := range decode[batchAnswers](c, a).Responses {
			ids[i] = append(ids[i], string(r.Body))
		}
	}
	if !slices.Equal(ids[0], ids[1]) || c.versions() != "3 and 0" {
		t.Errorf("%s, then %s: %s partners", first.body, again.body, c.versions())
	}
	c.want(200, c.do("POST", "/v1.0/$batch", batch, named("another batch")...))
	if got := c.versions(); got != "5 and 0" { // the one with its own id isn't new
		t.Errorf("%s partners", got)
	}
}

// After its time, a change is made again, and that answer is stored.
func TestRepeatsEnd(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	create := func() string {
		return decode[partner](c, c.want(http.StatusCreated, c.do("POST", "/v1.0"+partners, `{}`, named("1")...))).ID
	}
	first := create()
	for _, step := range []struct {
		age   string
		again bool
	}{{"55 seconds", true}, {"10 seconds", false}, {"0 seconds", true}} {
		if _, err := dbtest.Pool(t).Exec(t.Context(), "WITH old AS MATERIALIZED (SELECT max(created_at) - $2::interval AS at FROM repeatable_requests WHERE tenant_id = $1) UPDATE repeatable_requests SET created_at = old.at FROM old WHERE tenant_id = $1", c.tenant.ID, step.age); err != nil {
			t.Fatal(err)
		}
		got := create()
		if (got == first) != step.again {
			t.Errorf("after %s more: the same partner: %t", step.age, got == first)
		}
		first = got
	}
	if got := c.versions(); got != "2 and 0" {
		t.Errorf("%s partners", got)
	}
}

// Concurrent equal requests to two replicas make one change, and all get the same answer.
func TestConcurrentRepeats(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.remember()
	replica, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Shutdown(context.WithoutCancel(t.Context())) })
	for _, quota := range []string{"NULL", "1000"} {
		if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE tenants SET entity_quota = "+quota+" WHERE id = $1", c.tenant.ID); err != nil {
			t.Fatal(err)
		}
		c.server.Identity().ForgetCallers()
		replica.Identity().ForgetCallers()
		clients := []*client{c, {TB: t, server: replica, tenant: c.tenant, token: c.token}}
		before := c.versions()
		var all sync.WaitGroup
		answers := make([]answer, 40)
		for i := range answers {
			all.Go(func() {
				answers[i] = clients[i%2].do("POST", "/v1.0"+partners, `{}`, named(fmt.Sprint(quota, " ", i/2%4))...)
			})
		}
		all.Wait()
		ids := map[string]bool{}
		for _, a := range answers {
			if a.status != http.StatusCreated {
				t.Errorf("%d %s", a.status, a.body)
				continue
			}
			ids[decode[partner](c, a).ID] = true
		}
		if len(ids) != 4 {
			t.Errorf("quota %s: the answers have %d partners, %s exist, %s existed before", quota, len(ids), c.versions(), before)
		}
	}
	if got := c.versions(); got != "8 and 0" {
		t.Errorf("%s partners", got)
	}
}
