package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Limits of a document's texts, in characters; those of partners are Graph's.
const (
	maxName          = 256
	maxDisplayName   = 1024
	maxOnboardingURL = 2048
	maxPassword      = 72 // bytes, bcrypt's
	maxURI           = 2048
	maxList          = 1000
	maxPageSize      = 1000
)

// Error is a document that can't be taken: what is wrong, and where.
type Error struct {
	Pointer string // RFC 6901
	Line    int    // from 1; 0 is not known
	Message string
}

func (e *Error) Error() string {
	at := e.Pointer
	if at == "" {
		at = "the document"
	}
	if e.Line > 0 {
		return fmt.Sprintf("line %d, %s: %s", e.Line, at, e.Message)
	}
	return at + ": " + e.Message
}

// reader reads a document member by member.
type reader struct {
	decoder *jsontext.Decoder
	lines   func(offset int64) int
	seen    map[uuid.UUID]bool // ids of partners
}

// newReader reads JSON as it comes; YAML is read whole, up to maxYAML.
func newReader(in io.Reader, yaml bool) (*reader, error) {
	if yaml {
		text, lines, err := readYAML(in)
		if err != nil {
			return nil, err
		}
		return &reader{decoder: jsontext.NewDecoder(bytes.NewReader(text)), lines: lines, seen: map[uuid.UUID]bool{}}, nil
	}
	counter := &lineCounter{in: bufio.NewReaderSize(in, 64<<10)}
	return &reader{decoder: jsontext.NewDecoder(counter), lines: counter.line, seen: map[uuid.UUID]bool{}}, nil
}

// read reads the document. partners is called where they come, with all of them,
// and must take them.
func (r *reader) read(partners func(iter.Seq2[Partner, error]) error) (document, error) {
	var doc document
	if kind := r.decoder.PeekKind(); kind != '{' {
		if _, err := r.decoder.ReadValue(); err != nil {
			return doc, r.explain(err)
		}
		return doc, &Error{Line: 1, Message: "want an object"}
	}
	_, _ = r.decoder.ReadToken()
	hasVersion := false
	for r.decoder.PeekKind() != '}' {
		name, err := r.decoder.ReadToken()
		if err != nil {
			return doc, r.explain(err)
		}
		hasVersion = hasVersion || name.String() == "version"
		if err := r.member(&doc, name.String(), partners); err != nil {
			return doc, err
		}
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return doc, r.explain(err)
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows the document")
		}
		return doc, r.explain(err)
	}
	if !hasVersion {
		return doc, &Error{Line: 1, Message: fmt.Sprintf("lacks the version: want \"version\": %d", Version)}
	}
	return doc, nil
}

func (r *reader) member(doc *document, name string, partners func(iter.Seq2[Partner, error]) error) (err error) {
	switch name {
	case "$schema":
		_, err = next[string](r)
	case "version":
		err = r.version()
	case "settings":
		var s Settings
		if s, err = next(r, Settings.check); err == nil {
			doc.Settings = &s
		}
	case "users":
		doc.Users, err = all(r, User.check)
	case "applications":
		doc.Applications, err = all(r, Application.check)
	case "partners":
		err = partners(r.partners())
	default:
		err = r.fault("unknown property; want $schema, version, settings, users, applications or partners")
	}
	return err
}

func (r *reader) version() error {
	version, err := next[int](r)
	if err == nil && version != Version {
		err = r.fault(fmt.Sprintf("version %d is not known; want %d", version, Version))
	}
	return err
}

