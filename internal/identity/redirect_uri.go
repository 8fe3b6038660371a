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

// Nobody is redirected to a URL that a browser executes, or that contains the page to show.
// An application's own scheme is fine: myapp://signed-in.
var unsafeSchemes = []string{"javascript", "vbscript", "data"}

var errRedirectURI = errors.New("want an absolute URI whose scheme is not javascript, vbscript or data")

// LocalRedirectURIs are the redirect URIs of an application for experiments, with which
// tools and pages under development work at once: tools on any port, pages at the paths of
// MSAL's samples on any port, and pages at other paths on the ports of common servers.
func LocalRedirectURIs() (tools, pages []string) {
	return []string{"http://localhost", "http://127.0.0.1"}, []string{
		"http://localhost/redirect", "http://localhost/redirect.html",
		"http://localhost:3000", "http://localhost:4200", "http://localhost:5173", "http://localhost:8080",
	}
}

// checkRedirectURI returns an error unless an application may have the redirect URI.
func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || slices.Contains(unsafeSchemes, u.Scheme) {
		return errRedirectURI
	}
	return nil
}

// CheckRedirectURIs returns an error if an application may not have one of the redirect
// URIs. lists is keyed by JSON pointer, and at is the pointer of the invalid URI. Each URI
// has one type.
func CheckRedirectURIs(lists map[string][]string) (at string, err error) {
	seen := map[string]string{}
	for _, list := range slices.Sorted(maps.Keys(lists)) {
		for i, uri := range lists[list] {
			at := fmt.Sprintf("%s/%d", list, i)
			if err := checkRedirectURI(uri); err != nil {
				return at, fmt.Errorf("%q: %w", uri, err)
			}
			if other, ok := seen[uri]; ok && other != list {
				return at, fmt.Errorf("%q is already in %s: a redirect URI has one type", uri, other)
			}
			seen[uri] = list
		}
	}
	return "", nil
}

// parseRedirect reads the redirect URI of a redirect. It checks the URI again, because it
// may have been registered before the check existed.
func parseRedirect(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || checkRedirectURI(uri) != nil {
		return nil, refuseRedirect(invalidRequest, "The redirect URI '%s' is not valid.", uri)
	}
	return u, nil
}

// redirectType returns the type of the registered redirect URI that matches uri, or "". An
// exact port takes precedence over a registration whose port is free.
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

// samePort compares the ports of URIs that sameRedirect considers equal.
func samePort(registered, uri string) bool {
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	return registered == uri || errA == nil && errB == nil && a.Port() == b.Port()
}

// redirectURIs returns all redirect URIs of an application.
func redirectURIs(app db.Application) []string {
	return slices.Concat(app.RedirectUris, app.PublicClientRedirectUris, app.SpaRedirectUris)
}

// checkOrigin checks that a code or a refresh token is redeemed in the way it was obtained:
// one issued to a single-page application by its page, across origins, and any other not by
// a page. https://learn.microsoft.com/entra/identity-platform/reply-url#spa
func (r tokenRequest) checkOrigin(kind db.RedirectUriType) error {
	origin := r.x.GetHeader("Origin")
	switch {
	case kind == db.RedirectUriTypeSpa && origin == "":
		return refuse(9002327, invalidRequest, "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.")
	case kind != db.RedirectUriTypeSpa && origin != "":
		return refuse(9002326, invalidRequest, "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: '%s'.", origin)
	}
	return nil
}

// addQuery adds parameters to a redirect URI and keeps its own.
func addQuery(u *url.URL, parameters url.Values) error {
	query, err := url.ParseQuery(keepSemicolons(u.RawQuery))
	if err != nil {
		return refuseRedirect(invalidRequest, "The redirect URI '%s' is not valid.", u.String())
	}
	maps.Copy(query, parameters)
	u.RawQuery = query.Encode()
	return nil
}

// withoutQuery returns a URI without the parts that may be secret.
func withoutQuery(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "(no URI)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// postable reports whether a browser can post a form to uri. To an application with its own
// scheme it passes only the URI, without the form.
func postable(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && isHTTP(u)
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// sameRedirect reports whether a URI is exactly the registered one. Only on the loopback
// interface may the port differ, because an application gets any free port there (RFC 8252
// section 7.3).
// https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions
func sameRedirect(registered, uri string) bool {
	if registered == uri {
		return true
	}
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	if errA != nil || errB != nil {
		return false
	}
	if !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, a.Hostname()) {
		return false
	}
	if b.User != nil || b.Fragment != "" {
		return false
	}
	withoutPort := func(u *url.URL) [3]string {
		return [3]string{u.Hostname(), strings.TrimSuffix(u.EscapedPath(), "/"), u.RawQuery}
	}
	return a.Scheme == "http" && b.Scheme == "http" && withoutPort(a) == withoutPort(b)
}
