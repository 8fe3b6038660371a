package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/console"
)

// front handles a request before any other handler. After it, RemoteAddr is the client's
// address, and URL.Scheme and Host are those that the client used.
func (s *Server) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Host
		r.URL.Scheme = "http" // whatever an absolute request target says
		if r.TLS != nil {
			r.URL.Scheme = "https"
		}
		if s.config.TrustedHops > 0 {
			believeHops(r, s.config.TrustedHops)
			believeLinks(r, s.config.TrustedHops)
		}
		switch {
		case !goodHost(r):
			http.Error(w, "400 Bad Request: malformed Host header", http.StatusBadRequest) // as net/http says it
		case s.config.Demo && s.own[r.URL.Path] == nil && (!s.isOurs(asked) || !s.isOurs(r.Host)):
			http.Error(w, fmt.Sprintf("421 Misdirected Request: while the service has the demo tenant, whose credentials are public, it doesn't answer for names that strangers could own, and %q may be one. If it is yours, add it to MOCKTENANT_TLS_HOSTS.", r.Host), http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// adminFront does the same for the administration. It keeps the request's Host, which decides
// access as long as no key exists. URL.Host is the one that the client used.
func (s *Server) adminFront(next, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if s.config.TrustedHops > 0 {
			believeHops(r, s.config.TrustedHops)
			believeLinks(r, s.config.TrustedHops)
		}
		known := goodHost(r)
		r.URL.Host, r.Host = r.Host, host
		if !known || !goodHost(r) {
			http.Error(w, "400 Bad Request: malformed Host header", http.StatusBadRequest)
			return
		}
		switch {
		case wantsPage(r):
			welcomeAdministrator(w, r)
		case console.Serves(r.URL.Path):
			pages.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// believeHops sets the client's address from X-Forwarded-For, to whose end each proxy adds
// its caller's address. A request that passed fewer proxies keeps its own.
func believeHops(r *http.Request, hops int) {
	all := elements(r.Header["X-Forwarded-For"])
	if len(all) < hops {
		return
	}
	text := all[len(all)-hops]
	if host, _, err := net.SplitHostPort(text); err == nil { // some add the port
		text = host
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		r.RemoteAddr = net.JoinHostPort(ip.Unmap().WithZone("").String(), "0")
	}
}

// believeLinks sets the start of links from X-Forwarded-Proto and -Host. From a list it
// uses what the outermost proxy added; most proxies send a single value of their own.
func believeLinks(r *http.Request, hops int) {
	outermost := func(name string) string {
		all := elements(r.Header[name])
		if len(all) == 0 {
			return ""
		}
		return all[max(0, len(all)-hops)]
	}
	if scheme := strings.ToLower(outermost("X-Forwarded-Proto")); scheme == "http" || scheme == "https" {
		r.URL.Scheme = scheme
	}
	if host := outermost("X-Forwarded-Host"); host != "" {
		r.Host = host
	}
}

// elements returns the elements of a list header (RFC 9110 section 5.6.1).
func elements(values []string) []string {
	var all []string
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			if element = strings.TrimSpace(element); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// goodHost reports whether a request's Host, which becomes part of links, is HOST or
// HOST:PORT. net/http checks the HTTP/1.1 header only loosely, and the :authority of HTTP/2
// not at all. HTTP/1.0, which health checks use, needs none.
func goodHost(r *http.Request) bool {
	if r.Host == "" {
		return !r.ProtoAtLeast(1, 1)
	}
	host, port := cutPort(r.Host)
	if _, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil {
		return false
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		return strings.HasSuffix(bare, "]") && err == nil && ip.Is6() && ip.Zone() == ""
	}
	const most = 253 // of a name in DNS
	return host != "" && len(host) <= most && strings.IndexFunc(host, func(c rune) bool {
		return c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) < 0
}

// cutPort splits HOST:PORT; the port may be missing.
func cutPort(hostPort string) (host, port string) {
	i := strings.LastIndexByte(hostPort, ':')
	if i < 0 || strings.HasSuffix(hostPort, "]") {
		return hostPort, ""
	}
	return hostPort[:i], hostPort[i+1:]
}

// unownable are suffixes of names that nobody can register: those of RFC 6761, and of
// clusters and containers.
var unownable = []string{".localhost", ".test", ".example", ".invalid", ".internal", ".svc.cluster.local"}

// isOurs reports whether a Host is an address, a name that no stranger can own, or one of
// the service's. If DNS leads a stranger's name here ("rebinding"), its page has the rights
// of a page of the service, and the demo tenant's password is public.
func (s *Server) isOurs(hostPort string) bool {
	host, _ := cutPort(hostPort)
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") { // no domain: nor has [::1], nor HTTP/1.0 without any
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(unownable, func(end string) bool { return strings.HasSuffix(host, end) }) ||
		slices.Contains(certs.MicrosoftHosts, host) || slices.ContainsFunc(s.hosts, func(of string) bool { return matchesHost(of, host) })
}

// matchesHost reports whether a certificate's name, which may be *.NAME, covers a host.
func matchesHost(of, host string) bool {
	of = strings.ToLower(of)
	if below, ok := strings.CutPrefix(of, "*"); ok {
		_, rest, _ := strings.Cut(host, ".")
		return "."+rest == below
	}
	return of == host
}
