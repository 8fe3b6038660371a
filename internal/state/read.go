package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// These limits bound a document's texts, in characters. Limits of entities are in their
// descriptions.
const (
	maxName          = 256
	maxURI           = 2048
	maxList          = 1000
	maxPageSize      = 1000
	maxRepeatability = 3600
)

// Error is why a document is refused, and where.
type Error struct {
	Pointer string // RFC 6901
	Line    int    // starts at 1; 0 means unknown
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
	start   int64 // offset of the value that was read last
}

// read reads the document into a state. It needs the users before the applications, whose
// consents name them, and entities before what they contain; if these come first, it reads the
// document a second time.
func (d Document) read(ctx context.Context, into *importing) error {
	r := d.values()
	seen, passedOver := map[string]bool{}, map[string]bool{}
	err := r.members(func(name string) error {
		seen[name] = true
		if before := neededBy(name); before != "" && !seen[before] {
			passedOver[name] = true
			return r.skip()
		}
		return r.member(ctx, into, name)
	})
	if err == nil && !seen["version"] {
		err = &Error{Line: 1, Message: fmt.Sprintf("lacks the version: want \"version\": %d", Version)}
	}
	if err != nil || len(passedOver) == 0 {
		return err
	}
	r = d.values()
	return r.members(func(name string) error {
		if !passedOver[name] {
			return r.skip()
		}
		return r.member(ctx, into, name)
	})
}

// neededBy is the member of a document that must be read before another one; "" without any.
func neededBy(name string) string {
	if name == "applications" {
		return "users"
	}
	if t, ok := entity.Find(name); ok && t.Parent != nil {
		return t.Parent.SetName()
	}
	return ""
}

// members calls f behind the name of each member, to read its value.
func (r *reader) members(f func(name string) error) error {
	if kind := r.decoder.PeekKind(); kind != '{' {
		if _, err := r.decoder.ReadValue(); err != nil {
			return r.explain(err)
		}
		return &Error{Line: 1, Message: "want an object"}
	}
	_, _ = r.decoder.ReadToken()
	for r.decoder.PeekKind() != '}' {
		name, err := r.decoder.ReadToken()
		if err != nil {
			return r.explain(err)
		}
		if err := f(name.String()); err != nil {
			return err
		}
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return r.explain(err)
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is content after the document")
		}
		return r.explain(err)
	}
	return nil
}

func (r *reader) member(ctx context.Context, into *importing, name string) (err error) {
	switch name {
	case "$schema":
		_, err = next[string](r)
	case "version":
		err = r.version()
	case "settings":
		var s Settings
		if s, err = next(r, Settings.check); err == nil {
			err = into.settings(ctx, s)
		}
	case "clock":
		var c Clock
		if c, err = next(r, Clock.check); err == nil {
			err = into.clock(ctx, c)
		}
	case "faults":
		err = into.faults(ctx, r)
	case "users":
		err = each(elements(r, User.check), func(n int, u User) error { return into.user(ctx, r, n, u) })
	case "applications":
		err = each(elements(r, Application.check), func(n int, a Application) error { return into.application(ctx, r, n, a) })
	default:
		if name == "partners" { // the name in development versions
			name = entity.RemoteAssistancePartner.SetName()
		}
		t, ok := entity.Find(name)
		if !ok {
			return r.fault("unknown property; want " + oneOf(memberNames()))
		}
		err = into.items(ctx, r, t, items(r, t))
	}
	return err
}

// memberNames lists the members of a document.
func memberNames() []string {
	names := []string{"$schema", "version", "settings", "clock", "faults", "users", "applications"}
	for _, t := range entity.All {
		names = append(names, t.SetName())
	}
	return names
}

