package fault

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/glob"
)

// pathPattern matches paths, segment by segment.
type pathPattern struct {
	segments []glob.Pattern
	deeper   bool // any segments may follow
}

const anyDepth = "/**"

func newPathPattern(text string) pathPattern {
	var p pathPattern
	text, p.deeper = strings.CutSuffix(strings.ToLower(text), anyDepth)
	for segment := range strings.SplitSeq(text, "/") {
		p.segments = append(p.segments, glob.New(segment))
	}
	return p
}

func (p pathPattern) matches(path string) bool {
	for i, g := range p.segments {
		segment, rest, more := strings.Cut(path, "/")
		if !g.Matches(segment) {
			return false
		}
		if last := i == len(p.segments)-1; last || !more {
			return last && (!more || p.deeper)
		}
		path = rest
	}
	return false
}

// matcher decides which requests a rule matches.
type matcher struct {
	rule   *api.FaultCreate
	front  string // "" matches any
	path   *pathPattern
	query  glob.Pattern
	header glob.Pattern
	member glob.Pattern
}

func newMatcher(r *api.FaultCreate) matcher {
	m := matcher{rule: r, front: frontOf(r)}
	match := r.Match
	if match == nil {
		return m
	}
	if match.Path != nil {
		p := newPathPattern(*match.Path)
		m.path = &p
	}
	m.query, m.header, m.member = globOf(match.Query), globOf(nil), globOf(nil)
	if match.Header != nil {
		m.header = globOf(match.Header.Value)
	}
	if match.Member != nil {
		m.member = globOf(match.Member.Value)
	}
	return m
}

// globOf compiles a pattern. It returns nil for nil; nil is never matched.
func globOf(text *string) glob.Pattern {
	if text == nil {
		return nil
	}
	return glob.New(*text)
}

// frontOf returns the front of a rule. A named error belongs to one front.
func frontOf(r *api.FaultCreate) string {
	if r.Match != nil && r.Match.Front != nil {
		return string(*r.Match.Front)
	}
	if r.Effect.Error != nil {
		return Errors[*r.Effect.Error].Front
	}
	return ""
}

// target returns the method and the path that the rule matches, if each is a single one.
func (m *matcher) target() (t target) {
	match := m.rule.Match
	if match == nil {
		return t
	}
	if match.Method != nil {
		t.method = *match.Method
	}
	if match.Path != nil && !strings.Contains(*match.Path, "*") {
		t.path = strings.ToLower(*match.Path)
	}
	return t
}

// matches reports whether the rule matches a request. The request's path is in lower case.
func (m *matcher) matches(x *front.Exchange, path string, b *body) bool {
	if m.front != "" && m.front != x.Front {
		return false
	}
	if s := m.rule.Schedule; s != nil && (s.From != nil && x.Now.Before(*s.From) || s.Until != nil && !x.Now.Before(*s.Until)) {
		return false
	}
	match := m.rule.Match
	return match == nil ||
		(match.Method == nil || *match.Method == x.Request.Method) &&
			(m.path == nil || m.path.matches(path)) &&
			(match.Route == nil || *match.Route == x.FullPath()) &&
			(match.User == nil || *match.User == x.User) &&
			(match.Application == nil || strings.EqualFold(match.Application.String(), x.Application)) &&
			(match.Query == nil || m.query.Matches(x.Request.URL.RawQuery)) &&
			(match.Header == nil || m.matchesHeader(match.Header.Name, x.Request.Header)) &&
			(match.Member == nil || m.matchesMember(match.Member.Name, b))
}

func (m *matcher) matchesHeader(name string, h http.Header) bool {
	for _, value := range h.Values(name) {
		if m.header == nil || m.header.Matches(value) {
			return true
		}
	}
	return false
}

func (m *matcher) matchesMember(name string, b *body) bool {
	text, ok := b.member(name)
	return ok && (m.member == nil || m.member.Matches(text))
}

// maxBody bounds how much of a body is read to match its members, in bytes, both compressed
// and uncompressed. It is Graph's limit.
const maxBody = 1 << 20

// body is a request's body. It is read when a rule first asks for a member, and so is each
// member, because a thousand rules may ask for the same.
type body struct {
	x       *front.Exchange
	read    bool
	content any                // as encoding/json reads it; nil if it isn't JSON
	members map[string]*string // by name; nil is one that the body lacks
}

// member returns the text of a member, or the JSON of another value.
func (b *body) member(name string) (text string, ok bool) {
	if b.x.Request.PostForm != nil { // the authority has already read it
		all, ok := b.x.Request.Form[name]
		return strings.Join(all, " "), ok
	}
	if !b.read {
		b.content, b.members, b.read = parse(b.x.Request), map[string]*string{}, true
	}
	known, seen := b.members[name]
	if !seen {
		if text, ok := textOf(b.content, name); ok {
			known = &text
		}
		b.members[name] = known
	}
	if known == nil {
		return "", false
	}
	return *known, true
}

// textOf returns the text of a member of a document, or the JSON of another value.
func textOf(value any, name string) (text string, ok bool) {
	for segment := range strings.SplitSeq(name, "/") {
		object, _ := value.(map[string]any)
		if value, ok = object[segment]; !ok {
			return "", false
		}
	}
	if text, ok := value.(string); ok {
		return text, true
	}
	raw, err := json.Marshal(value)
	return string(raw), err == nil
}

// parse reads the body of a request and restores it for the handler.
func parse(r *http.Request) (content any) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	read, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), failing{err}, r.Body), r.Body}
	if err != nil || len(read) > maxBody {
		return nil
	}
	var in io.Reader = bytes.NewReader(read)
	if bytes.HasPrefix(read, []byte{0x1f, 0x8b}) {
		if in, err = gzip.NewReader(in); err != nil {
			return nil
		}
	}
	d := json.NewDecoder(io.LimitReader(in, maxBody))
	d.UseNumber()
	if d.Decode(&content) != nil {
		return nil
	}
	return content
}

// failing is a reader that fails like the original body, or ends if the error is nil.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
