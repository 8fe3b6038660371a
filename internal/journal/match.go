package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/glob"
)

// Match matches entries of a journal.
type Match struct {
	conditions []condition
}

// condition is a condition for entries. differs returns how an entry differs, or "".
type condition struct {
	differs func(e *subject) string
}

// subject is an entry that several matches look at. Its body is read at most once.
type subject struct {
	*db.JournalEntry
	body func() (any, error)
}

func subjectOf(e *db.JournalEntry) *subject {
	return &subject{e, sync.OnceValues(func() (any, error) { return readJSON([]byte(e.RequestBody)) })}
}

// Compile compiles the conditions of a match.
func Compile(m api.RequestMatch) (c Match, err error) {
	same := func(want, got string) bool { return want == got }
	add(&c, "method", m.Method, func(e *subject) string { return e.Method }, same)
	add(&c, "path", m.Path, func(e *subject) string { return e.Path }, likeOf(m.Path))
	add(&c, "front", m.Front, func(e *subject) string { return e.Front }, same)
	add(&c, "status", m.Status, func(e *subject) string { return statusText(e.Status) }, sameStatus)
	add(&c, "user", m.User, func(e *subject) string { return idText(e.UserID) }, same)
	add(&c, "application", m.Application, func(e *subject) string { return e.Application }, strings.EqualFold)
	add(&c, "rule", m.Rule, func(e *subject) string { return e.Fault }, same)
	add(&c, "batch", m.Batch, func(e *subject) string { return idText(e.BatchID) }, same)
	if m.Text != nil {
		c.conditions = append(c.conditions, condition{func(e *subject) string {
			if strings.Contains(e.RequestBody, *m.Text) || strings.Contains(e.ResponseBody, *m.Text) {
				return ""
			}
			return fmt.Sprintf("text: neither body has %q", *m.Text)
		}})
	}
	if m.Body != nil {
		want, err := normal(m.Body)
		if err != nil {
			return c, err
		}
		c.conditions = append(c.conditions, condition{func(e *subject) string { return bodyDiffers(want, e) }})
	}
	return c, nil
}

// add adds the condition that a text of an entry equals what is wanted, if anything is.
func add[T any](c *Match, name string, want *T, got func(*subject) string, equal func(want, got string) bool) {
	if want == nil {
		return
	}
	text := fmt.Sprint(*want)
	c.conditions = append(c.conditions, condition{func(e *subject) string {
		if g := got(e); !equal(text, g) {
			return fmt.Sprintf("%s: want %s, got %s", name, text, orNothing(g))
		}
		return ""
	}})
}

// Matches reports whether an entry meets all conditions.
func (m Match) Matches(e *db.JournalEntry) bool {
	s := subjectOf(e)
	for _, c := range m.conditions {
		if c.differs(s) != "" {
			return false
		}
	}
	return true
}

// Everything reports whether every entry matches.
func (m Match) Everything() bool { return len(m.conditions) == 0 }

// differences returns how an entry differs.
func (m Match) differences(e *subject) []string {
	var all []string
	for _, c := range m.conditions {
		if d := c.differs(e); d != "" {
			all = append(all, d)
		}
	}
	return all
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

func statusText(status int32) string {
	if status == 0 {
		return "cut"
	}
	return strconv.Itoa(int(status))
}

func sameStatus(want, got string) bool {
	if class, ok := strings.CutSuffix(want, "xx"); ok {
		return len(got) == 3 && strings.HasPrefix(got, class)
	}
	return want == got
}

// pattern matches texts in any letter case.
type pattern struct{ lower glob.Pattern }

func newPattern(text string) pattern { return pattern{glob.New(strings.ToLower(text))} }

func (p pattern) matches(text string) bool { return p.lower.Matches(strings.ToLower(text)) }

// likeOf compares texts with a pattern, if there is one.
func likeOf(text *string) func(_, got string) bool {
	if text == nil {
		return nil
	}
	p := newPattern(*text)
	return func(_, got string) bool { return p.matches(got) }
}

// normal returns a value as encoding/json reads it, with numbers unchanged.
func normal(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return readJSON(text)
}

func readJSON(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// bodyDiffers returns where a request's body lacks the wanted content, or "".
func bodyDiffers(want any, e *subject) string {
	got, err := e.body()
	switch {
	case err != nil && e.RequestBody == "":
		return "body: the request has none"
	case err != nil:
		return fmt.Sprintf("body: the journal has no JSON to compare, but %d of %d bytes", len(e.RequestBody), e.RequestSize)
	}
	return contains("body", want, got)
}

// contains returns where got lacks the wanted content, or "". Objects may have additional
// members.
func contains(at string, want, got any) string {
	object, ok := want.(map[string]any)
	have, is := got.(map[string]any)
	if ok && is {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			other, has := have[name]
			if !has {
				return fmt.Sprintf("%s/%s: missing", at, name)
			}
			if d := contains(at+"/"+name, object[name], other); d != "" {
				return d
			}
		}
		return ""
	}
	wanted, _ := json.Marshal(want)
	found, _ := json.Marshal(got)
	if bytes.Equal(wanted, found) {
		return ""
	}
	return fmt.Sprintf("%s: want %s, got %s", at, wanted, found)
}
