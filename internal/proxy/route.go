package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mocktenant/mocktenant/internal/certs"
)

// refusal is the reason why a request isn't served, and its status.
type refusal struct {
	status int
	reason string // a few words for the status line; most clients show nothing else
	text   string // the body
}

func (e *refusal) Error() string { return "mocktenant proxy: " + e.text }

func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return http.StatusBadGateway
}

// route returns where a tunnel to HOST:PORT leads, as HOST:PORT.
func (p *Proxy) route(authority string) (string, error) {
	host, port, err := net.SplitHostPort(authority)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || host == "" {
		return "", &refusal{http.StatusBadRequest, "want HOST:PORT", fmt.Sprintf("CONNECT %q: want HOST:PORT", authority)}
	}
	switch {
	case !isMicrosoft(host):
		return authority, p.permit(host)
	case number != 443:
		return "", &refusal{
			http.StatusForbidden, "only port 443 leads to the service",
			fmt.Sprintf("%s is refused: of Microsoft's hosts, only port 443 leads to the service.", authority),
		}
	}
	return p.service, nil
}

// permit returns an error unless host, which isn't one of Microsoft's, is let through.
func (p *Proxy) permit(host string) error {
	if p.config.Others == Pass || slices.ContainsFunc(p.config.Pass, func(pattern string) bool { return matches(pattern, host) }) {
		return nil
	}
	return &refusal{
		http.StatusForbidden, "not in MOCKTENANT_PROXY_PASS",
		fmt.Sprintf("%s is refused: it isn't a host of Microsoft Graph or of its sign-in. To let it through, name it in MOCKTENANT_PROXY_PASS; to let all through, set MOCKTENANT_PROXY_OTHERS=pass.", host),
	}
}

// permitForward returns an error unless the proxy may forward a request without a tunnel.
func (p *Proxy) permitForward(r *http.Request) error {
	switch host := r.URL.Hostname(); {
	case host == "":
		return &refusal{
			status: http.StatusBadRequest,
			text:   "this is a forward proxy: set HTTPS_PROXY to this address, and ask for https://graph.microsoft.com.",
		}
	case r.URL.Scheme == "https":
		return &refusal{
			status: http.StatusBadRequest,
			text:   fmt.Sprintf("https://%s was requested without a tunnel (CONNECT), which would reveal its secrets to this proxy. For a client that can't open a tunnel, let the hosts file lead it to the service instead.", r.URL.Host),
		}
	case r.URL.Scheme != "http":
		return &refusal{status: http.StatusBadRequest, text: fmt.Sprintf("%s://%s: want http, or a tunnel (CONNECT).", r.URL.Scheme, r.URL.Host)}
	case isMicrosoft(host):
		return &refusal{
			status: http.StatusForbidden,
			text:   fmt.Sprintf("http://%s is refused: Microsoft's hosts lead to the service only over https. Ask for https://%[1]s.", host),
		}
	default:
		return p.permit(host)
	}
}

func isMicrosoft(host string) bool { return slices.Contains(certs.MicrosoftHosts, tidy(host)) }

// matches reports whether host is, or lies below, a pattern of MOCKTENANT_PROXY_PASS.
func matches(pattern, host string) bool {
	pattern, host = tidy(pattern), tidy(host)
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, below) && net.ParseIP(host) == nil
	}
	return host == pattern
}

// tidy returns host in the spelling used for comparisons.
func tidy(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
