package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// condition is a header and its effect on a request that would succeed.
type condition struct {
	name, value string
	fails       bool
}

var conditions = []condition{
	{"If-Match", "*", false},
	{"If-Match", " * ", false},
	{"If-Match", `"1"`, true},
	{"If-Match", `W/"JzEt"`, true},
	{"If-Match", `"1", "2"`, true},
	{"If-Match", `"*"`, true},
	{"If-Match", "1", true},
	{"If-None-Match", "*", true},
	{"If-None-Match", `"1"`, false},
	{"If-None-Match", `W/"1", "2"`, false},
	{"If-Modified-Since", "Tue, 01 Jan 2030 00:00:00 GMT", false},
	{"If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", false},
}

// unmet returns the status of a request whose condition fails (RFC 9110 section 13.1).
func (c condition) unmet(method string) int {
	if c.name == "If-None-Match" && (method == "GET" || method == "HEAD") {
		return http.StatusNotModified
	}
	return http.StatusPreconditionFailed
}

// Every route checks preconditions, alone and, except $batch, in a batch. A failed
// condition changes nothing.
func TestPreconditions(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	for _, route := range graph.Routes() {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			r := conditional{client: c}
			r.method, r.path, _ = strings.Cut(route, " ")
			set := setOf(r.path)
			id := c.createIn(set)
			before := c.now(set)
			var failing []string
			for _, condition := range conditions {
				if !condition.fails {
					continue
				}
				if a := r.do(id, condition); a.status != condition.unmet(r.method) || a.status == http.StatusNotModified && a.body != "" {
					t.Errorf("%s: %s: %d %s", condition.name, condition.value, a.status, a.body)
				}
				failing = append(failing, r.item(id, len(failing), condition))
			}
			if !strings.HasSuffix(r.path, "/$batch") {
				for i, a := range c.batchIn(strings.Split(r.path, "/")[1], failing...).Responses {
					if a.Status != http.StatusPreconditionFailed && a.Status != http.StatusNotModified {
						t.Errorf("in a batch: %s: %d %s", failing[i], a.Status, a.Body)
					}
				}
			}
			if after := c.now(set); after != before {
				t.Errorf("a failed condition changed %s to: %s", before, after)
			}
			for _, condition := range conditions {
				if condition.fails {
					continue
				}
				if a := r.do(c.createIn(set), condition); a.status >= 300 {
					t.Errorf("%s: %s: %d %s", condition.name, condition.value, a.status, a.body)
				}
			}
		})
	}
}

// conditional is a route with a request that succeeds without a condition.
type conditional struct {
	*client
	method, path string
}

// do sends the request for a partner with a condition.
func (r conditional) do(id string, condition condition) answer {
	r.Helper()
	return r.client.do(r.method, r.target(id), r.body(), condition.name, condition.value)
}

// item returns the request as part of a batch.
func (r conditional) item(id string, n int, condition condition) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.target(id), "/"), "/")
	item := fmt.Sprintf(`{"id":%d,"method":%q,"url":"/%s","headers":{"content-type":"application/json",%q:%q}`, n, r.method, path, condition.name, condition.value)
	if body := r.body(); body != "" {
		item += `,"body":` + body
	}
	return item + "}"
}

func (r conditional) target(id string) string {
	return fillPath(setOf(r.path), id, r.path)
}

func (r conditional) body() string {
	switch {
	case strings.HasSuffix(r.path, "/$batch"):
		return `{"requests":[{"id":"1","method":"POST","url":"` + partners + `","headers":{"Content-Type":"application/json"},"body":{}}]}`
	case strings.HasSuffix(r.path, "/localizedNotificationMessages") && r.method == "POST":
		return `{"locale":"fr"}`
	case strings.HasSuffix(r.path, "/:childId") && r.method == "PATCH":
		return `{"subject":"after"}`
	case r.method == "PATCH" || r.method == "POST" && strings.HasSuffix(r.path, setOf(r.path)):
		return exampleOf(setOf(r.path)).after
	}
	return ""
}

// now returns the tenant's entities in a set.
func (c *client) now(set string) string {
	c.Helper()
	return c.want(200, c.do("GET", "/beta"+set, "")).body
}

// A request that fails without preconditions fails in the same way with them.
func TestPreconditionsComeLast(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(`{}`)
	reader := c.issue(c.userToken(readOnly))
	missing := partners + "/" + uuid.NewString()
	for _, tt := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{method: "PATCH", path: missing, status: 404},
		{method: "DELETE", path: missing, status: 404},
		{method: "GET", path: missing, status: 404},
		{method: "POST", path: missing + "/disconnect", status: 404},
		{method: "GET", path: missing + "/displayName", status: 404},
		{method: "DELETE", path: partners + "/x", status: 404},
		{method: "DELETE", path: partners + "/" + id, header: []string{"Authorization", "Bearer x"}, status: 401},
		{method: "DELETE", path: partners + "/" + id, header: []string{"Authorization", "Bearer " + reader}, status: 403},
		{method: "DELETE", path: partners + "/" + id + "?$top=1", status: 400},
		{method: "GET", path: partners + "?$filter=x", status: 400},
		{method: "PUT", path: partners + "/" + id, status: 400},
		{method: "GET", path: partners, header: []string{"Accept", "text/html"}, status: 406},
	} {
		for _, name := range []string{"If-Match", "If-None-Match"} {
			for _, value := range []string{`"1"`, "*"} {
				body := map[bool]string{true: `{"displayName":"x"}`}[tt.method == "PATCH"]
				a := c.do(tt.method, "/v1.0"+tt.path, body, append([]string{name, value}, tt.header...)...)
				if a.status != tt.status {
					t.Errorf("%s %s with %s: %s: %d, want %d", tt.method, tt.path, name, value, a.status, tt.status)
				}
			}
		}
	}
	// A failed condition comes before the body is checked.
	c.want(412, c.do("PATCH", "/v1.0"+partners+"/"+id, "no JSON", "If-Match", `"1"`))
}
