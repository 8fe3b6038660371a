package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
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
	maxRepeatability = 3600
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
	start   int64 // where the value begins that was read last
}

// read reads the document into a state: applications when the users are known,
// whom their consents name. If they stand before them, that takes another turn.
func (d Document) read(ctx context.Context, into *importing) error {
	r := d.values()
	hasVersion, usersRead, passedOver := false, false, false
	err := r.members(func(name string) error {
		hasVersion = hasVersion || name == "version"
		usersRead = usersRead || name == "users"
		if name == "applications" && !usersRead {
			passedOver = true
			return r.skip()
		}
		return r.member(ctx, into, name)
	})
	if err == nil && !hasVersion {
		err = &Error{Line: 1, Message: fmt.Sprintf("lacks the version: want \"version\": %d", Version)}
	}
	if err != nil || !passedOver {
		return err
	}
	r = d.values()
	return r.members(func(name string) error {
		if name != "applications" {
			return r.skip()
		}
		return r.member(ctx, into, name)
	})
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
			err = errors.New("something follows the document")
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
	case "users":
		err = each(elements(r, User.check), func(n int, u User) error { return into.user(ctx, r, n, u) })
	case "applications":
		err = each(elements(r, Application.check), func(n int, a Application) error { return into.application(ctx, r, n, a) })
	case "partners":
		err = into.partners(ctx, r, elements(r, Partner.check))
	default:
		err = r.fault("unknown property; want $schema, version, settings, users, applications or partners")
	}
	return err
}

// each calls f with every element and its number, from 1.
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
		err = r.fault(fmt.Sprintf("version %d is not known; want %d", version, Version))
	}
	return err
}

// check says what is wrong with a value, and in which part of it.
type check[T any] func(T) (pointer, message string)

// elements are those of the array that comes next; the first error ends them.
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

// readIDs refuses an id of zeros, which elsewhere stands for one that isn't there.
var readIDs = json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, id *uuid.UUID) error {
	if d.PeekKind() == 'n' {
		return errors.ErrUnsupported // null is none
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
		return fmt.Errorf("%s: no id is all zeros; leave it out", raw)
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

// refuse refuses the value that was read last, for a part of it that begins at an
// offset.
func (r *reader) refuse(at string, offset int64, message string) error {
	return &Error{Pointer: string(r.decoder.StackPointer()) + at, Line: r.lines(r.start + offset), Message: message}
}

// fault refuses what was read last, a value or a name.
func (r *reader) fault(message string) error {
	return &Error{Pointer: string(r.decoder.StackPointer()), Line: r.lines(r.decoder.InputOffset()), Message: message}
}

// explain says where a document ceases to be JSON.
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

// refuseNext refuses the value that comes next.
func (r *reader) refuseNext(why *Error) error {
	pointer, start := r.upcoming()
	return &Error{Pointer: pointer, Line: r.lines(start), Message: why.Message}
}

// upcoming is the value that begins behind what was read last.
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

// explainIn says what is wrong within the value that was read last.
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

// describe tells what was wrong in words that don't speak of Go.
func describe(e *json.SemanticError) string {
	switch {
	case errors.Is(e.Err, json.ErrUnknownName):
		return "unknown property"
	case e.Err != nil && len(e.JSONValue) == 0:
		return e.Err.Error()
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", bytes.TrimSpace(e.JSONValue), e.Err)
	}
	kinds := map[jsontext.Kind]string{'n': "null", 'f': "a boolean", 't': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}
	return kinds[e.JSONKind] + " is not what belongs here"
}

// offsetOf is where in raw the value begins that a pointer names. It looks at the
// pointer only as deep as that is, or a deep value would take the square of its depth.
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
	if s.RepeatabilitySeconds != nil && (*s.RepeatabilitySeconds < 0 || *s.RepeatabilitySeconds > maxRepeatability) {
		return "/repeatabilitySeconds", fmt.Sprintf("%d: want 0 to %d", *s.RepeatabilitySeconds, maxRepeatability)
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
	case u.PasswordHash != nil && !identity.IsPasswordHash(*u.PasswordHash):
		return "/passwordHash", "want a bcrypt hash, or what an export had"
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
			return fmt.Sprintf("/consents/%d/userPrincipalName", i), "stands beside userId; want one of them, or neither for all users"
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
