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

// condition is a header and what it does to a request that would succeed.
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

// unmet is the status of a request whose condition fails (RFC 9110 section 13.1).
func (c condition) unmet(method string) int {
	if c.name == "If-None-Match" && (method == "GET" || method == "HEAD") {
		return http.StatusNotModified
	}
	return http.StatusPreconditionFailed
}

// Every route heeds preconditions, by itself and, but for $batch, in a batch; what
// fails changes nothing.
func TestPreconditions(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	for _, route := range graph.Routes() {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			r := conditional{client: c}
			r.method, r.path, _ = strings.Cut(route, " ")
			id := c.create(`{"displayName":"before"}`)
			before := c.partnersNow()
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
				for i, a := range c.batch(failing...).Responses {
					if a.Status != http.StatusPreconditionFailed && a.Status != http.StatusNotModified {
						t.Errorf("in a batch: %s: %d %s", failing[i], a.Status, a.Body)
					}
				}
			}
			if after := c.partnersNow(); after != before {
				t.Errorf("what failed made of %s: %s", before, after)
			}
			for _, condition := range conditions {
				if condition.fails {
					continue
				}
				if a := r.do(c.create(`{"displayName":"before"}`), condition); a.status >= 300 {
					t.Errorf("%s: %s: %d %s", condition.name, condition.value, a.status, a.body)
				}
			}
		})
	}
}

// conditional is a route's request, which succeeds without a condition.
type conditional struct {
	*client
	method, path string
}

// do sends the request about a partner with a condition.
func (r conditional) do(id string, condition condition) answer {
	r.Helper()
	return r.client.do(r.method, r.target(id), r.body(), condition.name, condition.value)
}

// item is the request as one of a batch.
func (r conditional) item(id string, n int, condition condition) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.target(id), "/"), "/")
	item := fmt.Sprintf(`{"id":%d,"method":%q,"url":"/%s","headers":{"content-type":"application/json",%q:%q}`, n, r.method, path, condition.name, condition.value)
	if body := r.body(); body != "" {
		item += `,"body":` + body
	}
	return item + "}"
}

func (r conditional) target(id string) string {
	return strings.NewReplacer(":id", id, ":property", "displayName").Replace(r.path)
}

func (r conditional) body() string {
	switch {
	case strings.HasSuffix(r.path, "/$batch"):
		return `{"requests":[{"id":"1","method":"POST","url":"` + partners + `","headers":{"Content-Type":"application/json"},"body":{}}]}`
	case r.method == "PATCH" || r.method == "POST" && strings.HasSuffix(r.path, partners):
		return `{"displayName":"after"}`
	}
	return ""
}

// partnersNow is all that the tenant's partners are.
func (c *client) partnersNow() string {
	c.Helper()
	return c.want(200, c.do("GET", "/beta"+partners, "")).body
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
		{"PATCH", missing, nil, 404},
		{"DELETE", missing, nil, 404},
		{"GET", missing, nil, 404},
		{"POST", missing + "/disconnect", nil, 404},
		{"GET", missing + "/displayName", nil, 404},
		{"DELETE", partners + "/x", nil, 404},
		{"DELETE", partners + "/" + id, []string{"Authorization", "Bearer x"}, 401},
		{"DELETE", partners + "/" + id, []string{"Authorization", "Bearer " + reader}, 403},
		{"DELETE", partners + "/" + id + "?$top=1", nil, 400},
		{"GET", partners + "?$filter=x", nil, 400},
		{"PUT", partners + "/" + id, nil, 400},
		{"GET", partners, []string{"Accept", "text/html"}, 406},
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
	// Content comes after: a body isn't looked at where the condition fails.
	c.want(412, c.do("PATCH", "/v1.0"+partners+"/"+id, "no JSON", "If-Match", `"1"`))
}
