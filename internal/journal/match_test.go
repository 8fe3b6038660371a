package journal

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
)

func TestLike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a*b", "ab", true},
		{"a*b", "a/x/B", true},
		{"a*b", "abc", false},
		{"*partners", "/v1.0/deviceManagement/remoteAssistancePartners", true},
		{"/v1.0/*", "/v1.0/", true},
		{"*a*a*", "aa", true},
		{"*a*a*a", "aa", false},
		{"**", "x", true},
		{"a?c", "abc", false},
	} {
		if got := newPattern(tt.pattern).matches(tt.text); got != tt.want {
			t.Errorf("%q like %q: %t", tt.text, tt.pattern, got)
		}
	}
	if newPattern(strings.Repeat("*a", 500) + "b").matches(strings.Repeat("a", 8000)) {
		t.Error("a slow pattern matches")
	}
}

// FuzzLike compares patterns with a plain definition of them.
func FuzzLike(f *testing.F) {
	f.Add("a*b", "axb")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 12 {
			return
		}
		if got, want := newPattern(pattern).matches(text), plainLike(strings.ToLower(pattern), strings.ToLower(text)); got != want {
			t.Errorf("%q like %q: %t, want %t", text, pattern, got, want)
		}
	})
}

func plainLike(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return plainLike(pattern[1:], text) || text != "" && plainLike(pattern, text[1:])
	}
	return text != "" && pattern[0] == text[0] && plainLike(pattern[1:], text[1:])
}

func TestContains(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ want, got, differs string }{
		{`{}`, `{"a":1}`, ""},
		{`{"a":1}`, `{"a":1,"b":2}`, ""},
		{`{"a":{"b":null}}`, `{"a":{"b":null,"c":1}}`, ""},
		{`{"a":1}`, `{"a":1.0}`, "body/a: want 1, got 1.0"},
		{`{"a":1}`, `{"b":1}`, "body/a: missing"},
		{`{"a":[1]}`, `{"a":[1,2]}`, "body/a: want [1], got [1,2]"},
		{`{"a":{"b":1}}`, `{"a":[1]}`, `body/a: want {"b":1}, got [1]`},
		{`"x"`, `"x"`, ""},
		{`9007199254740993`, `9007199254740992`, "body: want 9007199254740993, got 9007199254740992"},
	} {
		want, err := readJSON([]byte(tt.want))
		got, err2 := readJSON([]byte(tt.got))
		if d := contains("body", want, got); d != tt.differs || err != nil || err2 != nil {
			t.Errorf("%s in %s: %q, want %q", tt.want, tt.got, d, tt.differs)
		}
	}
}

// However many checks compare a body, it is read once.
func TestBodyIsReadOnce(t *testing.T) {
	t.Parallel()
	s := subjectOf(&db.JournalEntry{RequestBody: `{"a":1}`})
	first, err := s.body()
	second, _ := s.body()
	if reflect.ValueOf(first).Pointer() != reflect.ValueOf(second).Pointer() || err != nil {
		t.Errorf("%v, then %v: %v", first, second, err)
	}
}

// A flush waits for answers that have begun before it, and not for later ones, nor for long.
func TestAnswers(t *testing.T) {
	t.Parallel()
	var a answers
	a.wait(t.Context()) // nothing has begun
	first := a.begin()
	done := make(chan struct{})
	go func() { a.wait(t.Context()); close(done) }()
	for a.current() == first {
		time.Sleep(time.Millisecond)
	}
	later := a.begin()
	select {
	case <-done:
		t.Error("it doesn't wait for the first answer")
	case <-time.After(5 * time.Millisecond):
	}
	a.end(first)
	<-done
	a.wait(t.Context()) // for the later one, half a second
	a.end(later)
	a.wait(t.Context())
	if a.begun != [2]int{} {
		t.Errorf("%v are left", a.begun)
	}
}

func (a *answers) current() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.period
}