// each calls f with every element and its number, starting at 1.
func each[T any](all iter.Seq2[T, error], f func(n int, v T) error) error {
	n := 0
	for v, err := range all {
		n++
		if err == nil {
			err = f(n, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) skip() error { return r.explain(r.decoder.SkipValue()) }

func (r *reader) version() error {
	version, err := next[int](r)
	if err == nil && version != Version {
		err = r.fault(fmt.Sprintf("version %d is not supported; want %d", version, Version))
	}
	return err
}

// check reports what is wrong with a value, and in which part of it.
type check[T any] func(T) (pointer, message string)

// elements iterates over the next array. The first error ends it.
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

// readIDs reads ids and rejects the nil UUID, which the rest of the program uses for a missing
// id.
var readIDs = json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, id *uuid.UUID) error {
	if d.PeekKind() == 'n' {
		return errors.ErrUnsupported // null means no id
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	text, isText := bytes.CutPrefix(raw, []byte{'"'})
	if *id, err = uuid.ParseBytes(bytes.TrimSuffix(text, []byte{'"'})); err != nil || !isText {
		return fmt.Errorf("%s: want a GUID", raw)
	}
	if *id == uuid.Nil {
		return fmt.Errorf("%s: an id can't be all zeros; leave it out", raw)
	}
	return nil
}))

// next reads one value and checks it.
func next[T any](r *reader, checks ...check[T]) (T, error) {
	var v T
	raw, err := r.decoder.ReadValue()
	if err != nil {
		return v, r.explain(err)
	}
	r.start = r.decoder.InputOffset() - int64(len(raw))
	if err := json.Unmarshal(raw, &v, json.RejectUnknownMembers(true), readIDs); err != nil {
		return v, r.explainIn(err, raw)
	}
	if at, found := FindNUL(raw); found {
		return v, r.refuse(at, offsetOf(raw, at), "holds the character U+0000")
	}
	for _, check := range checks {
		if at, message := check(v); message != "" {
			return v, r.refuse(at, offsetOf(raw, at), message)
		}
	}
	return v, nil
}

// refuse refuses the value that was read last, because of the part at an offset in it.
func (r *reader) refuse(at string, offset int64, message string) error {
	return &Error{Pointer: string(r.decoder.StackPointer()) + at, Line: r.lines(r.start + offset), Message: message}
}

// fault refuses the value or name that was read last.
func (r *reader) fault(message string) error {
	return &Error{Pointer: string(r.decoder.StackPointer()), Line: r.lines(r.decoder.InputOffset()), Message: message}
}

// explain reports where a document stops being JSON.
func (r *reader) explain(err error) error {
	var ours *Error
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours) && ours.Line == 0:
		return r.refuseNext(ours)
	case errors.As(err, &ours):
		return err
	case errors.As(err, &syntax):
		return &Error{Pointer: string(syntax.JSONPointer), Line: r.lines(syntax.ByteOffset), Message: syntax.Err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{Line: r.lines(r.decoder.InputOffset()), Message: "it ends early"}
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

// refuseNext refuses the next value.
func (r *reader) refuseNext(why *Error) error {
	pointer, start := r.upcoming()
	return &Error{Pointer: pointer, Line: r.lines(start), Message: why.Message}
}

// upcoming returns the next value, after the one that was read last.
func (r *reader) upcoming() (pointer string, start int64) {
	at := r.decoder.StackPointer()
	if kind, n := r.decoder.StackIndex(r.decoder.StackDepth()); kind == '[' {
		if n > 0 { // at is the element before
			at = at.Parent()
		}
		at = at.AppendToken(strconv.FormatInt(n, 10))
	}
	unread := r.decoder.UnreadBuffer()
	return string(at), r.decoder.InputOffset() + int64(len(unread)-len(bytes.TrimLeft(unread, " \t\r\n,:")))
}

// explainIn reports what is wrong in the value that was read last.
func (r *reader) explainIn(err error, raw []byte) error {
	var semantic *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		at := string(semantic.JSONPointer)
		return r.refuse(at, offsetOf(raw, at), describe(semantic))
	case errors.As(err, &syntax):
		return r.refuse(string(syntax.JSONPointer), syntax.ByteOffset, syntax.Err.Error())
	}
	return r.refuse("", 0, err.Error())
}

// describe returns a description of an error that doesn't mention Go.
func describe(e *json.SemanticError) string {
	var notTime *time.ParseError
	switch {
	case errors.As(e.Err, &notTime):
		return fmt.Sprintf("%q: want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z", notTime.Value)
	case errors.Is(e.Err, json.ErrUnknownName):
		return "unknown property"
	case e.Err != nil && len(e.JSONValue) == 0:
		return e.Err.Error()
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", bytes.TrimSpace(e.JSONValue), e.Err)
	}
	return kindOf(e.JSONKind) + " is not what belongs here"
}

// explainMember reports what is wrong with a member that is read separately.
func explainMember(err error) string {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return describe(semantic)
	}
	return err.Error()
}

