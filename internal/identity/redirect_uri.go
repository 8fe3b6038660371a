package identity

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Nobody is led to a URL that a browser runs, or shows as a page that the URL holds.
// A scheme of an application's own is fine: myapp://signed-in.
var unsafeSchemes = []string{"javascript", "vbscript", "data"}

var errRedirectURI = errors.New("want an absolute URI whose scheme is not javascript, vbscript or data")

// LocalRedirectURIs are what an application for trying things out registers, by which
// tools and pages under development work at once: tools on any port, pages at the paths
// of MSAL's samples on any port, and elsewhere on the ports of common servers.
func LocalRedirectURIs() (tools, pages []string) {
	return []string{"http://localhost", "http://127.0.0.1"}, []string{
		"http://localhost/redirect", "http://localhost/redirect.html",
		"http://localhost:3000", "http://localhost:4200", "http://localhost:5173", "http://localhost:8080",
	}
}

// checkRedirectURI says why an application can't have a redirect URI, or nil.
func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || slices.Contains(unsafeSchemes, u.Scheme) {
		return errRedirectURI
	}
	return nil
}

// CheckRedirectURIs says which of an application's redirect URIs it can't have, and why.
// The lists are by their JSON pointers, and at is one. Each URI has one type.
func CheckRedirectURIs(lists map[string][]string) (at string, err error) {
	seen := map[string]string{}
	for _, list := range slices.Sorted(maps.Keys(lists)) {
		for i, uri := range lists[list] {
			at := fmt.Sprintf("%s/%d", list, i)
			if err := checkRedirectURI(uri); err != nil {
				return at, fmt.Errorf("%q: %w", uri, err)
			}
			if other, ok := seen[uri]; ok && other != list {
				return at, fmt.Errorf("%q stands in %s already: a redirect URI has one type", uri, other)
			}
			seen[uri] = list
		}
	}
	return "", nil
}

// parseRedirect reads a redirect URI that somebody is to be led to; one may have been
// registered before that was checked.
func parseRedirect(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || checkRedirectURI(uri) != nil {
		return nil, refuseRedirect(invalidRequest, "The redirect URI '%s' is not valid.", uri)
	}
	return u, nil
}

// redirectType is the type of the registered redirect URI that a request names; "" if it
// names none. One with the very port wins over one whose port is free.
func redirectType(app db.Application, uri string) (found db.RedirectUriType) {
	for _, of := range []struct {
		kind       db.RedirectUriType
		registered []string
	}{
		{db.RedirectUriTypeWeb, app.RedirectUris},
		{db.RedirectUriTypePublicClient, app.PublicClientRedirectUris},
		{db.RedirectUriTypeSpa, app.SpaRedirectUris},
	} {
		for _, registered := range of.registered {
			switch {
			case !sameRedirect(registered, uri):
			case samePort(registered, uri):
				return of.kind
			case found == "":
				found = of.kind
			}
		}
	}
	return found
}

// samePort compares URIs that sameRedirect holds for the same.
func samePort(registered, uri string) bool {
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	return registered == uri || errA == nil && errB == nil && a.Port() == b.Port()
}

// redirectURIs are all of an application.
func redirectURIs(app db.Application) []string {
	return slices.Concat(app.RedirectUris, app.PublicClientRedirectUris, app.SpaRedirectUris)
}

// checkOrigin holds a code or a refresh token to how the client got it: what was led to
// a single-page application is redeemed by its page, across origins, and nothing else is.
// https://learn.microsoft.com/entra/identity-platform/reply-url#spa
func (r tokenRequest) checkOrigin(kind db.RedirectUriType) error {
	origin := r.GetHeader("Origin")
	switch {
	case kind == db.RedirectUriTypeSpa && origin == "":
		return refuse(9002327, invalidRequest, "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.")
	case kind != db.RedirectUriTypeSpa && origin != "":
		return refuse(9002326, invalidRequest, "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: '%s'.", origin)
	}
	return nil
}

// addQuery sets parameters of a redirect URI; its own stay as they are.
func addQuery(u *url.URL, parameters url.Values) error {
	query, err := url.ParseQuery(keepSemicolons(u.RawQuery))
	if err != nil {
		return refuseRedirect(invalidRequest, "The redirect URI '%s' is not valid.", u.String())
	}
	maps.Copy(query, parameters)
	u.RawQuery = query.Encode()
	return nil
}

// withoutQuery is a URI without what may be secret in it.
func withoutQuery(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "(no URI)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
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
