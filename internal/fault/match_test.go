package fault

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unsafe"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// exchangeOf is a request to Graph.
func exchangeOf(method, path, body string, header http.Header) *front.Exchange {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(method, "/", strings.NewReader(body))
	c.Request.URL.Path, c.Request.Header = path, header
	return &front.Exchange{Context: c, Front: graph}
}

// A rule matches exactly the requests that have what it names.
func TestMatch(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	sent := `{"displayName":"a b","n":12345678901234567890,"x":{"y":[1,null],"z":null},"":"none"}`
	header := http.Header{"Prefer": {"a", "return=minimal"}, "X-Empty": {""}}
	for name, tt := range map[string]struct {
		match api.FaultMatch
		want  bool
	}{
		"nothing named":           {api.FaultMatch{}, true},
		"method":                  {api.FaultMatch{Method: text("POST")}, true},
		"another method":          {api.FaultMatch{Method: text("PUT")}, false},
		"path, letter case":       {api.FaultMatch{Path: text("/V1.0/A/b")}, true},
		"path, star":              {api.FaultMatch{Path: text("/*/a/*")}, true},
		"path, any depth":         {api.FaultMatch{Path: text("/v1.0/**")}, true},
		"path, itself":            {api.FaultMatch{Path: text("/v1.0/a/b/**")}, true},
		"path, too short":         {api.FaultMatch{Path: text("/v1.0/a")}, false},
		"path, too long":          {api.FaultMatch{Path: text("/v1.0/a/b/c")}, false},
		"header":                  {api.FaultMatch{Header: &api.FaultHeader{Name: "prefer"}}, true},
		"header, second value":    {api.FaultMatch{Header: &api.FaultHeader{Name: "Prefer", Value: text("return=*")}}, true},
		"header, other value":     {api.FaultMatch{Header: &api.FaultHeader{Name: "Prefer", Value: text("return")}}, false},
		"header, empty":           {api.FaultMatch{Header: &api.FaultHeader{Name: "X-Empty", Value: text("")}}, true},
		"header, missing":         {api.FaultMatch{Header: &api.FaultHeader{Name: "Accept"}}, false},
		"member":                  {api.FaultMatch{Member: &api.FaultMember{Name: "displayName"}}, true},
		"member, value":           {api.FaultMatch{Member: &api.FaultMember{Name: "displayName", Value: text("a*")}}, true},
		"member, other value":     {api.FaultMatch{Member: &api.FaultMember{Name: "displayName", Value: text("a")}}, false},
		"member, letter case":     {api.FaultMatch{Member: &api.FaultMember{Name: "displayname"}}, false},
		"member, number":          {api.FaultMatch{Member: &api.FaultMember{Name: "n", Value: text("12345678901234567890")}}, true},
		"member, within":          {api.FaultMatch{Member: &api.FaultMember{Name: "x/y", Value: text("[1,null]")}}, true},
		"member, null":            {api.FaultMatch{Member: &api.FaultMember{Name: "x/z", Value: text("null")}}, true},
		"member, in what isn't":   {api.FaultMatch{Member: &api.FaultMember{Name: "displayName/x"}}, false},
		"member, not there":       {api.FaultMatch{Member: &api.FaultMember{Name: "x/none"}}, false},
		"all of them":             {api.FaultMatch{Method: text("POST"), Path: text("/**"), Header: &api.FaultHeader{Name: "Prefer"}, Member: &api.FaultMember{Name: "n"}}, true},
		"all of them, except one": {api.FaultMatch{Method: text("POST"), Path: text("/**"), Header: &api.FaultHeader{Name: "None"}, Member: &api.FaultMember{Name: "n"}}, false},
	} {
		x := exchangeOf("POST", "/v1.0/a/b", sent, header)
		m := newMatcher(&api.FaultCreate{Match: &tt.match})
		if got := m.matches(x, "/v1.0/a/b", &body{x: x}); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// However many rules ask for a member, its JSON is written once: a thousand rules about a body
// of a megabyte would take a minute otherwise.
func TestMemberIsReadOnce(t *testing.T) {
	t.Parallel()
	b := &body{x: exchangeOf("POST", "/", `{"a":{"b":[1,2]}}`, nil)}
	first, ok := b.member("a/b")
	if second, _ := b.member("a/b"); !ok || first != "[1,2]" || unsafe.StringData(first) != unsafe.StringData(second) {
		t.Errorf("%q, then %q", first, second)
	}
	for range 2 {
		if text, ok := b.member("a/c"); ok {
			t.Errorf("a member that is missing is %q", text)
		}
	}
}

// A rule that looks into a body leaves it to be read as it came, whatever it is.
func FuzzMember(f *testing.F) {
	for _, seed := range [][3]string{{``, `a`, `*`}, {`{"a":{"b":1}}`, `a/b`, `1`}, {`[{"a":1}]`, `a`, ``}, {`{"a":"\ud800"}`, `a`, `*x`}, {"\x1f\x8b", `a`, `*`}, {`{"a":1} {"b":2}`, `b`, `2`}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, sent, name, value string) {
		x := exchangeOf("POST", "/", sent, http.Header{})
		m := newMatcher(&api.FaultCreate{Match: &api.FaultMatch{Member: &api.FaultMember{Name: name, Value: &value}}})
		b := &body{x: x}
		first := m.matches(x, "/", b)
		if again := m.matches(x, "/", b); again != first {
			t.Errorf("%t, then %t", first, again)
		}
		if left, err := io.ReadAll(x.Request.Body); err != nil || string(left) != sent {
			t.Errorf("%q became %q: %v", sent, left, err)
		}
	})
}