// kindOf names a kind of JSON value.
func kindOf(kind jsontext.Kind) string {
	return map[jsontext.Kind]string{'n': "null", 'f': "a boolean", 't': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}[kind]
}

// offsetOf returns the offset in raw of the value at a pointer. It reads no deeper than the
// pointer; otherwise a deep value would take time quadratic in its depth.
func offsetOf(raw []byte, pointer string) int64 {
	d, depth := jsontext.NewDecoder(bytes.NewReader(raw)), strings.Count(pointer, "/")
	for {
		token, err := d.ReadToken()
		if err != nil {
			return 0
		}
		at := d.StackDepth()
		if kind := token.Kind(); kind == '{' || kind == '[' {
			at--
		}
		if at == depth && string(d.StackPointer()) == pointer {
			return d.InputOffset() - 1
		}
	}
}

// readError is an error of reading the document, not of its content.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (s Settings) check() (string, string) {
	if s.PageSize != nil && (*s.PageSize < 1 || *s.PageSize > maxPageSize) {
		return "/pageSize", fmt.Sprintf("%d: want 1 to %d", *s.PageSize, maxPageSize)
	}
	if s.PermissionRule != nil && !s.PermissionRule.Valid() {
		return "/permissionRule", fmt.Sprintf("%q: want seed or current", *s.PermissionRule)
	}
	if s.StatusCodes != nil && !s.StatusCodes.Valid() {
		return "/statusCodes", fmt.Sprintf("%q: want documented or observed", *s.StatusCodes)
	}
	if s.RepeatabilitySeconds != nil && (*s.RepeatabilitySeconds < 0 || *s.RepeatabilitySeconds > maxRepeatability) {
		return "/repeatabilitySeconds", fmt.Sprintf("%d: want 0 to %d", *s.RepeatabilitySeconds, maxRepeatability)
	}
	if s.Throttling != nil {
		return s.Throttling.check()
	}
	return "", ""
}

// throttling reads the columns of a tenant's row.
func throttling(raw []byte) *Throttling {
	var t Throttling
	if raw == nil || json.Unmarshal(raw, &t) != nil {
		return nil
	}
	return &t
}

// These are the limits of throttling.
const (
	maxWindow = 3600
	maxLimit  = 1_000_000_000
)

