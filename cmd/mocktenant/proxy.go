package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/proxy"
)

const (
	defaultProxyAddr = "127.0.0.1:8888"
	defaultSecureURL = "https://127.0.0.1:8443"
)

type proxyCommand struct {
	proxy.Config

	URL string
}

func newProxy(c *cli) *cobra.Command {
	p := &proxyCommand{}
	cmd := c.command("proxy", "Run a forward proxy that leads applications whose hosts can't be changed to a service.", p, proxyFlags{&p.Config, ""})
	cmd.Flags().StringVar(&p.URL, "url", "", "The `URL` of the service for HTTPS (default: that of the data directory's service, or https://127.0.0.1:8443).")
	cmd.Flags().IntVar(&p.Clients.PerAddress, "connections-per-address", defaultConnectionsPerAddress, connectionsPerAddressUsage)
	settings(cmd.Flags(), "", map[string]string{"connections-per-address": "MOCKTENANT_CONNECTIONS_PER_ADDRESS"})
	return cmd
}

// Run leads applications to a running service until ctx ends.
func (p *proxyCommand) Run(ctx context.Context, c *cli, con console) error {
	p.Addr = cmp.Or(p.Addr, defaultProxyAddr)
	base, dir, err := p.service(c.Database)
	if err != nil {
		return err
	}
	t, err := findTarget(ctx, base)
	if err != nil {
		return err
	}
	srv, err := proxy.Listen(ctx, p.Config, t.addr, con.log)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve() }()
	if err = p.announce(con.out, srv.URL(), base, t.ca, dir); err == nil {
		con.log.Info("ready", "url", srv.URL())
		select {
		case <-ctx.Done():
			con.log.Info("stopping", "reason", "signal")
		case err = <-failed:
		}
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return errors.Join(err, srv.Shutdown(drain))
}

// service returns the service's address and, if it was found there, the data directory that
// records it.
func (p *proxyCommand) service(f databaseFlags) (base, dir string, err error) {
	base = p.URL
	if base == "" {
		base = defaultSecureURL
		if dir, err = f.dataDir(); err != nil {
			return "", "", err
		}
		if found, ok := findService(dir); !ok {
			dir = ""
		} else if base = found.SecureURL; base == "" {
			return "", "", fmt.Errorf("the service at %s doesn't listen for HTTPS: start it with MOCKTENANT_HTTPS_ADDR", found.URL)
		}
	}
	if u, err := url.Parse(base); err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return "", "", fmt.Errorf("--url %q: want https://HOST[:PORT] without a path", base)
	}
	return strings.TrimSuffix(base, "/"), dir, nil
}

// announce prints what the proxy does, and the settings for the application.
func (p *proxyCommand) announce(w io.Writer, at, base string, ca []byte, dir string) error {
	others := "refuses all others"
	switch {
	case p.Others == proxy.Pass:
		others = "passes all others on"
	case len(p.Pass) > 0:
		others += " but " + strings.Join(p.Pass, ", ")
	}
	if _, err := fmt.Fprintf(w, "mocktenant proxy at %s leads Microsoft's hosts to %s and %s\n\nFor the application, where it is started:\n\n", at, base, others); err != nil {
		return err
	}
	path := ""
	if ca != nil {
		var err error
		if path, err = writeCA(dir, ca); err != nil {
			return err
		}
	}
	if err := printVariables(w, "sh", proxySettings(at, path)); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// proxySettings returns the variables with which applications find the proxy and trust the
// certificate authority in a file; "" if the service uses another certificate. They come in
// both spellings, because some programs prefer existing lower-case ones.
func proxySettings(at, ca string) []variable {
	const direct = "localhost,127.0.0.1,::1"
	all := []variable{{"HTTPS_PROXY", at}, {"https_proxy", at}, {"NO_PROXY", direct}, {"no_proxy", direct}}
	if ca != "" {
		for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
			all = append(all, variable{name, ca})
		}
	}
	return all
}

// target is a service to which Microsoft's hosts can lead.
type target struct {
	addr string // HOST:PORT
	ca   []byte // PEM; nil if the certificate isn't by the service's authority
}

// findTarget makes sure that the service at a URL is mocktenant, and that it works for
// applications that expect Microsoft's hosts.
func findTarget(ctx context.Context, base string) (target, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	u, err := url.Parse(base)
	if err != nil {
		return target{}, err
	}
	t := target{addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))}
	client := t.client()
	defer client.CloseIdleConnections()
	var ready struct{ Checks map[string]string }
	if _, text, err := get(ctx, client, base+"/readyz"); err != nil {
		return t, fmt.Errorf("no service answers at %s: %w: start one with mocktenant serve, or name it with --url", base, err)
	} else if json.Unmarshal(text, &ready) != nil || ready.Checks == nil {
		return t, fmt.Errorf("what answers at %s isn't mocktenant", base)
	}
	response, pem, err := get(ctx, client, base+"/.well-known/mocktenant/ca.pem")
	if err != nil {
		return t, err
	}
	if response.StatusCode == http.StatusOK {
		t.ca = pem
	}
	return t, t.check(ctx, client, base)
}

// client connects to the service, whatever the request's host. It trusts any certificate,
// because it sends no secrets and fetches the certificate authority.
func (t target) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, t.addr)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

// check makes the requests of an application that signs in.
func (t target) check(ctx context.Context, client *http.Client, base string) error {
	const authority = "https://login.microsoftonline.com/"
	response, text, err := get(ctx, client, authority+"common/v2.0/.well-known/openid-configuration")
	if err != nil {
		return fmt.Errorf("%s as %s: %w", base, authority, err)
	}
	chain := response.TLS.PeerCertificates
	if missing := certs.MissingHosts(chain[0], certs.MicrosoftHosts); len(missing) > 0 {
		return fmt.Errorf("the certificate of %s does not name %s: start the service with MOCKTENANT_MICROSOFT_HOSTS=true; or with MOCKTENANT_PROXY_ADDR=%s, to make it the proxy too", base, strings.Join(missing, ", "), defaultProxyAddr)
	}
	if t.ca != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(t.ca)
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			return fmt.Errorf("the certificate of %s was not issued by the service's own authority, which applications will trust: %w", base, err)
		}
	}
	var found struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Errorf("%s as %s: %s: %w", base, authority, response.Status, err)
	}
	if !strings.HasPrefix(found.TokenEndpoint, authority) {
		return fmt.Errorf("links in the answers of %s lead to %s, which clients that called %s refuse: start the service without MOCKTENANT_PUBLIC_URL", base, found.TokenEndpoint, authority)
	}
	return nil
}

// get returns a complete answer.
func get(ctx context.Context, client *http.Client, url string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response, text, err
}
