package identity

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxForm bounds the body of a request, in bytes.
const maxForm = 64 << 10

const formType = "application/x-www-form-urlencoded"

// form is the parameters of a request, each of which came at most once
// (RFC 6749 section 3.2).
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

// keepSemicolons escapes the semicolons of a query or a form: net/url refuses them raw,
// while Entra, as the URL standard, takes them for characters like others.
// https://url.spec.whatwg.org/#urlencoded-parsing
func keepSemicolons(raw string) string { return strings.ReplaceAll(raw, ";", "%3B") }

// parseForm reads the parameters of a request, of its query and its body. Each is
// text (RFC 6749 appendix A).
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
	e := refuse(90014, invalidRequest, "The request is not well formed.")
	e.cause = err
	return e
}

// isText tells whether Postgres could hold it.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// maxParameter bounds a parameter, in bytes, of which longest says nothing else: what
// holds a token.
const maxParameter = maxTokenBytes

// longest bounds the parameters that are kept, returned or logged, in bytes.
var longest = map[string]int{
	"claims": 8 << 10, "client_id": 8 << 10, "client_request_id": 256, "code_challenge": 128, "code_challenge_method": 32, "code_verifier": 128,
	"domain_hint": 256, "grant_type": 256, "login_hint": 8 << 10, "nonce": 1 << 10, "prompt": 64, "redirect_uri": 8 << 10,
	"resource": 2 << 10, "response_mode": 64, "response_type": 64, "scope": 4 << 10, "state": 8 << 10, "username": 1 << 10,
}

func checkForm(values url.Values) (form, error) {
	for name, all := range values {
		if len(all) > 1 {
			return nil, refuse(90100, invalidRequest, "The parameter '%s' came more than once.", name)
		}
		if most := cmp.Or(longest[name], maxParameter); len(all[0]) > most {
			return nil, refuse(90015, invalidRequest, "The parameter '%s' has %d bytes: at most %d are taken.", name, len(all[0]), most)
		}
	}
	return form(values), nil
}

// get returns a parameter, or "".
func (f form) get(name string) string { return url.Values(f).Get(name) }

// need returns a parameter that must be there.
func (f form) need(name string) (string, error) {
	if v := f.get(name); v != "" {
		return v, nil
	}
	return "", errMissing(name)
}