func (t *Throttling) check() (string, string) {
	own := t.Limits == "own"
	switch {
	case t.Limits != "off" && t.Limits != "graph" && !own:
		return "/throttling/limits", fmt.Sprintf("%q: want off, graph or own", t.Limits)
	case !slices.Contains([]string{"", "seconds", "date", "none"}, t.RetryAfter):
		return "/throttling/retryAfter", fmt.Sprintf("%q: want seconds, date or none", t.RetryAfter)
	case t.WindowSeconds < 0 || t.WindowSeconds > maxWindow || t.WindowSeconds > 0 && !own:
		return "/throttling/windowSeconds", fmt.Sprintf("%d: want 1 to %d, with the limits own", t.WindowSeconds, maxWindow)
	}
	numbers := []int64{t.ApplicationRequests, t.ApplicationWrites, t.TenantRequests, t.TenantWrites}
	if slices.Min(numbers) < 0 || slices.Max(numbers) > maxLimit || (slices.Max(numbers) > 0) != own {
		return "/throttling", fmt.Sprintf("want numbers of 1 to %d with the limits own, and none with others", maxLimit)
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
		return "/passwordHash", "is given with password; want one of them"
	case u.Password != nil && (len(*u.Password) > identity.MaxPassword || *u.Password == ""):
		return "/password", fmt.Sprintf("want 1 to %d bytes", identity.MaxPassword)
	case u.PasswordHash != nil && !identity.IsPasswordHash(*u.PasswordHash):
		return "/passwordHash", "want a bcrypt hash or one from an export"
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
		return "/secrets", "a public client can't have one"
	}
	for i, c := range a.Certificates {
		if len(c) == 0 {
			return fmt.Sprintf("/certificates/%d", i), "want a certificate: X.509, its DER in base64"
		}
	}
	if at, message := checkFederatedCredentials(a); message != "" {
		return at, message
	}
	for i, c := range a.Consents {
		if c.UserID != uuid.Nil && c.UserPrincipalName != "" {
			return fmt.Sprintf("/consents/%d/userPrincipalName", i), "is given with userId; want one of them, or neither for all users"
		}
		if at, message := texts(maxName, nil, map[string][]string{"/scopes": c.Scopes}); message != "" {
			return fmt.Sprintf("/consents/%d%s", i, at), message
		}
	}
	uris := map[string][]string{"/redirectUris": a.RedirectURIs, "/spaRedirectUris": a.SPARedirectURIs, "/publicClientRedirectUris": a.PublicClientRedirectURIs}
	if at, message := texts(maxURI, nil, uris); message != "" {
		return at, message
	}
	if at, err := identity.CheckRedirectURIs(uris); err != nil {
		return at, err.Error()
	}
	return texts(maxName, map[string]string{"/displayName": a.DisplayName}, map[string][]string{
		"/exposedScopes": a.ExposedScopes, "/requiredScopes": a.RequiredScopes, "/requiredRoles": a.RequiredRoles, "/roles": a.Roles,
	})
}

func checkFederatedCredentials(a Application) (string, string) {
	if n := len(a.FederatedCredentials); n > identity.MaxFederatedCredentials {
		return "/federatedCredentials", fmt.Sprintf("has %d items; at most %d are allowed", n, identity.MaxFederatedCredentials)
	}
	names := map[string]bool{}
	for i, c := range a.FederatedCredentials {
		at, message := c.check()
		if message == "" && names[c.Name] {
			at, message = "/name", fmt.Sprintf("two federated credentials are called %q", c.Name)
		}
		if message != "" {
			return fmt.Sprintf("/federatedCredentials/%d%s", i, at), message
		}
		names[c.Name] = true
	}
	return "", ""
}

func (c FederatedCredential) check() (string, string) {
	if c.Name == "" || c.Subject == "" {
		return "", "want a name, an issuer and a subject"
	}
	if err := identity.CheckIssuer(c.Issuer); err != nil {
		return "/issuer", fmt.Sprintf("%q: %v", c.Issuer, err)
	}
	if c.KeySet != nil {
		if err := identity.CheckKeySet(c.KeySet); err != nil {
			return "/keySet", err.Error()
		}
	}
	return texts(maxURI, map[string]string{"/name": c.Name, "/issuer": c.Issuer, "/subject": c.Subject, "/description": deref(c.Description)}, map[string][]string{"/audiences": c.Audiences})
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

// FindNUL finds a string or name in a JSON text that contains U+0000, which Postgres can't
// store.
func FindNUL(text []byte) (pointer string, found bool) {
	if !bytes.Contains(text, []byte(`\u0000`)) {
		return "", false
	}
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return "", false // the end or invalid JSON, which others report
		}
		if token.Kind() == '"' && strings.ContainsRune(token.String(), 0) {
			return string(d.StackPointer()), true
		}
	}
}

// texts checks the lengths of texts. It returns the first error by position.
func texts(most int, each map[string]string, lists map[string][]string) (string, string) {
	for _, at := range slices.Sorted(maps.Keys(each)) {
		if message := textFault(most, each[at]); message != "" {
			return at, message
		}
	}
	for _, at := range slices.Sorted(maps.Keys(lists)) {
		list := lists[at]
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

// LineOf returns the line in a JSON text, starting at 1, where the value at a pointer
// begins, or 0 if it doesn't exist.
func LineOf(text []byte, pointer string) int {
	if len(text) == 0 {
		return 0
	}
	return 1 + bytes.Count(text[:offsetOf(text, pointer)], []byte("\n"))
}
