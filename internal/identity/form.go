package identity

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxForm bounds a request's body, in bytes.
const maxForm = 64 << 10

const formType = "application/x-www-form-urlencoded"

// form has a request's parameters, each of which occurs at most once (RFC 6749 section
// 3.2).
type form url.Values

// readForm reads the body of a request to an endpoint for clients.
func readForm(r *http.Request) (form, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != formType {
		return nil, refuse(900144, invalidRequest, "The request body must be of the Content-Type '%s'.", formType)
	}
	if err := parseForm(r); err != nil {
		return nil, err
	}
	return checkForm(r.PostForm)
}

var errNoText = errors.New("a parameter holds U+0000 or is not UTF-8")

// keepSemicolons escapes the semicolons in a query or a form. net/url refuses raw ones, but
// Entra, following the URL standard, treats them like other characters.
// https://url.spec.whatwg.org/#urlencoded-parsing
func keepSemicolons(raw string) string { return strings.ReplaceAll(raw, ";", "%3B") }

// parseForm reads a request's parameters from its query and its body. Each must be text
// (RFC 6749 appendix A).
func parseForm(r *http.Request) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == formType && r.PostForm == nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return errBadForm(err)
		}
		r.Body = io.NopCloser(strings.NewReader(keepSemicolons(string(body))))
	}
	if err := r.ParseForm(); err != nil {
		return errBadForm(err)
	}
	for _, all := range r.Form {
		for _, value := range all {
			if !isText(value) {
				return errBadForm(errNoText)
			}
		}
	}
	return nil
}

func errBadForm(err error) *aadError {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		e := refuse(90015, invalidRequest, "The request is larger than %d bytes.", tooLarge.Limit)
		e.status = http.StatusRequestEntityTooLarge
		return e
	}
	e := refuse(9002313, invalidRequest, "Invalid request. Request is malformed or invalid.")
	e.cause = err
	return e
}

// isText reports whether Postgres can store s.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// maxParameter bounds parameters that longest doesn't list, such as tokens, in bytes.
const maxParameter = maxTokenBytes

// longest bounds the parameters that are stored, returned or logged, in bytes.
var longest = map[string]int{
	"claims": 8 << 10, "client_id": 8 << 10, "client_request_id": 256, "code_challenge": 128, "code_challenge_method": 32, "code_verifier": 128,
	"domain_hint": 256, "grant_type": 256, "login_hint": 8 << 10, "nonce": 1 << 10, "prompt": 64, "redirect_uri": 8 << 10,
	"resource": 2 << 10, "response_mode": 64, "response_type": 64, "scope": 4 << 10, "state": 8 << 10, "username": 1 << 10,
}

func checkForm(values url.Values) (form, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := values[name]
		if len(all) > 1 {
			return nil, refuse(90100, invalidRequest, "The parameter '%s' came more than once.", name)
		}
		if most := cmp.Or(longest[name], maxParameter); len(all[0]) > most {
			return nil, refuse(90015, invalidRequest, "The parameter '%s' has %d bytes: at most %d are allowed.", name, len(all[0]), most)
		}
	}
	return form(values), nil
}

// get returns a parameter, or "".
func (f form) get(name string) string { return url.Values(f).Get(name) }

// need returns a required parameter.
func (f form) need(name string) (string, error) {
	if v := f.get(name); v != "" {
		return v, nil
	}
	return "", errMissing(name)
}
