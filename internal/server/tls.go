package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
)

// caPath is the path of the certificate authority for clients to trust.
const caPath = "/.well-known/mocktenant/ca.pem"

// secure prepares HTTPS, if it is enabled, with the user's own certificate or one from the
// service's authority.
func (s *Server) secure(ctx context.Context) error {
	if s.config.HTTPSAddr == "" {
		return nil
	}
	get, err := s.certificates(ctx)
	if err == nil {
		// HTTP/2 is named here because net/http sets it up once per server and, if plain
		// HTTP comes first, only if it is named.
		s.tls = &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	return err
}

func (s *Server) certificates(ctx context.Context) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if s.config.TLSCertFile != "" {
		return s.ownCertificate()
	}
	// The real time, whatever the service's clock says, because clients use the real time.
	hosts := s.config.hosts()
	authority, err := certs.Open(ctx, db.New(s.pool), hosts, machine(), time.Now())
	if err != nil {
		return nil, err
	}
	if authority.Renewed {
		s.log.Warn("made a new certificate authority, because the previous one couldn't name all hosts: let clients trust this one", "hosts", hosts)
	}
	for _, name := range machine() {
		if authority.Permits(name) {
			hosts = append(hosts, name)
		} else {
			s.log.Info("the certificate doesn't name this machine, because the certificate authority may not: set MOCKTENANT_TLS_HOSTS to get a new authority", "name", name)
		}
	}
	s.ca = authority.PEM()
	return authority.Certificates(hosts, time.Now)
}

// machine returns this machine's name, if it has one. Each container has another, which
// must not make clients trust a new authority.
func machine() []string {
	name, err := os.Hostname()
	if err != nil || name == "" || name == "localhost" {
		return nil
	}
	return []string{name}
}

// ownCertificate returns the user's certificate, which must name the hosts that clients
// use.
func (s *Server) ownCertificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	get, err := certs.FromFiles(s.config.TLSCertFile, s.config.TLSKeyFile, func(err error) {
		s.log.Error("the certificate is unchanged", "error", err)
	})
	if err != nil || !s.config.namesMicrosoft() {
		return get, err
	}
	now, err := get(nil)
	if err != nil {
		return nil, err
	}
	if missing := certs.MissingHosts(now.Leaf, certs.MicrosoftHosts); len(missing) > 0 {
		return nil, fmt.Errorf("MOCKTENANT_TLS_CERT_FILE %q does not name %s, which MOCKTENANT_MICROSOFT_HOSTS and MOCKTENANT_PROXY_ADDR need: use a certificate that does, or none, so that the service makes one", s.config.TLSCertFile, strings.Join(missing, ", "))
	}
	return get, nil
}

// hosts returns the names and addresses that clients may use, except this machine's name.
func (c *Config) hosts() []string {
	all := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(c.HTTPSAddr); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() {
		all = append(all, host)
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		all = append(all, u.Hostname())
	}
	all = append(all, c.TLSHosts...)
	if c.namesMicrosoft() {
		all = append(all, certs.MicrosoftHosts...)
	}
	slices.Sort(all[1:]) // localhost is the name that is shown
	return slices.Compact(all)
}

func (s *Server) serveCA(w http.ResponseWriter, r *http.Request) {
	if s.ca == nil {
		http.Error(w, "The service has no certificate authority of its own.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="mocktenant-ca.pem"`)
	_, _ = w.Write(s.ca)
}
