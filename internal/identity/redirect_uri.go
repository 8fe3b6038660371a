package identity

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Nobody is led to a URL that a browser runs, or shows as a page that the URL holds.
// A scheme of an application's own is fine: myapp://signed-in.
var unsafeSchemes = []string{"javascript", "vbscript", "data"}

var errRedirectURI = errors.New("want an absolute URI whose scheme is not javascript, vbscript or data")

// CheckRedirectURI says why an application can't have a redirect URI, or nil.
func CheckRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || slices.Contains(unsafeSchemes, u.Scheme) {
		return errRedirectURI
	}
	return nil
}

// parseRedirect reads a redirect URI that somebody is to be led to; one may have been
// registered before CheckRedirectURI was asked.
func parseRedirect(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || CheckRedirectURI(uri) != nil {
		return nil, refuse(50011, invalidRequest, "The redirect URI '%s' is not valid.", uri)
	}
	return u, nil
}

// addQuery sets parameters of a redirect URI; its own stay as they are.
func addQuery(u *url.URL, parameters url.Values) error {
	query, err := url.ParseQuery(keepSemicolons(u.RawQuery))
	if err != nil {
		return refuse(50011, invalidRequest, "The redirect URI '%s' is not valid.", u)
	}
	maps.Copy(query, parameters)
	u.RawQuery = query.Encode()
	return nil
}

// postable tells whether a browser posts a form there: to an application behind a
// scheme of its own it gives the URI alone, without what the form holds.
func postable(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// sameRedirect tells whether a URI is exactly the registered one. Only the port
// is free, and only on the loopback interface, where an application takes the
// one that it gets (RFC 8252 section 7.3).
// https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions
func sameRedirect(registered, uri string) bool {
	if registered == uri {
		return true
	}
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	if errA != nil || errB != nil || a.Scheme != "http" || b.Scheme != "http" || b.User != nil || b.Fragment != "" {
		return false
	}
	loopback := a.Hostname() == "localhost" || a.Hostname() == "127.0.0.1" || a.Hostname() == "::1"
	return loopback && a.Hostname() == b.Hostname() && a.RawQuery == b.RawQuery &&
		strings.TrimSuffix(a.EscapedPath(), "/") == strings.TrimSuffix(b.EscapedPath(), "/")
}