// partners are the elements of the array that comes next; the first error ends
// them.
func (r *reader) partners() iter.Seq2[Partner, error] {
	return func(yield func(Partner, error) bool) {
		for p, err := range elements(r, Partner.check) {
			if err == nil && p.ID != uuid.Nil {
				if r.seen[p.ID] {
					err = r.fault(fmt.Sprintf("two partners have the id %s", p.ID))
				}
				r.seen[p.ID] = true
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// check says what is wrong with a value, and in which part of it.
type check[T any] func(T) (pointer, message string)

func all[T any](r *reader, check check[T]) ([]T, error) {
	var list []T
	for v, err := range elements(r, check) {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func elements[T any](r *reader, check check[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if r.decoder.PeekKind() != '[' {
			_, err := r.decoder.ReadValue()
			if err == nil {
				err = r.fault("want an array")
			}
			yield(zero, r.explain(err))
			return
		}
		_, _ = r.decoder.ReadToken()
		for r.decoder.PeekKind() != ']' {
			v, err := next(r, check)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if _, err := r.decoder.ReadToken(); err != nil {
			yield(zero, r.explain(err))
		}
	}
}

// next reads one value and checks it.
func next[T any](r *reader, checks ...check[T]) (T, error) {
	var v T
	raw, err := r.decoder.ReadValue()
	if err != nil {
		return v, r.explain(err)
	}
	pointer := string(r.decoder.StackPointer())
	start := r.decoder.InputOffset() - int64(len(raw))
	if err := json.Unmarshal(raw, &v, json.RejectUnknownMembers(true)); err != nil {
		return v, r.explainIn(err, pointer, start, raw)
	}
	if at, found := FindNUL(raw); found {
		return v, &Error{Pointer: pointer + at, Line: r.lines(start + offsetOf(raw, at)), Message: "holds the character U+0000"}
	}
	for _, check := range checks {
		if at, message := check(v); message != "" {
			return v, &Error{Pointer: pointer + at, Line: r.lines(start + offsetOf(raw, at)), Message: message}
		}
	}
	return v, nil
}

// fault refuses the value that was read last.
func (r *reader) fault(message string) error {
	return &Error{Pointer: string(r.decoder.StackPointer()), Line: r.lines(r.decoder.InputOffset()), Message: message}
}

// explain says where a document ceases to be JSON.
func (r *reader) explain(err error) error {
	var ours *Error
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil, errors.As(err, &ours):
		return err
	case errors.As(err, &syntax):
		return &Error{Pointer: string(syntax.JSONPointer), Line: r.lines(syntax.ByteOffset), Message: syntax.Err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{Line: r.lines(r.decoder.InputOffset()), Message: "it ends too early"}
	}
	return r.errorOf(err)
}

func (r *reader) errorOf(err error) error {
	var read *readError
	if errors.As(err, &read) { // not the document's fault
		return read.error
	}
	return &Error{Pointer: string(r.decoder.StackPointer()), Line: r.lines(r.decoder.InputOffset()), Message: err.Error()}
}

// explainIn says what is wrong within a value.
func (r *reader) explainIn(err error, pointer string, start int64, raw []byte) error {
	var semantic *json.SemanticError
	var syntax *jsontext.SyntacticError
	e := &Error{Pointer: pointer, Line: r.lines(start), Message: err.Error()}
	switch {
	case errors.As(err, &semantic):
		at := string(semantic.JSONPointer)
		e.Pointer, e.Line = pointer+at, r.lines(start+offsetOf(raw, at))
		e.Message = describe(semantic)
	case errors.As(err, &syntax):
		e.Pointer, e.Line, e.Message = pointer+string(syntax.JSONPointer), r.lines(start+syntax.ByteOffset), syntax.Err.Error()
	}
	return e
}

// describe tells what was wrong in words that don't speak of Go.
func describe(e *json.SemanticError) string {
	switch {
	case errors.Is(e.Err, json.ErrUnknownName):
		return "unknown property"
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", bytes.TrimSpace(e.JSONValue), e.Err)
	}
	kinds := map[jsontext.Kind]string{'n': "null", 'f': "a boolean", 't': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}
	return kinds[e.JSONKind] + " is not what belongs here"
}

// offsetOf is where in raw the value begins that a pointer names.
func offsetOf(raw []byte, pointer string) int64 {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		if _, err := d.ReadToken(); err != nil {
			return 0
		}
		if string(d.StackPointer()) == pointer {
			return d.InputOffset() - 1
		}
	}
}

// lineCounter knows in which line a byte is that was read a short while ago.
type lineCounter struct {
	in     io.Reader
	offset int64
	before int     // lines that end before the first of ends
	ends   []int64 // where the last lines end
}

// recentBytes is more than the decoder keeps of what it read.
const recentBytes = 8 << 20

func (c *lineCounter) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	for i, x := range b[:n] {
		if x == '\n' {
			c.ends = append(c.ends, c.offset+int64(i))
		}
	}
	c.offset += int64(n)
	if len(c.ends) > 1<<20 {
		old := 0
		for old < len(c.ends) && c.ends[old] < c.offset-recentBytes {
			old++
		}
		c.before += old
		c.ends = append([]int64(nil), c.ends[old:]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}

func (c *lineCounter) line(offset int64) int {
	n := 0
	for n < len(c.ends) && c.ends[n] < offset {
		n++
	}
	return c.before + n + 1
}

// readError is a document that couldn't be read at all.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (s Settings) check() (string, string) {
	if s.PageSize != nil && (*s.PageSize < 1 || *s.PageSize > maxPageSize) {
		return "/pageSize", fmt.Sprintf("%d: want 1 to %d", *s.PageSize, maxPageSize)
	}
	if s.PermissionRule != nil && !s.PermissionRule.Valid() {
		return "/permissionRule", fmt.Sprintf("%q: want seed or current", *s.PermissionRule)
	}
	return "", ""
}

func (u User) check() (string, string) {
	local, domain, _ := strings.Cut(u.UserPrincipalName, "@")
	switch {
	case u.UserPrincipalName == "":
		return "", "lacks userPrincipalName"
	case local == "" || domain == "" || strings.ContainsAny(u.UserPrincipalName, " \t\n\r\x00") || strings.Contains(domain, "@"):
		return "/userPrincipalName", fmt.Sprintf("%q: want NAME@DOMAIN", u.UserPrincipalName)
	case u.Password != nil && u.PasswordHash != nil:
		return "/passwordHash", "stands beside password; want one of them"
	case u.Password != nil && (len(*u.Password) > maxPassword || *u.Password == ""):
		return "/password", fmt.Sprintf("want 1 to %d bytes", maxPassword)
	case u.PasswordHash != nil && !strings.HasPrefix(*u.PasswordHash, "$2"):
		return "/passwordHash", "want a bcrypt hash"
	}
	return texts(maxName, map[string]string{
		"/userPrincipalName": u.UserPrincipalName, "/displayName": u.DisplayName, "/givenName": deref(u.GivenName), "/surname": deref(u.Surname),
	}, nil)
}

func (a Application) check() (string, string) {
	if a.DisplayName == "" {
		return "", "lacks displayName"
	}
	for i, s := range a.Secrets {
		if at, message := s.check(); message != "" {
			return fmt.Sprintf("/secrets/%d%s", i, at), message
		}
	}
	if len(a.Secrets) > 0 && a.PublicClient {
		return "/secrets", "a public client has none"
	}
	for i, c := range a.Consents {
		if c.UserID != uuid.Nil && c.UserPrincipalName != "" {
			return fmt.Sprintf("/consents/%d/userPrincipalName", i), "stands beside userId; want one of them, or neither for all users"
		}
		if at, message := texts(maxName, nil, map[string][]string{"/scopes": c.Scopes}); message != "" {
			return fmt.Sprintf("/consents/%d%s", i, at), message
		}
	}
	if at, message := texts(maxURI, nil, map[string][]string{"/redirectUris": a.RedirectURIs}); message != "" {
		return at, message
	}
	return texts(maxName, map[string]string{"/displayName": a.DisplayName}, map[string][]string{
		"/exposedScopes": a.ExposedScopes, "/requiredScopes": a.RequiredScopes, "/requiredRoles": a.RequiredRoles, "/roles": a.Roles,
	})
}

func (s Secret) check() (string, string) {
	switch {
	case (s.Secret == nil) == (s.SecretHash == nil):
		return "", "want one of secret and secretHash"
	case s.Secret != nil && (*s.Secret == "" || len(*s.Secret) > maxName):
		return "/secret", fmt.Sprintf("want 1 to %d characters", maxName)
	case s.SecretHash != nil && len(s.SecretHash) != 32:
		return "/secretHash", "want the 32 bytes of a SHA-256, in base64"
	}
	return "", ""
}

func (p Partner) check() (string, string) {
	if p.OnboardingStatus != "" && !db.OnboardingStatus(p.OnboardingStatus).Valid() {
		return "/onboardingStatus", fmt.Sprintf("%q: want notOnboarded, onboarding or onboarded", p.OnboardingStatus)
	}
	if at, message := texts(maxDisplayName, map[string]string{"/displayName": deref(p.DisplayName)}, nil); message != "" {
		return at, message
	}
	if p.OnboardingURL == nil {
		return "", ""
	}
	if u, err := url.Parse(*p.OnboardingURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "/onboardingUrl", fmt.Sprintf("%q: want an absolute http or https URL", *p.OnboardingURL)
	}
	return texts(maxOnboardingURL, map[string]string{"/onboardingUrl": *p.OnboardingURL}, nil)
}

// FindNUL is where in a JSON text a string, or a name, holds the character U+0000,
// which Postgres can't keep.
func FindNUL(text []byte) (pointer string, found bool) {
	if !bytes.Contains(text, []byte(`\u0000`)) {
		return "", false
	}
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return "", false // it ends, or is no JSON, which others say
		}
		if token.Kind() == '"' && strings.ContainsRune(token.String(), 0) {
			return string(d.StackPointer()), true
		}
	}
}

// texts holds texts to a length.
func texts(most int, each map[string]string, lists map[string][]string) (string, string) {
	for at, text := range each {
		if message := textFault(most, text); message != "" {
			return at, message
		}
	}
	for at, list := range lists {
		if len(list) > maxList {
			return at, fmt.Sprintf("has %d items; at most %d are allowed", len(list), maxList)
		}
		for i, text := range list {
			if text == "" {
				return fmt.Sprintf("%s/%d", at, i), "is empty"
			}
			if message := textFault(most, text); message != "" {
				return fmt.Sprintf("%s/%d", at, i), message
			}
		}
	}
	return "", ""
}

func textFault(most int, text string) string {
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, most)
	}
	return ""
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// LineOf is the line of a JSON text, from 1, in which the value begins that a
// pointer names; 0 if there is none.
func LineOf(text []byte, pointer string) int {
	if len(text) == 0 {
		return 0
	}
	return 1 + bytes.Count(text[:offsetOf(text, pointer)], []byte("\n"))
}
