package fault

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// exchangeOf is a POST to Graph.
func exchangeOf(path, body string, header http.Header) *front.Exchange {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest("POST", "/", strings.NewReader(body))
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
		x := exchangeOf("/v1.0/a/b", sent, header)
		m := newMatcher(&api.FaultCreate{Match: &tt.match})
		if got := m.matches(x, "/v1.0/a/b", &body{x: x}); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// A rule matches only requests of its front, in its time, and from its caller. A named error
// belongs to one front.
func TestMatchCaller(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	user, application, other := uuid.New(), uuid.New(), uuid.New()
	onGraph, onAuthority := api.FaultMatchFrontGraph, api.FaultMatchFrontAuthority
	text := func(s string) *string { return &s }
	for name, tt := range map[string]struct {
		rule api.FaultCreate
		want bool
	}{
		"nothing named":          {api.FaultCreate{}, true},
		"front":                  {api.FaultCreate{Match: &api.FaultMatch{Front: &onGraph}}, true},
		"another front":          {api.FaultCreate{Match: &api.FaultMatch{Front: &onAuthority}}, false},
		"error of the front":     {api.FaultCreate{Effect: api.FaultEffect{Error: text("throttled")}}, true},
		"error of another front": {api.FaultCreate{Effect: api.FaultEffect{Error: text("AADSTS50034")}}, false},
		"from now":               {api.FaultCreate{Schedule: &api.FaultSchedule{From: new(now)}}, true},
		"from later":             {api.FaultCreate{Schedule: &api.FaultSchedule{From: new(now.Add(1))}}, false},
		"until later":            {api.FaultCreate{Schedule: &api.FaultSchedule{Until: new(now.Add(1))}}, true},
		"until now":              {api.FaultCreate{Schedule: &api.FaultSchedule{Until: new(now)}}, false},
		"always":                 {api.FaultCreate{Schedule: &api.FaultSchedule{}}, true},
		"user":                   {api.FaultCreate{Match: &api.FaultMatch{User: &user}}, true},
		"another user":           {api.FaultCreate{Match: &api.FaultMatch{User: &other}}, false},
		"application":            {api.FaultCreate{Match: &api.FaultMatch{Application: &application}}, true},
		"another application":    {api.FaultCreate{Match: &api.FaultMatch{Application: &other}}, false},
		"query":                  {api.FaultCreate{Match: &api.FaultMatch{Query: text("*top=1")}}, true},
		"another query":          {api.FaultCreate{Match: &api.FaultMatch{Query: text("top=1")}}, false},
		"route":                  {api.FaultCreate{Match: &api.FaultMatch{Route: text("/v1.0/:set")}}, true},
		"another route":          {api.FaultCreate{Match: &api.FaultMatch{Route: text("/v1.0/a")}}, false},
	} {
		if e := tt.rule.Effect.Error; e != nil && Errors[*e].Front == "" {
			t.Fatalf("there is no error %s", *e)
		}
		answer := httptest.NewRecorder()
		_, engine := gin.CreateTestContext(answer)
		engine.GET("/v1.0/:set", func(c *gin.Context) {
			x := &front.Exchange{Context: c, Front: graph, Now: now, User: user, Application: strings.ToUpper(application.String())}
			m := newMatcher(&tt.rule)
			if got := m.matches(x, "/v1.0/a", &body{x: x}); got != tt.want {
				t.Errorf("%s: %t, want %t", name, got, tt.want)
			}
		})
		if engine.ServeHTTP(answer, httptest.NewRequest("GET", "/v1.0/a?$top=1", nil)); answer.Code != 200 {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}

// Rules are found by their method and path, if each is a single one.
func TestTargets(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		match *api.FaultMatch
		want  target
	}{
		{nil, target{}},
		{&api.FaultMatch{}, target{}},
		{&api.FaultMatch{Method: text("GET")}, target{method: "GET"}},
		{&api.FaultMatch{Path: text("/V1.0/a")}, target{path: "/v1.0/a"}},
		{&api.FaultMatch{Method: text("GET"), Path: text("/v1.0/*")}, target{method: "GET"}},
	} {
		m := newMatcher(&api.FaultCreate{Match: tt.match})
		if got := m.target(); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.match, got, tt.want)
		}
	}
}

// broken is a body whose reading fails after its start.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// A body is matched up to 1 MiB, both compressed and not. The handler gets it in any case, with
// the error that reading it ended with.
func TestMemberOfBody(t *testing.T) {
	t.Parallel()
	long := func(bytes int) string { return `{"a":"` + strings.Repeat("x", bytes-len(`{"a":""}`)) + `"}` }
	pack := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, tt := range map[string]struct {
		sent string
		cut  bool
		want bool
	}{
		"short":         {sent: `{"a":1}`, want: true},
		"longest":       {sent: long(1 << 20), want: true},
		"too long":      {sent: long(1<<20 + 1)},
		"packed":        {sent: pack(`{"a":1}`), want: true},
		"packed, long":  {sent: pack(long(1 << 20)), want: true},
		"packed, bomb":  {sent: pack(long(1<<20 + 1))},
		"packed, wrong": {sent: "\x1f\x8b{\"a\":1}"},
		"cut off":       {sent: `{"a":1}`, cut: true},
		"empty":         {sent: ``},
		"an array":      {sent: `[{"a":1}]`},
	} {
		x := exchangeOf("/", tt.sent, nil)
		if tt.cut {
			x.Request.Body = io.NopCloser(broken{x.Request.Body})
		}
		b := &body{x: x}
		if _, got := b.member("a"); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
		left, err := io.ReadAll(x.Request.Body)
		if string(left) != tt.sent || errors.Is(err, io.ErrUnexpectedEOF) != tt.cut {
			t.Errorf("%s: %d bytes of %d are left, %v", name, len(left), len(tt.sent), err)
		}
	}
	x := exchangeOf("/", `{"a":1}`, nil)
	x.Request.Body = nil
	if _, ok := (&body{x: x}).member("a"); ok {
		t.Error("a request without a body has a member")
	}
	// The authority has read its form.
	x = exchangeOf("/", `{"b":1}`, nil)
	x.Request.PostForm, x.Request.Form = url.Values{}, url.Values{"a": {"1", "2"}}
	b := &body{x: x}
	if got, ok := b.member("a"); got != "1 2" || !ok {
		t.Errorf("a field of a form: %q, %t", got, ok)
	}
	if _, ok := b.member("b"); ok {
		t.Error("a form has a member of JSON")
	}
}

// However many rules ask for a member, its JSON is written once: a thousand rules about a body
// of a megabyte would take a minute otherwise.
func TestMemberIsReadOnce(t *testing.T) {
	t.Parallel()
	b := &body{x: exchangeOf("/", `{"a":{"b":[1,2]}}`, nil)}
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
		x := exchangeOf("/", sent, http.Header{})
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
