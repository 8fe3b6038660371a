package identity

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
)

// maxForm bounds the body of a request, in bytes.
const maxForm = 64 << 10

// form is the parameters of a request, each of which came at most once
// (RFC 6749 section 3.2).
type form url.Values

// readForm reads the body of a request to an endpoint for clients.
func readForm(r *http.Request) (form, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, refuse(900144, invalidRequest, "The request body must be of the Content-Type 'application/x-www-form-urlencoded'.")
	}
	if err := r.ParseForm(); err != nil {
		return nil, errBadForm(err)
	}
	return checkForm(r.PostForm)
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

func checkForm(values url.Values) (form, error) {
	for name, all := range values {
		if len(all) > 1 {
			return nil, refuse(90100, invalidRequest, "The parameter '%s' came more than once.", name)
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
